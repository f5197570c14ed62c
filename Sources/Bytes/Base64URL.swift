// Base64 with the alphabet for URLs, without padding (RFC 4648, 5).

/// The text of some bytes.
package func base64URL(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count * 4 + 2) / 3)
    var (bits, count) = (UInt32(0), 0)
    for byte in bytes {
        bits = bits << 8 | UInt32(byte)
        count += 8
        while count >= 6 {
            count -= 6
            text.append(base64URLDigit(UInt8(truncatingIfNeeded: bits >> UInt32(count)) & 63))
        }
    }
    if count > 0 { text.append(base64URLDigit(UInt8(truncatingIfNeeded: bits << UInt32(6 - count)) & 63)) }
    return String(decoding: text, as: UTF8.self)
}

/// The bytes of a text; nil when it has other characters, padding, a length that none has, or bits left over that are
/// not zero: each value has one text.
package func base64URLDecoded(_ text: Span<UInt8>) -> [UInt8]? {
    guard text.count % 4 != 1 else { return nil }
    var bytes: [UInt8] = []
    var (bits, count) = (UInt32(0), 0)
    for index in text.indices {
        guard let value = base64URLValue(text[index]) else { return nil }
        bits = (bits << 6 | UInt32(value)) & 0xffff
        count += 6
        if count >= 8 {
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        }
    }
    return bits & ((1 << UInt32(count)) - 1) == 0 ? bytes : nil
}

/// The same.
package func base64URLDecoded(_ text: some Collection<UInt8>) -> [UInt8]? { base64URLDecoded(Array(text).span) }

private func base64URLDigit(_ value: UInt8) -> UInt8 {
    switch value {
    case 0..<26: UInt8(ascii: "A") + value
    case 26..<52: UInt8(ascii: "a") + value - 26
    case 52..<62: UInt8(ascii: "0") + value - 52
    case 62: UInt8(ascii: "-")
    default: UInt8(ascii: "_")
    }
}

private func base64URLValue(_ digit: UInt8) -> UInt8? {
    switch digit {
    case asciiUppercase: digit - UInt8(ascii: "A")
    case asciiLowercase: digit - UInt8(ascii: "a") + 26
    case asciiDigits: digit - UInt8(ascii: "0") + 52
    case UInt8(ascii: "-"): 62
    case UInt8(ascii: "_"): 63
    default: nil
    }
}
