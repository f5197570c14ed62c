// Varints, as Protobuf has them: seven bits in each byte, the lowest first; and zigzag, which makes small numbers of
// either sign short.

extension Span where Element == UInt8 {
    /// Reads a varint of at most ten bytes, and moves `at` behind it; bits above the 64th are dropped.
    ///
    /// - Parameter end: the varint must end before it; at most `count`.
    /// - Returns: nil when it does not end, and then `at` says nothing.
    @inlinable @inline(__always)
    package func varint(_ at: inout Int, end: Int) -> UInt64? {
        guard at < end else { return nil }
        let first = self[at]
        at &+= 1
        if first < 0x80 { return UInt64(first) }
        if at < end, self[at] < 0x80 {
            let second = self[at]
            at &+= 1
            return UInt64(first & 0x7f) | UInt64(second) &<< 7
        }
        return longVarint(&at, end: end, first)
    }

    @inline(never)
    @usableFromInline func longVarint(_ at: inout Int, end: Int, _ first: UInt8) -> UInt64? {
        var value = UInt64(first & 0x7f)
        var shift: UInt64 = 7
        while at < end {
            let byte = self[at]
            at &+= 1
            value |= UInt64(byte & 0x7f) &<< shift
            if byte < 0x80 { return value }
            shift &+= 7
            if shift > 63 { return nil }
        }
        return nil
    }
}

/// Appends `value` as a varint.
@inlinable @inline(__always)
package func appendVarint(_ value: UInt64, to bytes: inout [UInt8]) {
    var rest = value
    while rest >= 0x80 {
        bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
        rest &>>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
}

extension OutputSpan where Element == UInt8 {
    /// Appends `value` as a varint; there must be room for it.
    @inlinable @inline(__always)
    package mutating func appendVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest &>>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }
}

/// The number of bytes of `value` as a varint.
@inlinable @inline(__always)
package func varintBytes(_ value: UInt64) -> Int { (70 &- (value | 1).leadingZeroBitCount) / 7 }

/// Zigzag: 0, -1, 1, -2 become 0, 1, 2, 3.
@inlinable @inline(__always)
package func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: (value &<< 1) ^ (value &>> 63)) }

/// Undoes `zigzag`.
@inlinable @inline(__always)
package func unzigzag(_ value: UInt64) -> Int64 { Int64(bitPattern: value &>> 1) ^ -Int64(bitPattern: value & 1) }
