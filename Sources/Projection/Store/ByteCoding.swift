// Varints, read from bytes of which nothing is believed.

import Bytes

/// Reads what rows wrote (`SnapshotRow`). Reading past the end, or a number that is too large, sets `isDamaged` and
/// gives 0.
struct ByteReader {
    private let bytes: [UInt8]
    private var at = 0
    private(set) var isDamaged = false

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { at >= bytes.count || isDamaged }

    mutating func read() -> UInt64 {
        var next = at
        let number = bytes.span.varint(&next, end: bytes.count)
        at = next
        if number == nil { isDamaged = true }
        return number ?? 0
    }

    mutating func read32() -> UInt32 {
        guard let number = UInt32(exactly: read()) else {
            isDamaged = true
            return 0
        }
        return number
    }

    mutating func read8() -> UInt8 {
        guard let number = UInt8(exactly: read()) else {
            isDamaged = true
            return 0
        }
        return number
    }

    mutating func readSigned() -> Int64 { unzigzag(read()) }

    mutating func readSigned32() -> Int32 {
        guard let number = Int32(exactly: readSigned()) else {
            isDamaged = true
            return 0
        }
        return number
    }

    mutating func readDouble() -> Double { Double(bitPattern: read().byteSwapped) }
}
