// TCP: the magic, and then frames both ways: type and flags, length, body, CRC-32.
import Bytes
package import Events

/// What a client sends once, before its first frame: `TDG1`.
package let streamMagic = Array("TDG1".utf8)

/// The CRC-32 at the end of a frame.
private let checksumBytes = 4

/// What a frame or a datagram carries. The numbers are part of the wire format.
package enum FrameType: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    case hello = 1
    case welcome = 2
    case batch = 3
    case ack = 4
    case error = 5
    case push = 6
    case proof = 7
    case ping = 8
    case pong = 9
    case bye = 10
    /// Reserved for batches in columns.
    case columns = 11
}

/// The upper half of a frame's first byte.
package struct FrameFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    /// The body is a zlib stream.
    package static let deflated = FrameFlags(rawValue: 1)
}

/// Where a frame stands in the span that it was read from.
package struct Frame: Hashable, Sendable, BitwiseCopyable {
    package var type: FrameType
    package var flags: FrameFlags
    /// Index of the body's first byte.
    package var bodyStart: Int
    package var bodyCount: Int
    /// Index of the first byte after the frame.
    package var end: Int

    package var body: Range<Int> { bodyStart..<(bodyStart + bodyCount) }
}

/// Finds the frame that starts at `start`.
///
/// - Returns: nil while the frame is incomplete: read more and call again. A complete frame has a right checksum.
/// - Throws: `.malformedFrame` (unknown type, reserved flag, endless length), `.tooBig` (body over
///   `Limits.frameBytes`; told as soon as the length is there), `.badChecksum`. All three end the stream.
package func readFrame(_ bytes: Span<UInt8>, at start: Int) throws(Refusal) -> Frame? {
    guard start < bytes.count else { return nil }
    let (type, flags) = try readFrameStart(bytes[start])
    var at = start + 1
    var length = 0
    var shift = 0
    while true {
        guard at < bytes.count else { return nil }
        let byte = bytes[at]
        at += 1
        length |= Int(byte & 0x7f) << shift
        guard length <= Limits.frameBytes else { throw .tooBig }
        if byte < 0x80 { break }
        shift += 7
        guard shift <= 28 else { throw .malformedFrame }
    }
    let end = at + length + checksumBytes
    guard end <= bytes.count else { return nil }
    let stated = bytes.littleEndian(at: end - checksumBytes, size: checksumBytes)
    guard UInt64(crc32(bytes.extracting(start..<(end - checksumBytes)))) == stated else { throw .badChecksum }
    return Frame(type: type, flags: flags, bodyStart: at, bodyCount: length, end: end)
}

/// Type and flags of a frame's or a datagram's byte.
func readFrameStart(_ byte: UInt8) throws(Refusal) -> (FrameType, FrameFlags) {
    guard let type = FrameType(rawValue: byte & 15), byte >> 4 <= 1 else { throw .malformedFrame }
    return (type, FrameFlags(rawValue: byte >> 4))
}

/// Appends a frame.
///
/// - Parameter body: at most `Limits.frameBytes`; a receiver refuses more.
/// - Parameter deflate: whether to try; done from `WireLimits.deflatedBytes` up and only when it makes the body
///   smaller.
package func writeFrame(_ type: FrameType, body: Span<UInt8>, deflate: Bool = false, into output: inout [UInt8]) {
    if deflate, body.count >= WireLimits.deflatedBytes, let smaller = deflated(body) {
        writeFrame(type, flags: .deflated, smaller.span, into: &output)
    } else {
        writeFrame(type, flags: [], body, into: &output)
    }
}

private func writeFrame(_ type: FrameType, flags: FrameFlags, _ body: Span<UInt8>, into output: inout [UInt8]) {
    let start = output.count
    output.append(type.rawValue | flags.rawValue << 4)
    appendVarint(UInt64(body.count), to: &output)
    output.append(copying: body)
    let sum = crc32(output.span.extracting(start..<output.count))
    appendLittleEndian(UInt64(sum), size: checksumBytes, to: &output)
}
