// Certificates of clients and lists of revoked ones, as they come from outside.

import TLS

/// The first byte says which of both the others are.
func readCertificate(_ input: [UInt8]) {
    let der = Array(input.dropFirst())
    if input[0] & 1 == 0 {
        guard let certificate = try? CertificateFields(der: der) else { return }
        let source = try? ClientCertificates(revocations: nil).source(of: certificate, at: certificate.notAfter)
        precondition(source == nil || (certificate.isForClients && !certificate.names.isEmpty))
        _ = (certificate.nameTexts, certificate.daysLeft(at: 0))
    } else {
        // Nobody has signed it.
        precondition((try? RevocationList(der: der, authorities: [])) == nil)
    }
}
