// The code of one deflate block, and its description at the block's start (RFC 1951, section 3.2.7).

/// What a block consists of, as indices of a table of codes: below 256 a byte, then these.
enum Token {
    /// The end of the block.
    static let end = 256
    /// Plus a length of 3 to 258: so many more of the byte before.
    static let run = 256
    static let longestRun = 258
    static let count = run + longestRun + 1
}

/// Fits a code to the tokens of a block and writes its description. Reusable; keeps its memory.
struct DynamicCode {
    /// The code of each token, as in `HuffmanCode.codes`; a run's has its distance, which is 1, behind it.
    private(set) var table: [UInt32] = Array(repeating: 0, count: Token.count)
    /// The size of the block in bits.
    private(set) var cost = 0
    private var symbols = HuffmanCode(symbols: Self.lastLength + 1, longest: Self.longest)
    private var frequencies: [UInt32] = Array(repeating: 0, count: Self.lastLength + 1)
    /// The code in which the description gives the lengths of the other.
    private var lengths = HuffmanCode(symbols: 19, longest: 7)
    /// The description: symbols of `lengths`, each with its extra bits above `extraShift`.
    private var description: [UInt16] = Array(repeating: 0, count: Self.lastLength + 3)
    private var described = 0
    private var counts: [UInt32] = Array(repeating: 0, count: 19)
    private var symbolsUsed = 0
    private var lengthsUsed = 0

    /// Deflate would allow 15; with 14, four bytes and the seven bits of an unfinished byte fit into 64.
    private static let longest = 14
    private static let lastLength = 285
    private static let extraShift: UInt16 = 8
    /// The order in which the description gives the lengths of its own code.
    private static let order: InlineArray<19, Int> = [
        16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
    ]

    /// Fits the code.
    ///
    /// - Parameter tokens: how often each occurs; those at the end that do not occur may be missing.
    mutating func fit(_ tokens: [UInt32]) {
        let extra = Self.count(tokens, &frequencies)
        symbols.fit(frequencies)
        describe()
        cost = 3 + 14 + 3 * lengthsUsed + lengths.cost + symbols.cost + extra
        for index in 0..<described {
            cost += Self.extraBits(of: Int(description[index] & (1 << Self.extraShift - 1)))
        }
    }

    /// Counts the symbols of tokens; returns how many bits follow those of runs.
    private static func count(_ tokens: [UInt32], _ frequencies: inout [UInt32]) -> Int {
        let tokens = tokens.span
        var frequencies = frequencies.mutableSpan
        var extra = 0
        for symbol in frequencies.indices { frequencies[symbol] = symbol < 256 ? tokens[symbol] : 0 }
        frequencies[Token.end] = 1
        guard tokens.count > Token.end else { return 0 }
        for token in (Token.run + 3)..<tokens.count where tokens[token] != 0 {
            let length = symbol(ofRun: token - Token.run)
            frequencies[length.symbol] += tokens[token]
            // One bit is the distance.
            extra += Int(tokens[token]) * (Int(length.extraBits) + 1)
        }
        return extra
    }

    /// How many bits the byte takes; 0 when it does not occur.
    func length(of byte: UInt8) -> Int { Int(symbols.lengths[Int(byte)]) }

    /// The symbol of a run, and the value and number of its extra bits.
    private static func symbol(ofRun length: Int) -> (symbol: Int, extra: UInt32, extraBits: UInt32) {
        if length == Token.longestRun { return (lastLength, 0, 0) }
        let rest = length - 3
        if rest < 8 { return (257 + rest, 0, 0) }
        let bits = Int.bitWidth - 3 - rest.leadingZeroBitCount
        return (
            257 + 4 * bits + rest >> bits, UInt32(truncatingIfNeeded: rest & (1 << bits - 1)),
            UInt32(truncatingIfNeeded: bits)
        )
    }

    /// Lists the lengths of all symbols and of two distances, with repetitions shortened, and fits the code for that.
    private mutating func describe() {
        symbolsUsed = Token.end + 1
        for symbol in symbolsUsed...Self.lastLength where symbols.lengths[symbol] != 0 { symbolsUsed = symbol + 1 }
        for symbol in counts.indices { counts[symbol] = 0 }
        described = Self.describe(symbols.lengths, symbolsUsed, &description, &counts)
        lengths.fit(counts)
        lengthsUsed = 19
        while lengthsUsed > 4, lengths.lengths[Self.order[lengthsUsed - 1]] == 0 { lengthsUsed -= 1 }
    }

    private static func describe(
        _ lengths: [UInt8], _ used: Int, _ description: inout [UInt16], _ counts: inout [UInt32]
    ) -> Int {
        let lengths = lengths.span
        var description = description.mutableSpan
        var described = 0
        // Two distances of one bit, though at most one is used: some decoders refuse a single one.
        let count = used + 2
        var last: UInt8 = 255
        var index = 0
        while index < count {
            let length = index < used ? lengths[index] : 1
            var end = index + 1
            while end < count, (end < used ? lengths[end] : 1) == length { end += 1 }
            while index < end {
                let step = step(length, rest: end - index, isRepeated: length == last)
                counts[step.symbol] += 1
                description[described] = UInt16(truncatingIfNeeded: step.symbol | step.extra << Int(extraShift))
                described += 1
                last = length
                index += step.count
            }
        }
        return described
    }

    /// The next symbol of the description when `rest` more symbols have this length, and how many of them it covers.
    private static func step(
        _ length: UInt8, rest: Int, isRepeated: Bool
    ) -> (symbol: Int, extra: Int, count: Int) {
        if length == 0, rest >= 11 { return (18, min(rest, 138) - 11, min(rest, 138)) }
        if length == 0, rest >= 3 { return (17, min(rest, 10) - 3, min(rest, 10)) }
        if isRepeated, rest >= 3 { return (16, min(rest, 6) - 3, min(rest, 6)) }
        return (Int(length), 0, 1)
    }

    private static func extraBits(of symbol: Int) -> Int {
        switch symbol {
        case 16: 2
        case 17: 3
        case 18: 7
        default: 0
        }
    }

    /// Writes the start of the block, after `fit`, and makes `table` ready.
    mutating func begin(_ out: inout BitWriter, isLast: Bool) {
        symbols.assign()
        lengths.assign()
        out.put(isLast ? 5 : 4, bits: 3)
        out.put(UInt64(symbolsUsed - 257) | 1 << 5 | UInt64(lengthsUsed - 4) << 10, bits: 14)
        for index in 0..<lengthsUsed { out.put(UInt64(lengths.lengths[Self.order[index]]), bits: 3) }
        for index in 0..<described {
            let symbol = Int(description[index] & (1 << Self.extraShift - 1))
            out.put(lengths.codes[symbol])
            out.put(UInt64(description[index] >> Self.extraShift), bits: Self.extraBits(of: symbol))
        }
        Self.fill(&table, symbols.codes, withRuns: symbolsUsed > Token.end + 1)
    }

    private static func fill(_ table: inout [UInt32], _ codes: [UInt32], withRuns: Bool) {
        let codes = codes.span
        var table = table.mutableSpan
        for index in 0...Token.end { table[index] = codes[index] }
        guard withRuns else { return }
        for run in 3...Token.longestRun {
            let length = symbol(ofRun: run)
            let bits = codes[length.symbol] & 0xff
            // The distance of 1 is a single zero bit.
            table[Token.run + run] =
                codes[length.symbol] - bits | (length.extra << bits) << 8 | (bits + length.extraBits + 1)
        }
    }
}
