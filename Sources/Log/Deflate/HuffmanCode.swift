// Huffman codes as deflate has them (RFC 1951, section 3.2.2): canonical, of bounded length.

/// Fits a code to the frequencies of its symbols. Reusable; keeps its memory.
///
/// The same frequencies give the same code on every machine: of symbols that are equally frequent, the one with the
/// lower number never has the shorter code.
struct HuffmanCode {
    /// How many bits each symbol takes; 0 for a symbol that does not occur.
    private(set) var lengths: [UInt8]
    /// Each symbol's code, ready to be written: the bits in the order of writing from bit 8 up, their number below.
    private(set) var codes: [UInt32]
    /// The sum of frequency times length over all symbols, in bits.
    private(set) var cost = 0
    private let longest: Int
    /// The symbols in use by ascending frequency, each with its frequency above `symbolBits`.
    private var sorted: [UInt32]
    private var spare: [UInt32]
    /// The nodes of the tree: first weights, then parents, then depths.
    private var nodes: [UInt32]
    private var countOfLength = InlineArray<16, Int>(repeating: 0)

    private static let symbolBits: UInt32 = 9

    /// - Parameters:
    ///   - symbols: how many there are, at most 512.
    ///   - longest: the bound of a code's length, at most 15.
    init(symbols: Int, longest: Int) {
        self.longest = longest
        lengths = Array(repeating: 0, count: symbols)
        codes = Array(repeating: 0, count: symbols)
        sorted = Array(repeating: 0, count: symbols)
        spare = Array(repeating: 0, count: symbols)
        nodes = Array(repeating: 0, count: symbols)
    }

    /// Finds the shortest lengths, without the codes.
    ///
    /// At least two symbols get a code, whether they occur or not: some decoders refuse a code of one symbol.
    ///
    /// - Parameter frequencies: one for each symbol; their sum is at most 2^22.
    mutating func fit(_ frequencies: [UInt32]) {
        let used = Self.collect(frequencies, &lengths, &sorted)
        // The symbols are in order already.
        var top: UInt32 = 0
        for index in 0..<used { top |= sorted[index] }
        var shift = Self.symbolBits
        while top >> shift != 0 {
            Self.sort(used, by: shift, sorted, &spare)
            swap(&sorted, &spare)
            shift += 8
        }
        countOfLength = Self.depths(used, sorted, &nodes, longest)
        shorten()
        cost = Self.give(countOfLength, longest, sorted, &lengths)
    }

    /// Gives the longest codes to the least frequent symbols; returns the cost.
    private static func give(
        _ countOfLength: InlineArray<16, Int>, _ longest: Int, _ sorted: [UInt32], _ lengths: inout [UInt8]
    ) -> Int {
        let sorted = sorted.span
        var lengths = lengths.mutableSpan
        var next = 0
        var cost = 0
        for length in stride(from: longest, to: 0, by: -1) {
            for _ in 0..<countOfLength[length] {
                lengths[Int(sorted[next] & (1 << symbolBits - 1))] = UInt8(truncatingIfNeeded: length)
                cost += Int(sorted[next] >> symbolBits) * length
                next += 1
            }
        }
        return cost
    }

    /// Lists the symbols in use; returns how many.
    private static func collect(
        _ frequencies: [UInt32], _ lengths: inout [UInt8], _ sorted: inout [UInt32]
    ) -> Int {
        let frequencies = frequencies.span
        var lengths = lengths.mutableSpan
        var sorted = sorted.mutableSpan
        var used = 0
        for symbol in frequencies.indices {
            lengths[symbol] = 0
            let frequency = frequencies[symbol]
            if frequency != 0 {
                sorted[used] = frequency << Self.symbolBits | UInt32(truncatingIfNeeded: symbol)
                used += 1
            }
        }
        var symbol = 0
        while used < 2 {
            if frequencies[symbol] == 0 {
                sorted[used] = UInt32(truncatingIfNeeded: symbol)
                used += 1
            }
            symbol += 1
        }
        return used
    }

    /// One pass of a radix sort.
    private static func sort(_ used: Int, by shift: UInt32, _ sorted: [UInt32], _ target: inout [UInt32]) {
        let sorted = sorted.span
        var target = target.mutableSpan
        var starts = InlineArray<256, UInt16>(repeating: 0)
        for index in 0..<used { starts[Int(sorted[index] >> shift & 0xff)] += 1 }
        var start: UInt16 = 0
        for digit in starts.indices {
            let count = starts[digit]
            starts[digit] = start
            start += count
        }
        for index in 0..<used {
            let digit = Int(sorted[index] >> shift & 0xff)
            target[Int(starts[digit])] = sorted[index]
            starts[digit] += 1
        }
    }

    /// Finds how many codes there are of each length: the tree of Huffman, in place (Moffat and Katajainen 1995).
    private static func depths(
        _ used: Int, _ sorted: [UInt32], _ nodes: inout [UInt32], _ longest: Int
    ) -> InlineArray<16, Int> {
        let sorted = sorted.span
        var nodes = nodes.mutableSpan
        for index in 0..<used { nodes[index] = sorted[index] >> Self.symbolBits }
        nodes[0] += nodes[1]
        var root = 0
        var leaf = 2
        for next in 1..<(used - 1) {
            var weight: UInt32 = 0
            for _ in 0..<2 {
                if leaf >= used || root < next && nodes[root] < nodes[leaf] {
                    weight += nodes[root]
                    nodes[root] = UInt32(truncatingIfNeeded: next)
                    root += 1
                } else {
                    weight += nodes[leaf]
                    leaf += 1
                }
            }
            nodes[next] = weight
        }
        // The root has depth 0, every other inner node is one below its parent.
        nodes[used - 2] = 0
        for next in stride(from: used - 3, through: 0, by: -1) { nodes[next] = nodes[Int(nodes[next])] + 1 }
        var counts = InlineArray<16, Int>(repeating: 0)
        var inner = used - 2
        var places = 1
        var depth: UInt32 = 0
        while places > 0 {
            var parents = 0
            while inner >= 0, nodes[inner] == depth {
                parents += 1
                inner -= 1
            }
            counts[min(Int(depth), longest)] += places - parents
            places = 2 * parents
            depth += 1
        }
        return counts
    }

    /// Lengths beyond the bound were counted as the bound; makes room for them by lengthening other codes.
    private mutating func shorten() {
        var total = 0
        for length in 1...longest { total += countOfLength[length] << (longest - length) }
        while total > 1 << longest {
            // A leaf above the bound becomes the parent of itself and of one from the bound.
            var length = longest - 1
            while countOfLength[length] == 0 { length -= 1 }
            countOfLength[length] -= 1
            countOfLength[length + 1] += 2
            countOfLength[longest] -= 1
            total -= 1
        }
    }

    /// Numbers the codes, after `fit`.
    mutating func assign() {
        var next = InlineArray<16, UInt32>(repeating: 0)
        var code: UInt32 = 0
        for length in 1...longest {
            next[length] = code
            code = (code + UInt32(truncatingIfNeeded: countOfLength[length])) << 1
        }
        Self.number(lengths, &next, &codes)
    }

    private static func number(
        _ lengths: [UInt8], _ next: inout InlineArray<16, UInt32>, _ codes: inout [UInt32]
    ) {
        let lengths = lengths.span
        var codes = codes.mutableSpan
        for symbol in lengths.indices {
            let length = lengths[symbol]
            guard length != 0 else { continue }
            codes[symbol] = Self.code(next[Int(length)], UInt32(length))
            next[Int(length)] += 1
        }
    }

    /// An entry of `codes`. The bits are reversed: deflate writes a code from its highest bit on.
    static func code(_ code: UInt32, _ length: UInt32) -> UInt32 {
        var bits = (code & 0x5555) << 1 | (code >> 1) & 0x5555
        bits = (bits & 0x3333) << 2 | (bits >> 2) & 0x3333
        bits = (bits & 0x0f0f) << 4 | (bits >> 4) & 0x0f0f
        bits = (bits & 0x00ff) << 8 | bits >> 8
        return (bits >> (16 - length)) << 8 | length
    }
}
