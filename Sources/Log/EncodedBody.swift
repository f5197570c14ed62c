// The compressed body and texts of a block, and the body of a keyframe, as they are stored.

import Bytes
import Crypto

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

/// The texts of a block: apart from its body, so that they can one day be dropped. The chain covers their digest only.
package struct EncodedText: Sendable, Equatable {
    package var stored: EncodedBody
    /// SHA-256 of the stored bytes: 32 bytes.
    package var digest: [UInt8]
    /// Whether the bytes are not there, so that only their digest tells of them.
    package var isMissing: Bool { stored.body.isEmpty }

    package init(stored: EncodedBody, digest: [UInt8]) {
        self.stored = stored
        self.digest = digest
    }

    /// With the digest of `stored`.
    init(_ stored: EncodedBody) { self.init(stored: stored, digest: Array(SHA256.hash(data: stored.body))) }

    /// With the digest that the bytes have, where they are there.
    package var rehashed: EncodedText { isMissing ? self : EncodedText(stored) }
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
