// What a JSON event says: aspect, value, count, scale, text. Nothing here is refused; what does not fit is quarantined.
import Events

func setPayload(
    _ event: inout Event, _ fields: borrowing EventLineFields, _ searches: NameSearches, _ line: Span<UInt8>,
    _ vocabulary: inout Vocabulary, _ batch: inout EventBatch
) throws(Refusal) {
    if fields.isDataOpaque { event.blame(.wrongValueType) }
    try setAspect(&event, fields.aspect, searches.aspect, line, &vocabulary)
    var value = fields.value == .absent ? fields.rating : fields.value
    if event.kind == .ratingGiven, case .text = value { value = numeric(value, line) }
    if event.kind == .featureUsed, case .number(let number) = value {
        // The value of a use is how often.
        if fields.count == .absent { try setCount(&event, number, line) }
    } else if event.kind == .feedbackText, case .text = value {
        if fields.text == .absent { try setText(&event, value, line, &batch.text) }
    } else if case .text(let text) = value, vocabulary.withholds(event) {
        try withPlain(line, text) { (plain) throws(Refusal) in setPersonalValue(&event, text: plain, &batch) }
    } else {
        try setValue(&event, value, searches.value, line, &vocabulary)
        if vocabulary.withholdsAfterReading(event) { withholdValue(&event, vocabulary, &batch) }
    }
    switch fields.count {
    case .absent: break
    case .number(let number): try setCount(&event, number, line)
    default:
        if case .number(let number) = numeric(fields.count, line) {
            try setCount(&event, number, line)
        } else {
            event.blame(.wrongValueType)
        }
    }
    // Of a receipt their places are those of its evidence and stage.
    if event.kind != .receipt {
        try setSeverity(&event, fields.severity, line)
        try setScale(&event, fields, line)
    }
    try setText(&event, fields.text, line, &batch.text)
    event.unit = try setTag(&event, fields.unit, .unit, limit: Limits.unitBytes, line, &vocabulary)
    event.language = try setTag(&event, fields.language, .language, limit: Limits.unitBytes, line, &vocabulary)
}

private func setAspect(
    _ event: inout Event, _ aspect: Scalar, _ search: NameSearch, _ line: Span<UInt8>,
    _ vocabulary: inout Vocabulary
) throws(Refusal) {
    switch aspect {
    case .absent: break
    case .text(let text):
        let id = try withPlain(line, text) { (plain) throws(Refusal) -> SymbolID? in
            guard isAspect(plain) else { return nil }
            guard let id = vocabulary.symbol(.aspect, plain, search: search) else { throw .vocabularyFull }
            return id
        }
        if let id { event.aspect = id } else { event.blame(.badAspect) }
    default: event.blame(.badAspect)
    }
}

private func setValue(
    _ event: inout Event, _ scalar: Scalar, _ search: NameSearch, _ line: Span<UInt8>,
    _ vocabulary: inout Vocabulary
) throws(Refusal) {
    switch scalar {
    case .absent: break
    case .flag(let flag): event.value = .flag(flag)
    case .other: event.blame(.wrongValueType)
    case .number(let number):
        if let value = try value(of: number, line) { event.value = value } else { event.blame(.notFinite) }
    case .text(let text):
        if text.isEscaped || text.range.count == 4 || text.range.count == 5, !event.isConsent,
            let flag = try withPlain(line, text, { (plain) throws(Refusal) in flag(plain) })
        {
            event.value = .flag(flag)
            return
        }
        let id = try withPlain(line, text) { (plain) throws(Refusal) -> SymbolID? in
            guard fits(plain, Limits.valueBytes) else { return nil }
            guard let id = vocabulary.symbol(.value, plain, search: search) else { throw .vocabularyFull }
            return id
        }
        if let id { event.value = .symbol(id) } else { event.blame(text.range.isEmpty ? .missingValue : .textTooLong) }
    }
}

/// How often; 0 is kept for Admission to judge, what is no count at all is out of range.
private func setCount(_ event: inout Event, _ number: JSONToken, _ line: Span<UInt8>) throws(Refusal) {
    if let count = try unsigned(number, line).flatMap(UInt32.init(exactly:)) {
        event.count = count
    } else {
        event.blame(.outOfRange)
    }
}

private func setSeverity(_ event: inout Event, _ scalar: Scalar, _ line: Span<UInt8>) throws(Refusal) {
    if case .absent = scalar { return }
    guard case .number(let number) = numeric(scalar, line) else { return event.blame(.wrongValueType) }
    if let severity = try byte(number, line) { event.severity = severity } else { event.blame(.outOfRange) }
}

/// The scale byte, from `scale` itself or from `bestRating` and `worstRating` (schema.org: 5 and 1 when absent).
private func setScale(
    _ event: inout Event, _ fields: borrowing EventLineFields, _ line: Span<UInt8>
) throws(Refusal) {
    if fields.scale != .absent {
        guard case .number(let number) = numeric(fields.scale, line) else { return event.blame(.wrongValueType) }
        if let scale = try byte(number, line) { event.scale = scale } else { event.blame(.outOfRange) }
        return
    }
    if fields.best == .absent, fields.worst == .absent { return }
    switch (try rating(fields.best, 5, line), try rating(fields.worst, 1, line)) {
    case (5, 1): event.scale = 0
    case (1, 0): event.scale = 1
    case (10, 0): event.scale = 10
    case (10, 1): event.scale = Event.scaleOneToTen
    case (let best?, 1) where best >= 2 && best != Event.scaleOneToTen: event.scale = best
    default: event.blame(.outOfRange)
    }
}

private func rating(_ scalar: Scalar, _ usual: UInt8, _ line: Span<UInt8>) throws(Refusal) -> UInt8? {
    switch numeric(scalar, line) {
    case .absent: usual
    case .number(let number): try byte(number, line)
    default: nil
    }
}

/// The number as an integer from 0 to 255.
func byte(_ number: JSONToken, _ line: Span<UInt8>) throws(Refusal) -> UInt8? {
    guard case .whole(let whole) = try value(of: number, line) else { return nil }
    return UInt8(exactly: whole)
}

private func setText(
    _ event: inout Event, _ scalar: Scalar, _ line: Span<UInt8>, _ arena: inout [UInt8]
) throws(Refusal) {
    switch scalar {
    case .absent: break
    case .text(let text):
        // The arena is borrowed by the closure, so the event is not.
        var copy = event
        try withPlain(line, text) { (plain) throws(Refusal) in setText(plain, of: &copy, in: &arena) }
        event = copy
    default: event.blame(.wrongValueType)
    }
}

/// A word of at most `limit` bytes; empty is absent.
func setTag(
    _ event: inout Event, _ scalar: Scalar, _ kind: SymbolKind, limit: Int, _ line: Span<UInt8>,
    _ vocabulary: inout Vocabulary
) throws(Refusal) -> SymbolID {
    switch scalar {
    case .absent: return .none
    case .text(let text):
        guard !text.range.isEmpty else { return .none }
        let id = try withPlain(line, text) { (plain) throws(Refusal) -> SymbolID? in
            guard plain.count <= limit else { return nil }
            guard let id = vocabulary.symbol(kind, plain) else { throw .vocabularyFull }
            return id
        }
        if id == nil { event.blame(.textTooLong) }
        return id ?? .none
    default:
        event.blame(.wrongValueType)
        return .none
    }
}
