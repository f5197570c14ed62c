// The room's only door to C: zlib's streams and CRC-32.

import CZlib

/// A reusable zlib compressor. Not thread-safe: one owner at a time.
@safe package final class Deflater {
    /// How zlib looks at a piece of the input. The output is a valid zlib stream in every case.
    package enum Approach {
        /// Repetitions anywhere: texts, and everything small.
        case matches
        /// Repetitions of the byte before: a column that changes seldom.
        case runs
        /// No repetitions: a column in which only the frequencies count.
        case huffman
        /// As it is: a column of bytes that are all about equally frequent.
        case plain

        fileprivate var strategy: Int32 {
            switch self {
            case .matches, .plain: Z_DEFAULT_STRATEGY
            case .runs: Z_RLE
            case .huffman: Z_HUFFMAN_ONLY
            }
        }
    }

    private let stream: UnsafeMutablePointer<z_stream>
    private let level: Int32

    /// - Parameter level: 1 (fast) to 9.
    package init(level: Int32) throws(LogError) {
        self.level = level
        // SAFETY: the stream lives at one address (zlib points back to it) from here to deinit.
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        let size = unsafe Int32(MemoryLayout<z_stream>.size)
        guard unsafe deflateInit_(stream, level, zlibVersion(), size) == Z_OK else {
            throw .io("zlib cannot start")
        }
    }

    deinit {
        // SAFETY: nothing can use the stream any more; deflateEnd accepts one that failed to start.
        unsafe _ = deflateEnd(stream)
        unsafe stream.deinitialize(count: 1)
        unsafe stream.deallocate()
    }

    /// Compresses `input` to one zlib stream in `output`, whose old contents go.
    ///
    /// - Parameter pieces: ascending; the last ends at `input.count`.
    package func deflate(_ input: Span<UInt8>, _ pieces: [Piece], into output: inout [UInt8]) throws(LogError) {
        // SAFETY: both buffers outlive the calls that use their addresses; zlib writes at most avail_out bytes.
        let bound = unsafe Int(deflateBound(stream, UInt(input.count))) + 32 * pieces.count + 64
        if output.count < bound { output = Array(repeating: 0, count: bound) }
        let written: Int? = unsafe output.withUnsafeMutableBufferPointer { out -> Int? in
            unsafe input.withUnsafeBufferPointer { source -> Int? in
                unsafe run(source, pieces, out)
            }
        }
        guard let written else { throw .io("zlib cannot compress a block") }
        output.removeLast(output.count - written)
    }

    private func level(of piece: Piece) -> Int32 {
        if case .plain = piece.approach { return 0 }
        return level
    }

    private func run(
        _ source: UnsafeBufferPointer<UInt8>, _ pieces: [Piece], _ out: UnsafeMutableBufferPointer<UInt8>
    ) -> Int? {
        // SAFETY: pieces end within `source`; next_out/avail_out describe `out`.
        guard unsafe deflateReset(stream) == Z_OK else { return nil }
        unsafe stream.pointee.next_out = out.baseAddress
        unsafe stream.pointee.avail_out = UInt32(out.count)
        unsafe stream.pointee.avail_in = 0
        var start = 0
        for (index, piece) in pieces.enumerated() {
            guard unsafe deflateParams(stream, level(of: piece), piece.approach.strategy) == Z_OK else { return nil }
            unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: source.baseAddress?.advanced(by: start))
            unsafe stream.pointee.avail_in = UInt32(piece.end - start)
            let isLast = index == pieces.count - 1
            let result = unsafe CZlib.deflate(stream, isLast ? Z_FINISH : Z_BLOCK)
            let rest = unsafe stream.pointee.avail_in
            guard result == (isLast ? Z_STREAM_END : Z_OK), rest == 0 else { return nil }
            start = piece.end
        }
        return unsafe out.count - Int(stream.pointee.avail_out)
    }
}

/// A reusable zlib decompressor. Not thread-safe: one owner at a time.
@safe final class Inflater {
    private let stream: UnsafeMutablePointer<z_stream>

    init() throws(LogError) {
        // SAFETY: as in Deflater.
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        guard unsafe inflateInit_(stream, zlibVersion(), Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw .io("zlib cannot start")
        }
    }

    deinit {
        // SAFETY: as in Deflater.
        unsafe _ = inflateEnd(stream)
        unsafe stream.deinitialize(count: 1)
        unsafe stream.deallocate()
    }

    /// Inflates a whole stream that must give exactly `size` bytes; false when it does not.
    func inflate(_ input: Span<UInt8>, size: Int, into output: inout [UInt8]) -> Bool {
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

/// CRC-32 (IEEE 802.3, as in zlib and PNG).
package func crc32(_ bytes: Span<UInt8>) -> UInt32 {
    // SAFETY: zlib reads `count` bytes from the start of the span, which outlives the call.
    unsafe bytes.withUnsafeBufferPointer { buffer in
        unsafe UInt32(truncatingIfNeeded: CZlib.crc32_z(0, buffer.baseAddress, buffer.count))
    }
}
