// What a credential stands for: which devices it may send for, what else its holder may do, and until when.

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

/// Whose events a credential may send, or whose summaries it may read.
package enum Scope: Hashable, Sendable {
    case everything
    /// One device.
    case device(product: [UInt8], name: [UInt8])
    /// Every device whose product, `/` and name begin so; ends in `/`. In the product `%`, `/` and `:` are escaped as
    /// in a source (`%25`, `%2F`, `%3A`), so that no product is taken for a part of another one's name.
    case prefix([UInt8])
    /// Every device of these products.
    case products([[UInt8]])

    /// Whether a device is among them.
    package func contains(product: ArraySlice<UInt8>, name: ArraySlice<UInt8>) -> Bool {
        switch self {
        case .everything: true
        case .device(let ownProduct, let ownName): name.elementsEqual(ownName) && product.elementsEqual(ownProduct)
        case .prefix(let prefix): Self.begins(product, name, with: prefix)
        case .products(let own): own.contains { product.elementsEqual($0) }
        }
    }

    /// Whether all devices of a product are among them: what may be asked about the product as a whole.
    package func contains(product: ArraySlice<UInt8>) -> Bool {
        switch self {
        case .everything: true
        case .device: false
        case .prefix(let prefix): Self.begins(product, [], with: prefix)
        case .products(let own): own.contains { product.elementsEqual($0) }
        }
    }

    /// Whether escaped product, `/` and name begin with a prefix.
    private static func begins(
        _ product: ArraySlice<UInt8>, _ name: ArraySlice<UInt8>, with prefix: [UInt8]
    ) -> Bool {
        var rest = prefix[...]
        func take(_ bytes: some Sequence<UInt8>) -> Bool {
            for byte in bytes {
                guard let first = rest.first else { return true }
                guard first == byte else { return false }
                rest = rest.dropFirst()
            }
            return true
        }
        for byte in product {
            let isSame =
                switch byte {
                case UInt8(ascii: "%"): take("%25".utf8)
                case UInt8(ascii: "/"): take("%2F".utf8)
                case UInt8(ascii: ":"): take("%3A".utf8)
                default: take(CollectionOfOne(byte))
                }
            if !isSame { return false }
        }
        return take(CollectionOfOne(UInt8(ascii: "/"))) && take(name) && rest.isEmpty
    }
}

/// A credential that was checked. It stays what it was when that was done: what is revoked or has expired since is
/// asked of the `AccessList`.
package struct Credential: Hashable, Sendable {
    package enum Holder: Hashable, Sendable {
        /// A device's or a gateway's key, by its number; a key that replaces another has a higher generation.
        case key(UInt32, generation: UInt32)
        /// A person's or a vendor's token, by its number.
        case token(UInt32)
        /// A client certificate, which names the device itself.
        case certificate
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
