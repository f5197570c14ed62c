// Who has which key or token: a value that is made of a file, replaced as a whole when that changes, and asked for each
// connection, request or signed datagram.

import Bytes
import Crypto
package import Events
package import Wire

/// Who may send without a credential.
package enum AuthMode: String, Sendable, CaseIterable {
    /// Everybody; credentials that are shown are checked all the same.
    case off
    /// Everybody; who would be refused is counted and listed.
    case warn
    /// Nobody.
    case require
}

/// A key that a device or a gateway has, without the secret.
package struct KeyEntry: Hashable, Sendable {
    package var id: UInt32
    package var scope: Scope
    package var generation: UInt32
    package var isRevoked: Bool

    package init(id: UInt32, scope: Scope, generation: UInt32 = 0, isRevoked: Bool = false) {
        (self.id, self.scope, self.generation, self.isRevoked) = (id, scope, generation, isRevoked)
    }
}

/// A token of a person or a vendor, without the secret.
package struct TokenEntry: Hashable, Sendable {
    package var id: UInt32
    /// SHA-256 of the token as it is written, 32 bytes.
    package var digest: [UInt8]
    package var scope: Scope
    package var roles: Roles
    package var expires: Timestamp?

    package init(id: UInt32, digest: [UInt8], scope: Scope, roles: Roles, expires: Timestamp? = nil) {
        (self.id, self.digest, self.scope, self.roles, self.expires) = (id, digest, scope, roles, expires)
    }
}

/// The keys and tokens that are in force. Never changed: whoever holds one may ask it on any thread.
package final class AccessList: Sendable {
    /// Nil when there is no master key; then no device can show anything.
    private let masters: MasterKeys?
    private let keys: KeyTable
    private let tokens: [[UInt8]: TokenEntry]
    private let tokenIDs: Set<UInt32>

    package static let empty = AccessList(masters: nil, keys: KeyTable(), tokens: [])
    /// What a person's or vendor's token begins with, so that those who search for lost secrets find it.
    package static let tokenPrefix = "tdg_"

    /// - Parameter tokens: those that are not revoked.
    package init(masters: MasterKeys?, keys: KeyTable, tokens: [TokenEntry]) {
        self.masters = masters
        self.keys = keys
        self.tokens = Dictionary(tokens.map { ($0.digest, $0) }) { _, last in last }
        tokenIDs = Set(tokens.map(\.id))
    }

    package convenience init(masters: MasterKeys?, keys: [KeyEntry], tokens: [TokenEntry]) {
        self.init(masters: masters, keys: KeyTable(keys), tokens: tokens)
    }

    /// Whether nobody could show anything.
    package var isEmpty: Bool { keys.isEmpty && tokens.isEmpty }

    /// The credential behind what is written after `Bearer`, in a HELLO or in a line: `<key id>.<token>` of a device,
    /// the token in base64url without padding, or a token of a person or vendor. Takes the same time for every wrong
    /// token of one form.
    ///
    /// - Returns: nil when it is wrong, revoked or expired.
    package func credential(bearer: Span<UInt8>, now: Timestamp) -> Credential? {
        if begins(bearer, with: Self.tokenPrefix) { return credential(token: bearer, now: now) }
        guard let (id, token) = Self.parts(of: bearer) else { return nil }
        return credential(key: id) { isSameSecret($0.token, token) }
    }

    /// The credential of whoever has proved a key. Takes the same time for every proof that is wrong, whether or not
    /// there is such a key: of an entry nothing but the generation is looked at before the proof is right.
    ///
    /// - Parameter hasProved: whether what was shown is right under a key.
    /// - Returns: nil when it is not, or the key is revoked.
    package func credential(key id: UInt32, hasProved: (DeviceKey) -> Bool) -> Credential? {
        var isRight = false
        for key in candidates(id) where hasProved(key) { isRight = true }
        return isRight ? credential(key: id) : nil
    }

    private func credential(token: Span<UInt8>, now: Timestamp) -> Credential? {
        var written: [UInt8] = []
        written.append(copying: token)
        // The digest is what is looked up: how far a search for it comes tells nothing of the token.
        guard let entry = tokens[Array(SHA256.hash(data: written))] else { return nil }
        if let expires = entry.expires, now >= expires { return nil }
        return Credential(.token(entry.id), entry.scope, entry.roles, expires: entry.expires)
    }

    /// The keys to check a proof or a signature of this key id with, the likeliest first. What nobody has is worked out
    /// all the same, so that the time does not tell which numbers are given out.
    package func candidates(_ id: UInt32) -> [DeviceKey] {
        masters?.keys(id: id, generation: keys.generation(at: keys.index(of: id))) ?? []
    }

    /// Whose a key is that was proved; nil when nobody has it, or it is revoked.
    package func credential(key id: UInt32) -> Credential? {
        guard let index = keys.index(of: id), !keys.isRevoked(at: index) else { return nil }
        return Credential(.key(id, generation: keys.generation(at: index)), keys.scope(at: index), .send)
    }

    /// Whether a credential that was good once still is.
    package func isInForce(_ credential: Credential, now: Timestamp) -> Bool {
        if let expires = credential.expires, now >= expires { return false }
        switch credential.holder {
        case .key(let id, let generation):
            return keys.index(of: id).map { !keys.isRevoked(at: $0) && keys.generation(at: $0) == generation } ?? false
        case .token(let id): return tokenIDs.contains(id)
        // Those are not in this list.
        case .certificate: return true
        }
    }

    /// `12.AbC…` taken apart.
    private static func parts(of bearer: Span<UInt8>) -> (id: UInt32, token: [UInt8])? {
        let dot = bearer.first(UInt8(ascii: "."), from: 0)
        guard dot > 0, dot <= 10, dot < bearer.count else { return nil }
        var id: UInt64 = 0
        for index in 0..<dot {
            guard asciiDigits.contains(bearer[index]) else { return nil }
            id = id * 10 + UInt64(bearer[index] - UInt8(ascii: "0"))
        }
        guard let id = UInt32(exactly: id), id > 0,
            let token = base64URLDecoded(bearer.extracting((dot + 1)..<bearer.count)),
            token.count == MasterKeys.keyBytes
        else { return nil }
        return (id, token)
    }
}

private func begins(_ bytes: Span<UInt8>, with prefix: String) -> Bool {
    let prefix = Array(prefix.utf8)
    guard bytes.count >= prefix.count else { return false }
    for index in prefix.indices where bytes[index] != prefix[index] { return false }
    return true
}
