// The canonical JSON of one event: one line, keys in a fixed order, absent ones left out.
package import Events

/// Appends one event as canonical JSON, without a newline.
///
/// The same event gives the same bytes in every process and release: `log export`, `log tail`, the golden files and
/// the independent reader of the log are compared byte by byte.
///
/// - Parameters:
///   - text: the event's free text, UTF-8; empty = none.
///   - offset: where the event stands in the log; nil leaves the key out.
///   - vocabulary: the names; one that it does not know (a forgotten customer) is written as `customer#12`.
package func writeEventLine(
    _ event: Event, text: Span<UInt8>, offset: Offset?, vocabulary: borrowing Vocabulary, into output: inout [UInt8]
) {
    output.append(0x7b)
    if let offset {
        appendKey("offset", &output)
        appendDecimal(offset.rawValue, to: &output)
    }
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
    appendKey("type", &output)
    appendWord(event.kind.name, &output)
    appendKey("time", &output)
    appendTime(event.time, to: &output)
    if event.clock != .device {
        appendKey("clock", &output)
        appendWord(event.clock == .age ? "age" : "arrival", &output)
    }
    appendKey("arrival", &output)
    appendTime(event.arrival, to: &output)
    appendSymbol("aspect", event.aspect, .aspect, vocabulary, &output)
    appendValue(event.value, vocabulary, &output)
    appendSymbol("unit", event.unit, .unit, vocabulary, &output)
    appendNumber("count", UInt64(event.count), unless: 1, &output)
    appendNumber("severity", UInt64(event.severity), unless: 0, &output)
    appendNumber("scale", UInt64(event.scale), unless: 0, &output)
    if !text.isEmpty {
        appendKey("text", &output)
        appendString(text, &output)
    }
    appendSymbol("lang", event.language, .language, vocabulary, &output)
    appendSymbol("vendor_type", event.type, .type, vocabulary, &output)
    if event.quarantine != .none {
        appendKey("quarantined", &output)
        appendWord(event.quarantine.name, &output)
    }
    output.append(0x7d)
}

/// Appends `text`, which is UTF-8, as a JSON string: only what must be is escaped, and the control characters, which a
/// terminal would obey.
package func appendString(_ text: Span<UInt8>, _ output: inout [UInt8]) {
    output.append(0x22)
    var index = 0
    while index < text.count {
        let byte = text[index]
        index += 1
        switch byte {
        case 0x22, 0x5c: output += [0x5c, byte]
        case 0x0a: output += [0x5c, 0x6e]
        case 0x0d: output += [0x5c, 0x72]
        case 0x09: output += [0x5c, 0x74]
        case 0..<0x20, 0x7f: appendControl(byte, &output)
        // U+0080 to U+009F in UTF-8.
        case 0xc2 where index < text.count && (0x80...0x9f).contains(text[index]):
            appendControl(text[index], &output)
            index += 1
        default: output.append(byte)
        }
    }
    output.append(0x22)
}

private func appendControl(_ code: UInt8, _ output: inout [UInt8]) {
    output += [0x5c, 0x75, 0x30, 0x30, hexDigit(code >> 4), hexDigit(code & 15)]
}

@inline(__always)
private func hexDigit(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 + nibble : 0x57 + nibble }

private func appendKey(_ key: StaticString, _ output: inout [UInt8]) {
    if output.last != 0x7b { output.append(0x2c) }
    appendWord(key, &output)
    output.append(0x3a)
}

/// Appends a word of ours, which needs no escaping, with its quotes.
private func appendWord(_ word: StaticString, _ output: inout [UInt8]) {
    output.append(0x22)
    output.append(contentsOf: word.description.utf8)
    output.append(0x22)
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
    guard name.isEmpty else { return appendString(name.span, &output) }
    output.append(0x22)
    output.append(contentsOf: prefix.description.utf8)
    appendDecimal(UInt64(id), to: &output)
    output.append(0x22)
}

private func appendIdentity(_ event: Event, _ output: inout [UInt8]) {
    guard event.identity != .none else { return }
    appendKey("id", &output)
    output.append(0x22)
    if event.identity == .sequence {
        appendDecimal(UInt64(event.epoch), to: &output)
        output.append(0x2d)
        appendDecimal(event.seq, to: &output)
    } else {
        output.append(0x23)
        for shift in stride(from: UInt64(60), through: 0, by: -4) {
            output.append(hexDigit(UInt8(truncatingIfNeeded: event.seq >> shift) & 15))
        }
    }
    output.append(0x22)
}

private func appendValue(_ value: Value, _ vocabulary: borrowing Vocabulary, _ output: inout [UInt8]) {
    if case .none = value { return }
    appendKey("value", &output)
    switch value {
    case .none: break
    case .whole(let number): appendDecimal(number, to: &output)
    case .real(let number): appendReal(number, to: &output)
    case .symbol(let id): appendName(vocabulary.text(.value, id), "symbol#", id.rawValue, &output)
    case .flag(let flag): output.append(contentsOf: (flag ? "true" : "false").utf8)
    }
}
