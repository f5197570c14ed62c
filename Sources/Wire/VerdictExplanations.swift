// What a sender is told of an event that is acknowledged and yet kept apart, or too old: cause, place and remedy.

import Bytes
package import Events

/// One line on an event that was quarantined or is stale. May hold text of the sender's, so it must be escaped where it
/// goes.
///
/// - Parameters:
///   - event: as it was decoded.
///   - line: the line that it came in; empty when it came in the native format, and then less can be named.
package func explanation(of verdict: Verdict, _ event: Event, line: Span<UInt8>) -> String {
    switch verdict {
    case .stale: return staleText(event)
    case .quarantined(let reason):
        let contents = line.isEmpty ? nil : LineContents(line)
        return explanation(of: reason, event, line, contents)
    }
}

private func explanation(
    of reason: QuarantineReason, _ event: Event, _ line: Span<UInt8>, _ contents: LineContents?
) -> String {
    switch reason {
    case .none: "stored"
    case .unknownType: unknownType(line, contents)
    case .badAspect: badAspect(event, line, contents)
    case .missingValue: missingValue(event)
    case .wrongValueType: wrongValueType(event, line, contents)
    case .outOfRange: outOfRange(event, line, contents)
    case .absurdClock: absurdClock(event)
    case .notFinite: notFinite(line, contents)
    case .textTooLong: textTooLong(line, contents)
    case .policy: "an extension demands a treatment that this daemon cannot promise; leave it out"
    case .badTime: badTime(line, contents)
    case .unknownCause: unknownCause(line, contents)
    case .badAnswer: badAnswer(event, line, contents)
    case .numberReused:
        "the number \(event.seq) was taken before, with an earlier time: the device counts from the beginning again; "
            + "let it send an epoch that differs at each of its starts, or go on counting"
    case .outsideCatalogue: "the product's catalogue does not know this; add it to the catalogue, or correct the event"
    case .unknownUnit: "the product's catalogue does not know the unit; send one of schemas/units.json"
    }
}

private func unknownCause(_ line: Span<UInt8>, _ contents: LineContents?) -> String {
    let remedy = "send the id as it came with the message, such as m17-9f31c2aa"
    guard let cause = contents?[.cause], !cause.isNull(in: line) else {
        return "cause names no message that went to this device; \(remedy)"
    }
    var details = EventDetails()
    if cause.isString(in: line), details.setCause(cause.plain(in: line).span) {
        return "cause is \(cause.shown(in: line)), and no such message went to this device; \(remedy)"
    }
    return "cause is \(cause.shown(in: line)), which is no message's id; \(remedy)"
}

private func badAnswer(_ event: Event, _ line: Span<UInt8>, _ contents: LineContents?) -> String {
    let remedy =
        "send preference.set with one of its choices, its numbers, true or false, rating.given on its scale, or "
        + "feedback.text, as the question asks"
    guard let value = contents?[.value] ?? contents?[.ratingValue] else {
        return "\(event.kind.name) is no answer that its question allows; \(remedy)"
    }
    return "\(event.kind.name) of \(value.shown(in: line)) is no answer that its question allows; \(remedy)"
}

/// What is said of a key that has a word which is none of a list; nil when all is well with it.
private func unlisted(
    _ key: EventKey, _ words: [String], _ line: Span<UInt8>, _ contents: LineContents?
) -> String? {
    guard let entry = contents?[key], entry.isString(in: line) else { return nil }
    let word = String(decoding: entry.plain(in: line), as: UTF8.self)
    if words.contains(word) { return nil }
    return "\(key) is \(entry.shown(in: line)); send one of \(words.joined(separator: ", "))"
}

private let originWords = Origin.allCases.filter { $0 != .none }.map { $0.name.description }
private let stageWords = ReceiptStage.allCases.filter { $0 != .none }.map { $0.name.description }
private let evidenceWords = ReceiptEvidence.allCases.filter { $0 != .none }.map { $0.name.description }

private func staleText(_ event: Event) -> String {
    let number = event.identity == .sequence ? "the number \(event.seq)" : "the number"
    return
        "\(number) is too far below the device's highest to tell whether it came before, so the event is not stored; "
        + "a device that counts anew sends an epoch that differs at each of its starts"
}

private let kindNameList = EventKind.allCases.filter(\.isUplink).map { $0.name.description }

private func unknownType(_ line: Span<UInt8>, _ contents: LineContents?) -> String {
    let all = kindNameList.joined(separator: ", ")
    guard let contents else { return "not a kind that a device may send; send one of \(all)" }
    if let version = contents[.specversion], version.shown(in: line) != "\"1.0\"" {
        return "specversion is \(version.shown(in: line)); send \"1.0\""
    }
    guard let type = contents[.type], type.isString(in: line) else { return "the event has no type; add one of \(all)" }
    let word = String(decoding: type.plain(in: line), as: UTF8.self)
    if word.isEmpty { return "type is empty; send one of \(all)" }
    if let kind = nearestWord(to: word, among: kindNameList) {
        return "\(shortened(word)) is no kind of event; did you mean \(kind)?"
    }
    return "\(shortened(word)) is no kind of event, so its line is kept without the names in it; the kinds are \(all)"
}

private func badAspect(_ event: Event, _ line: Span<UInt8>, _ contents: LineContents?) -> String {
    let rule = "an aspect is words of a-z 0-9 _ joined by dots"
    guard let entry = contents?[.aspect], !entry.isNull(in: line) else {
        return event.aspect == .none && contents != nil
            ? "\(event.kind.name) needs an aspect, what it is about; add one such as door.sound"
            : "\(rule), at most \(Limits.aspectWords) words and \(Limits.aspectBytes) bytes"
    }
    guard entry.isString(in: line) else { return "aspect is \(entry.type(in: line)); \(rule)" }
    let plain = entry.plain(in: line)
    guard let better = suggestedAspect(plain) else { return "\(rule); send one such as door.sound" }
    if plain.count > Limits.aspectBytes {
        return "the aspect is \(plain.count) bytes long, at most \(Limits.aspectBytes); try \(better)"
    }
    return "\(rule); try \(better)"
}

/// The aspect that somebody probably meant; nil when nothing is left of it.
private func suggestedAspect(_ text: [UInt8]) -> String? {
    var words: [[UInt8]] = [[]]
    for byte in text {
        switch byte {
        case asciiLowercase, asciiDigits: words[words.count - 1].append(byte)
        case asciiUppercase: words[words.count - 1].append(byte | 0x20)
        case UInt8(ascii: "."), UInt8(ascii: "/"): words.append([])
        default:
            if words[words.count - 1].last != UInt8(ascii: "_") { words[words.count - 1].append(UInt8(ascii: "_")) }
        }
    }
    let trimmed = words.map { word in
        Array(word.drop { $0 == UInt8(ascii: "_") }.reversed().drop { $0 == UInt8(ascii: "_") }.reversed())
    }
    let joined = trimmed.filter { !$0.isEmpty }.prefix(Limits.aspectWords).joined(separator: [UInt8(ascii: ".")])
    let kept = Array(joined.prefix(Limits.aspectBytes))
    guard isAspect(kept.span) else { return nil }
    return String(decoding: kept, as: UTF8.self)
}

private func missingValue(_ event: Event) -> String {
    if event.kind == .feedbackText { return "feedback.text needs text, the customer's words; add text" }
    if event.kind == .ratingGiven {
        return "rating.given needs a rating; add value (or ratingValue), a number on the scale"
    }
    if event.isConsent { return "\(event.kind.name) needs a purpose; add purpose, the word for it" }
    return "\(event.kind.name) needs a value; add value: a string, a number, true or false"
}

/// The keys whose values must be numbers, and those that must be strings.
private let countKeys: [EventKey] = [.count, .severity, .scale, .duration]
private let textKeys: [EventKey] = [.text, .unit, .lang, .origin, .purpose, .notice, .method, .stage, .evidence]

private func wrongValueType(_ event: Event, _ line: Span<UInt8>, _ contents: LineContents?) -> String {
    guard let contents else {
        return "the value is of a type that \(event.kind.name) does not take; see schemas/events"
    }
    if let told = contents.mistyped(countKeys, in: line, wanted: .number) { return told }
    if let told = contents.mistyped(textKeys, in: line, wanted: .string) { return told }
    if let data = contents[.data], !contents.entries.contains(where: \.isInData) {
        return "data is \(data.type(in: line)); send an object"
    }
    if contents[.duration] != nil, contents[.value] != nil {
        return "a use has a value and a duration; send duration alone, and count for how often"
    }
    guard let value = contents[.value] ?? contents[.ratingValue] else { return "the value has a wrong type" }
    let wanted = event.kind == .ratingGiven ? "send a number on the scale" : "send a string, a number, true or false"
    return "the value is \(value.type(in: line)) (\(value.shown(in: line))); \(wanted)"
}

private func outOfRange(_ event: Event, _ line: Span<UInt8>, _ contents: LineContents?) -> String {
    if let count = contents?[.count] ?? (event.kind == .featureUsed ? contents?[.value] : nil),
        event.count == 0 || !isWhole(count, line, upTo: UInt64(UInt32.max))
    {
        return "count is \(count.shown(in: line)); send a whole number from 1 to \(UInt32.max)"
    }
    if let told = unlisted(.origin, originWords, line, contents) { return told }
    if event.kind == .receipt {
        if let told = unlisted(.stage, stageWords, line, contents) { return told }
        if let told = unlisted(.evidence, evidenceWords, line, contents) { return told }
    }
    if event.isNegativeDuration { return "duration is less than 0; send the seconds that it took" }
    if event.count == 0 { return "count is 0; send a whole number from 1 to \(UInt32.max), or leave it out" }
    if let severity = contents?[.severity], !isWhole(severity, line, upTo: 24) {
        return "severity is \(severity.shown(in: line)); send an OpenTelemetry severity number, 1 to 24"
    }
    if event.severity > 24 { return "severity is \(event.severity); send 1 to 24" }
    if let scale = contents?[.scale], !isWhole(scale, line, upTo: 255) {
        return "scale is \(scale.shown(in: line)); send bestRating and worstRating instead"
    }
    if event.kind == .ratingGiven, let number = event.number {
        let bounds = event.ratingBounds
        if number < Double(bounds.lowerBound) || number > Double(bounds.upperBound) {
            var shown: [UInt8] = []
            if case .whole(let whole) = event.value {
                appendDecimal(whole, to: &shown)
            } else {
                appendReal(number, to: &shown)
            }
            let rating = String(decoding: shown, as: UTF8.self)
            return "the rating \(rating) is outside its scale of \(bounds.lowerBound) to \(bounds.upperBound); "
                + "say the scale with bestRating and worstRating"
        }
    }
    if let told = contents?.mistyped([.bestRating, .worstRating], in: line, wanted: .number) { return told }
    if contents?[.bestRating] != nil || contents?[.worstRating] != nil {
        return "no scale has these bounds; bestRating is 2 to 254 with worstRating 1, or 1 or 10 with worstRating 0"
    }
    return "a count, severity or scale is outside its range; see schemas/events"
}

private func isWhole(_ entry: LineContents.Entry, _ line: Span<UInt8>, upTo most: UInt64) -> Bool {
    guard entry.isNumber(in: line) else { return true }
    return entry.unsigned(in: line).map { $0 <= most } ?? false
}

private func notFinite(_ line: Span<UInt8>, _ contents: LineContents?) -> String {
    let advice = "send a whole number below 2^53, a decimal, or a string"
    guard let contents, let value = contents[.value] ?? contents[.ratingValue] else {
        return "the value is not finite, or too large to hold exactly; \(advice)"
    }
    return "the value \(value.shown(in: line)) cannot be held exactly; \(advice)"
}

private func textTooLong(_ line: Span<UInt8>, _ contents: LineContents?) -> String {
    let limits: [(EventKey, Int)] = [
        (.text, Limits.textBytes), (.value, Limits.valueBytes), (.unit, Limits.unitBytes), (.lang, Limits.unitBytes),
        (.purpose, Limits.valueBytes), (.notice, Limits.valueBytes), (.method, Limits.valueBytes),
    ]
    for (key, limit) in limits {
        guard let count = contents?[key]?.plain(in: line).count, count > limit else { continue }
        return "\(key) is \(count) bytes long, at most \(limit); "
            + (key == .text ? "what is longer is cut off" : "send a shorter one")
    }
    return
        "text is over \(Limits.textBytes) bytes (cut off), a value over \(Limits.valueBytes), or a unit or lang over "
        + "\(Limits.unitBytes); send shorter ones"
}
