// Whether a client's certificate may be used here, and for which device it speaks.

package import NIOSSL

/// Why a client is not let in although its certificate leads to an authority.
package enum ClientCertificateFault: String, Error, CaseIterable, Sendable {
    case malformed = "malformed_certificate"
    /// The extended key usage does not name clientAuth: the certificate of a server, or one for anything.
    case notForClients = "not_for_clients"
    /// Its time has not come or is over; of a resumed session, since that began.
    case outOfDate = "out_of_date"
    case revoked
    /// An authority between it and the root is revoked.
    case revokedAuthority = "revoked_authority"
    /// There are revocation lists, and none is of its issuer.
    case noRevocationList = "no_revocation_list"
    /// It names no device, or several.
    case noDevice = "no_device"
    case severalDevices = "several_devices"

    /// What helps, in a few words.
    package var remedy: StaticString {
        switch self {
        case .malformed: "issue the certificate anew"
        case .notForClients: "issue it with extendedKeyUsage=clientAuth"
        case .outOfDate: "issue it anew; see the clocks"
        case .revoked: "it is on a revocation list; issue another one if the device is to send again"
        case .revokedAuthority: "its authority is on a revocation list; issue it by another one"
        case .noRevocationList: "put the list of its issuer into tls.client_crl_file"
        case .noDevice: "issue it with subjectAltName=URI:tidings:PRODUCT/SERIAL"
        case .severalDevices: "issue one certificate for each device"
        }
    }
}

/// What is asked of the certificates of clients besides a chain to an authority, which TLS itself checks.
package struct ClientCertificates: Sendable {
    /// Nil when nothing is revoked.
    let revocations: [RevocationList]?
    /// The encoded names of authorities that are revoked, or are under one that is.
    private let revokedAuthorities: Set<[UInt8]>

    /// - Parameter authorities: those that clients' certificates may lead to.
    package init(revocations: [RevocationList]?, authorities: [CertificateFields] = []) {
        self.revocations = revocations
        var (revoked, before): (Set<[UInt8]>, Int) = ([], -1)
        while revoked.count > before {
            before = revoked.count
            for authority in authorities where authority.subject != authority.issuer {
                let isRevoked = revocations?.contains { $0.revokes(authority) } ?? false
                if isRevoked || revoked.contains(authority.issuer) { revoked.insert(authority.subject) }
            }
        }
        revokedAuthorities = revoked
    }

    /// Whether a certificate that was good once has been revoked since: it, or an authority of it.
    package func hasRevoked(issuer: [UInt8], serial: [UInt8]) -> Bool {
        if revokedAuthorities.contains(issuer) { return true }
        return revocations?.contains { $0.revokes(issuer: issuer, serial: serial) } ?? false
    }

    /// The source whose events may come from whoever has shown a certificate: `urn:dev:ops:…` or what follows
    /// `tidings:` in the one URI of this kind among the subject's other names.
    ///
    /// - Parameter now: seconds since 1970.
    package func source(of certificate: CertificateFields, at now: Int64) throws(ClientCertificateFault) -> [UInt8] {
        guard certificate.isForClients else { throw .notForClients }
        guard certificate.notBefore <= now, now <= certificate.notAfter else { throw .outOfDate }
        if let revocations {
            let own = revocations.filter { $0.issuer == certificate.issuer }
            if own.isEmpty { throw .noRevocationList }
            if own.contains(where: { $0.revokes(certificate) }) { throw .revoked }
            if revokedAuthorities.contains(certificate.issuer) { throw .revokedAuthority }
        }
        var sources: Set<[UInt8]> = []
        for case .uri(let uri) in certificate.names {
            if let source = Self.source(in: uri) { sources.insert(source) }
        }
        guard let source = sources.first else { throw .noDevice }
        guard sources.count == 1 else { throw .severalDevices }
        return source
    }

    package static func fields(
        of certificate: NIOSSLCertificate
    ) throws(ClientCertificateFault) -> CertificateFields {
        do { return try CertificateFields(der: certificate.toDERBytes()) } catch { throw .malformed }
    }

    /// Nil when the URI is of another kind. One with other characters than visible ones is none.
    private static func source(in uri: [UInt8]) -> [UInt8]? {
        guard uri.allSatisfy({ (0x21...0x7e).contains($0) }) else { return nil }
        if uri.starts(with: "urn:dev:ops:".utf8) { return uri }
        let scheme = "tidings:".utf8
        return uri.starts(with: scheme) && uri.count > scheme.count ? Array(uri.dropFirst(scheme.count)) : nil
    }
}
