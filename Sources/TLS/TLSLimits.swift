// The bounds of TLS: of the files that are read, and of handshakes.

/// Bounds that are not configured.
package enum TLSLimits {
    /// A file with certificates, a key or a revocation list, bytes.
    package static let fileBytes = 16 << 20
    /// Handshakes under way at one time; those beyond wait.
    package static let handshakes = 64
    /// How long a handshake may take, seconds.
    package static let handshakeSeconds: Int64 = 10
    /// A handshake that has been under way for so long gives way when others wait, seconds.
    package static let givesWaySeconds: Int64 = 1
    /// A certificate that ends within so many days is warned of.
    package static let expiryWarningDays: Int64 = 14
}
