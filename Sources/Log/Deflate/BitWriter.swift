// Bits to bytes as deflate has them: from the lowest bit of each byte on.

import Bytes

/// Writes codes and bytes one behind the other into a buffer that it keeps.
struct BitWriter {
    /// What is written, each word with its lowest byte first; behind the last whole byte stand the unfinished bits.
    private(set) var words: [UInt64] = []
    /// How many words are full.
    private var full = 0
    /// The bits of the word that is being filled, and their number, which is below 64.
    private var bits: UInt64 = 0
    private var filled = 0

    /// How many whole bytes are written.
    var count: Int { 8 * full + filled >> 3 }

    /// Starts again, with room for so many bytes and the unfinished word behind them.
    mutating func begin(room: Int) {
        let size = room / 8 + 2
        if words.count < size { words = Array(repeating: 0, count: size) }
        full = 0
        bits = 0
        filled = 0
    }

    /// Adds the lowest `number` bits of `value`, whose others must be 0.
    @inline(__always) mutating func put(_ value: UInt64, bits number: Int) {
        var bits = self.bits
        var filled = self.filled
        var full = self.full
        do {
            var target = words.mutableSpan
            Self.add(value, number, &target, &full, &bits, &filled)
        }
        self.bits = bits
        self.filled = filled
        self.full = full
    }

    /// The one place that moves bits: without branches, as whether a word becomes full cannot be foreseen.
    @inline(__always) private static func add(
        _ value: UInt64, _ number: Int, _ target: inout MutableSpan<UInt64>,
        _ full: inout Int, _ bits: inout UInt64, _ filled: inout Int
    ) {
        bits |= value &<< UInt64(truncatingIfNeeded: filled)
        target[full] = bits.littleEndian
        // What did not fit; nothing if the word was empty.
        let rest = (value &>> 1) &>> UInt64(truncatingIfNeeded: 63 &- filled)
        filled &+= number
        let isFull = filled >= 64
        full &+= isFull ? 1 : 0
        bits = isFull ? rest : bits
        filled &= 63
    }

    /// One code, as in `HuffmanCode.codes`.
    mutating func put(_ code: UInt32) { put(UInt64(code >> 8), bits: Int(code & 0xff)) }

    /// Zero bits up to a whole byte.
    mutating func align() { put(0, bits: -filled & 7) }

    /// Puts the word that is being filled into the buffer too.
    mutating func flush() { words[full] = bits.littleEndian }

    /// The codes of bytes, each of at most 16 bits.
    mutating func put(_ symbols: Span<UInt8>, _ table: [UInt32]) {
        let table = table.span
        var bits = self.bits
        var filled = self.filled
        var full = self.full
        var target = words.mutableSpan
        var index = 0
        while index &+ 4 <= symbols.count {
            var four: UInt64 = 0
            var number = 0
            Self.join(table[Int(symbols[index])], &four, &number)
            Self.join(table[Int(symbols[index &+ 1])], &four, &number)
            Self.join(table[Int(symbols[index &+ 2])], &four, &number)
            Self.join(table[Int(symbols[index &+ 3])], &four, &number)
            Self.add(four, number, &target, &full, &bits, &filled)
            index &+= 4
        }
        while index < symbols.count {
            let code = table[Int(symbols[index])]
            Self.add(UInt64(code >> 8), Int(code & 0xff), &target, &full, &bits, &filled)
            index &+= 1
        }
        self.bits = bits
        self.filled = filled
        self.full = full
    }

    /// The codes of tokens, each of at most 21 bits.
    mutating func put(_ tokens: [UInt16], count: Int, _ table: [UInt32]) {
        let tokens = tokens.span.extracting(..<count)
        let table = table.span
        var bits = self.bits
        var filled = self.filled
        var full = self.full
        var target = words.mutableSpan
        var index = 0
        while index &+ 3 <= tokens.count {
            var three: UInt64 = 0
            var number = 0
            Self.join(table[Int(tokens[index])], &three, &number)
            Self.join(table[Int(tokens[index &+ 1])], &three, &number)
            Self.join(table[Int(tokens[index &+ 2])], &three, &number)
            Self.add(three, number, &target, &full, &bits, &filled)
            index &+= 3
        }
        while index < tokens.count {
            let code = table[Int(tokens[index])]
            Self.add(UInt64(code >> 8), Int(code & 0xff), &target, &full, &bits, &filled)
            index &+= 1
        }
        self.bits = bits
        self.filled = filled
        self.full = full
    }

    @inline(__always) private static func join(_ code: UInt32, _ bits: inout UInt64, _ number: inout Int) {
        bits |= UInt64(code >> 8) &<< UInt64(truncatingIfNeeded: number)
        number &+= Int(code & 0xff)
    }

    /// Whole bytes.
    mutating func put(bytes: Span<UInt8>) {
        var index = 0
        while index + 8 <= bytes.count {
            put(bytes.word(at: index), bits: 64)
            index += 8
        }
        while index < bytes.count {
            put(UInt64(bytes[index]), bits: 8)
            index += 1
        }
    }

    /// Lets `body` write whole bytes into the buffer, which it is given with the number of whole bytes and of
    /// unfinished bits, and their values. It must write those bits too. Returns the new number of whole bytes, or nil
    /// if it failed.
    mutating func append(_ body: (inout [UInt64], Int, Int, UInt64) -> Int?) -> Bool {
        flush()
        let loose = filled & 7
        guard let end = body(&words, count, loose, bits &>> UInt64(truncatingIfNeeded: filled &- loose)) else {
            return false
        }
        full = end >> 3
        filled = 8 * (end & 7)
        bits = words[full].littleEndian & (1 << UInt64(filled) - 1)
        return true
    }
}
