// Who speaks: on whose behalf events come in, and for which devices they may be.

package import Events

/// On whose behalf a sender acts. Found once for each connection, request or datagram.
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

    /// The devices whose events may come from this principal; nil for all.
    package var sends: Scope? {
        switch self {
        case .anybody: nil
        case .holder(let credential): credential.roles.allow(.send) ? credential.scope : .nothing
        }
    }
}
