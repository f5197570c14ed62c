// Numbers in a fixed number of bytes, the lowest or the highest first.

extension Span where Element == UInt8 {
    /// The number in the `size` bytes from `start` on, the lowest first; `size` is at most 8.
    @inlinable @inline(__always)
    package func littleEndian(at start: Int, size: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<size { value |= UInt64(self[start &+ index]) &<< UInt64(truncatingIfNeeded: index &* 8) }
        return value
    }

    /// The number in the four bytes from `start` on, the highest first.
    @inlinable @inline(__always)
    package func bigEndian32(at start: Int) -> UInt32 {
        var value: UInt32 = 0
        for index in 0..<4 { value = value &<< 8 | UInt32(self[start &+ index]) }
        return value
    }
}

/// Appends the low `size` bytes of `value`, the lowest first; `size` is at most 8.
@inlinable @inline(__always)
package func appendLittleEndian(_ value: UInt64, size: Int, to bytes: inout [UInt8]) {
    for index in 0..<size {
        bytes.append(UInt8(truncatingIfNeeded: value &>> UInt64(truncatingIfNeeded: index &* 8)))
    }
}

/// Appends the four bytes of `value`, the highest first.
@inlinable @inline(__always)
package func appendBigEndian(_ value: UInt32, to bytes: inout [UInt8]) {
    // One by one: a loop over the shifts makes an array of them each time.
    bytes.append(UInt8(truncatingIfNeeded: value &>> 24))
    bytes.append(UInt8(truncatingIfNeeded: value &>> 16))
    bytes.append(UInt8(truncatingIfNeeded: value &>> 8))
    bytes.append(UInt8(truncatingIfNeeded: value))
}
