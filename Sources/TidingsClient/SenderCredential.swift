// What a sender shows, so that a daemon takes its events: the key of a device or gateway, or a token.

import Bytes
package import Wire

/// The credential of a sender, as `tidings device add` or `tidings token add` has printed it.
///
/// A key never travels: over a connection that others may read it is proved, and datagrams are signed with it. A token
/// does; the daemon takes it only where nobody can read along.
public struct SenderCredential: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case key(id: UInt32, DeviceKey)
        case token(String)
    }

    package let kind: Kind

    /// The key of a device or gateway.
    ///
    /// - Parameters:
    ///   - keyID: the number of the key.
    ///   - key: its 32 bytes in base64url, as they were printed.
    /// - Returns: nil when it is no key.
    public init?(keyID: UInt32, key: String) {
        let text = Array(key.utf8)
        guard keyID > 0, let bytes = base64URLDecoded(text.span), let key = DeviceKey(bytes) else { return nil }
        kind = .key(id: keyID, key)
    }

    /// A token, as it was printed: `tdg_…`, or the one of a device.
    ///
    /// - Returns: nil when it has other characters than a token.
    public init?(token: String) {
        let isPlain = token.utf8.allSatisfy { asciiVisible.contains($0) && $0 != UInt8(ascii: "\"") && $0 != 0x5c }
        guard !token.isEmpty, isPlain else { return nil }
        kind = .token(token)
    }

    /// What is written after `Bearer`.
    package var bearer: String {
        switch kind {
        case .key(let id, let key): key.bearer(id: id)
        case .token(let token): token
        }
    }

    /// The number of the key; 0 for a token.
    package var keyID: UInt32 {
        if case .key(let id, _) = kind { return id }
        return 0
    }

    /// Whether it is a key, which can sign datagrams.
    package var isKey: Bool { keyID != 0 }

    /// What datagrams are signed with; nil for a token.
    package var signer: DatagramSigner? {
        if case .key(_, let key) = kind { return key.signer }
        return nil
    }
}

/// How a connection begins, and how its sender proves the key that it has named.
struct Greeting: Sendable {
    /// The body of the HELLO frame; empty for a connection of lines.
    private var hello: [UInt8] = []
    private var nonce: [UInt8] = []
    private var key: DeviceKey?
    /// What is written first.
    private(set) var bytes: [UInt8] = []
    /// Whether that is a line, which is counted as one.
    private(set) var isLine = false

    /// Frames. A key is proved, unless nobody can read along: that saves a way there and back.
    init(_ hello: Hello, _ credential: SenderCredential?, isEncrypted: Bool) {
        var hello = hello
        switch credential?.kind {
        case .key(let id, let key) where !isEncrypted:
            nonce = randomBytes(32)
            (hello.keyID, hello.nonce, self.key) = (id, nonce, key)
        case .some: hello.token = credential?.bearer ?? ""
        case nil: break
        }
        let body = hello.encode()
        var bytes = streamMagic
        writeFrame(.hello, body: body.span, into: &bytes)
        (self.hello, self.bytes) = (body, bytes)
    }

    /// Lines: with a credential the first one says it.
    init(lines credential: SenderCredential?) {
        guard let credential else { return }
        isLine = true
        bytes = Array("{\"hello\":\"\",\"token\":\"\(credential.bearer)\"}\n".utf8)
    }

    /// What a daemon's nonce is answered with; nil when there is nothing to prove.
    func proof(of daemonNonce: [UInt8]) -> [UInt8]? {
        key.map { $0.proof(nonce: daemonNonce, ownNonce: nonce, hello: hello) }
    }
}
