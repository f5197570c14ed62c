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
    ///
    /// - Parameter vocabulary: is not changed; a copy of so many references would cost more than the answer.
    package func maySend(_ device: DeviceID, in vocabulary: inout Vocabulary) -> Bool {
        switch self {
        case .anybody: return true
        case .holder(let credential):
            var check = ScopeCheck(credential)
            return check.maySend(device, of: vocabulary.product(of: device), in: &vocabulary)
        }
    }

    /// Whether all of these events may come from this principal. Their products are those of their devices, as the
    /// readers have found them: to look them up again is a miss of the cache for each device.
    package func maySend(_ events: ArraySlice<Event>, in vocabulary: inout Vocabulary) -> Bool {
        switch self {
        case .anybody: return true
        case .holder(let credential):
            var check = ScopeCheck(credential)
            for event in events where !check.maySend(event.device, of: event.product, in: &vocabulary) {
                return false
            }
            return true
        }
    }
}

/// The events of one frame or datagram against one credential. They are mostly of one device, or, if of a gateway, of
/// one product: what was found for the last one is looked at first, and names are compared only when it does not help.
private struct ScopeCheck {
    private let scope: Scope
    private let isSender: Bool
    /// A device that is allowed.
    private var device: DeviceID?
    /// A product all of whose devices are.
    private var product: SymbolID?

    init(_ credential: Credential) {
        scope = credential.scope
        isSender = credential.roles.allow(.send)
    }

    mutating func maySend(_ device: DeviceID, of product: SymbolID, in vocabulary: inout Vocabulary) -> Bool {
        guard isSender else { return false }
        if device == self.device || product == self.product { return true }
        let name = vocabulary.text(.product, product)
        if scope.contains(product: name) {
            self.product = product
            return true
        }
        guard scope.contains(product: name, name: vocabulary.name(of: device)) else { return false }
        self.device = device
        return true
    }
}
