// The first line of a connection of JSON lines whose sender says who it is: `{"hello":SOURCE,"token":TOKEN}`.

import Bytes
package import Events

/// Who sends the lines that follow, and by what credential.
package struct LineHello: Hashable, Sendable {
    /// UTF-8 of a device's source; empty for a sender that speaks for many.
    package var source: [UInt8] = []
    /// As it is written after `Bearer`; empty when there is none.
    package var token: [UInt8] = []
    /// `"down":true`: it is sent messages, although it speaks for many.
    package var asksForMessages = false

    /// - Parameter line: without its newline.
    /// - Returns: nil for a line of another kind: its first key is not `hello`.
    /// - Throws: `.malformedJSON`, `.badUTF8`, `.wrongType` for what is not a string, `.duplicateKey`, `.tooLong`.
    package init?(_ line: Span<UInt8>) throws(Refusal) {
        guard Self.isHello(line) else { return nil }
        guard line.count <= WireLimits.controlBytes else { throw .tooLong }
        var at = 0
        guard nextByte(line, &at) == UInt8(ascii: "{") else { return nil }
        var members: [String: [UInt8]] = [:]
        var asks = false
        try forEachMember(line, &at) { (key, at) throws(Refusal) in
            let name = String(decoding: try unescaped(line, key), as: UTF8.self)
            if name == "down", nextByte(line, &at) == UInt8(ascii: "t") { asks = true }
            guard name == "hello" || name == "token" else { return try skipValue(line, &at, depth: 1) }
            guard nextByte(line, &at) == UInt8(ascii: "\"") else { throw .wrongType }
            let value = try unescaped(line, try readText(line, &at))
            guard isUTF8(value.span) else { throw .badUTF8 }
            guard members.updateValue(value, forKey: name) == nil else { throw .duplicateKey }
        }
        guard nextByte(line, &at) == 0 else { throw .malformedJSON }
        source = members["hello"] ?? []
        token = members["token"] ?? []
        asksForMessages = asks
    }

    /// Whether the first key of a line is `hello`.
    package static func isHello(_ line: Span<UInt8>) -> Bool {
        var at = 0
        guard nextByte(line, &at) == UInt8(ascii: "{") else { return false }
        at += 1
        guard nextByte(line, &at) == UInt8(ascii: "\"") else { return false }
        let key = Array("\"hello\"".utf8)
        guard at + key.count <= line.count else { return false }
        for index in key.indices where line[at + index] != key[index] { return false }
        return true
    }
}
