// What stands around lines of input and is no part of them.

/// U+FEFF in UTF-8, with which some programs begin a file.
package let byteOrderMark: [UInt8] = [0xef, 0xbb, 0xbf]

/// Whether bytes begin with that mark, or are the beginning of one as far as they go.
package func beginsAsMark(_ bytes: Span<UInt8>) -> Bool {
    (0..<min(bytes.count, byteOrderMark.count)).allSatisfy { bytes[$0] == byteOrderMark[$0] }
}

/// Whether a byte is nothing between lines and at their ends: white space, and what C strings end with.
@inlinable @inline(__always)
package func isBlank(_ byte: UInt8) -> Bool {
    byte <= 0x20
        && (byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\r") || byte == UInt8(ascii: "\t")
            || byte == UInt8(ascii: "\n") || byte == 0)
}

/// Where a line ends that stands in `range`, without the blanks at its end; the range's start when it is blank.
@inlinable @inline(__always)
package func lineEnd(_ bytes: Span<UInt8>, in range: Range<Int>) -> Int {
    var end = range.upperBound
    while end > range.lowerBound, isBlank(bytes[end &- 1]) { end &-= 1 }
    return end
}

/// What a line says that stands in `range`: without the blanks around it, for how far it is indented depends on the
/// pieces in which it has come. Empty when it is blank.
@inlinable @inline(__always)
package func lineContent(_ bytes: Span<UInt8>, in range: Range<Int>) -> Range<Int> {
    let end = lineEnd(bytes, in: range)
    var start = range.lowerBound
    while start < end, isBlank(bytes[start]) { start &+= 1 }
    return start..<end
}
