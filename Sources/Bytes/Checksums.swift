// Checksums: libdeflate's, which take many bytes with one instruction.

import CDeflate

/// CRC-32 (IEEE 802.3, as in zlib and PNG); 0 for no bytes.
package func crc32(_ bytes: Span<UInt8>) -> UInt32 {
    // SAFETY: libdeflate reads exactly `count` bytes from a buffer that lives for the duration of the closure; for no
    // address at all it gives the checksum of nothing.
    unsafe bytes.withUnsafeBufferPointer { buffer in
        unsafe libdeflate_crc32(0, buffer.baseAddress, buffer.count)
    }
}

/// Adler-32, the checksum at the end of a zlib stream (RFC 1950); 1 for no bytes.
package func adler32(_ bytes: Span<UInt8>) -> UInt32 {
    // SAFETY: as above.
    unsafe bytes.withUnsafeBufferPointer { buffer in
        unsafe libdeflate_adler32(1, buffer.baseAddress, buffer.count)
    }
}
