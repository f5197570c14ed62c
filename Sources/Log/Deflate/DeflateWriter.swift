// Deflate blocks (RFC 1951) for planes of bytes: Huffman codes, runs of one byte, or the bytes as they are, whichever
// is the shortest. Texts go through zlib itself.

/// Writes the blocks of one deflate stream. Reusable; keeps its memory.
///
/// The same input gives the same bytes on every machine.
struct DeflateWriter {
    /// What is written so far. Others may write whole bytes to it between two sections.
    var out = BitWriter()
    /// A code of the bytes as they are, and one of bytes and runs.
    private var plain = DynamicCode()
    private var runs = DynamicCode()
    /// The block as indices of `runs.table`, and how often each occurs.
    private var tokens: [UInt16] = Array(repeating: 0, count: Self.largestBlock)
    private var tokenCount = 0
    private var tokenCounts: [UInt32] = Array(repeating: 0, count: Token.count)
    /// How often each byte occurs, and the parts of that from which it is added up.
    private var counts: [UInt32] = Array(repeating: 0, count: 256)
    private var parts: [UInt32] = Array(repeating: 0, count: 4 * 256)

    /// The most bytes in a block: as many as a stored block can have.
    private static let largestBlock = 65_535
    /// With so many different bytes, a header costs less within the plane's code than in a block of its own.
    private static let richAlphabet = 48

    /// The shortest run that is worth its code, by the length of the byte's own code.
    private static let shortestRun: InlineArray<16, Int> = [3, 8, 5, 4, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3]

    /// At least as many bytes as `write` adds for `count` bytes in one section.
    static func bound(_ count: Int) -> Int { count + 16 * (count / largestBlock + 2) }

    /// Writes a section.
    ///
    /// - Parameters:
    ///   - header: how many bytes at the section's start are not part of its plane.
    ///   - isLast: ends the stream.
    mutating func write(_ section: Span<UInt8>, header: Int, strategy: Deflater.Strategy, isLast: Bool) {
        if section.isEmpty {
            if isLast { writeEnd() }
            return
        }
        if case .plain = strategy {
            store(section, isLast: isLast)
            return
        }
        // Blocks of about equal size.
        let blocks = (section.count + Self.largestBlock - 1) / Self.largestBlock
        var start = 0
        for block in 1...max(1, blocks) {
            let end = section.count * block / max(1, blocks)
            writeBlock(
                section.extracting(start..<end), header: block == 1 ? header : 0, strategy: strategy,
                isLast: isLast && block == blocks)
            start = end
        }
    }

    private mutating func writeBlock(
        _ section: Span<UInt8>, header: Int, strategy: Deflater.Strategy, isLast: Bool
    ) {
        var header = header
        var section = section
        let different = Self.count(section.extracting(header...), &parts, &counts)
        if different < Self.richAlphabet || header == section.count {
            if header > 0 { writeFixed(section.extracting(..<header), isLast: isLast && header == section.count) }
            section = section.extracting(header...)
            header = 0
            if section.isEmpty { return }
        }
        for index in 0..<header { counts[Int(section[index])] += 1 }
        plain.fit(counts)
        var isRuns = false
        if case .runs = strategy {
            tokenCount = Self.findRuns(section, counts, plain, &tokens, &tokenCounts)
            runs.fit(tokenCounts)
            isRuns = runs.cost < plain.cost
        }
        let best = isRuns ? runs.cost : plain.cost
        if best >= Self.storedCost(section.count) {
            store(section, isLast: isLast)
        } else if isRuns {
            runs.begin(&out, isLast: isLast)
            out.put(tokens, count: tokenCount, runs.table)
            out.put(runs.table[Token.end])
        } else {
            plain.begin(&out, isLast: isLast)
            out.put(section, plain.table)
            out.put(plain.table[Token.end])
        }
    }

    /// In bits, at most.
    private static func storedCost(_ count: Int) -> Int { 8 * count + 3 + 7 + 32 }

    /// Counts the bytes; returns how many different ones there are.
    private static func count(
        _ bytes: Span<UInt8>, _ parts: inout [UInt32], _ counts: inout [UInt32]
    ) -> Int {
        var parts = parts.mutableSpan
        for index in parts.indices { parts[index] = 0 }
        var index = 0
        // Four tables, so that equal neighbours need not wait for each other.
        while index &+ 4 <= bytes.count {
            parts[Int(bytes[index])] &+= 1
            parts[Int(bytes[index &+ 1]) &+ 256] &+= 1
            parts[Int(bytes[index &+ 2]) &+ 512] &+= 1
            parts[Int(bytes[index &+ 3]) &+ 768] &+= 1
            index &+= 4
        }
        while index < bytes.count {
            parts[Int(bytes[index])] &+= 1
            index &+= 1
        }
        var counts = counts.mutableSpan
        var different = 0
        for byte in 0..<256 {
            counts[byte] = parts[byte] &+ parts[byte &+ 256] &+ parts[byte &+ 512] &+ parts[byte &+ 768]
            different += counts[byte] == 0 ? 0 : 1
        }
        return different
    }

    /// Splits the bytes into single ones and runs, where `plain` says that a run is shorter.
    ///
    /// - Parameters:
    ///   - single: how often each byte occurs.
    ///   - counts: becomes how often each token occurs.
    private static func findRuns(
        _ bytes: Span<UInt8>, _ single: [UInt32], _ plain: DynamicCode, _ tokens: inout [UInt16],
        _ counts: inout [UInt32]
    ) -> Int {
        var counts = counts.mutableSpan
        for token in counts.indices { counts[token] = token < 256 ? single[token] : 0 }
        var tokens = tokens.mutableSpan
        var used = 0
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            tokens[used] = UInt16(byte)
            used &+= 1
            index &+= 1
            // Three comparisons in one: most often there is no run, and short ones cannot be foreseen.
            guard index &+ 3 <= bytes.count,
                (bytes[index] ^ byte) | (bytes[index &+ 1] ^ byte) | (bytes[index &+ 2] ^ byte) == 0
            else { continue }
            var end = index &+ 3
            while end < bytes.count, bytes[end] == byte { end &+= 1 }
            let shortest = shortestRun[plain.length(of: byte)]
            while end &- index >= shortest {
                let length = min(end &- index, Token.longestRun)
                tokens[used] = UInt16(truncatingIfNeeded: Token.run + length)
                counts[Token.run + length] &+= 1
                counts[Int(byte)] &-= UInt32(truncatingIfNeeded: length)
                used &+= 1
                index &+= length
            }
            while index < end {
                tokens[used] = UInt16(byte)
                used &+= 1
                index &+= 1
            }
        }
        return used
    }

    /// Stored blocks: the bytes as they are.
    private mutating func store(_ bytes: Span<UInt8>, isLast: Bool) {
        var start = 0
        while start < bytes.count {
            let end = min(start + Self.largestBlock, bytes.count)
            out.put(isLast && end == bytes.count ? 1 : 0, bits: 3)
            out.align()
            out.put(UInt64(end - start) | UInt64(~UInt16(truncatingIfNeeded: end - start)) << 16, bits: 32)
            out.put(bytes: bytes.extracting(start..<end))
            start = end
        }
    }

    /// A block with the code that needs no table.
    private mutating func writeFixed(_ bytes: Span<UInt8>, isLast: Bool) {
        out.put(isLast ? 3 : 2, bits: 3)
        for index in bytes.indices {
            let byte = UInt32(bytes[index])
            // 8 bits from 00110000 on for bytes below 144, 9 bits from 110010000 on for the others.
            out.put(byte < 144 ? HuffmanCode.code(0x30 + byte, 8) : HuffmanCode.code(0x190 + byte - 144, 9))
        }
        out.put(0, bits: 7)
    }

    /// An empty block that ends the stream.
    mutating func writeEnd() { writeFixed(Span(), isLast: true) }
}
