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

extension SummaryState {
    package var lastMessage: UInt32 { outbox.lastNumber }
    package var outboxBytes: Int { outbox.bytes }
    package var hasOpenMessages: Bool { !outbox.open.isEmpty }
    /// Devices that have said something of a message since the last call, and for which more waits. What is folded to
    /// catch up with the log names some too; they are offered what waits once more, and no harm is done.
    package mutating func takeHeard() -> [DeviceID] { outbox.takeHeard().map { DeviceID(rawValue: $0) } }
    package var strayReceipts: UInt64 { outbox.strays }
    /// The ids of all messages.
    package var messageIDs: [MessageID] { outbox.messages.map { MessageID(number: $0.number, tag: $0.tag) } }

    /// All messages for who checks receipts when they come in, with what the newest questions among them say.
    package func knownMessages(questions: Int) -> [(id: MessageID, product: SymbolID, question: [UInt8])] {
        var (left, all) = (questions, [(id: MessageID, product: SymbolID, question: [UInt8])]())
        for index in outbox.messages.indices.reversed() {
            let message = outbox.messages[index]
            let isQuestion = message.kind == .question && left > 0
            if isQuestion { left -= 1 }
            all.append(
                (
                    MessageID(number: message.number, tag: message.tag), SymbolID(rawValue: message.product),
                    isQuestion ? outbox.payloads[index] : []
                ))
        }
        return all.reversed()
    }

    /// The message that its author has given an id of his own.
    package func message(withKey key: UInt64) -> MessageID? {
        guard let number = outbox.keys[key], let index = outbox.index(of: number) else { return nil }
        return MessageID(number: number, tag: outbox.messages[index].tag)
    }

    /// The messages of a product that are not over, or of all products.
    package func openMessages(of product: SymbolID? = nil) -> [MessageStanding] {
        (product.map { outbox.open.of(product: $0.rawValue).all } ?? outbox.open.all).map(standing)
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
        outbox.open.settings(product.rawValue, aspect.rawValue).last { index in
            outbox.messages[index].device == device.rawValue
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
}
