// What devices say of messages: receipts, answers, and what their customers choose instead of a setting.

import Events

/// An event of a device of its own product, as far as the outbox asks.
struct DeviceEvent {
    var device: UInt32
    var product: UInt32
    var aspect: UInt32
    var kind: EventKind
    var valueKind: Event.ValueKind
    var bits: UInt64
    /// Whether a person has chosen it.
    var isByCustomer: Bool
    /// Its place in the device's own order; nil when it has no number.
    var order: DeviceOrder?
    /// The message that it answers; 0 for none.
    var cause: UInt32 = 0
    /// The random part of the message's id, when it was named.
    var tag: UInt32?
    var stage = ReceiptStage.none
    var evidence = ReceiptEvidence.none
    /// Of the daemon's own receipts: how often the message was offered.
    var attempt: UInt32 = 0
}

extension ReceiptStage {
    /// What a receipt of this stage is evidence of.
    fileprivate func state(_ evidence: ReceiptEvidence) -> DeliveryState? {
        switch self {
        case .none: nil
        case .received: .received
        case .shown: .shown
        case .answered: .answered
        case .dismissed: .dismissed
        // The daemon gives up; what a program says it has failed at it has refused.
        case .failed: evidence == .transport ? .failed : .refused
        case .sent: .sent
        case .applied: .applied
        case .refused: .refused
        }
    }
}

extension Outbox {
    /// A device has said something that names a message.
    mutating func take(_ event: DeviceEvent) {
        guard let index = index(of: event.cause), event.tag == nil || event.tag == messages[index].tag,
            messages[index].product == event.product, isAddressed(index, event.device)
        else {
            strays += 1
            return
        }
        if event.kind != .receipt {
            noteAnswer(index, event)
            return receive(.answered, index, event)
        }
        guard let state = event.stage.state(event.evidence) else { return }
        receive(state, index, event)
    }

    /// Whether a message went to a device. One that is for whoever comes goes to it from now on.
    private mutating func isAddressed(_ index: Int, _ device: UInt32) -> Bool {
        if entries[index][device].state != .none { return true }
        guard messages[index].terms.isLive, messages[index].isAddressed, messages[index].isOpen else { return false }
        put(Delivery(.queued), index, device)
        return true
    }

    private mutating func receive(_ state: DeliveryState, _ index: Int, _ event: DeviceEvent) {
        let device = event.device
        if !messages[index].isOpen, state != .sent {
            messages[index].late &+= 1
            touch(index)
        }
        switch state {
        case .sent: countAttempt(index, device, event.attempt)
        case .failed:
            if entries[index][device].state.isPending { move(index, device, to: .failed) }
        case .applied where messages[index].isSetting:
            apply(index, event)
        case .none, .queued, .received, .shown, .answered, .applied, .dismissed, .refused, .expired, .cancelled,
            .superseded, .withheld, .overridden, .left:
            move(index, device, to: entries[index][device].state.joined(with: state))
        }
    }

    private mutating func countAttempt(_ index: Int, _ device: UInt32, _ attempt: UInt32) {
        var entry = entries[index][device]
        guard !entry.isOverQuota else { return }
        let attempts = UInt8(clamping: min(max(attempt, 1), UInt32(Delivery.mostAttempts)))
        if attempts > entry.attempts {
            messages[index].attempts += UInt64(attempts - entry.attempts)
            entry.attempts = attempts
        }
        if entry.state == .queued { entry.state = .sent }
        put(entry, index, device)
    }

    private mutating func noteAnswer(_ index: Int, _ event: DeviceEvent) {
        let key = Self.key(messages[index].number, event.device)
        let old = answers[key]
        var new = OutboxAnswer()
        new.order = event.order ?? (old?.order ?? DeviceOrder()).next
        if event.kind == .preferenceSet || event.kind == .ratingGiven {
            (new.valueKind, new.bits) = (event.valueKind, event.valueKind == .none ? 0 : event.bits)
        }
        // The device's last answer counts, in whatever order they come.
        if let old, new.order < old.order { return }
        answers[key] = new
        messages[index].hasNewAnswers = true
        touch(index)
    }

    // MARK: Settings

    /// A device has applied a setting.
    private mutating func apply(_ index: Int, _ event: DeviceEvent) {
        let key = Self.key(messages[index].number, event.device)
        var known = evidence[key] ?? SettingEvidence()
        known.applied = max(known.applied, event.order ?? max(known.applied, known.chosen).next)
        evidence[key] = known
        settle(index, event.device, known, applied: true)
    }

    /// What holds of a setting and the customer's choice.
    private mutating func settle(_ index: Int, _ device: UInt32, _ known: SettingEvidence, applied: Bool) {
        let state = entries[index][device].state
        if known.isOverridden {
            if state.givesWay { move(index, device, to: .overridden) }
        } else if applied {
            move(index, device, to: state == .overridden ? .applied : state.joined(with: .applied))
        }
    }

    /// A device says how an aspect stands, or that its customer has chosen it: settings of the aspect may end by it.
    mutating func takeValue(_ event: DeviceEvent) {
        for index in open where messages[index].isSetting && messages[index].product == event.product {
            guard messages[index].aspect == event.aspect, messages[index].isAddressed else { continue }
            if event.kind == .stateReported {
                let isWanted = event.valueKind == messages[index].valueKind && event.bits == messages[index].valueBits
                guard isWanted, entries[index][event.device].state != .none else { continue }
                apply(index, event)
            } else if event.isByCustomer {
                choose(index, event)
            }
        }
    }

    /// The customer has chosen, behind a setting in the log.
    private mutating func choose(_ index: Int, _ event: DeviceEvent) {
        let message = messages[index]
        guard message.terms.policy != .require else { return }
        if entries[index][event.device].state == .none {
            guard message.terms.isLive else { return }
            put(Delivery(.queued), index, event.device)
        }
        let key = Self.key(message.number, event.device)
        var known = evidence[key] ?? SettingEvidence()
        known.chosen = max(known.chosen, event.order ?? max(known.applied, known.chosen).next)
        evidence[key] = known
        settle(index, event.device, known, applied: false)
    }

    // MARK: People

    /// What a device's customer has agreed to may be another thing now, or the customer another one.
    mutating func reconsider(_ device: UInt32, at time: Timestamp, _ audience: borrowing some OutboxAudience) {
        for index in open where messages[index].needsConsent {
            let entry = entries[index][device]
            guard entry.state.isPending || entry.state == .withheld && !entry.isOverQuota else { continue }
            let isAllowed = mayGo(messages[index], device, at: time, audience)
            if isAllowed, entry.state == .withheld {
                move(index, device, to: .queued)
            } else if !isAllowed, entry.state.isPending {
                move(index, device, to: .withheld)
            }
        }
    }

    /// A customer was forgotten: what is under way is brought to nobody.
    mutating func erase(customer: UInt32, devices: [UInt32]) {
        guard customer != 0 else { return }
        erased.insert(customer)
        for index in messages.indices where messages[index].customer == customer {
            payloads[index] = []
            touch(index)
        }
        for index in open where messages[index].kind.isForPeople || messages[index].customer == customer {
            for device in devices { leave(index, device) }
        }
    }

    /// A device was forgotten.
    mutating func erase(device: UInt32) {
        for index in open { leave(index, device) }
    }

    private mutating func leave(_ index: Int, _ device: UInt32) {
        let state = entries[index][device].state
        if state.isPending || state == .withheld { move(index, device, to: .left) }
    }
}
