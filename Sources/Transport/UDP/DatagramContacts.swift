// Devices that were heard over datagrams while messages wait for them: where they are, and how much may go there.

package import Events
package import NIOCore
package import Wire

/// What a signed datagram says of the way back to its device.
package struct DatagramContact {
    package var device: DeviceID
    /// The datagram that the messages answer.
    package var request: DatagramHeader
    package var signer: DatagramSigner
    /// Bytes that may go back for it, beside its ack.
    package var allowance: Int
    /// Messages that the device says it has.
    package var received: [MessageID] = []

    package init(device: DeviceID, request: DatagramHeader, signer: DatagramSigner, allowance: Int) {
        (self.device, self.request, self.signer, self.allowance) = (device, request, signer, allowance)
    }
}

/// A datagram to a device, ready to be sent.
package struct DatagramPush: Hashable, Sendable {
    package var bytes: [UInt8]
    package var address: DatagramAddress
    package var source: DatagramSource?
}

/// The way back over datagrams, for as long as routers keep it open. Pure: time goes in as a number.
///
/// One message is under way to a device at a time. What comes in a datagram that was recorded and is sent again opens
/// no way: only one with a higher counter does.
package struct DatagramContacts {
    fileprivate struct Entry {
        var request: DatagramHeader
        var signer: DatagramSigner
        var address: DatagramAddress
        var source: DatagramSource?
        /// Which socket it came by.
        var socket: ObjectIdentifier
        var isPrivate: Bool
        var allowance: Int
        var until: NIODeadline
        var underWay: MessageID?
        /// When the message under way may be offered again, and how often it was.
        var again = NIODeadline.distantPast
        var offers = 0
    }

    private struct Request: Hashable {
        var keyID: UInt32
        var epoch: UInt32
        var counter: UInt32

        init(_ header: DatagramHeader) { (keyID, epoch, counter) = (header.keyID, header.epoch, header.counter) }
    }

    private var entries: [DeviceID: Entry] = [:]
    private var byRequest: [Request: DeviceID] = [:]

    package init() {}

    package var count: Int { entries.count }

    /// A device was heard.
    ///
    /// - Returns: whether what waits for it should be offered now.
    package mutating func note(
        _ contact: DatagramContact, at address: DatagramAddress, from source: DatagramSource?,
        by socket: ObjectIdentifier, isPrivate: Bool, now: NIODeadline
    ) -> Bool {
        let device = contact.device
        var entry =
            entries[device]
            ?? Entry(
                request: contact.request, signer: contact.signer, address: address, source: source, socket: socket,
                isPrivate: isPrivate, allowance: 0, until: .distantPast)
        if entries[device] != nil, !Self.isNewer(contact.request, than: entry.request) { return false }
        if entries[device] == nil, entries.count >= TransportLimits.datagramContacts {
            forget(before: now)
            guard entries.count < TransportLimits.datagramContacts else { return false }
        }
        byRequest[Request(entry.request)] = nil
        (entry.request, entry.signer, entry.address) = (contact.request, contact.signer, address)
        (entry.source, entry.socket, entry.isPrivate) = (source, socket, isPrivate)
        entry.allowance = contact.allowance
        entry.until = now + .seconds(TransportLimits.datagramContactSeconds)
        entry.arrived(contact.received)
        let isDue = entry.underWay == nil || now >= entry.again
        if isDue { entry.underWay = nil }
        entries[device] = entry
        byRequest[Request(entry.request)] = device
        // What is there is told to the log first, and then the next message is offered.
        return isDue && contact.received.isEmpty
    }

    /// An ACK datagram answers messages.
    ///
    /// - Returns: the device that it is of; nil when nothing went out for that datagram.
    package mutating func acknowledged(_ received: [MessageID], for header: DatagramHeader) -> DeviceID? {
        guard let device = byRequest[Request(header)] else { return nil }
        entries[device]?.arrived(received)
        return device
    }

    /// A message to a device as a datagram, if there is a way, and room on it.
    package mutating func push(
        _ message: DownEnvelope, to device: DeviceID, now: NIODeadline
    ) -> (push: DatagramPush, socket: ObjectIdentifier)? {
        guard var entry = entries[device], now < entry.until, entry.underWay == nil,
            !message.kind.isForPeople || entry.isPrivate
        else { return nil }
        let size = DatagramHeader.headerBytes + message.json.count + DatagramHeader.trailerBytes
        guard size <= entry.allowance else { return nil }
        var header = entry.request
        (header.type, header.flags) = (.push, [])
        var bytes: [UInt8] = []
        header.write(body: message.json.span, into: &bytes)
        entry.signer.sign(&bytes, from: 0)
        entry.allowance -= size
        entry.underWay = message.id
        entry.again = now + .seconds(min(TransportLimits.datagramContactSeconds << Int64(min(entry.offers, 9)), 3_600))
        entry.offers += 1
        entries[device] = entry
        return (DatagramPush(bytes: bytes, address: entry.address, source: entry.source), entry.socket)
    }

    /// A device that is forgotten.
    package mutating func forget(_ device: DeviceID) {
        guard let entry = entries.removeValue(forKey: device) else { return }
        byRequest[Request(entry.request)] = nil
    }

    /// Lets go of the devices whose way is closed.
    private mutating func forget(before now: NIODeadline) {
        for (device, entry) in entries where entry.until <= now { forget(device) }
    }

    private static func isNewer(_ header: DatagramHeader, than known: DatagramHeader) -> Bool {
        if header.epoch != known.epoch { return header.epoch > known.epoch }
        return Int32(bitPattern: header.counter &- known.counter) > 0
    }
}

extension DatagramContacts.Entry {
    /// The device has these messages.
    fileprivate mutating func arrived(_ received: [MessageID]) {
        guard let message = underWay, received.contains(message) else { return }
        (underWay, offers, again) = (nil, 0, .distantPast)
    }
}
