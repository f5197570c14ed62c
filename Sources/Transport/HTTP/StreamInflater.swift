// Gzip (RFC 1952) and zlib (RFC 1950) bodies, inflated piece by piece as they arrive.

import Bytes
import CZlib
import Events

/// The decompressor of one body. Not thread-safe: one owner at a time.
@safe final class StreamInflater {
    enum Format: Sendable { case gzip, zlib }

    /// Where a stream is after a call.
    enum Position: Sendable {
        /// All input was used, and all that it stands for has come out.
        case needsInput
        /// There is more to come out of the same input.
        case hasMore
    }

    private let stream: UnsafeMutablePointer<z_stream>
    private let format: Format
    /// Members that have ended.
    private var members = 0
    /// The member at hand has ended; another may follow in a gzip body.
    private(set) var isAtEnd = false

    /// - Throws: `.cannotStart`.
    init(_ format: Format) throws(ZlibError) {
        self.format = format
        // SAFETY: allocated here and freed in deinit, and nowhere else; zlib keeps its state behind the pointer.
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        // 15 bits of window; 16 more ask for the header and the check of gzip.
        let bits: Int32 = format == .gzip ? 15 + 16 : 15
        let result = unsafe inflateInit2_(stream, bits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard result == Z_OK else { throw .cannotStart }
    }

    deinit {
        // SAFETY: nothing can use it any more.
        unsafe inflateEnd(stream)
        unsafe stream.deallocate()
    }

    /// Replaces the contents of `output` by at most `room` more bytes.
    ///
    /// - Parameter at: where the input begins that has not been used; moved behind what is used now.
    /// - Throws: `.damaged` when the stream is damaged or followed by anything that is no further member; `.tooLarge`
    ///   for more members than `HTTPLimits.gzipMembers`.
    func inflate(
        _ input: Span<UInt8>, from at: inout Int, room: Int, into output: inout [UInt8]
    ) throws(ZlibError) -> Position {
        output.removeAll(keepingCapacity: true)
        output.append(contentsOf: repeatElement(0, count: room))
        var written = 0
        defer { output.removeLast(output.count - written) }
        while true {
            if isAtEnd {
                if at == input.count { return .needsInput }
                try beginMember(input[at])
            }
            let (result, used, made) = step(input.extracting(at..<input.count), into: &output, from: written)
            at += used
            written += made
            switch result {
            case Z_STREAM_END:
                isAtEnd = true
                members += 1
            case Z_OK, Z_BUF_ERROR:
                if written == room { return .hasMore }
                if at == input.count { return .needsInput }
                guard used > 0 || made > 0 else { throw .damaged }
            default: throw .damaged
            }
            if written == room { return .hasMore }
        }
    }

    /// Another member follows (RFC 1952, 2.2), if it begins as one.
    private func beginMember(_ first: UInt8) throws(ZlibError) {
        guard format == .gzip, first == 0x1f else { throw .damaged }
        guard members < HTTPLimits.gzipMembers else { throw .tooLarge }
        isAtEnd = false
        // SAFETY: the state was made in init; it is only set back.
        guard unsafe inflateReset(stream) == Z_OK else { throw .damaged }
    }

    private func step(
        _ input: Span<UInt8>, into output: inout [UInt8], from start: Int
    ) -> (result: Int32, used: Int, made: Int) {
        // SAFETY: both buffers outlive the call that uses their addresses; zlib reads at most avail_in bytes and writes
        // at most avail_out, and keeps neither address.
        unsafe output.withUnsafeMutableBufferPointer { target in
            unsafe input.withUnsafeBufferPointer { source in
                unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
                unsafe stream.pointee.avail_in = UInt32(source.count)
                unsafe stream.pointee.next_out = target.baseAddress?.advanced(by: start)
                unsafe stream.pointee.avail_out = UInt32(target.count - start)
                let result = unsafe CZlib.inflate(stream, Z_NO_FLUSH)
                let used = unsafe source.count - Int(stream.pointee.avail_in)
                let made = unsafe target.count - start - Int(stream.pointee.avail_out)
                unsafe stream.pointee.next_in = nil
                unsafe stream.pointee.next_out = nil
                return (result, used, made)
            }
        }
    }
}
