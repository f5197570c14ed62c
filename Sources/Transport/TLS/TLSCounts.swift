// What became of handshakes, for the status and the log.

import NIOSSL
package import TLS

/// Why a connection to a port that speaks TLS came to nothing.
package enum TLSFailure: Error, Hashable, Sendable {
    /// It does not begin as TLS does.
    case plainText
    /// TLS 1.1 or older.
    case oldVersion
    /// No cipher suite, curve or signature that both sides know.
    case nothingInCommon
    case noClientCertificate
    /// It leads to no authority of ours, or is not for that time or purpose.
    case untrustedClientCertificate
    case clientCertificate(ClientCertificateFault)
    /// The client says that it does not trust the server's certificate, or closes for another reason.
    case clientRefused
    /// Not done in time.
    case tooSlow
    /// It was under way for long while others waited.
    case gaveWay
    case brokenOff
    case other

    /// As in the status.
    package var name: String {
        switch self {
        case .plainText: "plain_text"
        case .oldVersion: "old_version"
        case .nothingInCommon: "nothing_in_common"
        case .noClientCertificate: "no_client_certificate"
        case .untrustedClientCertificate: "untrusted_client_certificate"
        case .clientCertificate(let fault): "client_certificate_\(fault.rawValue)"
        case .clientRefused: "client_refused"
        case .tooSlow: "too_slow"
        case .gaveWay: "gave_way"
        case .brokenOff: "broken_off"
        case .other: "other"
        }
    }

    /// What helps, in a few words; docs/tls.md says more.
    package var remedy: StaticString {
        switch self {
        case .plainText: "the client must speak TLS: tidings send --tls, https://"
        case .oldVersion: "bring the client's TLS up to date; 1.2 and 1.3 are spoken"
        case .nothingInCommon: "the client must know ECDHE with AES-GCM or ChaCha20"
        case .noClientCertificate: "give the device a certificate, or set tls.client_certificates to ask"
        case .untrustedClientCertificate: "issue it by an authority of tls.client_ca_file, for now and for clients"
        case .clientCertificate(let fault): fault.remedy
        case .clientRefused: "give the client the authority of tls.certificate_file, and connect by a name in that"
        case .tooSlow, .gaveWay: "a slow link, or somebody who holds places"
        case .brokenOff: "mostly a port scan, or a check by TCP alone"
        case .other: "capture a handshake"
        }
    }

    /// - Parameter error: what ended the handshake.
    init(_ error: any Error) {
        guard case .handshakeFailed(let cause)? = error as? NIOSSLError else {
            self = .other
            return
        }
        self.init(reason: "\(cause)")
    }

    /// - Parameter reason: as BoringSSL names it, among other words.
    init(reason: String) {
        let kinds: [(TLSFailure, [String])] = [
            (.brokenOff, ["EOF during handshake"]),
            (.oldVersion, ["UNSUPPORTED_PROTOCOL", "WRONG_VERSION_NUMBER", "INAPPROPRIATE_FALLBACK"]),
            (
                .nothingInCommon,
                ["NO_SHARED_CIPHER", "NO_SHARED_GROUP", "NO_COMMON_SIGNATURE_ALGORITHMS", "NO_CIPHERS_SPECIFIED"]
            ),
            (.noClientCertificate, ["PEER_DID_NOT_RETURN_A_CERTIFICATE"]),
            (.untrustedClientCertificate, ["CERTIFICATE_VERIFY_FAILED"]),
            (.clientRefused, ["_ALERT_"]),
        ]
        self = kinds.first { $0.1.contains { reason.contains($0) } }?.0 ?? .other
    }
}

/// Handshakes since the start, and those of now.
package struct TLSCounts: Sendable, Hashable {
    package var completed: UInt64 = 0
    /// Those that had to wait for others before they began.
    package var delayed: UInt64 = 0
    package var underWay = 0
    package var waiting = 0
    package var failed: [TLSFailure: UInt64] = [:]

    package init() {}

    mutating func note(_ failure: TLSFailure) { failed[failure, default: 0] += 1 }
}
