// The members of a JSON object, one after another: for readers that are not in a hurry.

import Bytes
import Events

/// Goes through the members of the object whose opening brace is at `at`, and moves behind it.
///
/// - Parameter body: is given a key, and where its value begins; has to move behind the value.
/// - Throws: `.malformedJSON`, and what `body` throws; `at` is then where reading came to an end.
func forEachMember(
    _ line: Span<UInt8>, _ at: inout Int, _ body: (JSONToken, inout Int) throws(Refusal) -> Void
) throws(Refusal) {
    at += 1
    if nextByte(line, &at) == UInt8(ascii: "}") {
        at += 1
        return
    }
    while true {
        guard nextByte(line, &at) == UInt8(ascii: "\"") else { throw .malformedJSON }
        let key = try readText(line, &at)
        try expect(UInt8(ascii: ":"), line, &at)
        _ = nextByte(line, &at)
        try body(key, &at)
        let next = nextByte(line, &at)
        guard next == UInt8(ascii: ",") || next == UInt8(ascii: "}") else { throw .malformedJSON }
        at += 1
        if next == UInt8(ascii: "}") { return }
    }
}
