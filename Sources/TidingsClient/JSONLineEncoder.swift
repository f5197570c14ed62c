// An event as a JSON line in the short form, as `nc` would send it.

import Bytes
import Events
import Wire

/// Appends one event as a JSON object and a newline.
func writeJSONLine(_ event: Event, in batch: EventBatch, _ vocabulary: Vocabulary, into output: inout [UInt8]) {
    let details = batch.details(of: event)
    output.append(UInt8(ascii: "{"))
    appendText("product", vocabulary.text(.product, event.product), &output)
    appendText("device", vocabulary.name(of: event.device), &output)
    if event.customer != .none { appendText("customer", vocabulary.name(of: event.customer), &output) }
    switch event.identity {
    case .none: break
    case .sequence: appendText("id", Array("\(event.epoch)-\(event.seq)".utf8)[...], &output)
    case .hash:
        var id: [UInt8] = []
        appendHash(event.seq, to: &id)
        appendText("id", id[...], &output)
    }
    if event.kind == .custom {
        appendText("type", vocabulary.text(.type, event.type), &output)
    } else {
        appendText("type", Array(event.kind.name.description.utf8)[...], &output)
    }
    if details.cause != 0 {
        var cause: [UInt8] = []
        details.appendCause(to: &cause)
        appendText("cause", cause[...], &output)
    }
    if event.kind == .receipt {
        if event.scale != 0 { appendNumber("stage", String(event.scale), &output) }
        if event.severity != 0 { appendNumber("evidence", String(event.severity), &output) }
    }
    if event.clock == .device { appendNumber("time", String(event.time.rawValue), &output) }
    if event.aspect != .none { appendText("aspect", vocabulary.text(.aspect, event.aspect), &output) }
    // The number that a use has as its value is how long it took.
    let number: StaticString = event.kind == .featureUsed ? "duration" : "value"
    switch event.value {
    case .none: break
    case .whole(let whole): appendNumber(number, String(whole), &output)
    case .real(let real): appendNumber(number, String(real), &output)
    case .symbol(let symbol): appendText("value", vocabulary.text(.value, symbol), &output)
    case .flag(let flag): appendNumber("value", flag ? "true" : "false", &output)
    }
    if event.unit != .none { appendText("unit", vocabulary.text(.unit, event.unit), &output) }
    if event.origin != .none { appendText("origin", Array(event.origin.name.description.utf8)[...], &output) }
    if event.count != 1 { appendNumber("count", String(event.count), &output) }
    if event.kind != .receipt, event.severity != 0 { appendNumber("severity", String(event.severity), &output) }
    if event.kind != .receipt, event.scale != 0 {
        appendNumber("bestRating", String(event.ratingBounds.upperBound), &output)
        appendNumber("worstRating", String(event.ratingBounds.lowerBound), &output)
    }
    if details.notice != .none { appendText("notice", vocabulary.text(.value, details.notice), &output) }
    if details.method != .none { appendText("method", vocabulary.text(.value, details.method), &output) }
    if details.expiry.rawValue != 0 { appendNumber("expiry", String(details.expiry.rawValue), &output) }
    appendText("text", batch.text(of: event), &output)
    if event.language != .none { appendText("lang", vocabulary.text(.language, event.language), &output) }
    if !details.extra.isEmpty {
        appendKey("extra", &output)
        output.append(contentsOf: batch.bytes(of: details.extra))
    }
    output.append(UInt8(ascii: "}"))
    output.append(UInt8(ascii: "\n"))
}

private func appendKey(_ key: StaticString, _ output: inout [UInt8]) {
    if output.last != UInt8(ascii: "{") { output.append(UInt8(ascii: ",")) }
    output.append(UInt8(ascii: "\""))
    output.append(contentsOf: key.description.utf8)
    output.append(UInt8(ascii: "\""))
    output.append(UInt8(ascii: ":"))
}

private func appendText(_ key: StaticString, _ text: ArraySlice<UInt8>, _ output: inout [UInt8]) {
    guard !text.isEmpty else { return }
    appendKey(key, &output)
    appendJSONString(text.span, to: &output)
}

private func appendNumber(_ key: StaticString, _ number: String, _ output: inout [UInt8]) {
    appendKey(key, &output)
    output.append(contentsOf: number.utf8)
}
