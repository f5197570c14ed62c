// How the rows of the fold become bytes of a snapshot, and come back.

/// Writes integers in seven-bit groups, lowest first, into a buffer that is used again for the next page.
struct ByteWriter {
    /// What was written stands at `0 ..< count`.
    var bytes = [UInt8](repeating: 0, count: 64 * 1024)
    private(set) var count = 0

    mutating func removeAll() { count = 0 }

    @inline(__always) mutating func write(_ number: UInt64) {
        if count &+ 10 > bytes.count { grow() }
        count = Self.write(number, at: count, into: &bytes)
    }

    @inline(__always)
    private static func write(_ number: UInt64, at start: Int, into bytes: inout [UInt8]) -> Int {
        var bytes = bytes.mutableSpan
        var at = start
        var rest = number
        while rest >= 0x80 {
            bytes[at] = UInt8(truncatingIfNeeded: rest) | 0x80
            at &+= 1
            rest >>= 7
        }
        bytes[at] = UInt8(truncatingIfNeeded: rest)
        return at &+ 1
    }

    @inline(__always) mutating func write(_ number: UInt32) { write(UInt64(number)) }
    @inline(__always) mutating func write(_ number: UInt8) { write(UInt64(number)) }
    @inline(__always) mutating func write(_ number: Int64) {
        write(UInt64(bitPattern: (number << 1) ^ (number >> 63)))
    }
    @inline(__always) mutating func write(_ number: Int32) { write(Int64(number)) }
    /// Most numbers here end in zero bits; reversed, they are short.
    @inline(__always) mutating func write(_ number: Double) { write(number.bitPattern.byteSwapped) }

    /// Takes bytes as they are.
    mutating func write(raw: [UInt8]) {
        while count + raw.count > bytes.count { grow() }
        for byte in raw {
            bytes[count] = byte
            count += 1
        }
    }

    private mutating func grow() { bytes += [UInt8](repeating: 0, count: bytes.count) }
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
}
