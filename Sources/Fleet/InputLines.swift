// Lines cut out of bytes that come in any pieces, and what these bytes are if they are no lines of JSON.

import Bytes
import Events
import Wire

/// One line of input.
package struct InputLine {
    /// From 1, blank lines counted, as an editor would.
    package var number: UInt64
    /// Without blanks around it, and not empty; of a line that is too long only the beginning.
    package var bytes: ArraySlice<UInt8>
    package var isTooLong = false
}

/// Cuts lines out of bytes. Holds no more of a line than an event may have, however long it is.
package struct InputLines {
    /// Of a line that is too long so many bytes are shown.
    private static let shownBytes = 256

    private var bytes: [UInt8] = []
    private var start = 0
    /// Up to here there is no end of a line.
    private var searched = 0
    private var number: UInt64 = 0
    private var isAtStart = true
    private var isEnd = false
    /// Within a line that is too long and has been told.
    private var isSkipping = false

    package init() {}

    package mutating func append(_ more: [UInt8]) {
        if start > 0 {
            bytes.removeFirst(start)
            searched -= start
            start = 0
        }
        bytes += more
        if isSkipping { skip() }
    }

    /// There is no more: what is left is the last line.
    package mutating func finish() { isEnd = true }

    /// The next line that is not blank; nil when there is no whole one.
    package mutating func next() -> InputLine? {
        if isAtStart {
            guard bytes.count >= byteOrderMark.count || isEnd else { return nil }
            isAtStart = false
            if bytes.starts(with: byteOrderMark) { start = byteOrderMark.count }
            searched = start
        }
        while true {
            let end = bytes.span.first(UInt8(ascii: "\n"), from: searched)
            let isWhole = end < bytes.count || isEnd && start < end
            // A line may end in a carriage return, which is no part of it.
            if end - start > Limits.jsonEventBytes + 1 { return tooLong(end) }
            searched = end
            guard isWhole else { return nil }
            number += 1
            let line = trimmed(start..<end)
            start = min(end + 1, bytes.count)
            searched = start
            if line.isEmpty { continue }
            if line.count > Limits.jsonEventBytes {
                return InputLine(number: number, bytes: bytes[line].prefix(Self.shownBytes), isTooLong: true)
            }
            return InputLine(number: number, bytes: bytes[line])
        }
    }

    /// Tells a line that is too long as soon as that is known, for it may never end.
    private mutating func tooLong(_ end: Int) -> InputLine {
        number += 1
        let shown = bytes[start..<(start + Self.shownBytes)]
        start = min(end + 1, bytes.count)
        searched = start
        isSkipping = end == start && !isEnd
        return InputLine(number: number, bytes: shown, isTooLong: true)
    }

    private mutating func skip() {
        let end = bytes.span.first(UInt8(ascii: "\n"), from: start)
        isSkipping = end == bytes.count
        start = min(end + 1, bytes.count)
        searched = start
    }

    private func trimmed(_ range: Range<Int>) -> Range<Int> {
        var start = range.lowerBound
        let end = lineEnd(bytes.span, in: range)
        while start < end, isBlank(bytes[start]) { start += 1 }
        return start..<end
    }
}

/// What to do about input that is no JSON lines, by its first line; nil when it looks as it should.
///
/// - Parameter refusal: what is wrong with that line; nil = nothing.
func inputHint(_ line: ArraySlice<UInt8>, _ refusal: Refusal?) -> String? {
    let first = line.prefix(4)
    let zeros = first.prefix(2).count(where: { $0 == 0 })
    if first.starts(with: [0xff, 0xfe]) || first.starts(with: [0xfe, 0xff]) || zeros == 1 {
        return "the input is UTF-16, and JSON lines are UTF-8; convert it: iconv -f UTF-16 -t UTF-8"
    }
    if first.first == UInt8(ascii: "[") {
        return "the input is a JSON array, and one JSON object on each line is expected; convert it: jq -c '.[]'"
    }
    guard refusal == .malformedJSON || refusal == .badUTF8 else { return nil }
    return "the first line is no JSON object; expected is one on each line, such as "
        + #"{"product":"kettle","device":"k-1","type":"feature.used","aspect":"boil"}"#
}
