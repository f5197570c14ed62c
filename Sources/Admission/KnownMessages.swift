// Does an event name a message that was sent, and is it an answer that its question allows?

package import Events

/// What admission knows of the messages in the log: few bytes each, for events that name one as their cause.
///
/// Nothing is known until `replace`: then what is wrong is found by the fold, which counts it. Whether a message went
/// to the very device that speaks of it is the fold's to say as well.
package struct KnownMessages: Sendable {
    /// What a question lets devices answer.
    package struct Form: Sendable, Equatable {
        /// As in the message: each one allows one kind of event.
        package enum Ask: UInt8, Sendable, CaseIterable {
            case yesNo = 1
            case scale = 2
            case choice = 4
            case number = 8
            case text = 16

            package init?(_ name: String) {
                switch name {
                case "yes_no": self = .yesNo
                case "scale": self = .scale
                case "choice": self = .choice
                case "number": self = .number
                case "text": self = .text
                default: return nil
                }
            }
        }

        /// What the question itself asks, and what those that follow it on the device ask.
        package var ask: Ask
        package var follows: Set<Ask> = []
        /// Of a choice: the words that it allows.
        package var choices: [SymbolID] = []
        /// Of a scale, and of a number that has bounds.
        package var bounds: ClosedRange<Double>?

        package init(_ ask: Ask) { self.ask = ask }
    }

    /// One message, when the table is made.
    package struct Known: Sendable {
        package var id: MessageID
        package var product: SymbolID
        package var form: Form?

        package init(_ id: MessageID, _ product: SymbolID, _ form: Form?) {
            (self.id, self.product, self.form) = (id, product, form)
        }
    }

    private struct Row: Sendable, BitwiseCopyable {
        var tag: UInt32
        var product: UInt32
    }

    /// Those with the ordinals from `first` on; a blank product stands for one that is missing.
    private var rows: [Row] = []
    private var first: UInt32 = 1
    private var forms: [UInt32: Form] = [:]
    /// Whether all messages of the log are in it; before, nothing is refused.
    package private(set) var isKnown = false

    package init() {}

    package var count: Int { rows.count }

    /// All messages that the log has, in their order.
    package mutating func replace(with all: [Known]) {
        let later = rows.isEmpty ? nil : (first, rows, forms)
        (rows, forms, first) = ([], [:], 1)
        for message in all.suffix(AdmissionLimits.messages) { add(message) }
        isKnown = true
        // What was stored while they were being read.
        guard let later else { return }
        for (index, row) in later.1.enumerated() where row.product != 0 {
            let number = later.0 + UInt32(index)
            guard number >= first + UInt32(rows.count) else { continue }
            add(Known(MessageID(number: number, tag: row.tag), SymbolID(rawValue: row.product), later.2[number]))
        }
    }

    /// A message is being stored.
    package mutating func add(_ message: Known) {
        let number = message.id.number
        if rows.isEmpty { first = number }
        guard number >= first else { return }
        let index = Int(number - first)
        // Far ahead of all others is none.
        guard index < rows.count + AdmissionLimits.messages else { return }
        while rows.count <= index { rows.append(Row(tag: 0, product: 0)) }
        rows[index] = Row(tag: message.id.tag, product: message.product.rawValue)
        forms[number] = message.form
        if forms.count > 2 * AdmissionLimits.questions {
            for old in forms.keys.sorted().prefix(forms.count - AdmissionLimits.questions) { forms[old] = nil }
        }
        guard rows.count > AdmissionLimits.messages else { return }
        // Of the oldest half nothing is checked any more.
        let gone = rows.count / 2
        rows.removeFirst(gone)
        for old in first..<first + UInt32(gone) { forms[old] = nil }
        first += UInt32(gone)
    }

    /// Whether an event may name the message that it names; `.none` when it names none, or nothing is wrong with it.
    package func verdict(_ event: Event, _ details: EventDetails) -> QuarantineReason {
        guard details.cause != 0, isKnown, details.cause >= first else { return .none }
        let index = Int(details.cause - first)
        guard index < rows.count, rows[index].product == event.product.rawValue, rows[index].product != 0,
            !details.hasCauseTag || rows[index].tag == details.causeTag
        else { return .unknownCause }
        guard event.kind != .receipt, let form = forms[details.cause] else { return .none }
        return form.allows(event) ? .none : .badAnswer
    }
}

extension KnownMessages.Form {
    /// Whether an event is an answer to the question.
    func allows(_ event: Event) -> Bool {
        switch event.kind {
        case .feedbackText: return ask == .text || follows.contains(.text)
        case .ratingGiven:
            if follows.contains(.scale) { return true }
            let scale = event.ratingBounds
            return ask == .scale && bounds == Double(scale.lowerBound)...Double(scale.upperBound) && isWithin(event)
        case .preferenceSet:
            if !follows.isDisjoint(with: [.choice, .yesNo, .number]) { return true }
            // What says something of a person is no word of the log.
            if event.isValueWithheld { return ask != .scale && ask != .text }
            switch (ask, event.value) {
            case (.yesNo, .flag): return true
            case (.choice, .symbol(let word)): return choices.contains(word)
            case (.number, .whole), (.number, .real): return isWithin(event)
            case (.scale, _), (.text, _), (.yesNo, _), (.choice, _), (.number, _): return false
            }
        case .custom, .featureUsed, .faultSeen, .setting, .stateReported, .consentGiven, .consentWithdrawn, .receipt,
            .gap, .reply, .notice, .question, .settings, .addressed, .closed, .rollout, .rolloutStep, .customerErased,
            .audited, .note, .dataRequested, .erasureRequested:
            return false
        }
    }

    private func isWithin(_ event: Event) -> Bool {
        guard let bounds else { return true }
        switch event.value {
        case .flag(let flag): return bounds.contains(flag ? 1 : 0)
        case .whole(let number): return bounds.contains(Double(number))
        case .real(let number): return bounds.contains(number)
        case .none, .symbol: return false
        }
    }
}
