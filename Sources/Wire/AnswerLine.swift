// One line of a daemon's answers on a connection of JSON lines, taken apart without trust.

import Bytes
import Events

/// `{"ack":5}`, or `{"error":{…}}` and its like: one object in one object, of numbers and strings.
package struct AnswerLine {
    package enum Kind: String, Sendable {
        case ack, error, quarantined, stale, note
    }

    package var kind: Kind
    /// The number that follows `ack`.
    package var count: UInt64 = 0
    /// The line that it is about, from 1 on its connection; 0 = none in particular.
    package var line: UInt64 = 0
    /// So many lines besides those that were named; nil = this is about one line, or about the connection.
    package var more: UInt64?
    package var code: UInt64 = 0
    package var reason = ""
    package var text = ""
    package var key = ""

    /// nil when it is nothing that this release knows.
    package init?(_ bytes: Span<UInt8>) {
        do throws(Refusal) {
            var at = 0
            try expect(UInt8(ascii: "{"), bytes, &at)
            guard let kind = Kind(rawValue: try readWords(bytes, &at)) else { return nil }
            self.kind = kind
            try expect(UInt8(ascii: ":"), bytes, &at)
            if kind == .ack {
                count = try readCount(bytes, &at)
                return
            }
            try expect(UInt8(ascii: "{"), bytes, &at)
            if nextByte(bytes, &at) == UInt8(ascii: "}") { return }
            while true {
                let key = try readWords(bytes, &at)
                try expect(UInt8(ascii: ":"), bytes, &at)
                if nextByte(bytes, &at) == UInt8(ascii: "\"") {
                    set(key, try readWords(bytes, &at))
                } else {
                    set(key, try readCount(bytes, &at))
                }
                if nextByte(bytes, &at) != UInt8(ascii: ",") { break }
                at += 1
            }
            try expect(UInt8(ascii: "}"), bytes, &at)
        } catch {
            return nil
        }
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

/// A whole number that is not negative. Absurd ones stay absurd.
private func readCount(_ bytes: Span<UInt8>, _ at: inout Int) throws(Refusal) -> UInt64 {
    let first = nextByte(bytes, &at)
    guard asciiDigits.contains(first) else { throw .malformedJSON }
    let number = try readNumber(bytes, &at)
    guard number.isInteger else { throw .malformedJSON }
    return number.isExact ? number.mantissa : .max
}

/// A string with its escapes undone.
private func readWords(_ bytes: Span<UInt8>, _ at: inout Int) throws(Refusal) -> String {
    guard nextByte(bytes, &at) == UInt8(ascii: "\"") else { throw .malformedJSON }
    let text = try readText(bytes, &at)
    return String(decoding: try unescaped(bytes, text), as: UTF8.self)
}
