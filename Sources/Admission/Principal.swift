// Who speaks: on whose behalf events come in, and for which devices they may be.

package import Events

/// On whose behalf a sender acts. Found once for each connection or datagram, asked for each event where it is not
/// `anybody`.
package enum Principal: Hashable, Sendable {
    /// No credential was asked for: any event of any device.
    case anybody
    /// One device, for itself.
    case device(DeviceID)
    /// A gateway or a vendor's back end, for all devices of some products.
    case products(Set<SymbolID>)

    /// Whether a credential was asked for; cheaper than to compare two principals.
    package var isKnown: Bool {
        switch self {
        case .anybody: false
        case .device, .products: true
        }
    }

    /// Whether events of a device may come from this principal.
    package func maySend(_ device: DeviceID, of product: SymbolID) -> Bool {
        switch self {
        case .anybody: true
        case .device(let own): device == own
        case .products(let own): own.contains(product)
        }
    }
}
