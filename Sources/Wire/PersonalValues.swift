// Values that say something about one person: kept as a part of the event, never as a word of the vocabulary.

import Bytes
import Events

extension Event {
    /// Whether its value would be personal if its aspect is: what people choose, and what their devices report.
    @inline(__always) var hasValueOfItsOwn: Bool { kind == .preferenceSet || kind == .stateReported }
}

extension Vocabulary {
    /// Whether an event's value is to be withheld.
    @inline(__always) func withholds(_ event: borrowing Event) -> Bool {
        guard personal.isAny, event.hasValueOfItsOwn else { return false }
        return personal.contains(event.aspect)
    }

    /// The same once its value has been read: a word that is new counts for its aspect, and may be one too many.
    mutating func withholdsAfterReading(_ event: borrowing Event) -> Bool {
        guard event.hasValueOfItsOwn else { return false }
        let aspect = event.aspect
        if case .symbol(let word) = event.value, word == newestValue, aspect != .none {
            newestValue = .none
            return noteWord(of: aspect)
        }
        return personal.isAny && personal.contains(aspect)
    }
}

/// Moves the value of an event into a part of its own.
@inline(never)
func withholdValue(_ event: inout Event, _ vocabulary: borrowing Vocabulary, _ batch: inout EventBatch) {
    var literal: [UInt8] = []
    switch event.value {
    case .none: return
    case .whole(let number): appendDecimal(number, to: &literal)
    case .real(let number): appendReal(number, to: &literal)
    case .flag(let flag): literal += Array((flag ? "true" : "false").utf8)
    case .symbol(let word): appendJSONString(vocabulary.text(.value, word).span, to: &literal)
    }
    setPersonalValue(&event, literal: literal, &batch)
}

/// Gives an event the value that a text is.
@inline(never)
func setPersonalValue(_ event: inout Event, text: Span<UInt8>, _ batch: inout EventBatch) {
    guard fits(text, Limits.valueBytes) else { return event.blame(text.isEmpty ? .missingValue : .textTooLong) }
    var literal: [UInt8] = []
    appendJSONString(text, to: &literal)
    setPersonalValue(&event, literal: literal, &batch)
}

private func setPersonalValue(_ event: inout Event, literal: [UInt8], _ batch: inout EventBatch) {
    var details = batch.details(of: event)
    details.personalValue = batch.append(part: literal.span)
    batch.setDetails(details, of: &event)
    event.isValueWithheld = true
}
