// The secret of a device, and what is made of it for each way in: tokens, proofs, and signatures of datagrams.

import Bytes

/// One device's secret. What is made of it is HKDF-Expand with SHA-256 (RFC 5869, 2.3) to 32 bytes, which is one HMAC
/// over a label and the byte 1, so that a small device needs nothing else.
package struct DeviceKey: Hashable, Sendable {
    /// The secret itself, 32 bytes; shown once, to whoever puts it into the device.
    package let bytes: [UInt8]

    /// Length of a key, and of what is made of it.
    package static let byteCount = 32
    /// Length of the client's part in a proof, bytes: from and to.
    package static let nonceBytes = 16...64

    package init(unchecked bytes: [UInt8]) { self.bytes = bytes }

    /// - Parameter bytes: 32; nil for another length.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    /// What is sent where the connection is private, 32 bytes.
    package var token: [UInt8] { expanded("tidings token") }

    /// What is written after `Bearer`, in a HELLO and in a line.
    package func bearer(id: UInt32) -> String { "\(id).\(base64URL(token))" }

    /// What proves a HELLO where the connection is not private, 32 bytes: the body of a PROOF frame.
    ///
    /// - Parameters:
    ///   - nonce: the daemon's, of its first WELCOME.
    ///   - ownNonce: the client's, as it stands in its HELLO.
    ///   - hello: the body of the HELLO frame.
    package func proof(nonce: [UInt8], ownNonce: [UInt8], hello: [UInt8]) -> [UInt8] {
        HMACKey(expanded("tidings tcp proof")).code((nonce + ownNonce + hello)[...])
    }

    /// What signs datagrams, and checks their signatures.
    package var signer: DatagramSigner { DatagramSigner(expanded("tidings udp mac")) }

    private func expanded(_ label: String) -> [UInt8] { KeyExpansion(bytes).expanded(Array(label.utf8)) }
}

/// HKDF-Expand with SHA-256 to 32 bytes (RFC 5869, 2.3), of one key that others are made of.
package struct KeyExpansion: Sendable {
    private let key: HMACKey

    package init(_ key: [UInt8]) { self.key = HMACKey(key) }

    package func expanded(_ label: [UInt8]) -> [UInt8] { key.code((label + [1])[...]) }
}

/// Signs datagrams with one key: the trailer is the first 8 bytes of HMAC-SHA256 over everything before it.
package struct DatagramSigner: Sendable {
    private let key: HMACKey

    fileprivate init(_ key: [UInt8]) { self.key = HMACKey(key) }

    /// Puts the signature in the place of the trailer of the datagram that begins at `start`.
    package func sign(_ output: inout [UInt8], from start: Int) {
        let end = output.count - DatagramHeader.trailerBytes
        let code = key.code(output[start..<end])
        for index in 0..<DatagramHeader.trailerBytes { output[end + index] = code[index] }
    }

    /// Whether the trailer of a datagram, which has one, is this key's. Takes the same time for every wrong one.
    package func hasSigned(_ datagram: [UInt8]) -> Bool {
        let end = datagram.count - DatagramHeader.trailerBytes
        return isSameSecret(key.code(datagram[..<end]).prefix(DatagramHeader.trailerBytes), datagram[end...])
    }
}
