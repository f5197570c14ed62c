// Zlib streams (RFC 1950) by libdeflate, whole ones: inflation with a cap, inflation to a known size, and deflation of
// messages. (The log deflates its blocks itself: Log/Deflate, decision 11.)

import CDeflate

/// Why there is no output.
package enum ZlibError: Error {
    /// There is no memory for the state.
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
///   `limit` bytes, `.cannotStart`. `output` then holds an undefined part of it.
package func inflate(_ body: Span<UInt8>, limit: Int, into output: inout [UInt8]) throws(ZlibError) {
    let inflater = try Inflater()
    // The stream does not say how much it holds: a guess that is too small is doubled.
    var room = min(limit, max(1_024, body.count * 4))
    while true {
        resize(&output, to: room)
        switch inflater.inflate(body, into: &output) {
        case .whole(let count):
            output.removeLast(output.count - count)
            return
        case .damaged: throw .damaged
        case .needsRoom:
            guard room < limit else { throw .tooLarge }
            room = min(limit, room * 2)
        }
    }
}

/// `bytes` as one zlib stream, or nil when it would not be smaller.
///
/// - Parameter level: libdeflate's, 1 (fast) to 12.
package func deflated(_ bytes: Span<UInt8>, level: Int32 = 1) -> [UInt8]? {
    // SAFETY: the compressor lives until the end of the function and is used by it alone.
    guard let compressor = unsafe libdeflate_alloc_compressor(level) else { return nil }
    defer { unsafe libdeflate_free_compressor(compressor) }
    var output = [UInt8](repeating: 0, count: bytes.count)
    // SAFETY: libdeflate reads `bytes.count` bytes and writes at most as many as the output has, or none and gives 0.
    let count = unsafe bytes.withUnsafeBufferPointer { source in
        unsafe output.withUnsafeMutableBufferPointer { target in
            unsafe libdeflate_zlib_compress(
                compressor, source.baseAddress, source.count, target.baseAddress, target.count)
        }
    }
    guard count > 0, count < bytes.count else { return nil }
    output.removeLast(output.count - count)
    return output
}

/// A reusable zlib decompressor. Not thread-safe: one owner at a time.
@safe package final class Inflater {
    private let decompressor: OpaquePointer

    /// - Throws: `.cannotStart`.
    package init() throws(ZlibError) {
        // SAFETY: freed in deinit, and nowhere else.
        guard let decompressor = unsafe libdeflate_alloc_decompressor() else { throw .cannotStart }
        unsafe self.decompressor = decompressor
    }

    deinit {
        // SAFETY: nothing can use it any more.
        unsafe libdeflate_free_decompressor(decompressor)
    }

    /// Inflates a whole stream that must give exactly `size` bytes; false when it does not.
    package func inflate(_ input: Span<UInt8>, size: Int, into output: inout [UInt8]) -> Bool {
        resize(&output, to: size)
        return inflate(input, into: &output) == .whole(size)
    }

    fileprivate enum Outcome: Equatable {
        /// So many bytes came out.
        case whole(Int)
        case damaged
        case needsRoom
    }

    /// Inflates a whole stream, with nothing behind it, into the room that `output` has.
    fileprivate func inflate(_ input: Span<UInt8>, into output: inout [UInt8]) -> Outcome {
        var (read, written) = (0, 0)
        // SAFETY: libdeflate reads at most `input.count` bytes and writes at most `output.count`; both buffers outlive
        // the call, and the two counts are locals.
        let result = unsafe output.withUnsafeMutableBufferPointer { target in
            unsafe input.withUnsafeBufferPointer { source in
                unsafe libdeflate_zlib_decompress_ex(
                    decompressor, source.baseAddress, source.count, target.baseAddress, target.count, &read, &written)
            }
        }
        switch result {
        case LIBDEFLATE_SUCCESS: return read == input.count ? .whole(written) : .damaged
        case LIBDEFLATE_INSUFFICIENT_SPACE: return .needsRoom
        default: return .damaged
        }
    }
}

private func resize(_ bytes: inout [UInt8], to count: Int) {
    if bytes.count > count {
        bytes.removeLast(bytes.count - count)
    } else {
        bytes.append(contentsOf: repeatElement(0, count: count - bytes.count))
    }
}
