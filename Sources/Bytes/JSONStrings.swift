// JSON strings (RFC 8259), escaped so that they harm no terminal either.

/// What is escaped besides quotes and backslashes.
package enum JSONEscapes: Sendable {
    /// Control characters, also those from U+007F to U+009F: a terminal would obey them.
    case controls
    /// And what turns the direction of a text or breaks its line: it could make a terminal show something else.
    case controlsAndDirections
}

/// Appends `text`, which is UTF-8, as a JSON string with its quotes: what need not be escaped is not.
package func appendJSONString(
    _ text: Span<UInt8>, escaping escapes: JSONEscapes = .controls, to output: inout [UInt8]
) {
    output.append(UInt8(ascii: "\""))
    var index = 0
    while index < text.count {
        let byte = text[index]
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): output += [UInt8(ascii: "\\"), byte]
        case UInt8(ascii: "\n"): output += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
        case UInt8(ascii: "\r"): output += [UInt8(ascii: "\\"), UInt8(ascii: "r")]
        case UInt8(ascii: "\t"): output += [UInt8(ascii: "\\"), UInt8(ascii: "t")]
        case 0..<0x20, 0x7f: appendEscape(UInt16(byte), &output)
        // U+0080 to U+009F in UTF-8.
        case 0xc2 where index < text.count && (0x80...0x9f).contains(text[index]):
            appendEscape(UInt16(text[index]), &output)
            index += 1
        // U+2000 to U+207F in UTF-8.
        case 0xe2 where escapes == .controlsAndDirections && index + 1 < text.count && text[index] & 0xfe == 0x80:
            let code = 0x2000 | UInt16(text[index] & 0x3f) << 6 | UInt16(text[index + 1] & 0x3f)
            if isDirection(code) {
                appendEscape(code, &output)
                index += 2
            } else {
                output.append(byte)
            }
        default: output.append(byte)
        }
    }
    output.append(UInt8(ascii: "\""))
}

/// A string as JSON, with its quotes, for people to see.
package func jsonString(_ string: String) -> String {
    var output: [UInt8] = []
    appendJSONString(Array(string.utf8).span, escaping: .controlsAndDirections, to: &output)
    return String(decoding: output, as: UTF8.self)
}

/// Marks of direction, separators of lines and paragraphs, embeddings and overrides, and isolates.
private func isDirection(_ code: UInt16) -> Bool {
    switch code {
    case 0x200e...0x200f, 0x2028...0x202e, 0x2066...0x2069: true
    default: false
    }
}

private func appendEscape(_ code: UInt16, _ output: inout [UInt8]) {
    output += [UInt8(ascii: "\\"), UInt8(ascii: "u")]
    appendHexadecimal(UInt64(code), digits: 4, to: &output)
}
