// The compressed body of a block or a keyframe, as it is stored.

import Bytes

/// Compressed bytes as they are stored.
package struct EncodedBody: Sendable, Equatable {
    /// A zlib stream (RFC 1950).
    package var body: [UInt8]
    /// Bytes before compression.
    package var rawSize: Int
    /// Of `body`.
    package var crc32: UInt32

    package init(body: [UInt8], rawSize: Int, crc32: UInt32) {
        self.body = body
        self.rawSize = rawSize
        self.crc32 = crc32
    }

    /// With the checksum of `body`.
    init(body: [UInt8], rawSize: Int) {
        self.init(body: body, rawSize: rawSize, crc32: Bytes.crc32(body.span))
    }

    /// Whether the body has its checksum.
    package var isIntact: Bool { Bytes.crc32(body.span) == crc32 }
}

extension Inflater {
    /// One for stored bodies.
    static func forBodies() throws(LogError) -> Inflater {
        do {
            return try Inflater()
        } catch {
            throw .io("zlib cannot start")
        }
    }
}
