// HMAC with SHA-256 under a key that many messages are signed with, or many keys are made of.

import Crypto

/// A key of HMAC-SHA256 (RFC 2104) that was taken in: half of the hashing is done once.
///
/// The one of swift-crypto is generic and not specialised in its clients; to look up its types at each step takes three
/// times as long as to hash a datagram.
package struct HMACKey: Sendable {
    /// Have hashed the key, each with another mask; a copy goes on from there.
    private let inner: SHA256
    private let outer: SHA256

    /// - Parameter key: of any length; one of more than 64 bytes stands for its hash.
    package init(_ key: [UInt8]) {
        let key = key.count > SHA256.blockByteCount ? Array(SHA256.hash(data: key)) : key
        func begun(_ mask: UInt8) -> SHA256 {
            var block = Array(repeating: mask, count: SHA256.blockByteCount)
            for index in key.indices { block[index] ^= key[index] }
            var hash = SHA256()
            hash.update(data: block)
            return hash
        }
        inner = begun(0x36)
        outer = begun(0x5c)
    }

    /// The code of a message, 32 bytes.
    package func code(_ message: ArraySlice<UInt8>) -> [UInt8] {
        var first = inner
        first.update(data: message)
        var second = outer
        second.update(data: bytes(first.finalize()))
        return bytes(second.finalize())
    }

    private func bytes(_ digest: SHA256.Digest) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(SHA256.byteCount)
        for byte in digest { bytes.append(byte) }
        return bytes
    }
}
