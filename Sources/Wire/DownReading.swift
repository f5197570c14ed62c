// A message as a device reads it: the members of one JSON object, taken apart without trust.

import Bytes
package import Events

/// What stands in one member of a message.
package enum DownValue: Hashable, Sendable {
    case null
    case flag(Bool)
    case whole(Int64)
    case real(Double)
    case text(String)
    /// An array of strings.
    case list([String])
    /// An object of strings.
    case texts([String: String])
    /// Anything else.
    case other

    package var text: String? { if case .text(let text) = self { text } else { nil } }
    package var whole: Int64? { if case .whole(let number) = self { number } else { nil } }
}

/// Reads the members of a message.
///
/// - Throws: what any JSON object is refused for; `.tooLong` over `WireLimits.downBytes`.
package func readDown(_ json: Span<UInt8>) throws(Refusal) -> [String: DownValue] {
    guard json.count <= WireLimits.downBytes else { throw .tooLong }
    var at = 0
    guard nextByte(json, &at) == UInt8(ascii: "{") else { throw .malformedJSON }
    // Once in full: what follows looks at a part of it only.
    var end = at
    try skipValue(json, &end, depth: 0)
    guard nextByte(json, &end) == 0, isUTF8(json) else { throw .malformedJSON }
    var members: [String: DownValue] = [:]
    try forEachMember(json, &at) { (key, at) throws(Refusal) in
        let name = String(decoding: try unescaped(json, key), as: UTF8.self)
        members[name] = try readDownValue(json, &at)
    }
    return members
}

private func readDownValue(_ json: Span<UInt8>, _ at: inout Int) throws(Refusal) -> DownValue {
    let (first, start) = (nextByte(json, &at), at)
    switch first {
    case UInt8(ascii: "\""): return .text(try readDownText(json, &at))
    case UInt8(ascii: "-"), asciiDigits:
        _ = try readNumber(json, &at)
        let token = JSONToken(start: UInt32(truncatingIfNeeded: start), end: UInt32(truncatingIfNeeded: at))
        switch try value(of: token, json) {
        case .whole(let number): return .whole(number)
        case .real(let number): return .real(number)
        default: return .other
        }
    case UInt8(ascii: "["): return try readDownList(json, &at)
    case UInt8(ascii: "{"): return try readDownTexts(json, &at)
    default:
        try skipValue(json, &at, depth: 1)
        switch first {
        case UInt8(ascii: "t"): return .flag(true)
        case UInt8(ascii: "f"): return .flag(false)
        default: return .null
        }
    }
}

private func readDownText(_ json: Span<UInt8>, _ at: inout Int) throws(Refusal) -> String {
    String(decoding: try unescaped(json, try readText(json, &at)), as: UTF8.self)
}

private func readDownList(_ json: Span<UInt8>, _ at: inout Int) throws(Refusal) -> DownValue {
    var end = at
    try skipValue(json, &end, depth: 1)
    defer { at = end }
    var words: [String] = []
    var next = at + 1
    while nextByte(json, &next) == UInt8(ascii: "\"") {
        words.append(try readDownText(json, &next))
        if nextByte(json, &next) == UInt8(ascii: ",") { next += 1 }
    }
    return nextByte(json, &next) == UInt8(ascii: "]") ? .list(words) : .other
}

private func readDownTexts(_ json: Span<UInt8>, _ at: inout Int) throws(Refusal) -> DownValue {
    var texts: [String: String] = [:]
    var hasOthers = false
    try forEachMember(json, &at) { (key, at) throws(Refusal) in
        let name = String(decoding: try unescaped(json, key), as: UTF8.self)
        if nextByte(json, &at) == UInt8(ascii: "\"") {
            texts[name] = try readDownText(json, &at)
        } else {
            hasOthers = true
            try skipValue(json, &at, depth: 2)
        }
    }
    return hasOthers ? .other : .texts(texts)
}
