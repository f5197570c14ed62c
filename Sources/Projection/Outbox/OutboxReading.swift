// What the outbox says of messages to who asks the daemon: standing, entries, what waits for a device.

import Admission
package import Events

/// How a message stands.
package struct MessageStanding: Sendable, Equatable {
    package var id: MessageID
    package var kind: EventKind
    package var terms: MessageTerms
    package var product: SymbolID
    package var aspect: SymbolID
    package var collapse: SymbolID
    package var device: DeviceID
    package var expires: Timestamp?
    package var payload: [UInt8]
    /// The log as of which its devices were found; nil while they are not.
    package var asOf: Offset?
    package var closing: ClosingReason?
    /// Devices in each state, by the state's number.
    package var counts: [Int]
    package var late: Int
    package var attempts: Int

    package var addressed: Int { counts.reduce(0, +) }
    package func count(_ state: DeliveryState) -> Int { counts[Int(state.rawValue)] }
}

/// How a message stands at one device.
package struct DeliveryStanding: Sendable, Equatable {
    package var device: DeviceID
    package var state: DeliveryState
    package var attempts: Int
}

/// A message that is to be brought to a device.
package struct Outgoing: Sendable {
    package var id: MessageID
    package var kind: EventKind
    package var terms: MessageTerms
    package var accepted: Timestamp
    package var expires: Timestamp?
    package var attempts: Int
    /// Of a setting: the device's highest number in its latest epoch, as far as it is folded.
    package var seen: (epoch: UInt32, seq: UInt64)?
    /// The JSON of the message, without what is the delivery's.
    package var payload: [UInt8]

    package init(
        id: MessageID, kind: EventKind, terms: MessageTerms, accepted: Timestamp, expires: Timestamp?, attempts: Int,
        seen: (epoch: UInt32, seq: UInt64)?, payload: [UInt8]
    ) {
        (self.id, self.kind, self.terms, self.accepted) = (id, kind, terms, accepted)
        (self.expires, self.attempts, self.seen, self.payload) = (expires, attempts, seen, payload)
    }
}

extension SummaryState {
    package var lastMessage: UInt32 { outbox.lastNumber }
    package var outboxBytes: Int { outbox.bytes }
    package var hasOpenMessages: Bool { !outbox.open.isEmpty }
    package var strayReceipts: UInt64 { outbox.strays }
    /// The ids of all messages, for who checks receipts when they come in.
    package var messageIDs: [MessageID] { outbox.messages.map { MessageID(number: $0.number, tag: $0.tag) } }

    /// The message that its author has given an id of his own.
    package func message(withKey key: UInt64) -> MessageID? {
        guard let number = outbox.keys[key], let index = outbox.index(of: number) else { return nil }
        return MessageID(number: number, tag: outbox.messages[index].tag)
    }

    /// The messages of a product that are not over, or of all products.
    package func openMessages(of product: SymbolID? = nil) -> [MessageStanding] {
        outbox.open.filter { product == nil || outbox.messages[$0].product == product?.rawValue }.map(standing)
    }

    package func standing(ofMessage number: UInt32) -> MessageStanding? { outbox.index(of: number).map(standing) }

    private func standing(_ index: Int) -> MessageStanding {
        let message = outbox.messages[index]
        return MessageStanding(
            id: MessageID(number: message.number, tag: message.tag), kind: message.kind, terms: message.terms,
            product: SymbolID(rawValue: message.product), aspect: SymbolID(rawValue: message.aspect),
            collapse: SymbolID(rawValue: message.collapse), device: DeviceID(rawValue: message.device),
            expires: message.expires == 0 ? nil : Timestamp(rawValue: message.expires),
            payload: outbox.payloads[index],
            asOf: message.isAddressed ? Offset(rawValue: message.asOf - 1) : nil,
            closing: ClosingReason(rawValue: message.closing),
            counts: message.states.indices.map { Int(message.states[$0]) }, late: Int(message.late),
            attempts: Int(clamping: message.attempts))
    }

    /// The entries of a message, in the order of the devices.
    package func deliveries(ofMessage number: UInt32) -> [DeliveryStanding] {
        guard let index = outbox.index(of: number) else { return [] }
        var found: [DeliveryStanding] = []
        outbox.entries[index].visit { device, entry in found.append(Self.standing(device, entry)) }
        return found
    }

    /// What every message that went to a device has become there.
    package func deliveries(to device: DeviceID) -> [(message: MessageStanding, delivery: DeliveryStanding)] {
        outbox.messages.indices.compactMap { index in
            let entry = outbox.entries[index][device.rawValue]
            guard entry.state != .none else { return nil }
            return (standing(index), Self.standing(device.rawValue, entry))
        }
    }

    private static func standing(_ device: UInt32, _ entry: Delivery) -> DeliveryStanding {
        DeliveryStanding(
            device: DeviceID(rawValue: device), state: entry.state,
            attempts: entry.isOverQuota ? 0 : Int(entry.attempts))
    }

    /// The ordinal of the setting of an aspect that holds for all devices of a product, or for one; 0 for none.
    package func settingVersion(of aspect: SymbolID, product: SymbolID, device: DeviceID) -> UInt32 {
        outbox.open.last { index in
            let message = outbox.messages[index]
            return message.isSetting && message.product == product.rawValue && message.aspect == aspect.rawValue
                && message.device == device.rawValue
        }.map { outbox.messages[$0].number } ?? 0
    }

    /// The product that a device belongs to; `.none` for one that was not heard.
    package func product(of device: DeviceID) -> SymbolID { SymbolID(rawValue: product(of: device.rawValue)) }

    /// Whether the customer of a device has agreed to be written to.
    package func agrees(_ device: DeviceID, at now: Timestamp) -> Bool {
        let (customer, product) = (customer(of: device.rawValue), product(of: device.rawValue))
        guard customer != 0, !outbox.erased.contains(customer) else { return false }
        return agrees(customer, product, at: now)
    }

    /// The devices of a customer of a product.
    package func devices(of customer: CustomerID, product: SymbolID) -> [DeviceID] {
        devices(of: customer.rawValue, product: product.rawValue).map { DeviceID(rawValue: $0) }
    }

    /// Every device of a product.
    package func devices(of product: SymbolID) -> [DeviceID] {
        devices.indices.filter { $0 > 0 && devices[$0].product == product.rawValue }
            .map { DeviceID(rawValue: UInt32($0)) }
    }

    /// How many devices a product has.
    package func deviceCount(of product: SymbolID) -> Int {
        Int(product.rawValue) < products.count ? Int(clamping: products[Int(product.rawValue)].devices) : 0
    }

    // MARK: What waits

    /// What is to be brought to a device now: what is urgent first, then by age.
    package func outgoing(to device: DeviceID, at now: Timestamp) -> [Outgoing] {
        let product = product(of: device.rawValue)
        guard product != 0 else { return [] }
        let due = outbox.open.filter { isDue($0, device.rawValue, product, at: now) }
        let ordered = due.sorted {
            let (a, b) = (outbox.messages[$0], outbox.messages[$1])
            return (a.terms.priority.rank, a.number) < (b.terms.priority.rank, b.number)
        }
        return ordered.map { index in
            let message = outbox.messages[index]
            return Outgoing(
                id: MessageID(number: message.number, tag: message.tag), kind: message.kind, terms: message.terms,
                accepted: Timestamp(rawValue: message.notBefore),
                expires: message.expires == 0 ? nil : Timestamp(rawValue: message.expires),
                attempts: Int(outbox.entries[index][device.rawValue].attempts),
                seen: message.isSetting ? seen(device.rawValue) : nil, payload: outbox.payloads[index])
        }
    }

    private func seen(_ device: UInt32) -> (epoch: UInt32, seq: UInt64)? {
        let latest = devices[Int(device)].epochs.latest
        return latest.isEmpty ? nil : (latest.epoch, latest.highest)
    }

    /// The same for those of some devices for which anything waits.
    package func outgoing(
        among devices: [DeviceID], at now: Timestamp, most: Int
    ) -> [(device: DeviceID, messages: [Outgoing])] {
        guard !outbox.open.isEmpty else { return [] }
        let hasLive = outbox.open.contains { outbox.messages[$0].terms.isLive }
        var found: [(device: DeviceID, messages: [Outgoing])] = []
        for device in devices where found.count < most && (hasLive || outbox.pendingCount(device.rawValue) > 0) {
            let messages = outgoing(to: device, at: now)
            if !messages.isEmpty { found.append((device, messages)) }
        }
        return found
    }

    private func isDue(_ index: Int, _ device: UInt32, _ product: UInt32, at now: Timestamp) -> Bool {
        let message = outbox.messages[index]
        guard message.product == product, message.isAddressed, message.notBefore <= now.rawValue,
            message.expires == 0 || now.rawValue < message.expires, !outbox.payloads[index].isEmpty
        else { return false }
        let entry = outbox.entries[index][device]
        // Checked when it was addressed, and now again: whose device it is may have changed.
        if entry.state.isPending {
            if message.customer != 0, message.customer != customer(of: device) { return false }
            return outbox.mayGo(message, device, at: now, self)
        }
        return entry.state == .none && message.terms.isLive && isEffective(index, device)
    }

    /// Whether a setting for whoever comes is the one that holds for a device.
    func isEffective(_ index: Int, _ device: UInt32) -> Bool {
        let message = outbox.messages[index]
        if message.isSetting, message.terms.policy == .default, hasChosen(device, message.aspect) { return false }
        return !outbox.open.contains { other in
            let rival = outbox.messages[other]
            guard other != index, rival.product == message.product, rival.isSetting == message.isSetting,
                message.isSetting, rival.aspect == message.aspect
            else { return false }
            if rival.terms.scope > message.terms.scope { return outbox.holds(other, device) }
            return rival.terms.scope == message.terms.scope && rival.number > message.number && rival.isAddressed
        }
    }
}
