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
            receive(.answered, index, event)
        } else if let state = event.stage.state(event.evidence) {
            receive(state, index, event)
            // The daemon's own word that it was sent lets nothing more go.
            if state == .sent { return }
        }
        if !open.isEmpty { hear(event.device) }
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
            if entries[index][device].state.isPending || isContested(index, device) {
                move(index, device, to: .failed)
            }
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
        let isRequired = messages[index].terms.policy == .require
        if known.isOverridden, !isRequired {
            if state.givesWay { move(index, device, to: .overridden) }
        } else if applied {
            move(index, device, to: state == .overridden ? .applied : state.joined(with: .applied))
        }
        if isRequired { noteContest(index, device, known) }
    }

    /// Whether a setting that holds whatever the customer chooses was undone by a choice, so that it is sent again.
    func isContested(_ index: Int, _ device: UInt32) -> Bool {
        guard messages[index].isSetting, messages[index].terms.policy == .require, messages[index].isOpen,
            let known = evidence[Self.key(messages[index].number, device)], known.isOverridden
        else { return false }
        switch entries[index][device].state {
        case .refused: return true
        case .received, .shown, .answered, .applied, .dismissed: return !known.applied.isNone
        case .none, .queued, .sent, .failed, .expired, .cancelled, .superseded, .withheld, .overridden, .left:
            return false
        }
    }

    private mutating func noteContest(_ index: Int, _ device: UInt32, _ known: SettingEvidence) {
        guard known.isOverridden else {
            contested[device]?.removeAll { $0 == index }
            if contested[device]?.isEmpty == true { contested[device] = nil }
            return
        }
        var all = contested[device] ?? []
        if !all.contains(index) { all = all.filter { messages[$0].isOpen } + [index] }
        contested[device] = all
        hear(device)
    }

    /// Finds the contested settings anew.
    mutating func findContested() {
        contested = [:]
        for (key, known) in evidence where known.isOverridden {
            guard let index = index(of: UInt32(key >> 32)), messages[index].terms.policy == .require else { continue }
            contested[UInt32(truncatingIfNeeded: key), default: []].append(index)
        }
    }

    /// A device says how an aspect stands, or that its customer has chosen it: settings of the aspect may end by it.
    mutating func takeValue(_ event: DeviceEvent) {
        for index in open.settings(event.product, event.aspect) where messages[index].isAddressed {
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
        if entries[index][event.device].state == .none {
            guard message.terms.isLive, message.terms.policy != .require else { return }
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
        for index in open.of(product: audience.product(of: device)).asking {
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
        for index in open.all where messages[index].isPersonal {
            guard messages[index].kind.isForPeople || messages[index].customer == customer else { continue }
            for device in devices { leave(index, device) }
        }
    }

    /// A device was forgotten.
    mutating func erase(device: UInt32) {
        for index in open.all { leave(index, device) }
    }

    private mutating func leave(_ index: Int, _ device: UInt32) {
        let state = entries[index][device].state
        if state.isPending || state == .withheld { move(index, device, to: .left) }
    }
}
