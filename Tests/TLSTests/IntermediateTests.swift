// Authorities between a device's certificate and the root: one that is revoked vouches for nobody.

import Foundation
import NIOSSL
import TLS
import Testing
import TidingsTesting

@Suite struct IntermediateTests {
    private let root: TestAuthority
    private let middle: TestAuthority
    private let low: TestAuthority
    private let certificate: CertificateFields
    private let now = Int64(Date.now.timeIntervalSince1970)

    init() throws {
        root = try TestAuthority("Root")
        middle = try TestAuthority("Middle", under: root)
        low = try TestAuthority("Low", under: middle)
        let issued = try low.issue("k-1", .client, names: ["URI:tidings:kettle/k-1"])
        certificate = try CertificateFields(der: NIOSSLCertificate.fromPEMFile(issued.certificateFile)[0].toDERBytes())
    }

    /// What becomes of the certificate with the lists of all three, as a daemon reads them.
    private func verdict() throws -> (fault: ClientCertificateFault?, hasRevoked: Bool) {
        func joined(_ files: [String], _ name: String) throws -> String {
            let path = root.folder + "/" + name
            let text = try files.map { try String(contentsOfFile: $0, encoding: .utf8) }.joined(separator: "\n")
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            return path
        }
        let all = [root, middle, low]
        let server = try root.issue(UUID().uuidString)
        var settings = TLSSettings(certificateFile: server.certificateFile, keyFile: server.keyFile)
        settings.clients = .require
        settings.clientCAFile = try joined(all.map(\.certificateFile), "all.pem")
        settings.clientCRLFile = try joined(all.map { try $0.revocationList() }, "all.crl")
        let clients = try #require(try TLSFiles(settings).context(protocols: []).clients)
        let hasRevoked = clients.hasRevoked(issuer: certificate.issuer, serial: certificate.serial)
        do throws(ClientCertificateFault) {
            _ = try clients.source(of: certificate, at: now)
            return (nil, hasRevoked)
        } catch {
            return (error, hasRevoked)
        }
    }

    @Test func whoIsNotRevokedIsLetIn() throws {
        #expect(try verdict() == (nil, false))
        try middle.revoke(try middle.issue("another", .client, names: ["URI:tidings:kettle/k-2"]))
        #expect(try verdict() == (nil, false))
    }

    @Test func aRevokedAuthorityVouchesForNobody() throws {
        try middle.revoke(low.issued)
        #expect(try verdict() == (.revokedAuthority, true))
    }

    @Test func norDoesOneBelowIt() throws {
        try root.revoke(middle.issued)
        #expect(try verdict() == (.revokedAuthority, true))
    }
}
