// Whom a message goes to, as events `addressed` have recorded it.

import Bytes
import Events

/// Devices of a message of which not all parts have come.
struct PartialAddressing: Equatable, Sendable {
    /// The log as of which they were found; parts of another one begin anew.
    var asOf: UInt64
    var devices: [UInt32] = []
}

extension Outbox {
    /// Part of the devices that a message goes to. They count once the last part has come, and only the first whole set
    /// does: who was killed in between has decided again.
    mutating func address(
        _ event: borrowing Event, _ details: EventDetails, _ payload: ArraySlice<UInt8>, at offset: UInt64,
        _ audience: borrowing some OutboxAudience
    ) {
        guard let index = index(of: details.cause), messages[index].isOpen, !messages[index].isAddressed,
            let form = AddressedForm(rawValue: event.scale)
        else { return }
        var asOf = offset
        if case .whole(let number) = event.value, number >= 0 { asOf = UInt64(number) }
        var set = partial[details.cause] ?? PartialAddressing(asOf: asOf)
        if set.asOf != asOf { set = PartialAddressing(asOf: asOf) }
        switch form {
        case .all: set.devices = Self.all(of: messages[index].product, audience)
        case .list: set.devices += readNumbers(payload)
        case .bits: set.devices += readBits(payload, from: event.count)
        }
        guard event.severity & 1 != 0 else {
            partial[details.cause] = set
            return
        }
        partial[details.cause] = nil
        messages[index].asOf = asOf + 1
        touch(index)
        // One that devices get as they come has no entries before.
        guard !messages[index].terms.isLive else { return }
        for device in set.devices where audience.product(of: device) == messages[index].product {
            enter(device, index, at: event.arrival, audience)
        }
    }

    private static func all(of product: UInt32, _ audience: borrowing some OutboxAudience) -> [UInt32] {
        var devices: [UInt32] = []
        for device in 1..<UInt32(max(1, audience.deviceCount)) where audience.product(of: device) == product {
            devices.append(device)
        }
        return devices
    }

    /// A device is among those that a message goes to.
    private mutating func enter(
        _ device: UInt32, _ index: Int, at time: Timestamp, _ audience: borrowing some OutboxAudience
    ) {
        guard entries[index][device].state == .none else { return }
        let message = messages[index]
        if message.isSetting {
            if message.terms.policy == .default, audience.hasChosen(device, message.aspect) {
                return put(Delivery(.overridden), index, device)
            }
            if isOutranked(index, device) { return put(Delivery(.superseded), index, device) }
        }
        supersede(index, device)
        if pendingCount(device) >= MessageLimits.pending { return put(.overQuota, index, device) }
        let isAllowed = mayGo(message, device, at: time, audience)
        put(Delivery(isAllowed ? .queued : .withheld), index, device)
    }

    /// Whether a message may be brought to a device by what its customer has agreed to.
    func mayGo(
        _ message: OutboxMessage, _ device: UInt32, at time: Timestamp, _ audience: borrowing some OutboxAudience
    ) -> Bool {
        guard message.needsConsent else { return true }
        let customer = audience.customer(of: device)
        guard customer != 0, !erased.contains(customer) else { return false }
        return audience.agrees(customer, message.product, at: time)
    }

    /// Older messages that this one takes the place of are over at the device.
    private mutating func supersede(_ index: Int, _ device: UInt32) {
        let newer = messages[index]
        for older in open where messages[older].isReplaced(by: newer) {
            guard !newer.isSetting || messages[older].terms.scope <= newer.terms.scope else { continue }
            let state = entries[older][device].state
            if state.closed(.superseded) != state { move(older, device, to: .superseded) }
        }
    }

    /// Whether a setting for fewer devices than this one holds at the device.
    private func isOutranked(_ index: Int, _ device: UInt32) -> Bool {
        let new = messages[index]
        return open.contains { other in
            let old = messages[other]
            return old.isSetting && old.product == new.product && old.aspect == new.aspect
                && old.terms.scope > new.terms.scope && holds(other, device)
        }
    }

    /// Whether a setting is there for a device, or on its way.
    func holds(_ index: Int, _ device: UInt32) -> Bool {
        switch entries[index][device].state {
        case .queued, .sent, .received, .shown, .answered, .applied, .refused, .withheld, .dismissed: true
        case .none, .failed, .expired, .cancelled, .superseded, .overridden, .left: false
        }
    }
}

/// The numbers of a JSON array; those before the first thing that is none.
func readNumbers(_ json: ArraySlice<UInt8>) -> [UInt32] {
    var numbers: [UInt32] = []
    var number: UInt64?
    for byte in json.dropFirst() {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): number = min((number ?? 0) * 10 + UInt64(byte - 48), 1 << 32)
        case UInt8(ascii: ","), UInt8(ascii: "]"):
            guard let read = number, read <= UInt64(ProjectionLimits.highestPseudonym) else { return numbers }
            numbers.append(UInt32(read))
            number = nil
        default: return numbers
        }
    }
    return numbers
}

/// The devices whose bits are set, from a number on.
private func readBits(_ json: ArraySlice<UInt8>, from first: UInt32) -> [UInt32] {
    guard json.count >= 2, let bytes = base64URLDecoded(json.dropFirst().dropLast()) else { return [] }
    var devices: [UInt32] = []
    for (index, byte) in bytes.enumerated() where byte != 0 {
        for bit in 0..<8 where byte & (1 << bit) != 0 {
            let device = UInt64(first) + UInt64(index * 8 + bit)
            guard device <= UInt64(ProjectionLimits.highestPseudonym) else { return devices }
            devices.append(UInt32(device))
        }
    }
    return devices
}
