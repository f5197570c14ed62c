// What few JSON events say: who chose, how long, a consent's details, which message is answered and what became of it.
import Bytes
import Events

/// Takes the keys that few lines have. What does not fit is quarantined.
@inline(never)
func setRare(
    _ event: inout Event, _ fields: borrowing EventLineFields, _ line: Span<UInt8>, _ vocabulary: inout Vocabulary,
    _ batch: inout EventBatch
) throws(Refusal) {
    try setOrigin(&event, fields, line)
    var details = batch.details(of: event)
    try setCause(&event, &details, try fields.rare(.cause, line), line)
    switch event.kind {
    case .featureUsed: try setDuration(&event, try fields.rare(.duration, line), line)
    case .consentGiven, .consentWithdrawn: try setConsent(&event, &details, fields, line, &vocabulary)
    case .receipt: try setReceipt(&event, fields, line)
    case .custom, .preferenceSet, .ratingGiven, .feedbackText, .faultSeen, .stateReported, .setting, .gap, .reply,
        .notice, .question, .settings, .addressed, .closed, .rollout, .rolloutStep, .customerErased, .audited, .note,
        .dataRequested, .erasureRequested:
        break
    }
    batch.setDetails(details, of: &event)
}

private func setOrigin(
    _ event: inout Event, _ fields: borrowing EventLineFields, _ line: Span<UInt8>
) throws(Refusal) {
    switch try fields.rare(.origin, line) {
    case .absent: break
    case .text(let text):
        if let origin = try find(text, origins, line) { event.origin = origin } else { event.blame(.outOfRange) }
    default: event.blame(.wrongValueType)
    }
}

private func setCause(
    _ event: inout Event, _ details: inout EventDetails, _ scalar: Scalar, _ line: Span<UInt8>
) throws(Refusal) {
    guard scalar != .absent else { return }
    var isKnown = false
    if case .text(let text) = scalar {
        isKnown = try withPlain(line, text) { (plain) throws(Refusal) in details.setCause(plain) }
    }
    if !isKnown { event.blame(.unknownCause) }
}

/// How long a use took: the event's value.
private func setDuration(_ event: inout Event, _ scalar: Scalar, _ line: Span<UInt8>) throws(Refusal) {
    guard scalar != .absent else { return }
    guard case .number(let number) = numeric(scalar, line) else { return event.blame(.wrongValueType) }
    // A word beside it would be a second value.
    if case .none = event.valueKind {} else { return event.blame(.wrongValueType) }
    guard let seconds = try value(of: number, line) else { return event.blame(.notFinite) }
    event.value = seconds
    if event.isNegativeDuration { event.blame(.outOfRange) }
}

private func setConsent(
    _ event: inout Event, _ details: inout EventDetails, _ fields: borrowing EventLineFields, _ line: Span<UInt8>,
    _ vocabulary: inout Vocabulary
) throws(Refusal) {
    let purpose = try fields.rare(.purpose, line)
    if purpose != .absent {
        let word = try word(&event, purpose, line, &vocabulary)
        event.value = word == .none ? .none : .symbol(word)
        if case .text(let text) = purpose, text.range.isEmpty { event.blame(.missingValue) }
    }
    details.notice = try word(&event, try fields.rare(.notice, line), line, &vocabulary)
    details.method = try word(&event, try fields.rare(.method, line), line, &vocabulary)
    switch try fields.rare(.expiry, line) {
    case .absent: break
    case .number(let number):
        if case .whole(let milliseconds) = try value(of: number, line) {
            details.expiry = Timestamp(rawValue: milliseconds)
        } else {
            event.blame(.badTime)
        }
    case .text(let text):
        let time = try withPlain(line, text) { (plain) throws(Refusal) in readRFC3339(plain) }
        if let time { details.expiry = Timestamp(rawValue: time) } else { event.blame(.badTime) }
    case .flag, .other: event.blame(.badTime)
    }
}

/// A word of the vocabulary `value`; `.none` when it is absent, empty, or not one that fits.
private func word(
    _ event: inout Event, _ scalar: Scalar, _ line: Span<UInt8>, _ vocabulary: inout Vocabulary
) throws(Refusal) -> SymbolID {
    try setTag(&event, scalar, .value, limit: Limits.valueBytes, line, &vocabulary)
}

private let origins = WordTable<Origin>(Origin.allCases.dropFirst().map { ($0.name.description, $0) })
private let stages = WordTable<UInt8>(ReceiptStage.allCases.dropFirst().map { ($0.name.description, $0.rawValue) })
private let evidences = WordTable<UInt8>(
    ReceiptEvidence.allCases.dropFirst().map { ($0.name.description, $0.rawValue) })

private func find<Word>(
    _ text: JSONToken, _ table: WordTable<Word>, _ line: Span<UInt8>
) throws(Refusal) -> Word? {
    try withPlain(line, text) { (plain) throws(Refusal) in table.find(plain, 0..<plain.count) }
}

/// What became of a message, and how that is known.
private func setReceipt(
    _ event: inout Event, _ fields: borrowing EventLineFields, _ line: Span<UInt8>
) throws(Refusal) {
    if let stage = try code(&event, try fields.rare(.stage, line), stages, line) { event.scale = stage }
    if let evidence = try code(&event, try fields.rare(.evidence, line), evidences, line) {
        event.severity = evidence
    }
}

/// The number of a word, or the number itself of one that is newer than this release; nil when there is none.
private func code(
    _ event: inout Event, _ scalar: Scalar, _ words: WordTable<UInt8>, _ line: Span<UInt8>
) throws(Refusal) -> UInt8? {
    var code: UInt8?
    switch scalar {
    case .absent: return nil
    case .text(let text): code = try find(text, words, line)
    case .number(let number): code = try byte(number, line)
    case .flag, .other:
        event.blame(.wrongValueType)
        return nil
    }
    if code == nil { event.blame(.outOfRange) }
    return code
}

/// A string that is a JSON number as that number; everything else as it is. For where a kind needs a number.
@inline(__always)
func numeric(_ scalar: Scalar, _ line: Span<UInt8>) -> Scalar {
    guard case .text(let text) = scalar else { return scalar }
    return !text.isEscaped && isNumber(line.extracting(text.range)) ? .number(text) : scalar
}

/// Whether bytes are one JSON number and nothing else.
@inline(never)
func isNumber(_ bytes: Span<UInt8>) -> Bool {
    guard bytes.count > 0, bytes[0] == UInt8(ascii: "-") || bytes[0] &- UInt8(ascii: "0") < 10 else { return false }
    var at = 0
    return (try? readNumber(bytes, &at)) != nil && at == bytes.count
}

/// `true` and `false` as words are flags; nil for any other word.
@inline(never)
func flag(_ word: Span<UInt8>) -> Bool? {
    // The bytes as one number, the first one lowest.
    switch word.count {
    case 4: word.shortWord(at: 0, count: 4) == 0x6575_7274 ? true : nil
    case 5: word.shortWord(at: 0, count: 5) == 0x65_736c_6166 ? false : nil
    default: nil
    }
}

extension Event {
    /// Whether it says that a use took less than no time.
    @inline(__always)
    var isNegativeDuration: Bool {
        guard kind == .featureUsed else { return false }
        return switch valueKind {
        case .whole: Int64(bitPattern: valueBits) < 0
        case .real: Double(bitPattern: valueBits) < 0
        case .none, .symbol, .flag: false
        }
    }

    /// Whether its value is always a word: the purpose of a consent.
    @inline(__always)
    var isConsent: Bool { kind == .consentGiven || kind == .consentWithdrawn }
}
