// The canonical JSON of one event: one line, keys in a fixed order, absent ones left out.
import Bytes
package import Events

/// Appends one event as canonical JSON, without a newline.
///
/// The same event gives the same bytes in every process and release: `log export`, `log tail`, the golden files and
/// the independent reader of the log are compared byte by byte.
///
/// - Parameters:
///   - batch: the one that the event stands in, for its text and what it says besides.
///   - offset: where the event stands in the log; nil leaves the key out.
///   - vocabulary: the names; one that it does not know (a forgotten customer) is written as `customer#12`.
package func writeEventLine(
    _ event: Event, in batch: borrowing EventBatch, offset: Offset?, vocabulary: borrowing Vocabulary,
    into output: inout [UInt8]
) {
    let details = batch.details(of: event)
    let isReceipt = event.kind == .receipt
    output.append(UInt8(ascii: "{"))
    if let offset {
        appendKey("offset", &output)
        appendDecimal(offset.rawValue, to: &output)
    }
    appendSender(event, vocabulary, &output)
    appendKey("type", &output)
    appendWord(event.kind.name, &output)
    if event.detail != 0 || isReceipt { appendAnswer(event, details, &output) }
    appendTimes(event, &output)
    appendSymbol("aspect", event.aspect, .aspect, vocabulary, &output)
    appendValue(event, vocabulary, &output)
    if event.detail != 0, case .none = event.valueKind, case .plain = details.personalValue.codec {
        appendJSON("value", batch.bytes(of: details.personalValue), &output)
    }
    appendSymbol("unit", event.unit, .unit, vocabulary, &output)
    if event.origin != .none {
        appendKey("origin", &output)
        appendWord(event.origin.name, &output)
    }
    appendNumber("count", UInt64(event.count), unless: 1, &output)
    if !isReceipt {
        appendNumber("severity", UInt64(event.severity), unless: 0, &output)
        appendNumber("scale", UInt64(event.scale), unless: 0, &output)
    }
    if event.detail != 0 { appendConsent(details, vocabulary, &output) }
    appendString("text", batch.text(of: event), &output)
    appendSymbol("lang", event.language, .language, vocabulary, &output)
    if event.detail != 0 { appendParts(details, batch, &output) }
    appendSymbol("vendor_type", event.type, .type, vocabulary, &output)
    if let replays = details.replays {
        appendKey("replays", &output)
        appendDecimal(replays.rawValue, to: &output)
    }
    if event.quarantine != .none {
        appendKey("quarantined", &output)
        appendWord(event.quarantine.name, &output)
    }
    output.append(UInt8(ascii: "}"))
}

/// Appends who sent the event, and its identity.
private func appendSender(_ event: Event, _ vocabulary: borrowing Vocabulary, _ output: inout [UInt8]) {
    appendSymbol("product", event.product, .product, vocabulary, &output)
    if event.device != .none {
        appendKey("device", &output)
        appendName(vocabulary.name(of: event.device), "device#", event.device.rawValue, &output)
    }
    if event.customer != .none {
        appendKey("customer", &output)
        appendName(vocabulary.name(of: event.customer), "customer#", event.customer.rawValue, &output)
    }
    appendIdentity(event, &output)
    if event.isEpochAssigned { appendTrue("epoch_assigned", &output) }
}

/// Appends when it happened and when it came.
private func appendTimes(_ event: Event, _ output: inout [UInt8]) {
    appendKey("time", &output)
    appendTime(event.time, to: &output)
    if event.clock != .device {
        appendKey("clock", &output)
        appendWord(event.clock == .age ? "age" : "arrival", &output)
    }
    appendKey("arrival", &output)
    appendTime(event.arrival, to: &output)
}

/// Appends which message the event answers, and what a receipt says of it.
private func appendAnswer(_ event: Event, _ details: EventDetails, _ output: inout [UInt8]) {
    if details.cause != 0 {
        appendKey("cause", &output)
        output.append(UInt8(ascii: "\""))
        details.appendCause(to: &output)
        output.append(UInt8(ascii: "\""))
    }
    if event.kind == .receipt {
        appendWord("stage", ReceiptStage(rawValue: event.scale)?.name, event.scale, &output)
        appendWord("evidence", ReceiptEvidence(rawValue: event.severity)?.name, event.severity, &output)
    }
}

/// Appends what only a consent says.
private func appendConsent(
    _ details: EventDetails, _ vocabulary: borrowing Vocabulary, _ output: inout [UInt8]
) {
    appendSymbol("notice", details.notice, .value, vocabulary, &output)
    appendSymbol("method", details.method, .value, vocabulary, &output)
    if details.expiry.rawValue != 0 {
        appendKey("expiry", &output)
        appendTime(details.expiry, to: &output)
    }
}

/// Appends the parts beside the text.
private func appendParts(_ details: EventDetails, _ batch: borrowing EventBatch, _ output: inout [UInt8]) {
    func plain(_ part: TextPart) -> ArraySlice<UInt8> { part.codec == .plain ? batch.bytes(of: part) : [] }
    appendJSON("extra", plain(details.extra), &output)
    appendString("raw", plain(details.raw), &output)
    if details.raw.isCut { appendTrue("raw_cut", &output) }
    appendJSON("payload", plain(details.payload), &output)
    appendSealed(details, &output)
}

/// Appends the names of the parts that are there and that nobody here can read.
private func appendSealed(_ details: EventDetails, _ output: inout [UInt8]) {
    let names: [StaticString] = ["text", "extra", "raw", "payload", "value"]
    let sealed = zip(EventDetails.parts, names).filter { part, _ in
        !details[keyPath: part].isEmpty && details[keyPath: part].codec == .sealed
    }
    guard !sealed.isEmpty else { return }
    appendKey("sealed", &output)
    for (index, (_, name)) in sealed.enumerated() {
        output.append(UInt8(ascii: index == 0 ? "[" : ","))
        appendWord(name, &output)
    }
    output.append(UInt8(ascii: "]"))
}

/// Appends `"2026-01-01T00:00:00.000Z"` with its quotes; a time outside the years 0 to 9999 as a plain number.
func appendTime(_ time: Timestamp, to output: inout [UInt8]) {
    guard writableTimes.contains(time.rawValue) else { return appendDecimal(time.rawValue, to: &output) }
    output.append(UInt8(ascii: "\""))
    appendRFC3339(time.rawValue, to: &output)
    output.append(UInt8(ascii: "\""))
}

/// 0000-01-01T00:00:00.000Z ... 9999-12-31T23:59:59.999Z, milliseconds.
private let writableTimes: ClosedRange<Int64> = -62_167_219_200_000...253_402_300_799_999

private func appendKey(_ key: StaticString, _ output: inout [UInt8]) {
    if output.last != UInt8(ascii: "{") { output.append(UInt8(ascii: ",")) }
    appendWord(key, &output)
    output.append(UInt8(ascii: ":"))
}

/// Appends a word of ours, which needs no escaping, with its quotes.
private func appendWord(_ word: StaticString, _ output: inout [UInt8]) {
    output.append(UInt8(ascii: "\""))
    output.append(contentsOf: word.description.utf8)
    output.append(UInt8(ascii: "\""))
}

/// Appends a word of ours; the number of one that is not known to this release; nothing for 0.
private func appendWord(_ key: StaticString, _ word: StaticString?, _ number: UInt8, _ output: inout [UInt8]) {
    guard number != 0 else { return }
    guard let word else { return appendNumber(key, UInt64(number), unless: 0, &output) }
    appendKey(key, &output)
    appendWord(word, &output)
}

private func appendTrue(_ key: StaticString, _ output: inout [UInt8]) {
    appendKey(key, &output)
    output.append(contentsOf: "true".utf8)
}

private func appendString(_ key: StaticString, _ text: ArraySlice<UInt8>, _ output: inout [UInt8]) {
    guard !text.isEmpty else { return }
    appendKey(key, &output)
    appendJSONString(text.span, to: &output)
}

/// Appends a part that is JSON already.
private func appendJSON(_ key: StaticString, _ json: ArraySlice<UInt8>, _ output: inout [UInt8]) {
    guard !json.isEmpty else { return }
    appendKey(key, &output)
    output.append(contentsOf: json)
}

private func appendNumber(_ key: StaticString, _ number: UInt64, unless usual: UInt64, _ output: inout [UInt8]) {
    guard number != usual else { return }
    appendKey(key, &output)
    appendDecimal(number, to: &output)
}

private func appendSymbol(
    _ key: StaticString, _ id: SymbolID, _ kind: SymbolKind, _ vocabulary: borrowing Vocabulary,
    _ output: inout [UInt8]
) {
    guard id != .none else { return }
    appendKey(key, &output)
    appendName(vocabulary.text(kind, id), "symbol#", id.rawValue, &output)
}

/// Appends a name, or `prefix` and its number when it is not known.
private func appendName(_ name: ArraySlice<UInt8>, _ prefix: StaticString, _ id: UInt32, _ output: inout [UInt8]) {
    guard name.isEmpty else { return appendJSONString(name.span, to: &output) }
    output.append(UInt8(ascii: "\""))
    output.append(contentsOf: prefix.description.utf8)
    appendDecimal(UInt64(id), to: &output)
    output.append(UInt8(ascii: "\""))
}

private func appendIdentity(_ event: Event, _ output: inout [UInt8]) {
    guard event.identity != .none else { return }
    appendKey("id", &output)
    output.append(UInt8(ascii: "\""))
    if event.identity == .sequence {
        appendDecimal(UInt64(event.epoch), to: &output)
        output.append(UInt8(ascii: "-"))
        appendDecimal(event.seq, to: &output)
    } else {
        appendHash(event.seq, to: &output)
    }
    output.append(UInt8(ascii: "\""))
}

/// Appends the value; the number of a use is its duration.
private func appendValue(_ event: Event, _ vocabulary: borrowing Vocabulary, _ output: inout [UInt8]) {
    let isNumber = event.valueKind == .whole || event.valueKind == .real
    if case .none = event.valueKind { return }
    appendKey(event.kind == .featureUsed && isNumber ? "duration" : "value", &output)
    switch event.value {
    case .none: break
    case .whole(let number): appendDecimal(number, to: &output)
    case .real(let number): appendReal(number, to: &output)
    case .symbol(let id): appendName(vocabulary.text(.value, id), "symbol#", id.rawValue, &output)
    case .flag(let flag): output.append(contentsOf: (flag ? "true" : "false").utf8)
    }
}
