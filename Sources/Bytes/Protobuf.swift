// The few Protobuf primitives that the block format needs, written and read by hand.

/// Why stored bytes are not a block.
enum Malformed: Error { case block }

enum Protobuf {
    @inline(__always) static func zigzag(_ value: Int64) -> UInt64 {
        UInt64(bitPattern: (value << 1) ^ (value >> 63))
    }

    @inline(__always) static func unzigzag(_ value: UInt64) -> Int64 {
        Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }

    static func appendVarint(_ value: UInt64, to bytes: inout [UInt8]) {
        var rest = value
        while rest > 0x7f {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    /// A varint field; nothing when it is 0, as proto3 has it.
    static func appendField(_ number: Int, varint value: UInt64, to bytes: inout [UInt8]) {
        guard value != 0 else { return }
        appendVarint(UInt64(number << 3), to: &bytes)
        appendVarint(value, to: &bytes)
    }

    /// The tag and length of a length-delimited field, whose bytes the caller appends.
    static func appendHeader(_ number: Int, count: Int, to bytes: inout [UInt8]) {
        appendVarint(UInt64(number << 3 | 2), to: &bytes)
        appendVarint(UInt64(count), to: &bytes)
    }

    static func sizeOfVarint(_ value: UInt64) -> Int {
        max(1, (64 - value.leadingZeroBitCount + 6) / 7)
    }

    static func readVarint(_ bytes: Span<UInt8>, _ at: inout Int) throws(Malformed) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while at < bytes.count, shift < 64 {
            let byte = bytes[at]
            at += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw .block
    }

    /// One field: its number and either its varint value or its range of bytes.
    struct Field {
        var number: Int
        var varint: UInt64
        var range: Range<Int>
    }

    /// The field at `at`, which moves behind it. Fixed-size fields are stepped over by their size (none is in use).
    static func readField(_ bytes: Span<UInt8>, _ at: inout Int, end: Int) throws(Malformed) -> Field {
        let tag = try readVarint(bytes, &at)
        guard tag >> 3 > 0, tag >> 3 < 1 << 29 else { throw .block }
        var field = Field(number: Int(tag >> 3), varint: 0, range: at..<at)
        switch tag & 7 {
        case 0: field.varint = try readVarint(bytes, &at)
        case 1: at += 8
        case 2:
            let count = try readVarint(bytes, &at)
            guard count <= UInt64(end), at + Int(count) <= end else { throw .block }
            field.range = at..<(at + Int(count))
            at += Int(count)
        case 5: at += 4
        default: throw .block
        }
        guard at <= end else { throw .block }
        return field
    }
}
