// A JSON array of events: where each of them stands, before any of them is read.
import Bytes
package import Events

/// Finds the elements of an array, each of which must be an object. What stands in an object is not looked at: only its
/// strings and brackets are followed.
///
/// - Parameter limit: how many elements there may be.
/// - Parameter ranges: gets those that were found, in their order; when it throws, those before the fault.
/// - Throws: `.malformedJSON`, `.badUTF8` (an escape in a string), `.tooManyEvents`.
package func findEvents(
    inArray bytes: Span<UInt8>, limit: Int, _ ranges: inout [Range<Int>]
) throws(Refusal) {
    var at = 0
    try expect(UInt8(ascii: "["), bytes, &at)
    if nextByte(bytes, &at) == UInt8(ascii: "]") {
        at += 1
    } else {
        while true {
            guard nextByte(bytes, &at) == UInt8(ascii: "{") else { throw .malformedJSON }
            guard ranges.count < limit else { throw .tooManyEvents }
            let start = at
            try skipBrackets(bytes, &at)
            ranges.append(start..<at)
            let next = nextByte(bytes, &at)
            at += 1
            if next == UInt8(ascii: "]") { break }
            guard next == UInt8(ascii: ",") else { throw .malformedJSON }
        }
    }
    guard nextByte(bytes, &at) == 0 else { throw .malformedJSON }
}

/// Whether the first thing in the bytes is an array.
package func beginsAsArray(_ bytes: Span<UInt8>) -> Bool {
    var at = 0
    return nextByte(bytes, &at) == UInt8(ascii: "[")
}

/// Checks that the bytes are one JSON value and nothing else.
///
/// - Throws: as `readEventLine` does for values.
package func checkValue(_ bytes: Span<UInt8>) throws(Refusal) {
    var at = 0
    try skipValue(bytes, &at, depth: 1)
    guard nextByte(bytes, &at) == 0 else { throw .malformedJSON }
}

/// Moves behind the bracket that closes the one at `at`; a string may hold brackets of its own.
private func skipBrackets(_ bytes: Span<UInt8>, _ at: inout Int) throws(Refusal) {
    var depth = 0
    while at < bytes.count {
        switch bytes[at] {
        case UInt8(ascii: "\""):
            _ = try readText(bytes, &at)
            continue
        case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
        default: break
        }
        at += 1
        if depth == 0 { return }
    }
    throw .malformedJSON
}
