// How the rows of the fold become bytes of a snapshot, and come back.

/// Writes integers in seven-bit groups, lowest first.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func write(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    mutating func write(_ number: UInt32) { write(UInt64(number)) }
    mutating func write(_ number: UInt8) { write(UInt64(number)) }
    mutating func write(_ number: Int64) { write(UInt64(bitPattern: (number << 1) ^ (number >> 63))) }
    mutating func write(_ number: Int32) { write(Int64(number)) }
    /// Most numbers here end in zero bits; reversed, they are short.
    mutating func write(_ number: Double) { write(number.bitPattern.byteSwapped) }

    mutating func write(raw: [UInt8]) {
        write(UInt64(raw.count))
        bytes += raw
    }
}

/// Reads what `ByteWriter` wrote. Reading past the end, or a number that is too large, sets `isDamaged` and gives 0.
struct ByteReader {
    private let bytes: [UInt8]
    private var at = 0
    private(set) var isDamaged = false

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { at >= bytes.count || isDamaged }

    mutating func read() -> UInt64 {
        var number: UInt64 = 0
        var shift: UInt64 = 0
        while at < bytes.count, shift < 64 {
            let byte = bytes[at]
            at += 1
            number |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return number }
            shift += 7
        }
        isDamaged = true
        return 0
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

    mutating func readSigned() -> Int64 {
        let number = read()
        return Int64(bitPattern: number >> 1) ^ -Int64(bitPattern: number & 1)
    }

    mutating func readSigned32() -> Int32 {
        guard let number = Int32(exactly: readSigned()) else {
            isDamaged = true
            return 0
        }
        return number
    }

    mutating func readDouble() -> Double { Double(bitPattern: read().byteSwapped) }

    mutating func readRaw() -> [UInt8] {
        let count = read()
        guard count <= UInt64(bytes.count - at) else {
            isDamaged = true
            return []
        }
        defer { at += Int(count) }
        return Array(bytes[at..<at + Int(count)])
    }
}
