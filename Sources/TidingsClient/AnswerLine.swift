// One line of a daemon's answers on a connection of JSON lines, taken apart without trust.

/// `{"ack":5}`, or `{"error":{…}}` and its like: one object in one object, of numbers and strings.
struct AnswerLine {
    enum Kind: String {
        case ack, error, quarantined, stale, note
    }

    var kind: Kind
    /// The number that follows `ack`.
    var count: UInt64 = 0
    /// The line that it is about, from 1 on its connection; 0 = none in particular.
    var line: UInt64 = 0
    /// So many lines besides those that were named; nil = this is about one line, or about the connection.
    var more: UInt64?
    var code: UInt64 = 0
    var reason = ""
    var text = ""
    var key = ""

    /// nil when it is nothing that this client knows.
    init?(_ bytes: Span<UInt8>) {
        var at = 0
        guard take(0x7b, bytes, &at), let name = readString(bytes, &at), let kind = Kind(rawValue: name),
            take(0x3a, bytes, &at)
        else { return nil }
        self.kind = kind
        if kind == .ack {
            guard let count = readNumber(bytes, &at) else { return nil }
            self.count = count
            return
        }
        guard take(0x7b, bytes, &at) else { return nil }
        if take(0x7d, bytes, &at) { return }
        repeat {
            guard let key = readString(bytes, &at), take(0x3a, bytes, &at) else { return nil }
            if let number = readNumber(bytes, &at) {
                set(key, number)
            } else if let text = readString(bytes, &at) {
                set(key, text)
            } else {
                return nil
            }
        } while take(0x2c, bytes, &at)
        guard take(0x7d, bytes, &at) else { return nil }
    }

    private mutating func set(_ key: String, _ number: UInt64) {
        switch key {
        case "line": line = number
        case "more": more = number
        case "code": code = number
        default: break
        }
    }

    private mutating func set(_ key: String, _ text: String) {
        switch key {
        case "reason": reason = text
        case "text": self.text = text
        case "key": self.key = text
        default: break
        }
    }
}

/// Moves `at` behind `byte`, and blanks before it, if that is what comes next.
private func take(_ byte: UInt8, _ bytes: Span<UInt8>, _ at: inout Int) -> Bool {
    while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x09 { at += 1 }
    guard at < bytes.count, bytes[at] == byte else { return false }
    at += 1
    return true
}

/// A whole number that is not negative; nil, with `at` unmoved, when there is none. Absurd ones stay absurd: no line
/// has a number above 2^59.
private func readNumber(_ bytes: Span<UInt8>, _ at: inout Int) -> UInt64? {
    while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x09 { at += 1 }
    let start = at
    var number: UInt64 = 0
    while at < bytes.count, bytes[at] &- 0x30 < 10 {
        if number < 1 << 59 { number = number * 10 + UInt64(bytes[at] - 0x30) }
        at += 1
    }
    return at > start ? number : nil
}

/// A string with its escapes undone; nil when there is none.
private func readString(_ bytes: Span<UInt8>, _ at: inout Int) -> String? {
    guard take(0x22, bytes, &at) else { return nil }
    var plain: [UInt8] = []
    while at < bytes.count {
        let byte = bytes[at]
        at += 1
        switch byte {
        case 0x22: return String(decoding: plain, as: UTF8.self)
        case 0x5c:
            guard at < bytes.count else { return nil }
            let escape = bytes[at]
            at += 1
            switch escape {
            case UInt8(ascii: "n"): plain.append(0x0a)
            case UInt8(ascii: "t"): plain.append(0x09)
            case UInt8(ascii: "r"): plain.append(0x0d)
            case UInt8(ascii: "u"):
                guard let scalar = readScalar(bytes, &at) else { return nil }
                plain.append(contentsOf: String(Character(scalar)).utf8)
            default: plain.append(escape)
            }
        default: plain.append(byte)
        }
    }
    return nil
}

/// The four digits behind `\u`, and those of the other half of a pair; a half without the other is a question mark.
private func readScalar(_ bytes: Span<UInt8>, _ at: inout Int) -> Unicode.Scalar? {
    guard let high = readHexadecimal(bytes, &at) else { return nil }
    guard (0xd800...0xdbff).contains(high), at + 1 < bytes.count, bytes[at] == 0x5c, bytes[at + 1] == 0x75 else {
        return Unicode.Scalar(high) ?? "?"
    }
    at += 2
    guard let low = readHexadecimal(bytes, &at) else { return nil }
    guard (0xdc00...0xdfff).contains(low) else { return "?" }
    return Unicode.Scalar(0x1_0000 + (high - 0xd800) << 10 + (low - 0xdc00)) ?? "?"
}

private func readHexadecimal(_ bytes: Span<UInt8>, _ at: inout Int) -> UInt32? {
    guard bytes.count - at >= 4 else { return nil }
    var number: UInt32 = 0
    for _ in 0..<4 {
        let byte = bytes[at]
        at += 1
        switch byte {
        case 0x30...0x39: number = number << 4 | UInt32(byte - 0x30)
        case 0x41...0x46: number = number << 4 | UInt32(byte - 0x37)
        case 0x61...0x66: number = number << 4 | UInt32(byte - 0x57)
        default: return nil
        }
    }
    return number
}
