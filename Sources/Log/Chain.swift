// The hash chain that ties every block to all before it.

import Bytes
import Crypto
package import Events

/// SHA-256 over everything stored so far. A plain value of 32 bytes.
package struct Chain: Hashable, Sendable {
    /// 32 bytes.
    package private(set) var bytes: [UInt8]

    /// The chain of an empty log.
    package init() { bytes = Array(repeating: 0, count: 32) }

    /// A stored chain; nil when it does not have 32 bytes.
    package init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    /// A chain as `description` writes it; nil when the text is not 64 hex digits.
    package init?(hex: some StringProtocol) {
        let digits = hex.utf8.compactMap { digit -> UInt8? in
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
            default: nil
            }
        }
        guard digits.count == 64, hex.utf8.count == 64 else { return nil }
        bytes = stride(from: 0, to: 64, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    /// The chain after a block: SHA-256 of the chain before it, the first offset, the count, the time and arrival
    /// bounds, the size before compression and the number of words (each as 8 bytes, little-endian), the words and the
    /// stored body. From format 3 on, before the words: the size of the texts before compression, the position in the
    /// relay and the number among its writer's (8 bytes each), the writer (16 bytes), the digest of the texts (32
    /// bytes); zeros for what there is not.
    ///
    /// - Parameter words: those recorded with the block, in any order: they are hashed in the order of kind and number,
    ///   each as kind, number and length in bytes (8 bytes each) and the text.
    package func adding(_ block: EncodedBlock, words: [Symbol], at offset: Offset) -> Chain {
        var head = bytes
        for number in [
            offset.rawValue, UInt64(truncatingIfNeeded: block.count),
            UInt64(bitPattern: block.times.lowerBound.rawValue), UInt64(bitPattern: block.times.upperBound.rawValue),
            UInt64(bitPattern: block.arrivals.lowerBound.rawValue),
            UInt64(bitPattern: block.arrivals.upperBound.rawValue), UInt64(truncatingIfNeeded: block.stored.rawSize),
            UInt64(words.count),
        ] { appendLittleEndian(number, size: 8, to: &head) }
        if block.format != .two { head += Self.extensions(of: block) }
        for word in words.sorted(by: { ($0.kind.rawValue, $0.id) < ($1.kind.rawValue, $1.id) }) {
            for number in [UInt64(word.kind.rawValue), UInt64(word.id.rawValue), UInt64(word.text.count)] {
                appendLittleEndian(number, size: 8, to: &head)
            }
            head += word.text
        }
        var hasher = SHA256()
        hasher.update(data: head)
        hasher.update(data: block.stored.body)
        var next = Chain()
        next.bytes = Array(hasher.finalize())
        return next
    }

    /// What format 3 says of a block besides.
    private static func extensions(of block: EncodedBlock) -> [UInt8] {
        let blank: (Int) -> [UInt8] = { Array(repeating: 0, count: $0) }
        var bytes: [UInt8] = []
        let size = UInt64(truncatingIfNeeded: block.text?.stored.rawSize ?? 0)
        for number in [size, block.relay?.sequence ?? 0, block.relay?.number ?? 0] {
            appendLittleEndian(number, size: 8, to: &bytes)
        }
        return bytes + (block.relay?.writer ?? blank(16)) + (block.text?.digest ?? blank(32))
    }

    /// The chain behind events that a salvage left out: SHA-256 of the chain before them, "gap" and the two offsets (8
    /// bytes each, little-endian). So the gap itself cannot be moved or widened unnoticed.
    package func skipping(_ offsets: Range<Offset>) -> Chain {
        var head = bytes + Array("gap".utf8)
        for end in [offsets.lowerBound, offsets.upperBound] { appendLittleEndian(end.rawValue, size: 8, to: &head) }
        var next = Chain()
        next.bytes = Array(SHA256.hash(data: head))
        return next
    }

    /// 64 hex digits.
    package var description: String { hexadecimal(bytes) }
}
