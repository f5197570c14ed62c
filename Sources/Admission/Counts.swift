// Every event that reaches the daemon ends in exactly one of these numbers.

package import Events

/// How an event came in.
package enum TransportKind: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    case tcp = 0
    case tcpLines = 1
    case udp = 2
    case udpLines = 3
    /// Not from outside: events that the daemon itself has made.
    case daemon = 4
    case http = 5
    case mqtt = 6

    package var name: StaticString {
        switch self {
        case .tcp: "tcp"
        case .tcpLines: "tcp_json"
        case .udp: "udp"
        case .udpLines: "udp_json"
        case .daemon: "daemon"
        case .http: "http"
        case .mqtt: "mqtt"
        }
    }

    /// How many quarantined and stale events of one unit are named one by one.
    var verdictsNamed: Int {
        self == .http || self == .mqtt ? AdmissionLimits.verdictsNamedOneByOne : AdmissionLimits.verdictsNamed
    }
}

/// Why an event that a device sent is certainly lost.
package enum Drop: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    /// The kernel's receive buffer was full.
    case kernel = 0
    /// The device's own buffer overflowed; it said so with `oldest`.
    case device = 1

    package var name: StaticString {
        switch self {
        case .kernel: "kernel"
        case .device: "device"
        }
    }
}

/// The counts of one transport, exact from the daemon's start on.
///
/// `received == committed + duplicate + stale + quarantined + refused + dropped + inFlight`, always; `inFlight` is 0
/// once the daemon has drained.
package struct TransportCounts: Sendable, Equatable {
    package var received: UInt64 = 0
    /// In the log and good.
    package var committed: UInt64 = 0
    /// Of those in the log, good or kept apart, how many have lost their customer for want of a consent.
    package var withoutConsent: UInt64 = 0
    package var duplicate: UInt64 = 0
    /// Too old to tell whether it was a duplicate.
    package var stale: UInt64 = 0
    /// In the log and kept apart, by `QuarantineReason.rawValue`.
    package var quarantined = [UInt64](repeating: 0, count: QuarantineReason.slots)
    /// Turned away, by index in `Refusal.allCases`.
    package var refused = [UInt64](repeating: 0, count: Refusal.allCases.count)
    /// By `Drop.rawValue`.
    package var dropped = [UInt64](repeating: 0, count: Drop.allCases.count)
    /// Admitted, and not yet durable.
    package var inFlight: UInt64 = 0

    package init() {}

    package var isBalanced: Bool {
        let refusals = refused.reduce(0, +)
        let kept = committed + quarantined.reduce(0, +)
        return received == kept + duplicate + stale + refusals + dropped.reduce(0, +) + inFlight
    }

    package mutating func refuse(_ reason: Refusal, events: Int) {
        received += UInt64(events)
        refused[Refusal.allCases.firstIndex(of: reason) ?? 0] += UInt64(events)
    }

    package mutating func drop(_ reason: Drop, events: UInt64) {
        received += events
        dropped[Int(reason.rawValue)] += events
    }
}

/// What of a block came in one way; added to the counts when the block is durable.
package struct AdmittedCounts: Sendable, Equatable {
    package var accepted: UInt64 = 0
    package var withoutConsent: UInt64 = 0
    package var quarantined = [UInt64](repeating: 0, count: QuarantineReason.slots)

    package init() {}

    package var total: UInt64 { accepted + quarantined.reduce(0, +) }
}
