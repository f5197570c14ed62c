// A message on its way to a device, and what a transport learns of it there.

package import Events

/// A message as the delivery gives it to a connection: what its protocol may want to know of it, and the bytes.
package struct DownEnvelope: Sendable, Hashable {
    /// To whom it goes; the connection's table fills it in.
    package var device = DeviceID.none
    package var id: MessageID
    package var kind: EventKind
    /// Until when it is of use; nil for as long as it takes.
    package var expires: Timestamp?
    /// One JSON object (`DownMessage`), the same over every transport.
    package var json: [UInt8]

    package init(_ id: MessageID, _ kind: EventKind, expires: Timestamp? = nil, json: [UInt8]) {
        (self.id, self.kind, self.expires, self.json) = (id, kind, expires, json)
    }
}

/// How a device is to stand, for a connection that has asked to be told.
package struct StateEnvelope: Sendable, Hashable {
    package var device: DeviceID
    /// One JSON object.
    package var json: [UInt8]

    package init(_ device: DeviceID, json: [UInt8]) { (self.device, self.json) = (device, json) }
}

/// How many messages wait for each device, as the outbox has last said. It is behind the log by up to a second.
package struct WaitingCounts: Sendable, Hashable {
    /// By the devices' numbers; none while no message is open.
    private var counts: [UInt8] = []

    package init(_ counts: [UInt8] = []) { self.counts = counts }

    /// Nil while no message is open, and for a device that the outbox has not heard of.
    package subscript(device: DeviceID) -> UInt32? {
        let index = Int(device.rawValue)
        return index < counts.count ? UInt32(counts[index]) : nil
    }

    /// - Returns: whether these are others.
    package mutating func replace(by new: WaitingCounts) -> Bool {
        guard self != new else { return false }
        self = new
        return true
    }

    /// Puts the counts of some devices in the place of theirs.
    package mutating func set(_ some: [(device: DeviceID, count: UInt8)]) {
        for one in some where Int(one.device.rawValue) < counts.count {
            counts[Int(one.device.rawValue)] = one.count
        }
    }
}

/// What a protocol itself says of a message, without the program on the device: that the device has it, as PUBACK or
/// the token of a poll says, or that it does not take it.
package struct TransportReceipt: Sendable, Hashable {
    package var device: DeviceID
    package var message: MessageID
    package var stage: ReceiptStage

    package init(_ device: DeviceID, _ message: MessageID, _ stage: ReceiptStage = .received) {
        (self.device, self.message, self.stage) = (device, message, stage)
    }
}
