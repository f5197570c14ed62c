// Who speaks: on whose behalf events come in, and for which devices they may be.

package import Events

/// On whose behalf a sender acts. Found once for each connection, request or datagram, asked for each event where it is
/// not `anybody`.
package enum Principal: Hashable, Sendable {
    /// No credential was asked for: any event of any device.
    case anybody
    /// Whoever has shown this credential.
    case holder(Credential)

    /// Whether a credential was shown; cheaper than to compare two principals.
    package var isKnown: Bool {
        switch self {
        case .anybody: false
        case .holder: true
        }
    }

    /// Whether events of a device may come from this principal.
    package func maySend(_ device: DeviceID, in vocabulary: Vocabulary) -> Bool {
        switch self {
        case .anybody: return true
        case .holder(let credential):
            let product = vocabulary.text(.product, vocabulary.product(of: device))
            return credential.roles.allow(.send)
                && credential.scope.contains(product: product, name: vocabulary.name(of: device))
        }
    }
}
