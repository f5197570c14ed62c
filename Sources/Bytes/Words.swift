// Eight bytes at a time: how names are compared and hashed, and how text is searched; and how bytes are copied.

extension Span where Element == UInt8 {
    /// Eight bytes, the first one lowest. One check of bounds, so that the compiler makes one load of it.
    @inlinable @inline(__always)
    package func word(at start: Int) -> UInt64 {
        let eight = extracting(start..<(start &+ 8))
        let low = UInt64(eight[0]) | UInt64(eight[1]) &<< 8 | UInt64(eight[2]) &<< 16 | UInt64(eight[3]) &<< 24
        let high = UInt64(eight[4]) | UInt64(eight[5]) &<< 8 | UInt64(eight[6]) &<< 16 | UInt64(eight[7]) &<< 24
        return low | high &<< 32
    }

    /// Fewer than eight bytes, the first one lowest and zeros above them.
    @inlinable @inline(__always)
    package func shortWord(at start: Int, count length: Int) -> UInt64 {
        if length == 0 { return 0 }
        let unused = UInt64(truncatingIfNeeded: 64 &- 8 &* length)
        if start &+ 8 <= count { return (word(at: start) &<< unused) &>> unused }
        if start &+ length >= 8 { return word(at: start &+ length &- 8) &>> unused }
        var word: UInt64 = 0
        for offset in 0..<length { word |= UInt64(self[start &+ offset]) &<< UInt64(truncatingIfNeeded: offset &* 8) }
        return word
    }

    /// The index of the first `byte` at or after `start`; the count if there is none.
    @inlinable
    package func first(_ byte: UInt8, from start: Int) -> Int {
        var index = start
        let wanted = UInt64(byte) &* 0x0101_0101_0101_0101
        while index &+ 8 <= count {
            let found = zeroBytes(word(at: index) ^ wanted)
            if found != 0 { return index &+ (found.trailingZeroBitCount &>> 3) }
            index &+= 8
        }
        while index < count, self[index] != byte { index &+= 1 }
        return index
    }
}

/// The highest bit of each byte that is zero. Bytes above the lowest zero may be marked though they are not zero.
@inlinable @inline(__always)
package func zeroBytes(_ word: UInt64) -> UInt64 { (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080 }

/// A fast 64-bit hash: eight bytes at a time, multiply and fold (after wyhash's `mum`). Not cryptographic.
///
/// Part of stored formats: the same bytes and seed must give the same number in every release.
package func hashBytes(_ bytes: Span<UInt8>, seed: UInt64) -> UInt64 {
    var hash = seed ^ 0x9e37_79b9_7f4a_7c15
    var index = 0
    let count = bytes.count
    while index &+ 8 <= count {
        hash = fold(hash ^ bytes.word(at: index), 0xe703_7ed1_a0b4_28db)
        index &+= 8
    }
    hash = fold(hash ^ bytes.shortWord(at: index, count: count &- index), 0x8ebc_6af0_9c88_c6e3 ^ UInt64(count))
    return fold(hash, 0x5899_65cc_7537_4cc3)
}

@inline(__always) private func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return product.high ^ product.low
}

extension Array where Element == UInt8 {
    /// A copy of a span's bytes.
    package init(copying span: Span<UInt8>) {
        self.init()
        append(copying: span)
    }

    /// Appends a copy of a span's bytes.
    package mutating func append(copying span: Span<UInt8>) {
        append(addingCapacity: span.count) { out in
            for index in span.indices { out.append(span[index]) }
        }
    }
}
