// The primitives of Protobuf: varints, tags and the skipping of unknown fields, bounds-checked and without allocation.
import Events

/// Reads a varint of at most ten bytes at `at`, which must not reach `end`; moves `at` behind it.
@inline(__always)
func readVarint(_ bytes: Span<UInt8>, _ at: inout Int, _ end: Int) throws(Refusal) -> UInt64 {
    guard at < end else { throw .malformedBody }
    let first = bytes[at]
    at &+= 1
    if first < 0x80 { return UInt64(first) }
    if at < end, bytes[at] < 0x80 {
        let second = bytes[at]
        at &+= 1
        return UInt64(first & 0x7f) | UInt64(second) &<< 7
    }
    return try readLongVarint(bytes, &at, end, first)
}

@inline(never)
private func readLongVarint(
    _ bytes: Span<UInt8>, _ at: inout Int, _ end: Int, _ first: UInt8
) throws(Refusal) -> UInt64 {
    var value = UInt64(first & 0x7f)
    var shift: UInt64 = 7
    while at < end {
        let byte = bytes[at]
        at &+= 1
        value |= UInt64(byte & 0x7f) &<< shift
        if byte < 0x80 { return value }
        shift &+= 7
        if shift > 63 { throw .malformedBody }
    }
    throw .malformedBody
}

/// Reads a varint as Protobuf's 32-bit fields do: bits above the 32nd are dropped.
@inline(__always)
func readVarint32(_ bytes: Span<UInt8>, _ at: inout Int, _ end: Int) throws(Refusal) -> UInt32 {
    UInt32(truncatingIfNeeded: try readVarint(bytes, &at, end))
}

/// Reads the length of a length-delimited field and moves `at` behind the field; returns where it starts.
@inline(__always)
func readLength(_ bytes: Span<UInt8>, _ at: inout Int, _ end: Int) throws(Refusal) -> Int {
    let length = try readVarint(bytes, &at, end)
    guard length <= UInt64(end &- at) else { throw .malformedBody }
    let start = at
    at &+= Int(length)
    return start
}

/// Reads four or eight little-endian bytes.
func readFixed(_ bytes: Span<UInt8>, _ at: inout Int, _ end: Int, size: Int) throws(Refusal) -> UInt64 {
    guard end - at >= size else { throw .malformedBody }
    var value: UInt64 = 0
    for index in 0..<size { value |= UInt64(bytes[at + index]) &<< UInt64(index * 8) }
    at += size
    return value
}

/// Undoes Protobuf's zigzag: 0, 1, 2, 3 stand for 0, -1, 1, -2.
@inline(__always)
func unzigzag(_ value: UInt64) -> Int64 {
    Int64(bitPattern: value &>> 1) ^ -Int64(bitPattern: value & 1)
}

/// Skips the value of a field that is not known, or comes in a wire type that is not its own.
///
/// Groups (wire types 3 and 4), wire types 6 and 7 and the field number 0 are malformed.
func skipField(tag: UInt64, _ bytes: Span<UInt8>, _ at: inout Int, _ end: Int) throws(Refusal) {
    guard tag >> 3 != 0, tag >> 32 == 0 else { throw .malformedBody }
    switch tag & 7 {
    case 0: _ = try readVarint(bytes, &at, end)
    case 1: _ = try readFixed(bytes, &at, end, size: 8)
    case 2: _ = try readLength(bytes, &at, end)
    case 5: _ = try readFixed(bytes, &at, end, size: 4)
    default: throw .malformedBody
    }
}

/// Appends `value` as a varint.
@inline(__always)
func appendVarint(_ value: UInt64, to bytes: inout [UInt8]) {
    var rest = value
    while rest >= 0x80 {
        bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
        rest &>>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
}

/// Appends a field of wire type 0, unless it is 0.
@inline(__always)
func appendField(_ number: UInt64, _ value: UInt64, to bytes: inout [UInt8]) {
    guard value != 0 else { return }
    appendVarint(number &<< 3, to: &bytes)
    appendVarint(value, to: &bytes)
}

/// The number of bytes of `value` as a varint.
@inline(__always)
func varintCount(_ value: UInt64) -> Int {
    (70 &- (value | 1).leadingZeroBitCount) / 7
}

/// Protobuf's zigzag.
@inline(__always)
func zigzag(_ value: Int64) -> UInt64 {
    UInt64(bitPattern: (value &<< 1) ^ (value &>> 63))
}

/// Appends the low `size` bytes of `value`, the lowest first.
@inline(__always)
func appendFixed(_ value: UInt64, size: Int, to bytes: inout [UInt8]) {
    for index in 0..<size { bytes.append(UInt8(truncatingIfNeeded: value &>> UInt64(index * 8))) }
}

/// Appends a copy of a span.
@inline(__always)
func append(_ source: Span<UInt8>, to bytes: inout [UInt8]) {
    for index in source.indices { bytes.append(source[index]) }
}
