// Some of all devices, told apart by the text of their names: a device need not be known to be in or out.

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

    package static let nothing = Scope.products([])

    /// Whether a device is among them.
    package func contains(product: Span<UInt8>, name: Span<UInt8>) -> Bool {
        switch self {
        case .everything: true
        case .device(let ownProduct, let ownName): isSame(name, ownName.span) && isSame(product, ownProduct.span)
        case .prefix(let prefix): begins(product, name, with: prefix.span)
        case .products(let own): isOne(product, of: own)
        }
    }

    /// Whether all devices of a product are among them: what may be asked about the product as a whole.
    package func contains(product: Span<UInt8>) -> Bool {
        switch self {
        case .everything: true
        case .device: false
        case .prefix(let prefix): begins(product, Span(), with: prefix.span)
        case .products(let own): isOne(product, of: own)
        }
    }
}

private func isOne(_ product: Span<UInt8>, of products: [[UInt8]]) -> Bool {
    for own in products where isSame(product, own.span) { return true }
    return false
}

private func isSame(_ bytes: Span<UInt8>, _ other: Span<UInt8>) -> Bool {
    guard bytes.count == other.count else { return false }
    for index in bytes.indices where bytes[index] != other[index] { return false }
    return true
}

/// Whether escaped product, `/` and name begin with a prefix.
private func begins(_ product: Span<UInt8>, _ name: Span<UInt8>, with prefix: Span<UInt8>) -> Bool {
    var at = 0
    for index in product.indices {
        let escape: (UInt8, UInt8)? =
            switch product[index] {
            case UInt8(ascii: "%"): (UInt8(ascii: "2"), UInt8(ascii: "5"))
            case UInt8(ascii: "/"): (UInt8(ascii: "2"), UInt8(ascii: "F"))
            case UInt8(ascii: ":"): (UInt8(ascii: "3"), UInt8(ascii: "A"))
            default: nil
            }
        guard goesOn(prefix, &at, with: escape == nil ? product[index] : UInt8(ascii: "%")) else { return false }
        guard let escape else { continue }
        guard goesOn(prefix, &at, with: escape.0), goesOn(prefix, &at, with: escape.1) else { return false }
    }
    guard goesOn(prefix, &at, with: UInt8(ascii: "/")) else { return false }
    for index in name.indices where !goesOn(prefix, &at, with: name[index]) { return false }
    return at == prefix.count
}

/// Whether a prefix goes on with a byte, or is over.
private func goesOn(_ prefix: Span<UInt8>, _ at: inout Int, with byte: UInt8) -> Bool {
    guard at < prefix.count else { return true }
    at += 1
    return prefix[at - 1] == byte
}
