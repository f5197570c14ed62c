// Known words, found by their bytes: the keys and types of JSON events.
import Bytes
import Events

/// A word of up to 24 bytes in three integers, so that two are compared at once.
struct PackedWord: Equatable {
    var low: UInt64 = 0
    var middle: UInt64 = 0
    var high: UInt64 = 0
    var count = 0

    static let maxBytes = 24

    init() {}

    /// - Precondition: at most `maxBytes` bytes.
    @inline(__always)
    init(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        count = range.count
        let start = range.lowerBound
        if count <= 8 {
            low = count == 8 ? bytes.word(at: start) : bytes.shortWord(at: start, count: count)
        } else {
            low = bytes.word(at: start)
            if count <= 16 {
                middle = bytes.word(at: start &+ count &- 8) &>> UInt64(truncatingIfNeeded: 8 &* (16 &- count))
            } else {
                middle = bytes.word(at: start &+ 8)
                high = bytes.word(at: start &+ count &- 8) &>> UInt64(truncatingIfNeeded: 8 &* (24 &- count))
            }
        }
    }

    @inline(__always)
    var slot: Int {
        let folded = low ^ middle &* 0x9e37_79b9_7f4a_7c15 ^ high ^ UInt64(truncatingIfNeeded: count)
        let mixed = folded &* 0xff51_afd7_ed55_8ccd
        return Int(truncatingIfNeeded: mixed &>> 57)
    }
}

/// An immutable table from words to values: 128 slots, the next one on a clash.
struct WordTable<Word: Sendable>: Sendable {
    /// An empty word marks a free slot.
    private var keys = Array(repeating: PackedWord(), count: 128)
    private var values: [Word?] = Array(repeating: nil, count: 128)

    /// - Parameter words: fewer than 128, each of at most `PackedWord.maxBytes` bytes.
    init(_ words: [(String, Word)]) {
        for (text, value) in words {
            let bytes = Array(text.utf8)
            let key = PackedWord(bytes.span, 0..<min(bytes.count, PackedWord.maxBytes))
            var slot = key.slot
            while keys[slot].count > 0 { slot = (slot + 1) & 127 }
            keys[slot] = key
            values[slot] = value
        }
    }

    @inline(__always)
    func find(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Word? {
        guard range.count <= PackedWord.maxBytes else { return nil }
        let key = PackedWord(bytes, range)
        var slot = key.slot
        while true {
            let known = keys[slot]
            if known == key { return values[slot] }
            if known.count == 0 { return nil }
            slot = (slot &+ 1) & 127
        }
    }
}
