// A CloudEvent whose attributes stand in the head and whose body is its data: written as the JSON event that it is.

import Bytes
package import Events
import Wire

/// Writes the event as one JSON object, so that it is read as every other one is. Fields whose names no attribute can
/// have are passed over.
///
/// - Parameters:
///   - contentType: the media type of the data, an attribute too, and the only one that is not percent-encoded.
///   - data: one JSON value, or blank for an event without data.
/// - Throws: `.badUTF8` for an attribute that is no UTF-8; what `checkValue` throws of the data.
package func writeBinaryEvent(
    _ attributes: [(name: Substring, value: String)], contentType: String?, data: Span<UInt8>,
    into line: inout [UInt8]
) throws(Refusal) {
    line.removeAll(keepingCapacity: true)
    line.append("{")
    if let contentType {
        line.append("\"datacontenttype\":")
        try appendText(trimmed(contentType), of: contentType, to: &line)
    }
    for (name, value) in attributes {
        guard name.utf8.allSatisfy(isOfAttribute), !name.isEmpty else { continue }
        if contentType != nil, same(name.utf8Span.span, "datacontenttype") { continue }
        if line.count > 1 { line.append(",") }
        line.append("\"")
        for byte in name.utf8 { line.append(asciiUppercase.contains(byte) ? byte | 0x20 : byte) }
        line.append("\":")
        try appendText(unquoted(value), of: value, to: &line)
    }
    if (0..<data.count).contains(where: { !isBlank(data[$0]) }) {
        try checkValue(data)
        line.append(",\"data\":")
        line.append(copying: data)
    }
    line.append("}")
}

/// Appends a JSON string. What is no UTF-8 in a field has been replaced by the parser before: nobody sends that
/// character as it is.
private func appendText(_ plain: [UInt8], of field: String, to line: inout [UInt8]) throws(Refusal) {
    let isText: Bool
    do {
        _ = try UTF8Span(validating: plain.span)
        isText = !field.unicodeScalars.contains("\u{fffd}")
    } catch {
        isText = false
    }
    guard isText else { throw .badUTF8 }
    appendJSONString(plain.span, to: &line)
}

/// The value of an attribute: without quotes around it and their escapes, and percent-decoded once (HTTP binding for
/// CloudEvents 1.0.2, 3.1.3.2). A percent sign that begins no escape stands for itself.
private func unquoted(_ value: String) -> [UInt8] {
    var bytes = trimmed(value)
    if bytes.count >= 2, bytes[0] == UInt8(ascii: "\""), bytes[bytes.count - 1] == UInt8(ascii: "\"") {
        var plain: [UInt8] = []
        var isEscaped = false
        for byte in bytes[1..<(bytes.count - 1)] {
            if !isEscaped, byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else {
                plain.append(byte)
                isEscaped = false
            }
        }
        bytes = plain
    }
    guard bytes.contains(UInt8(ascii: "%")) else { return bytes }
    var plain: [UInt8] = []
    var at = 0
    while at < bytes.count {
        if bytes[at] == UInt8(ascii: "%"), at + 2 < bytes.count, let high = hexValue(bytes[at + 1]),
            let low = hexValue(bytes[at + 2])
        {
            plain.append(high << 4 | low)
            at += 3
        } else {
            plain.append(bytes[at])
            at += 1
        }
    }
    return plain
}

private func isOfAttribute(_ byte: UInt8) -> Bool {
    asciiLowercase.contains(byte) || asciiUppercase.contains(byte) || asciiDigits.contains(byte)
}

private func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case asciiDigits: byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
}
