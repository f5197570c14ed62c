// An event as a JSON line in the short form, as `nc` would send it.

import Bytes
import Events
import Wire

/// Appends one event as a JSON object and a newline.
func writeJSONLine(_ event: Event, text: ArraySlice<UInt8>, _ vocabulary: Vocabulary, into output: inout [UInt8]) {
    output.append(UInt8(ascii: "{"))
    appendText("product", vocabulary.text(.product, event.product), &output)
    appendText("device", vocabulary.name(of: event.device), &output)
    if event.customer != .none { appendText("customer", vocabulary.name(of: event.customer), &output) }
    if event.identity == .sequence { appendText("id", Array("\(event.epoch)-\(event.seq)".utf8)[...], &output) }
    if event.kind == .custom {
        appendText("type", vocabulary.text(.type, event.type), &output)
    } else {
        appendText("type", Array(event.kind.name.description.utf8)[...], &output)
    }
    if event.clock == .device { appendNumber("time", String(event.time.rawValue), &output) }
    if event.aspect != .none { appendText("aspect", vocabulary.text(.aspect, event.aspect), &output) }
    switch event.value {
    case .none: break
    case .whole(let number): appendNumber("value", String(number), &output)
    case .real(let number): appendNumber("value", String(number), &output)
    case .symbol(let symbol): appendText("value", vocabulary.text(.value, symbol), &output)
    case .flag(let flag): appendNumber("value", flag ? "true" : "false", &output)
    }
    if event.unit != .none { appendText("unit", vocabulary.text(.unit, event.unit), &output) }
    if event.count != 1 { appendNumber("count", String(event.count), &output) }
    if event.severity != 0 { appendNumber("severity", String(event.severity), &output) }
    if event.scale != 0 {
        appendNumber("bestRating", String(event.ratingBounds.upperBound), &output)
        appendNumber("worstRating", String(event.ratingBounds.lowerBound), &output)
    }
    if !text.isEmpty { appendText("text", text, &output) }
    if event.language != .none { appendText("lang", vocabulary.text(.language, event.language), &output) }
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
