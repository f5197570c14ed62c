// What a credential stands for: for which devices, what its holder may do, and until when.

package import Events

/// What the holder of a token may do. A device's key only ever sends.
package struct Roles: OptionSet, Hashable, Sendable, BitwiseCopyable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    /// Posts events.
    package static let send = Roles(rawValue: 1)
    /// Asks for summaries and events of its products.
    package static let read = Roles(rawValue: 2)
    /// Sees how the daemon is: health, metrics, status.
    package static let operate = Roles(rawValue: 4)
    /// Devices, tokens, forgetting, and all of the above.
    package static let admin = Roles(rawValue: 8)

    /// Whether all of `wanted` may be done.
    package func allow(_ wanted: Roles) -> Bool { contains(.admin) || contains(wanted) }

    /// Each with its word, as it is typed.
    package static let words: [(word: String, role: Roles)] = [
        ("send", .send), ("read", .read), ("operate", .operate), ("admin", .admin),
    ]
}

/// A credential that was checked. It stays what it was when that was done: what is revoked or has expired since is
/// asked of the `AccessList`.
package struct Credential: Hashable, Sendable {
    package enum Holder: Hashable, Sendable {
        /// A device's or a gateway's key, by its number; a key that replaces another has a higher generation.
        case key(UInt32, generation: UInt32)
        /// A person's or a vendor's token, by its number.
        case token(UInt32)
        /// A client certificate, which names the device itself; by the encoded name of its issuer, and the number that
        /// it has from there.
        case certificate(issuer: [UInt8], serial: [UInt8])
    }

    package var holder: Holder
    package var scope: Scope
    package var roles: Roles
    /// No more valid from then on; nil = as long as it is not revoked.
    package var expires: Timestamp?

    package init(_ holder: Holder, _ scope: Scope, _ roles: Roles, expires: Timestamp? = nil) {
        (self.holder, self.scope, self.roles, self.expires) = (holder, scope, roles, expires)
    }
}
