// The compressor of blocks: zlib reads what it writes, whatever goes in, and it is not longer than zlib's own.

import Bytes
import Events
import Log
import Testing
import TidingsTesting

@Suite struct DeflateWriterTests {
    static let strategies: [Deflater.Strategy] = [.matches, .runs, .huffman, .plain]

    /// Compresses, and expects zlib to give the input back.
    @discardableResult private func compress(
        _ input: [UInt8], _ sections: [Deflater.Section], _ deflater: Deflater? = nil, _ comment: Comment? = nil
    ) throws -> [UInt8] {
        var output: [UInt8] = [1, 2, 3]
        try (deflater ?? Deflater(level: 1)).deflate(input.span, sections, into: &output)
        var back: [UInt8] = []
        #expect(try Inflater().inflate(output.span, size: input.count, into: &back), comment)
        // Arrays that differ would be printed whole.
        let isSame = back == input
        #expect(isSame, comment)
        return output
    }

    /// With every strategy, alone and behind a header; none may need more than the bytes as they are would.
    private func compressInEveryWay(_ input: [UInt8], _ comment: Comment? = nil) throws {
        for strategy in Self.strategies {
            let alone = try compress(input, [Deflater.Section(end: input.count, strategy: strategy)], nil, comment)
            #expect(alone.count <= input.count + 5 * (input.count / 65_535 + 1) + 11, comment)
            for header in [1, 7, 64, 65] {
                let both = [0x0a, 0x12] + Array(repeating: UInt8(0x80), count: header - 1) + input
                var sections = [
                    Deflater.Section(end: header + 1, strategy: .matches),
                    Deflater.Section(end: both.count, strategy: strategy),
                ]
                try compress(both, sections, nil, comment)
                // The plane in the middle, so that other blocks follow it at any bit.
                sections.append(Deflater.Section(end: both.count + 3, strategy: .matches))
                sections.append(Deflater.Section(end: both.count + 3 + input.count, strategy: strategy))
                try compress(both + [1, 2, 3] + input, sections, nil, comment)
            }
        }
    }

    @Test func degenerateInputs() throws {
        try compress([], [])
        for count in [0, 1, 2, 3, 4, 5, 63, 64, 65, 1_000] {
            try compressInEveryWay(Array(repeating: 0xa5, count: count), "\(count) equal bytes")
            try compressInEveryWay((0..<count).map { $0 % 2 == 0 ? 0 : 255 }, "\(count) of two bytes")
            try compressInEveryWay((0..<count).map { UInt8($0 % 256) }, "\(count) of all bytes")
        }
        try compressInEveryWay((0..<8_192).map { UInt8($0 % 256) })
        try compressInEveryWay((0..<70_000).map { UInt8($0 * $0 % 251) })
        try compressInEveryWay(Array(repeating: 7, count: 200_000))
    }

    /// Empty sections anywhere, also last.
    @Test func emptySections() throws {
        let input: [UInt8] = [1, 2, 3, 3, 3, 3, 3]
        for first in Self.strategies {
            for second in Self.strategies {
                let sections = [
                    Deflater.Section(end: 0, strategy: first), Deflater.Section(end: 0, strategy: second),
                    Deflater.Section(end: 7, strategy: first),
                    Deflater.Section(end: 7, strategy: second), Deflater.Section(end: 7, strategy: first),
                ]
                try compress(input, sections)
                try compress(input, sections.dropLast(2))
                try compress([], [sections[0], sections[1]])
            }
        }
    }

    /// Fibonacci's numbers as frequencies make the deepest tree of Huffman: its codes must be shortened to the bound.
    @Test func fibonacciFrequencies() throws {
        for distinct in [10, 15, 16, 17, 20, 22] {
            var input: [UInt8] = []
            var (last, next) = (1, 1)
            for byte in 0..<distinct {
                input += Array(repeating: UInt8(byte * 11), count: last)
                (last, next) = (next, last + next)
            }
            var generator = SeededGenerator(seed: UInt64(distinct))
            let size = try compress(input, [Deflater.Section(end: input.count, strategy: .huffman)]).count
            // About 2.6 bits each; the bound costs little.
            #expect(size * 8 < input.count * 27 / 10 + 800, "\(distinct) bytes")
            input.shuffle(using: &generator)
            try compressInEveryWay(input, "\(distinct) bytes")
        }
    }

    /// Runs of every length that deflate has a code for, and longer.
    @Test func runLengths() throws {
        for byte in [0, 200] as [UInt8] {
            var all: [UInt8] = []
            for length in 1...600 {
                let run = [1] + Array(repeating: byte, count: length) + [2, 3]
                try compress(run, [Deflater.Section(end: run.count, strategy: .runs)], nil, "\(length)")
                all += run
            }
            let size = try compress(all, [Deflater.Section(end: all.count, strategy: .runs)]).count
            #expect(size < all.count / 40)
        }
    }

    /// Sections of random sizes, strategies and kinds of content, by one compressor that is used again and again.
    @Test(arguments: [81, 82, 83, 84, 85, 86] as [UInt64])
    func randomPieces(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let deflater = try Deflater(level: 1)
        for _ in 0..<150 {
            var input: [UInt8] = []
            var sections: [Deflater.Section] = []
            for _ in 0..<Int.random(in: 1...12, using: &generator) {
                input += randomBytes(&generator)
                let strategy = Self.strategies[Int.random(in: 0..<4, using: &generator)]
                sections.append(Deflater.Section(end: input.count, strategy: strategy))
            }
            let first = try compress(input, sections, deflater, "seed \(seed)")
            // Nothing of what came before changes the output.
            #expect(try compress(input, sections, nil, "seed \(seed)") == first, "seed \(seed)")
        }
    }

    private func randomBytes(_ generator: inout SeededGenerator) -> [UInt8] {
        let sizes = [0...3, 4...70, 71...3_000, 3_001...9_000]
        let count = Int.random(in: sizes[Int.random(in: 0..<4, using: &generator)], using: &generator)
        let top = UInt8.random(in: 0...255, using: &generator)
        let stay = Int.random(in: 0...40, using: &generator)
        var byte: UInt8 = 0
        return (0..<count).map { _ in
            if Int.random(in: 0...40, using: &generator) >= stay {
                // The smaller of two is skewed.
                byte = min(.random(in: 0...top, using: &generator), .random(in: 0...top, using: &generator))
            }
            return byte
        }
    }

    /// Not longer than what zlib 1.2.13 made of the same bytes at level 1, when it was told of each plane whether to
    /// look for runs (`Z_RLE`), only at frequencies (`Z_HUFFMAN_ONLY`), or to store it.
    @Test(arguments: [(seed: 91, raw: 58_558, zlib: 24_266), (seed: 92, raw: 58_469, zlib: 24_290)] as [Reference])
    func notLongerThanZlib(_ reference: Reference) throws {
        var block = BlockPlanes(seed: reference.seed)
        block.fill(8_192)
        try #require(block.bytes.count == reference.raw, "the planes are not those that zlib was given")
        let ours = try compress(block.bytes, block.sections).count
        #expect(ours * 1_000 <= reference.zlib * 1_005, "seed \(reference.seed): \(ours), zlib \(reference.zlib)")
    }

    typealias Reference = (seed: UInt64, raw: Int, zlib: Int)
}

/// Planes like those of a block: counters, clocks, rare changes, noise, and a text.
private struct BlockPlanes {
    var bytes: [UInt8] = []
    var sections: [Deflater.Section] = []
    private var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    private mutating func end(_ strategy: Deflater.Strategy) {
        sections.append(Deflater.Section(end: bytes.count, strategy: strategy))
    }

    private mutating func plane(_ strategy: Deflater.Strategy, _ values: (inout SeededGenerator) -> [UInt8]) {
        bytes += [0x0a, 0x80, 0x40]
        end(.matches)
        bytes += values(&generator)
        end(strategy)
    }

    mutating func fill(_ count: Int) {
        plane(.huffman) { generator in
            (0..<count).map { _ in min(.random(in: 0...99, using: &generator), .random(in: 0...99, using: &generator)) }
        }
        plane(.plain) { generator in (0..<count).map { _ in .random(in: 0...255, using: &generator) } }
        for stay in [2, 5, 20, 400] {
            var byte: UInt8 = 0
            plane(.runs) { generator in
                (0..<count).map { _ in
                    if Int.random(in: 0..<stay, using: &generator) == 0 {
                        byte = .random(in: 0...30, using: &generator)
                    }
                    return byte
                }
            }
        }
        let words = ["the ", "kettle ", "is ", "too ", "hot ", "cold ", "now ", "again ", "and "]
        for _ in 0..<count / 4 { bytes += Array(words[Int.random(in: 0..<words.count, using: &generator)].utf8) }
        end(.matches)
    }
}
