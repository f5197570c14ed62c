// Compression of what the log stores: Huffman codes of our own for columns, zlib for texts. It stands in this room and
// not in `Bytes`, because only the log needs it, and because what is built for the processors of today (see
// Package.swift) takes about 6 % fewer instructions for it; no part of the client library can be.

import Bytes
import CZlib

/// A reusable compressor of bodies to zlib streams (RFC 1950). Not thread-safe: one owner at a time.
///
/// Writes the planes itself, and leaves the texts to zlib.
@safe package final class Deflater {
    /// How to look at a section of the input. The output is a valid zlib stream in every case.
    package enum Strategy {
        /// Repetitions anywhere: texts, and everything small.
        case matches
        /// Repetitions of the byte before: a column that rarely changes.
        case runs
        /// No repetitions: a column in which only the frequencies count.
        case huffman
        /// As it is: a column of bytes that are all about equally frequent.
        case plain
    }

    /// Where a section of the input ends, and how to look at it.
    package struct Section {
        package var end: Int
        package var strategy: Strategy

        package init(end: Int, strategy: Strategy) {
            self.end = end
            self.strategy = strategy
        }
    }

    private let stream: UnsafeMutablePointer<z_stream>
    private var writer = DeflateWriter()
    /// Up to this many bytes before a plane go with the plane, though their strategy is `matches`.
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
    /// - Parameter sections: ascending; the last ends at `input.count`.
    package func deflate(_ input: Span<UInt8>, _ sections: [Deflater.Section], into output: inout [UInt8])
        throws(LogError)
    {
        writer.out.begin(room: bound(sections))
        // RFC 1950: deflate with a window of 32 KiB, the fastest level, and a check of these 16 bits.
        writer.out.put(0x0178, bits: 16)
        var start = 0
        var header = 0
        for (index, section) in sections.enumerated() {
            let isLast = index == sections.count - 1
            if case .matches = section.strategy {
                header = section.end - start
                if header == 0, !isLast { continue }
                if !isLast, header <= Self.headerBytes, sections[index + 1].strategy != .matches { continue }
                guard squeeze(input.extracting(start..<section.end), isLast: isLast) else {
                    throw .io("zlib cannot compress a block")
                }
            } else {
                writer.write(
                    input.extracting(start..<section.end), header: header, strategy: section.strategy, isLast: isLast)
            }
            header = 0
            start = section.end
        }
        if sections.isEmpty { writer.writeEnd() }
        writer.out.align()
        writer.out.put(UInt64(adler32(input).byteSwapped), bits: 32)
        writer.out.flush()
        output.removeAll(keepingCapacity: true)
        // SAFETY: the buffer outlives the call; `count` is within it.
        unsafe writer.out.words.withUnsafeBytes { unsafe output.append(contentsOf: $0[..<writer.out.count]) }
    }

    /// At least the size of the stream.
    private func bound(_ sections: [Deflater.Section]) -> Int {
        var sum = 64
        var start = 0
        for section in sections {
            // SAFETY: zlib only computes with the stream's settings.
            let squeezed = unsafe Int(deflateBound(stream, UInt(section.end - start)))
            sum += max(squeezed + 16, DeflateWriter.bound(section.end - start))
            start = section.end
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
