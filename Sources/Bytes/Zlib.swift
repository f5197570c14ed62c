// Zlib streams (RFC 1950): inflation with a cap, inflation to a known size, and deflation of whole messages. (The log
// deflates its blocks itself: Log/Deflate.)

import CZlib

/// Why zlib gave nothing.
package enum ZlibError: Error {
    /// There is no memory for its state.
    case cannotStart
    /// What should be a zlib stream is none.
    case damaged
    /// The stream holds more than is wanted.
    case tooLarge
}

/// Replaces the contents of `output` by the inflated `body`, which must be one whole zlib stream (RFC 1950).
///
/// - Parameter limit: the most bytes that may come out; memory stays below twice this.
/// - Throws: `.damaged` when the stream is damaged, cut or followed by anything, `.tooLarge` when it holds more than
///   `limit` bytes. `output` then holds an undefined part of it.
package func inflate(_ body: Span<UInt8>, limit: Int, into output: inout [UInt8]) throws(ZlibError) {
    output.removeAll(keepingCapacity: true)
    var stream = unsafe z_stream()
    // SAFETY: the stream is a local that is not moved while zlib uses it, and is ended on every path.
    let opened = unsafe inflateInit_(&stream, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard opened == Z_OK else { throw .damaged }
    // SAFETY: as above.
    defer { _ = unsafe inflateEnd(&stream) }
    // SAFETY: zlib reads `avail_in` bytes of the body and writes `avail_out` bytes at `produced` of the output; both
    // buffers live for the duration of their closures and both counts are theirs.
    let failure: ZlibError? = unsafe body.withUnsafeBufferPointer { source in
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
            if produced > limit { return .tooLarge }
            if result == Z_STREAM_END { break }
            guard result == Z_OK, unsafe stream.avail_out == 0 else { return .damaged }
        }
        output.removeLast(output.count - produced)
        return unsafe stream.avail_in == 0 ? nil : .damaged
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

/// A reusable zlib decompressor. Not thread-safe: one owner at a time.
@safe package final class Inflater {
    private let stream: UnsafeMutablePointer<z_stream>

    /// - Throws: `.cannotStart`.
    package init() throws(ZlibError) {
        // SAFETY: the stream lives at one address (zlib points back to it) from here to deinit.
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        guard unsafe inflateInit_(stream, zlibVersion(), Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw .cannotStart
        }
    }

    deinit {
        // SAFETY: nothing can use the stream any more; inflateEnd accepts one that failed to start.
        unsafe _ = inflateEnd(stream)
        unsafe stream.deinitialize(count: 1)
        unsafe stream.deallocate()
    }

    /// Inflates a whole stream that must give exactly `size` bytes; false when it does not.
    package func inflate(_ input: Span<UInt8>, size: Int, into output: inout [UInt8]) -> Bool {
        if output.count > size {
            output.removeLast(output.count - size)
        } else {
            output.append(contentsOf: repeatElement(0, count: size - output.count))
        }
        // SAFETY: both buffers outlive the call; zlib writes at most `size` bytes.
        return unsafe output.withUnsafeMutableBufferPointer { out in
            unsafe input.withUnsafeBufferPointer { source in
                guard unsafe inflateReset(stream) == Z_OK else { return false }
                unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
                unsafe stream.pointee.avail_in = UInt32(source.count)
                unsafe stream.pointee.next_out = out.baseAddress
                unsafe stream.pointee.avail_out = UInt32(size)
                let result = unsafe CZlib.inflate(stream, Z_FINISH)
                return unsafe result == Z_STREAM_END && stream.pointee.avail_out == 0 && stream.pointee.avail_in == 0
            }
        }
    }
}
