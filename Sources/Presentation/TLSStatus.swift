// What `tidings status` shows of TLS: until when the certificate is good, and what became of handshakes.

/// The certificate in force, and handshakes since the daemon started.
package struct TLSStatus: Codable, Sendable, Equatable {
    /// As in `CN=collector, O=Example`.
    package var subject = ""
    /// The subject's other names: hosts, addresses, URIs.
    package var names: [String] = []
    /// RFC 3339 in UTC.
    package var notBefore = ""
    package var notAfter = ""
    /// Whole days until then; negative when they have passed.
    package var daysLeft: Int64 = 0
    /// Done.
    package var handshakes: UInt64 = 0
    /// Of all that have begun, those that had to wait for others.
    package var delayed: UInt64 = 0
    package var underWay = 0
    package var waiting = 0
    /// Those that came to nothing, by reason, with only those that occurred.
    package var failed: [String: UInt64] = [:]

    package init() {}

    enum CodingKeys: String, CodingKey {
        case subject, names, handshakes, delayed, waiting, failed
        case notBefore = "not_before"
        case notAfter = "not_after"
        case daysLeft = "days_left"
        case underWay = "under_way"
    }
}

/// The line of the certificate.
func certificate(_ tls: TLSStatus) -> [String] {
    let left = tls.daysLeft < 0 ? "ENDED \(-tls.daysLeft) days ago" : "\(tls.daysLeft) days left"
    return [tls.subject.isEmpty ? "without a subject" : tls.subject] + tls.names + ["until \(tls.notAfter)", left]
}

/// The line of the handshakes.
func handshakes(_ tls: TLSStatus) -> [String] {
    ["\(tls.handshakes) done", "\(tls.underWay) under way", "\(tls.waiting) waiting"]
        + tls.failed.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
}
