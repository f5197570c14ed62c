// Checksums by their definition, and zlib streams: whole ones are inflated, others are refused.

import Bytes
import Testing
import TidingsTesting

@Suite struct ChecksumTests {
    @Test func checksumsAreTheStandards() {
        let digits = Array("123456789".utf8)
        #expect(crc32(digits.span) == 0xcbf4_3926)
        #expect(crc32(Span()) == 0)
        #expect(adler32(digits.span) == 0x091e_01de)
        #expect(adler32(Span()) == 1)
    }
}

@Suite struct ZlibTests {
    private func inflated(_ bytes: [UInt8], limit: Int) throws(ZlibError) -> [UInt8] {
        var output: [UInt8] = [1]
        try inflate(bytes.span, limit: limit, into: &output)
        return output
    }

    private func compressed(_ plain: [UInt8]) -> [UInt8]? { deflated(plain.span) }

    @Test func whatIsDeflatedIsInflated() throws {
        let plain = (0..<5_000).map { UInt8(truncatingIfNeeded: $0 / 70) }
        let stream = try #require(compressed(plain))
        #expect(stream.count < 1_000)
        #expect(try inflated(stream, limit: plain.count) == plain)
        #expect(throws: ZlibError.tooLarge) { try inflated(stream, limit: plain.count - 1) }
        for cut in stream.indices {
            #expect(throws: ZlibError.damaged) { try inflated(Array(stream[..<cut]), limit: 10_000) }
        }
        #expect(throws: ZlibError.damaged) { try inflated(stream + [0], limit: 10_000) }
    }

    @Test func whatWouldNotBeSmallerIsNotDeflated() {
        var generator = SeededGenerator(seed: 1)
        let noise = (0..<500).map { _ in UInt8.random(in: 0...255, using: &generator) }
        #expect(compressed(noise) == nil)
    }

    @Test func anInflaterIsUsedAgain() throws {
        let inflater = try Inflater()
        var output: [UInt8] = []
        for count in [3_000, 100, 2_000] {
            let plain = [UInt8](repeating: UInt8(count % 251), count: count)
            let stream = try #require(compressed(plain))
            for (given, size) in [(stream, count - 1), (stream, count + 1), (Array(stream.dropLast()), count)] {
                let isGood = inflater.inflate(given.span, size: size, into: &output)
                #expect(!isGood, "\(size) bytes of \(count)")
            }
            let isGood = inflater.inflate(stream.span, size: count, into: &output)
            #expect(isGood && output == plain)
        }
    }
}
