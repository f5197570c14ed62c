// The hash chain that ties every block to all before it.

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

    /// The chain after a block: SHA-256 of the chain before it, the first offset, the count, the time and arrival
    /// bounds, the size before compression (each as 8 bytes, little-endian) and the stored body.
    package func adding(_ block: EncodedBlock, at offset: Offset) -> Chain {
        var head = bytes
        for number in [
            offset.rawValue, UInt64(block.count),
            UInt64(bitPattern: block.times.lowerBound.rawValue), UInt64(bitPattern: block.times.upperBound.rawValue),
            UInt64(bitPattern: block.arrivals.lowerBound.rawValue),
            UInt64(bitPattern: block.arrivals.upperBound.rawValue), UInt64(block.stored.rawSize),
        ] {
            for shift in stride(from: 0, to: UInt64(64), by: 8) {
                head.append(UInt8(truncatingIfNeeded: number >> shift))
            }
        }
        var hasher = SHA256()
        hasher.update(data: head)
        hasher.update(data: block.stored.body)
        var next = Chain()
        next.bytes = Array(hasher.finalize())
        return next
    }

    /// 64 hex digits.
    package var description: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
