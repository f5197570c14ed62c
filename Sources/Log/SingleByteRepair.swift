// Putting right a body of which one byte changed on the disk.

import Bytes

/// CRC-32 is linear: what one changed byte does to it depends on the byte's index and on the bits that changed, not on
/// the rest. So from the difference of two checksums follow the few changes that can have caused it, in one pass over
/// the bytes; what follows (the stream's own Adler-32, the structure of the block) tells whether one is right.
///
/// Reference: R. N. Williams, "A painless guide to CRC error detection algorithms", 1993, on the arithmetic; the table
/// is that of the reflected polynomial 0xEDB88320 (RFC 1952, section 8).
package struct SingleByteRepair: Sendable {
    /// A change that gives bytes the checksum that they should have.
    package struct Change: Hashable, Sendable {
        /// The index of the byte.
        package var index: Int
        /// The bits of it that are to be turned.
        package var bits: UInt8
    }

    /// What a byte does to the checksum, by its value.
    private var table = InlineArray<256, UInt32>(repeating: 0)
    /// The value whose entry has a given upper byte: no two have the same.
    private var valueOfUpperByte = InlineArray<256, UInt8>(repeating: 0)

    package init() {
        for value in 0..<256 {
            var rest = UInt32(value)
            for _ in 0..<8 { rest = rest & 1 != 0 ? rest >> 1 ^ 0xedb8_8320 : rest >> 1 }
            table[value] = rest
            valueOfUpperByte[Int(rest >> 24)] = UInt8(value)
        }
    }

    /// The changes of one byte among `count` that turn the checksum `found` into `wanted`.
    package func changes(count: Int, found: UInt32, wanted: UInt32) -> [Change] {
        var changes: [Change] = []
        var difference = found ^ wanted
        guard difference != 0 else { return [] }
        for index in stride(from: count - 1, through: 0, by: -1) {
            // A change right here gives one of the table's entries; one further ahead, what goes before it.
            let value = valueOfUpperByte[Int(difference >> 24)]
            if table[Int(value)] == difference {
                changes.append(Change(index: index, bits: value))
                if changes.count == LogLimits.repairs { return changes }
            }
            difference = (difference ^ table[Int(value)]) << 8 | UInt32(value)
        }
        return changes
    }
}

extension EncodedBody {
    /// What the body may have been before one byte of it, or its checksum, changed; only itself when it has its
    /// checksum. Which one it was, something else must tell: the chain, or the stream's own Adler-32.
    package var originals: [EncodedBody] {
        let found = Bytes.crc32(body.span)
        if found == crc32 { return [self] }
        var unchanged = self
        unchanged.crc32 = found
        return [unchanged]
            + SingleByteRepair().changes(count: body.count, found: found, wanted: crc32).map { change in
                var original = self
                original.body[change.index] ^= change.bits
                return original
            }
    }
}
