// What the simulated log says of messages, read with plain dictionaries and without the code that folds it.

import Events
import Log

/// Messages, receipts and consents up to a place in the log.
struct MessageLedger {
    struct Message {
        var kind = EventKind.notice
        var terms = MessageTerms()
        var product: UInt32 = 0
        var aspect: UInt32 = 0
        var expires: Int64 = 0
        var place = 0
        var isAddressed = false
        var isOver = false
    }

    private(set) var messages: [UInt32: Message] = [:]
    /// Devices that have said of a message more than that it came, and those of whom anybody has said anything.
    private(set) var confirmed: Set<UInt64> = []
    private(set) var reached: Set<UInt64> = []
    private(set) var givenUp: Set<UInt64> = []
    private(set) var customers: [UInt32: UInt32] = [:]
    /// What a customer has said last about a product: by the time of the event, as consents are counted.
    private(set) var agreed: [UInt64: (time: Int64, isGiven: Bool)] = [:]
    /// Where in the log the customer of a device has chosen an aspect last.
    private(set) var choices: [UInt64: Int] = [:]
    private var blocks = 0
    private var place = 0

    static func key(_ a: UInt32, _ b: UInt32) -> UInt64 { UInt64(a) << 32 | UInt64(b) }

    /// Reads on, up to an offset.
    mutating func read(_ disk: SimulatedDisk, through end: Offset) {
        while blocks < disk.blocks.count, disk.blocks[blocks].endOffset <= end {
            let batch = disk.blocks[blocks].batch
            blocks += 1
            for event in batch.events where event.quarantine == .none { read(event, batch.details(of: event)) }
            place += batch.count
        }
    }

    private mutating func read(_ event: Event, _ details: EventDetails) {
        let device = event.device.rawValue
        switch event.kind {
        case .notice, .question, .reply, .setting:
            messages[details.cause] = Message(
                kind: event.kind, terms: MessageTerms(event), product: event.product.rawValue,
                aspect: event.aspect.rawValue, expires: details.expiry.rawValue, place: place)
        case .addressed: if event.severity == 1 { messages[details.cause]?.isAddressed = true }
        case .closed: messages[details.cause]?.isOver = true
        case .consentGiven, .consentWithdrawn:
            customers[device] = event.customer.rawValue
            let (key, time) = (
                Self.key(event.customer.rawValue, event.product.rawValue), min(event.time, event.arrival).rawValue
            )
            if time >= agreed[key]?.time ?? .min { agreed[key] = (time, event.kind == .consentGiven) }
        default:
            if event.customer != .none { customers[device] = event.customer.rawValue }
            if event.kind == .preferenceSet { choices[Self.key(device, event.aspect.rawValue)] = place }
            let isSent = event.kind == .receipt && event.scale == ReceiptStage.sent.rawValue
            guard details.cause != 0, !isSent else { return }
            let key = Self.key(details.cause, device)
            let isGivenUp =
                event.kind == .receipt && event.scale == ReceiptStage.failed.rawValue
                && event.severity == ReceiptEvidence.transport.rawValue
            if isGivenUp {
                givenUp.insert(key)
            } else {
                reached.insert(key)
                if event.kind != .receipt || event.scale != ReceiptStage.received.rawValue { confirmed.insert(key) }
            }
        }
    }

    /// Whether the customer has chosen behind a setting that gives way to that: nobody waits for it any more.
    func isUndone(_ message: Message, _ device: UInt32) -> Bool {
        guard message.kind == .setting, message.terms.policy != .require else { return false }
        return choices[Self.key(device, message.aspect)] ?? -1 > message.place
    }

    /// Whether a customer of a device lets a message come.
    func agrees(_ message: Message, _ device: UInt32) -> Bool {
        guard message.kind != .setting, message.terms.basis == .consent else { return true }
        guard let customer = customers[device] else { return false }
        return agreed[Self.key(customer, message.product)]?.isGiven ?? false
    }
}
