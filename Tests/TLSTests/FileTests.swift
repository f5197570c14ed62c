// Certificates, keys and revocation lists as files: what is taken, and what is said of what is not.

import Foundation
import TLS
import Testing
import TidingsTesting

@Suite struct FileTests {
    /// What is said of the files; nil when they are good.
    private func fault(_ settings: TLSSettings) -> String? {
        do throws(TLSFileError) {
            _ = try TLSFiles(settings)
            return nil
        } catch {
            return error.description
        }
    }

    private func settings(_ issued: TestAuthority.Issued) -> TLSSettings {
        TLSSettings(certificateFile: issued.certificateFile, keyFile: issued.keyFile)
    }

    private func chmod(_ mode: Int, _ path: String) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    @Test(arguments: [false, true]) func aGoodPairIsRead(_ isRSA: Bool) throws {
        let authority = try TestAuthority()
        let server = try authority.issue("collector", names: ["DNS:localhost", "IP:127.0.0.1", "IP:::1"], rsa: isRSA)
        let files = try TLSFiles(settings(server))
        #expect(files.certificate.subjectText == "CN=collector" && files.warnings.isEmpty)
        #expect(files.certificate.nameTexts == ["localhost", "127.0.0.1", "0:0:0:0:0:0:0:1"])
        let now = Int64(Date.now.timeIntervalSince1970)
        #expect((29...30).contains(files.certificate.daysLeft(at: now)))
        #expect(!files.certificate.isForClients)
    }

    @Test func daysLeftAreWholeAndNegativeAfterTheEnd() throws {
        let authority = try TestAuthority()
        var certificate = try TLSFiles(settings(try authority.issue("collector"))).certificate
        certificate.notAfter = 86_400 * 10
        #expect(certificate.daysLeft(at: 86_400 * 10 - 1) == 0 && certificate.daysLeft(at: 0) == 10)
        #expect(certificate.daysLeft(at: 86_400 * 10 + 1) == -1 && certificate.daysLeft(at: 86_400 * 12) == -2)
    }

    @Test(arguments: [0o644, 0o604, 0o660, 0o666]) func aKeyThatOthersCanReadIsRefused(_ mode: Int) throws {
        let server = try TestAuthority.shared().issue("collector-\(mode)")
        try chmod(mode, server.keyFile)
        let said = try #require(fault(settings(server)))
        #expect(said.contains("tls.key_file = \(server.keyFile)") && said.contains("chmod 600"), "\(said)")
    }

    @Test(arguments: [0o600, 0o400]) func aKeyOfItsOwnersIsTaken(_ mode: Int) throws {
        let server = try TestAuthority.shared().issue("own-\(mode)")
        try chmod(mode, server.keyFile)
        #expect(fault(settings(server)) == nil)
    }

    @Test func eachFaultIsToldWithItsKeyAndTheRemedy() throws {
        let authority = try TestAuthority()
        let (one, other) = (try authority.issue("one"), try authority.issue("other"))
        let junk = authority.folder + "/junk"
        try "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".write(
            toFile: junk, atomically: true, encoding: .utf8)
        try chmod(0o600, junk)
        let locked = authority.folder + "/locked.key"
        _ = try runToEnd(
            "openssl", ["pkey", "-in", one.keyFile, "-out", locked, "-aes256", "-passout", "pass:x"])
        try chmod(0o600, locked)
        func said(_ certificate: String?, _ key: String?) -> String {
            fault(TLSSettings(certificateFile: certificate, keyFile: key)) ?? ""
        }
        #expect(said(nil, one.keyFile).contains("tls.certificate_file = none"))
        #expect(said(one.certificateFile, nil).contains("tls.key_file = none"))
        #expect(said("/nowhere", one.keyFile).contains("there is no such file"))
        #expect(said(junk, one.keyFile).contains("holds no certificate"))
        #expect(said(one.certificateFile, junk).contains("holds no private key"))
        #expect(said(one.certificateFile, locked).contains("pass phrase"))
        #expect(said(one.certificateFile, other.keyFile).contains("does not belong"))
    }

    @Test func clientsNeedAnAuthority() throws {
        let authority = try TestAuthority()
        var settings = settings(try authority.issue("collector"))
        settings.clients = .require
        #expect(fault(settings)?.contains("set tls.client_ca_file") == true)
        settings.clientCAFile = settings.keyFile
        #expect(fault(settings)?.contains("tls.client_ca_file") == true)
        settings.clientCAFile = authority.certificateFile
        #expect(fault(settings) == nil)
    }

    @Test(arguments: [false, true]) func aRevocationListMustBeSignedByAnAuthority(_ isRSA: Bool) throws {
        let (authority, stranger) = (try TestAuthority(rsa: isRSA), try TestAuthority())
        var settings = settings(try authority.issue("collector"))
        (settings.clients, settings.clientCAFile) = (.ask, authority.certificateFile)
        settings.clientCRLFile = try stranger.revocationList()
        #expect(fault(settings)?.contains("no authority in tls.client_ca_file has signed") == true)
        settings.clientCRLFile = authority.certificateFile
        #expect(fault(settings)?.contains("holds no revocation list") == true)
        settings.clientCRLFile = try authority.revocationList()
        #expect(fault(settings) == nil)
        // A changed byte of what is signed.
        let text = try String(contentsOfFile: try authority.revocationList(), encoding: .utf8)
        var lines = text.split(separator: "\n").map(String.init)
        lines[1] = String(lines[1].dropLast(2)) + (lines[1].hasSuffix("AA") ? "BB" : "AA")
        let changed = authority.folder + "/changed.pem"
        try (lines.joined(separator: "\n") + "\n").write(toFile: changed, atomically: true, encoding: .utf8)
        settings.clientCRLFile = changed
        #expect(fault(settings) != nil)
    }
}

extension TestAuthority {
    /// One for all tests that need no more than a certificate.
    static func shared() throws -> TestAuthority { try sharedResult.get() }
    private static let sharedResult = Result { try TestAuthority() }
}
