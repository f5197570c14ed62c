// Who was refused for a credential, or would be if credentials were required: a part of the daemon's status.

/// One sender whose credential was missing or wrong.
package struct CredentialFaultStatus: Codable, Sendable, Equatable {
    /// Product and device; empty when the sender is known by its address alone.
    package var product: String
    package var device: String
    package var address: String
    /// A word for what is wrong: `missing`, `wrong`, …
    package var fault: String
    /// Events, where they were taken; else how often it was refused.
    package var count: UInt64
    /// When the last one came, RFC 3339 in UTC.
    package var last: String

    package init(product: String, device: String, address: String, fault: String, count: UInt64, last: String) {
        (self.product, self.device, self.address) = (product, device, address)
        (self.fault, self.count, self.last) = (fault, count, last)
    }

    var sender: String {
        if !device.isEmpty { return product + "/" + device }
        return address.isEmpty ? "unknown" : address
    }
}

/// How many there were, and who had most of them.
func credentialFaults(_ status: DaemonStatus, _ style: TableStyle) -> (summary: String, lines: [String])? {
    guard !status.credentialFaults.isEmpty else { return nil }
    let count = status.credentialFaults.reduce(status.credentialFaultsOfOthers) { $0 + $1.count }
    let outcome = status.authMode == "require" ? "were refused" : "would be refused with auth.mode: require"
    var table = TextTable([.init("sender", least: 8), .init("credential", least: 5, rank: 1), .init("times", .right)])
    for fault in status.credentialFaults.prefix(10) {
        table.add([visible(fault.sender), fault.fault, grouped(fault.count)])
    }
    return (
        "\(grouped(count)) events or requests without a good credential \(outcome); most of them from:",
        table.lines(style, indent: 13)
    )
}
