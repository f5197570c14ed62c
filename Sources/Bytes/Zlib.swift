// The only calls of zlib and libdeflate in this room: CRC-32, inflation with a cap, and deflation.

import CDeflate
import CZlib
package import Events

/// CRC-32 (IEEE 802.3, as in zlib and PNG) of `bytes`; 0 for none.
package func checksum(_ bytes: Span<UInt8>) -> UInt32 {
    // SAFETY: libdeflate reads exactly `count` bytes from a buffer that lives for the duration of the closure; for no
    // address at all it gives the checksum of nothing.
    unsafe bytes.withUnsafeBufferPointer { buffer in
        unsafe libdeflate_crc32(0, buffer.baseAddress, buffer.count)
    }
}

/// Replaces the contents of `output` by the inflated `body`, which must be one whole zlib stream (RFC 1950).
///
/// - Parameter limit: the most bytes that may come out; memory stays below twice this.
/// - Throws: `.badInflate` when the stream is damaged, cut or followed by anything, `.inflatesTooBig` when it holds
///   more than `limit` bytes. `output` then holds an undefined part of it.
package func inflate(_ body: Span<UInt8>, limit: Int, into output: inout [UInt8]) throws(Refusal) {
    output.removeAll(keepingCapacity: true)
    var stream = unsafe z_stream()
    // SAFETY: the stream is a local that is not moved while zlib uses it, and is ended on every path.
    let opened = unsafe inflateInit_(&stream, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard opened == Z_OK else { throw .badInflate }
    // SAFETY: as above.
    defer { _ = unsafe inflateEnd(&stream) }
    // SAFETY: zlib reads `avail_in` bytes of the body and writes `avail_out` bytes at `produced` of the output; both
    // buffers live for the duration of their closures and both counts are theirs.
    let failure: Refusal? = unsafe body.withUnsafeBufferPointer { source in
        unsafe stream.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
        unsafe stream.avail_in = UInt32(source.count)
        var produced = 0
        while true {
            let room = min(limit + 1, max(1_024, source.count * 4, produced * 2))
            output.append(contentsOf: repeatElement(0, count: room - output.count))
            let result = unsafe output.withUnsafeMutableBufferPointer { target in
                unsafe stream.next_out = target.baseAddress.map { unsafe $0 + produced }
                unsafe stream.avail_out = UInt32(target.count - produced)
                return unsafe CZlib.inflate(&stream, Z_NO_FLUSH)
            }
            produced = unsafe output.count - Int(stream.avail_out)
            if produced > limit { return .inflatesTooBig }
            if result == Z_STREAM_END { break }
            guard result == Z_OK, unsafe stream.avail_out == 0 else { return .badInflate }
        }
        output.removeLast(output.count - produced)
        return unsafe stream.avail_in == 0 ? nil : .badInflate
    }
    if let failure { throw failure }
}

/// `bytes` as one zlib stream, or nil when it would not be smaller.
package func deflated(_ bytes: Span<UInt8>, level: Int32 = 1) -> [UInt8]? {
    var output = [UInt8](repeating: 0, count: bytes.count)
    var count = UInt(output.count)
    // SAFETY: zlib reads `bytes.count` bytes and writes at most `count` bytes into the output's own storage.
    let result = unsafe bytes.withUnsafeBufferPointer { source in
        unsafe output.withUnsafeMutableBufferPointer { target in
            unsafe compress2(target.baseAddress, &count, source.baseAddress, UInt(source.count), level)
        }
    }
    guard result == Z_OK, Int(count) < bytes.count else { return nil }
    output.removeLast(output.count - Int(count))
    return output
}
