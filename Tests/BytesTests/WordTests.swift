// Eight bytes at a time: searching and hashing give what one byte at a time would.

import Bytes
import Testing

@Suite struct WordTests {
    /// The hash is also the checksum of stored snapshots.
    @Test(arguments: 0...40)
    func theHashIsTheSameInEveryRelease(length: Int) {
        let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
        func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
            let product = a.multipliedFullWidth(by: b)
            return product.high ^ product.low
        }
        func word(_ part: ArraySlice<UInt8>) -> UInt64 { part.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
        var expected = 7 ^ 0x9e37_79b9_7f4a_7c15 as UInt64
        let whole = length / 8 * 8
        for start in stride(from: 0, to: whole, by: 8) {
            expected = fold(expected ^ word(bytes[start..<(start + 8)]), 0xe703_7ed1_a0b4_28db)
        }
        expected = fold(expected ^ word(bytes[whole...]), 0x8ebc_6af0_9c88_c6e3 ^ UInt64(length))
        #expect(hashBytes(bytes.span, seed: 7) == fold(expected, 0x5899_65cc_7537_4cc3))
    }

    @Test func aByteIsFoundWhereItIs() {
        for count in 0..<40 {
            for place in 0..<(count + 3) {
                var bytes = [UInt8](repeating: 0x0b, count: count)
                if place < count { bytes[place] = 0x0a }
                for start in 0...count {
                    let expected = place >= start && place < count ? place : count
                    let found = bytes.span.first(0x0a, from: start)
                    #expect(found == expected, "\(count) \(place) \(start)")
                }
            }
        }
    }

    @Test func shortWordsAreTheBytesAndZeros() {
        for count in 0..<20 {
            let bytes = (0..<count).map { UInt8(0xe0 + $0) }
            for start in 0...count {
                for length in 0..<min(8, count - start + 1) {
                    var expected: UInt64 = 0
                    for offset in 0..<length { expected |= UInt64(bytes[start + offset]) << UInt64(8 * offset) }
                    let word = bytes.span.shortWord(at: start, count: length)
                    #expect(word == expected, "\(count) \(start) \(length)")
                }
            }
        }
    }

    @Test func aCopyIsAppended() {
        var bytes: [UInt8] = [1, 2]
        bytes.append(copying: [3, 4, 5].span)
        bytes.append(copying: Span())
        #expect(bytes == [1, 2, 3, 4, 5])
        let copy = Array(copying: bytes.span.extracting(1..<3))
        #expect(copy == [2, 3])
    }
}
