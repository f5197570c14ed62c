// The room's only door to C: zlib's streams, and the checksum at their end.

import CDeflate
import CZlib
import Wire

/// A reusable compressor of bodies to zlib streams (RFC 1950). Not thread-safe: one owner at a time.
///
/// Writes the planes itself, and leaves the texts to zlib.
@safe package final class Deflater {
    /// How to look at a piece of the input. The output is a valid zlib stream in every case.
    package enum Approach {
        /// Repetitions anywhere: texts, and everything small.
        case matches
        /// Repetitions of the byte before: a column that changes seldom.
        case runs
        /// No repetitions: a column in which only the frequencies count.
        case huffman
        /// As it is: a column of bytes that are all about equally frequent.
        case plain
    }

    private let stream: UnsafeMutablePointer<z_stream>
    private var writer = DeflateWriter()
    /// Up to this many bytes before a plane go with the plane, though their approach is `matches`.
    private static let headerBytes = 64

    /// - Parameter level: zlib's for texts, 1 (fast) to 9.
    package init(level: Int32) throws(LogError) {
        // SAFETY: the stream lives at one address (zlib points back to it) from here to deinit.
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        let size = unsafe Int32(MemoryLayout<z_stream>.size)
        // Blocks alone, without the stream's header and checksum; the largest window; the usual memory.
        let result = unsafe deflateInit2_(
            stream, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY, zlibVersion(), size)
        guard result == Z_OK else { throw .io("zlib cannot start") }
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
        writer.out.begin(room: bound(pieces))
        // RFC 1950: deflate with a window of 32 KiB, the fastest level, and a check of these 16 bits.
        writer.out.put(0x0178, bits: 16)
        var start = 0
        var header = 0
        for (index, piece) in pieces.enumerated() {
            let isLast = index == pieces.count - 1
            if case .matches = piece.approach {
                header = piece.end - start
                if header == 0, !isLast { continue }
                if !isLast, header <= Self.headerBytes, pieces[index + 1].approach != .matches { continue }
                guard squeeze(input.extracting(start..<piece.end), isLast: isLast) else {
                    throw .io("zlib cannot compress a block")
                }
            } else {
                writer.write(
                    input.extracting(start..<piece.end), header: header, approach: piece.approach, isLast: isLast)
            }
            header = 0
            start = piece.end
        }
        if pieces.isEmpty { writer.writeEnd() }
        writer.out.align()
        writer.out.put(UInt64(adler32(input).byteSwapped), bits: 32)
        writer.out.flush()
        output.removeAll(keepingCapacity: true)
        // SAFETY: the buffer outlives the call; `count` is within it.
        unsafe writer.out.words.withUnsafeBytes { unsafe output.append(contentsOf: $0[..<writer.out.count]) }
    }

    /// At least the size of the stream.
    private func bound(_ pieces: [Piece]) -> Int {
        var sum = 64
        var start = 0
        for piece in pieces {
            // SAFETY: zlib only computes with the stream's settings.
            let squeezed = unsafe Int(deflateBound(stream, UInt(piece.end - start)))
            sum += max(squeezed + 16, DeflateWriter.bound(piece.end - start))
            start = piece.end
        }
        return sum
    }

    /// Writes blocks that zlib makes; false when it cannot.
    private func squeeze(_ input: Span<UInt8>, isLast: Bool) -> Bool {
        writer.out.append { words, start, loose, bits in
            // SAFETY: both buffers outlive the calls that use their addresses; zlib writes at most avail_out bytes.
            unsafe words.withUnsafeMutableBytes { out -> Int? in
                unsafe input.withUnsafeBufferPointer { source -> Int? in
                    guard unsafe deflateReset(stream) == Z_OK,
                        unsafe deflatePrime(stream, Int32(loose), Int32(bits)) == Z_OK
                    else { return nil }
                    unsafe stream.pointee.next_out = out.baseAddress?.advanced(by: start).assumingMemoryBound(
                        to: UInt8.self)
                    unsafe stream.pointee.avail_out = UInt32(out.count - start)
                    unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
                    unsafe stream.pointee.avail_in = UInt32(source.count)
                    let result = unsafe CZlib.deflate(stream, isLast ? Z_FINISH : Z_SYNC_FLUSH)
                    let rest = unsafe stream.pointee.avail_in
                    guard result == (isLast ? Z_STREAM_END : Z_OK), rest == 0 else { return nil }
                    return unsafe out.count - Int(stream.pointee.avail_out)
                }
            }
        }
    }
}

/// A reusable zlib decompressor. Not thread-safe: one owner at a time.
@safe package final class Inflater {
    private let stream: UnsafeMutablePointer<z_stream>

    package init() throws(LogError) {
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

/// The checksum that stands beside a stored body (docs/log-format.md).
package func crc32(_ bytes: Span<UInt8>) -> UInt32 { checksum(bytes) }

/// Adler-32, the checksum at the end of a zlib stream (RFC 1950).
private func adler32(_ bytes: Span<UInt8>) -> UInt32 {
    // SAFETY: libdeflate reads `count` bytes from the start of the span, which outlives the call.
    unsafe bytes.withUnsafeBufferPointer { buffer in
        unsafe libdeflate_adler32(1, buffer.baseAddress, buffer.count)
    }
}
