// The outbox once more, as plainly as it can be said: every pair of message and device by itself, from the whole log.

import Admission
import Events
import Projection

/// Reads a whole log for one message and one device. Shares no code with the fold but the names of states and events.
struct OutboxModel {
    let batch: EventBatch
    let contact: SymbolID

    struct Entry: Equatable {
        var state = DeliveryState.none
        var attempts = 0
    }

    struct Place: Comparable {
        var epoch: UInt32
        var seq: UInt64
        var behind = 0

        static func < (a: Self, b: Self) -> Bool { (a.epoch, a.seq, a.behind) < (b.epoch, b.seq, b.behind) }
    }

    /// What of the world matters to the pair.
    private struct World {
        var product: [UInt32: UInt32] = [:]
        var customer: [UInt32: UInt32] = [:]
        var agreed: [UInt64: Bool] = [:]
        var chosen: Set<UInt64> = []
        var erased: Set<UInt32> = []

        func agrees(_ device: UInt32) -> Bool {
            guard let customer = customer[device], !erased.contains(customer) else { return false }
            return agreed[UInt64(customer) << 32 | UInt64(product[device] ?? 0)] ?? false
        }
    }

    private struct Message {
        var event: Event
        var details: EventDetails
        var terms: MessageTerms
        var isOpen = true
        var isAddressed = false
        var entries: [UInt32: Entry] = [:]
        var chosen: [UInt32: Place] = [:]
        var applied: [UInt32: Place] = [:]

        func mayGo(_ device: UInt32, _ world: World) -> Bool {
            let isForPeople = [.notice, .question, .reply].contains(event.kind)
            return !isForPeople || terms.basis != .consent || world.agrees(device)
        }
    }

    private static let order: [DeliveryState] = [
        .queued, .sent, .received, .shown, .dismissed, .refused, .answered, .applied,
    ]

    /// Every entry of every message.
    func run() -> [UInt32: [UInt32: Entry]] {
        var world = World()
        var messages: [UInt32: Message] = [:]
        var numbers: [UInt32] = []
        for event in batch.events {
            let details = batch.details(of: event)
            switch event.kind {
            case .setting, .notice, .question, .reply:
                numbers.append(details.cause)
                messages[details.cause] = Message(event: event, details: details, terms: MessageTerms(event))
            case .addressed: address(event, details, &messages, numbers, world)
            case .closed: close(details.cause, ClosingReason(rawValue: event.scale), &messages)
            case .customerErased:
                world.erased.insert(event.customer.rawValue)
                for number in numbers where messages[number]?.isOpen == true {
                    let isForPeople = messages[number]?.event.kind != .setting
                    for device in world.customer.keys where world.customer[device] == event.customer.rawValue {
                        guard isForPeople, let state = messages[number]?.entries[device]?.state,
                            [.queued, .sent, .withheld].contains(state)
                        else { continue }
                        messages[number]?.entries[device]?.state = .left
                    }
                }
            default: takeEvent(event, details, &messages, numbers, &world)
            }
        }
        return messages.mapValues(\.entries)
    }

    private func address(
        _ event: Event, _ details: EventDetails, _ messages: inout [UInt32: Message], _ numbers: [UInt32],
        _ world: World
    ) {
        guard var message = messages[details.cause], message.isOpen, !message.isAddressed else { return }
        message.isAddressed = true
        defer { messages[details.cause] = message }
        guard !message.terms.isLive else { return }
        let text = String(decoding: batch.bytes(of: details.payload), as: UTF8.self)
        let listed = text.dropFirst().dropLast().split(separator: ",").compactMap { UInt32($0) }
        let devices = event.scale == 1 ? world.product.keys.sorted() : listed
        for device in devices where world.product[device] == message.event.product.rawValue {
            let isSetting = message.event.kind == .setting
            if isSetting, message.terms.policy == .default,
                world.chosen.contains(UInt64(device) << 32 | UInt64(message.event.aspect.rawValue))
            {
                message.entries[device] = Entry(state: .overridden)
                continue
            }
            var isOutranked = false
            for number in numbers where number < details.cause {
                guard var old = messages[number], old.isOpen, old.event.product == message.event.product else {
                    continue
                }
                let isSame =
                    isSetting
                    ? old.event.kind == .setting && old.event.aspect == message.event.aspect
                    : old.event.kind != .setting && old.details.collapse == message.details.collapse
                        && message.details.collapse != .none
                guard isSame, let entry = old.entries[device] else { continue }
                if isSetting, old.terms.scope > message.terms.scope {
                    let gone: [DeliveryState] = [.failed, .expired, .cancelled, .superseded, .overridden, .left]
                    if !gone.contains(entry.state) { isOutranked = true }
                    continue
                }
                guard [.queued, .sent, .withheld].contains(entry.state) else { continue }
                old.entries[device]?.state = .superseded
                messages[number] = old
            }
            // Newer settings for fewer devices count as well.
            for number in numbers where number > details.cause && isSetting {
                guard let other = messages[number], other.isOpen, other.event.kind == .setting,
                    other.event.product == message.event.product, other.event.aspect == message.event.aspect,
                    other.terms.scope > message.terms.scope, let entry = other.entries[device]
                else { continue }
                let gone: [DeliveryState] = [.failed, .expired, .cancelled, .superseded, .overridden, .left]
                if !gone.contains(entry.state) { isOutranked = true }
            }
            let isAllowed = message.mayGo(device, world)
            message.entries[device] = Entry(state: isOutranked ? .superseded : isAllowed ? .queued : .withheld)
        }
    }

    private func close(_ number: UInt32, _ reason: ClosingReason?, _ messages: inout [UInt32: Message]) {
        guard let reason, var message = messages[number], message.isOpen else { return }
        message.isOpen = false
        for (device, entry) in message.entries where [.queued, .sent, .withheld].contains(entry.state) {
            switch reason {
            case .expired: message.entries[device]?.state = .expired
            case .cancelled: message.entries[device]?.state = .cancelled
            case .superseded: message.entries[device]?.state = .superseded
            }
        }
        messages[number] = message
    }

    private func takeEvent(
        _ event: Event, _ details: EventDetails, _ messages: inout [UInt32: Message], _ numbers: [UInt32],
        _ world: inout World
    ) {
        let device = event.device.rawValue
        if world.product[device] == nil { world.product[device] = event.product.rawValue }
        let isOwn = world.product[device] == event.product.rawValue
        if event.kind == .consentGiven || event.kind == .consentWithdrawn, event.value == .symbol(contact) {
            world.agreed[UInt64(event.customer.rawValue) << 32 | UInt64(event.product.rawValue)] =
                event.kind == .consentGiven
        }
        if isOwn, event.customer != .none { world.customer[device] = event.customer.rawValue }
        for number in numbers where messages[number]?.isOpen == true {
            for (other, entry) in messages[number]?.entries ?? [:] {
                let isAllowed = messages[number]?.mayGo(other, world) ?? true
                if isAllowed, entry.state == .withheld { messages[number]?.entries[other]?.state = .queued }
                if !isAllowed, entry.state == .queued || entry.state == .sent {
                    messages[number]?.entries[other]?.state = .withheld
                }
            }
        }
        guard isOwn else { return }
        if details.cause != 0, var message = messages[details.cause],
            !details.hasCauseTag || details.causeTag == message.details.causeTag, message.event.product == event.product
        {
            take(event, &message)
            messages[details.cause] = message
        }
        guard event.kind == .preferenceSet || event.kind == .stateReported, event.value != .none else { return }
        for number in numbers {
            guard var message = messages[number], message.isOpen, message.isAddressed, message.event.kind == .setting,
                message.event.product == event.product, message.event.aspect == event.aspect
            else { continue }
            if event.kind == .stateReported {
                if event.value == message.event.value, message.entries[device] != nil { apply(event, &message) }
            } else if event.customer != .none || event.origin == .user {
                let isRequired = message.terms.policy == .require
                if message.entries[device] == nil, message.terms.isLive, !isRequired {
                    message.entries[device] = Entry(state: .queued)
                }
                if message.entries[device] != nil {
                    let place = place(of: event, message)
                    message.chosen[device] = max(message.chosen[device] ?? place, place)
                    if !isRequired { decide(device, &message) }
                }
            }
            messages[number] = message
        }
        if event.kind == .preferenceSet { world.chosen.insert(UInt64(device) << 32 | UInt64(event.aspect.rawValue)) }
    }

    private func place(of event: Event, _ message: Message) -> Place {
        if event.identity == .sequence { return Place(epoch: event.epoch, seq: event.seq) }
        let device = event.device.rawValue
        let known = [message.chosen[device], message.applied[device]].compactMap { $0 }.max()
        var place = known ?? Place(epoch: 0, seq: 0)
        place.behind += 1
        return place
    }

    private func take(_ event: Event, _ message: inout Message) {
        let device = event.device.rawValue
        if message.entries[device] == nil {
            guard message.terms.isLive, message.isAddressed, message.isOpen else { return }
            message.entries[device] = Entry(state: .queued)
        }
        guard event.kind == .receipt else { return join(.answered, device, &message) }
        switch ReceiptStage(rawValue: event.scale) ?? .none {
        case .none: break
        case .sent:
            let before = message.entries[device]?.attempts ?? 0
            message.entries[device]?.attempts = max(before, min(14, max(1, Int(event.count))))
            if message.entries[device]?.state == .queued { message.entries[device]?.state = .sent }
        case .received: join(.received, device, &message)
        case .shown: join(.shown, device, &message)
        case .answered: join(.answered, device, &message)
        case .dismissed: join(.dismissed, device, &message)
        case .refused: join(.refused, device, &message)
        case .failed:
            if event.severity != ReceiptEvidence.transport.rawValue { return join(.refused, device, &message) }
            let state = message.entries[device]?.state
            if state == .queued || state == .sent || isContested(device, message) {
                message.entries[device]?.state = .failed
            }
        case .applied:
            if message.event.kind == .setting { apply(event, &message) } else { join(.applied, device, &message) }
        }
    }

    /// Whether a setting that must hold was undone behind the device's back, or refused for what was chosen.
    private func isContested(_ device: UInt32, _ message: Message) -> Bool {
        guard message.event.kind == .setting, message.terms.policy == .require, message.isOpen,
            let chosen = message.chosen[device], let state = message.entries[device]?.state
        else { return false }
        if let applied = message.applied[device], applied >= chosen { return false }
        if state == .refused { return true }
        return message.applied[device] != nil
            && [.received, .shown, .answered, .applied, .dismissed].contains(state)
    }

    private func apply(_ event: Event, _ message: inout Message) {
        let device = event.device.rawValue
        let place = place(of: event, message)
        message.applied[device] = max(message.applied[device] ?? place, place)
        if message.entries[device]?.state == .overridden {
            if let chosen = message.chosen[device], let applied = message.applied[device], chosen > applied { return }
            message.entries[device]?.state = .applied
            return
        }
        if message.terms.policy != .require, let chosen = message.chosen[device],
            let applied = message.applied[device], chosen > applied
        {
            return decide(device, &message)
        }
        join(.applied, device, &message)
    }

    private func decide(_ device: UInt32, _ message: inout Message) {
        guard let chosen = message.chosen[device] else { return }
        if let applied = message.applied[device], applied >= chosen { return }
        let gives: [DeliveryState] = [
            .queued, .sent, .received, .shown, .answered, .applied, .dismissed, .refused,
        ]
        if let state = message.entries[device]?.state, gives.contains(state) {
            message.entries[device]?.state = .overridden
        }
    }

    private func join(_ evidence: DeliveryState, _ device: UInt32, _ message: inout Message) {
        guard let state = message.entries[device]?.state, state != .overridden, state != .left else { return }
        let known = Self.order.firstIndex(of: state) ?? -1
        if (Self.order.firstIndex(of: evidence) ?? -1) > known { message.entries[device]?.state = evidence }
    }
}
