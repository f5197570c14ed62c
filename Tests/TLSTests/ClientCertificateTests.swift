// Which client's certificate speaks for which device, and which for none.

import Foundation
import NIOSSL
import TLS
import Testing
import TidingsTesting

@Suite struct ClientCertificateTests {
    private let authority: TestAuthority
    private let now = Int64(Date.now.timeIntervalSince1970)

    init() throws { authority = try .shared() }

    private func certificate(
        _ names: [String], _ purpose: TestAuthority.Purpose = .client, days: ClosedRange<Int> = -1...30
    ) throws -> CertificateFields {
        let issued = try authority.issue(UUID().uuidString, purpose, names: names, days: days)
        return try CertificateFields(der: NIOSSLCertificate.fromPEMFile(issued.certificateFile)[0].toDERBytes())
    }

    private func source(_ certificate: CertificateFields) -> Result<String, ClientCertificateFault> {
        do throws(ClientCertificateFault) {
            let source = try ClientCertificates(revocations: nil).source(of: certificate, at: now)
            return .success(String(decoding: source, as: UTF8.self))
        } catch {
            return .failure(error)
        }
    }

    @Test func oneURINamesTheDevice() throws {
        #expect(source(try certificate(["URI:tidings:kettle/k-1"])) == .success("kettle/k-1"))
        let urn = "urn:dev:ops:32473-kettle-k1"
        #expect(
            source(try certificate(["DNS:k-1.example.org", "URI:\(urn)", "URI:https://example.org/"])) == .success(urn))
        #expect(
            source(try certificate(["URI:tidings:kettle/k-1", "URI:tidings:kettle/k-1"])) == .success("kettle/k-1"))
    }

    @Test func noneOrSeveralNameNoDevice() throws {
        #expect(source(try certificate([])) == .failure(.noDevice))
        #expect(source(try certificate(["DNS:kettle", "URI:https://example.org/kettle"])) == .failure(.noDevice))
        #expect(source(try certificate(["URI:tidings:"])) == .failure(.noDevice))
        #expect(source(try certificate(["URI:tidings:kettle/k 1"])) == .failure(.noDevice))
        #expect(source(try certificate(["URI:tidings:kettle/1", "URI:tidings:kettle/2"])) == .failure(.severalDevices))
    }

    @Test func theCertificateMustBeForClientsAndForToday() throws {
        #expect(source(try certificate(["URI:tidings:kettle/k-1"], .server)) == .failure(.notForClients))
        #expect(source(try certificate(["URI:tidings:kettle/k-1"], .any)) == .failure(.notForClients))
        #expect(source(try certificate(["URI:tidings:kettle/k-1"], days: -9 ... -1)) == .failure(.outOfDate))
        #expect(source(try certificate(["URI:tidings:kettle/k-1"], days: 1...9)) == .failure(.outOfDate))
    }

    @Test func anIssuerWithoutAListIsRefusedWhereThereAreLists() throws {
        let certificate = try certificate(["URI:tidings:kettle/k-1"])
        #expect(throws: ClientCertificateFault.noRevocationList) {
            try ClientCertificates(revocations: []).source(of: certificate, at: now)
        }
    }

    @Test func everyBeginningOfACertificateIsRefusedWithoutATrap() throws {
        let issued = try authority.issue(UUID().uuidString, .client, names: ["URI:tidings:kettle/k-1"])
        let der = try NIOSSLCertificate.fromPEMFile(issued.certificateFile)[0].toDERBytes()
        for count in der.indices {
            #expect(throws: MalformedDER.self) { try CertificateFields(der: Array(der[..<count])) }
        }
        for index in der.indices {
            var damaged = der
            damaged[index] ^= 0x55
            _ = try? CertificateFields(der: damaged)
        }
    }
}
