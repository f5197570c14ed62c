// Reading Protobuf by hand: the primitives of `Bytes`, with what is told to a sender whose message is malformed.
import Bytes
package import Events

/// Reads a varint that ends before `end`, and moves `at` behind it.
@inline(__always)
func readVarint(_ bytes: Span<UInt8>, _ at: inout Int, _ end: Int) throws(Refusal) -> UInt64 {
    guard let value = bytes.varint(&at, end: end) else { throw .malformedBody }
    return value
}

/// Reads a varint as Protobuf's 32-bit fields do: bits above the 32nd are dropped.
@inline(__always)
func readVarint32(_ bytes: Span<UInt8>, _ at: inout Int, _ end: Int) throws(Refusal) -> UInt32 {
    UInt32(truncatingIfNeeded: try readVarint(bytes, &at, end))
}

/// Reads the length of a length-delimited field and moves `at` behind the field; returns where it starts.
@inline(__always)
func readLength(_ bytes: Span<UInt8>, _ at: inout Int, _ end: Int) throws(Refusal) -> Int {
    guard let start = bytes.lengthDelimited(&at, end: end) else { throw .malformedBody }
    return start
}

/// Reads the length of a string field, and moves behind its bytes; returns where they stand.
///
/// - Throws: `.badUTF8`, also for a string that a later one of the same field takes the place of: Protobuf allows none.
func readString(_ bytes: Span<UInt8>, _ at: inout Int, _ end: Int) throws(Refusal) -> Range<Int> {
    let start = try readLength(bytes, &at, end)
    guard isUTF8(bytes.extracting(start..<at)) else { throw .badUTF8 }
    return start..<at
}

/// Reads four or eight little-endian bytes.
func readFixed(_ bytes: Span<UInt8>, _ at: inout Int, _ end: Int, size: Int) throws(Refusal) -> UInt64 {
    guard end - at >= size else { throw .malformedBody }
    defer { at += size }
    return bytes.littleEndian(at: at, size: size)
}

/// Skips the value of a field that is not known, or comes in a wire type that is not its own.
func skipField(tag: UInt64, _ bytes: Span<UInt8>, _ at: inout Int, _ end: Int) throws(Refusal) {
    guard bytes.protobufField(tag: tag, &at, end: end) != nil else { throw .malformedBody }
}

/// Inflates the body of a frame or a datagram, which must be one whole zlib stream, to at most `limit` bytes.
///
/// - Throws: `.badInflate`, `.inflatesTooBig`; `output` then holds an undefined part of it.
package func inflateBody(_ body: Span<UInt8>, limit: Int, into output: inout [UInt8]) throws(Refusal) {
    do {
        try inflate(body, limit: limit, into: &output)
    } catch {
        throw error == .tooLarge ? .inflatesTooBig : .badInflate
    }
}
