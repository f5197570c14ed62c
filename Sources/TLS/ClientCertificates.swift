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
    /// There are revocation lists, and none is of its issuer.
    case noRevocationList = "no_revocation_list"
    /// It names no device, or several.
    case noDevice = "no_device"
    case severalDevices = "several_devices"
}

/// What is asked of the certificates of clients besides a chain to an authority, which TLS itself checks.
package struct ClientCertificates: Sendable {
    /// Nil when nothing is revoked.
    let revocations: [RevocationList]?

    package init(revocations: [RevocationList]?) { self.revocations = revocations }

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
        }
        var sources: Set<[UInt8]> = []
        for case .uri(let uri) in certificate.names {
            if let source = Self.source(in: uri) { sources.insert(source) }
        }
        guard let source = sources.first else { throw .noDevice }
        guard sources.count == 1 else { throw .severalDevices }
        return source
    }

    package func source(of certificate: NIOSSLCertificate, at now: Int64) throws(ClientCertificateFault) -> [UInt8] {
        let fields: CertificateFields
        do {
            fields = try CertificateFields(der: certificate.toDERBytes())
        } catch {
            throw .malformed
        }
        return try source(of: fields, at: now)
    }

    /// Nil when the URI is of another kind. One with other characters than visible ones is none.
    private static func source(in uri: [UInt8]) -> [UInt8]? {
        guard uri.allSatisfy({ (0x21...0x7e).contains($0) }) else { return nil }
        if uri.starts(with: "urn:dev:ops:".utf8) { return uri }
        let scheme = "tidings:".utf8
        return uri.starts(with: scheme) && uri.count > scheme.count ? Array(uri.dropFirst(scheme.count)) : nil
    }
}
