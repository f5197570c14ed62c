// Clients that show certificates: who is let in, for whom each may speak, and what a reload changes of that.

import Admission
import Events
import Foundation
import NIOCore
import NIOPosix
import TLS
import Testing
import TidingsTesting
import Transport

private func event(_ device: String, _ id: Int) -> String {
    #"{"product":"kettle","device":"\#(device)","id":"1-\#(id)","type":"preference.set","aspect":"heat","value":92}"#
}

extension TestAuthority.Issued {
    /// How `s_client` shows it.
    var options: [String] { ["-cert", certificateFile, "-key", keyFile] }
}

@Suite(.serialized, .timeLimit(.minutes(3))) struct ClientCertificateTests {
    private let fixture: TLSFixture
    private let own: TestAuthority.Issued

    init() throws {
        fixture = try .shared()
        own = try Self.own.get()
    }

    private static let own = Result {
        try TLSFixture.shared().authority.issue("k-1", .client, names: ["URI:tidings:kettle/k-1"])
    }

    @Test(arguments: ["-tls1_2", "-tls1_3"]) func aDeviceSpeaksForItselfAlone(_ version: String) async throws {
        try await Station.withTLS(fixture.settings(.require)) { station in
            let mine = try await station.exchange(event("k-1", 1), own.options + [version])
            #expect(mine.contains("{\"ack\":1}"), "\(mine)")
            let other = try await station.exchange(event("k-2", 1), own.options + [version])
            #expect(other.contains("\"code\":4030"), "\(other)")
            #expect(try await station.inside { $0.events.count } == 1)
            #expect(await station.counts().completed == 2)
        }
    }

    @Test func overHTTPTheCertificateHoldsForEveryRequest() async throws {
        try await Station.withTLS(fixture.settings(.require)) { station in
            let (url, authority) = (
                "https://127.0.0.1:\(station.httpPort)/v1/events", fixture.authority.certificateFile
            )
            func post(_ device: String) async throws -> String {
                let arguments =
                    ["-sS", "-m", "5", "--cacert", authority, "--cert", own.certificateFile, "--key", own.keyFile]
                    + ["-H", "Content-Type: application/x-ndjson", "--data-binary", event(device, 1), url]
                return try await Task.detached { try runToEnd("curl", arguments).output }.value
            }
            let (mine, other) = (try await post("k-1"), try await post("k-2"))
            #expect(mine.contains("\"stored\":1") && other.contains("4030"), "\(mine) \(other)")
            #expect(try await station.inside { $0.events.count } == 1)
        }
    }

    @Test func whoNeedNotShowOneMayStillSend() async throws {
        try await Station.withTLS(fixture.settings(.ask)) { station in
            let (bare, shown) = (
                try await station.exchange(event("k-9", 1)), try await station.exchange(event("k-9", 2), own.options)
            )
            #expect(bare.contains("{\"ack\":1}") && shown.contains("\"code\":4030"), "\(bare) \(shown)")
        }
    }

    @Test(arguments: ["-tls1_2", "-tls1_3"])
    func whoShowsNoneWhereItIsRequiredIsNotLetIn(_ version: String) async throws {
        try await Station.withTLS(fixture.settings(.require)) { station in
            let said = try await station.exchange(event("k-1", 1), [version])
            #expect(!said.contains("ack"), "\(said)")
            #expect(await station.counts().failed == [.noClientCertificate: 1])
        }
    }

    /// Each wrong certificate, what it is counted as, and that nothing of its sender is taken.
    @Test func eachWrongCertificateIsRefusedForItsReason() async throws {
        let authority = fixture.authority
        let (device, stranger) = (["URI:tidings:kettle/k-1"], try TestAuthority())
        let revoked = try authority.issue("revoked", .client, names: device)
        try authority.revoke(revoked)
        let cases: [(TLSFailure, TestAuthority.Issued)] = [
            (.untrustedClientCertificate, try stranger.issue("foreign", .client, names: device)),
            (.untrustedClientCertificate, try authority.issue("expired", .client, names: device, days: -9 ... -1)),
            (.untrustedClientCertificate, try authority.issue("early", .client, names: device, days: 1...9)),
            (.untrustedClientCertificate, try authority.issue("server", .server, names: device)),
            (.clientCertificate(.notForClients), try authority.issue("anything", .any, names: device)),
            (.clientCertificate(.revoked), revoked),
            (.clientCertificate(.noDevice), try authority.issue("cn-only", .client, names: [])),
            (.clientCertificate(.noDevice), try authority.issue("dns", .client, names: ["DNS:kettle"])),
            (
                .clientCertificate(.severalDevices),
                try authority.issue("two", .client, names: device + ["URI:tidings:kettle/k-2"])
            ),
        ]
        try await Station.withTLS(fixture.settings(.require, crl: try authority.revocationList())) { station in
            var expected: [TLSFailure: UInt64] = [:]
            for (failure, issued) in cases {
                expected[failure, default: 0] += 1
                let said = try await station.exchange(event("k-1", 1), issued.options)
                #expect(!said.contains("ack"), "\(issued.certificateFile): \(said)")
                let counts = await station.counts()
                #expect(counts.failed == expected, "\(issued.certificateFile): \(counts.failed)")
            }
            #expect(try await station.exchange(event("k-1", 1), own.options).contains("{\"ack\":1}"))
            #expect(try await station.inside { $0.events.count } == 1)
        }
    }

    @Test func aSessionIsNotResumedPastARevocation() async throws {
        let authority = fixture.authority
        let device = try authority.issue("resumes", .client, names: ["URI:tidings:kettle/k-7"])
        let session = authority.folder + "/session-" + UUID().uuidString
        let empty = try authority.revocationList()
        try await Station.withTLS(fixture.settings(.require, crl: empty)) { station in
            func resume(_ extra: [String]) async throws -> String {
                try await station.exchange(event("k-7", 1), device.options + ["-tls1_2"] + extra)
            }
            #expect(try await resume(["-sess_out", session]).contains("ack"))
            // As long as nothing has changed the ticket is good, and stands for the same device.
            #expect(try await resume(["-sess_in", session]).contains("ack"))
            let other = try await station.exchange(event("k-8", 1), ["-tls1_2", "-sess_in", session])
            #expect(other.contains("4030"), "a ticket alone speaks for the device that it was given to: \(other)")
            try authority.revoke(device)
            try await change(station, fixture.settings(.require, crl: try authority.revocationList()))
            for extra in [["-sess_in", session], []] {
                let said = try await resume(extra)
                #expect(!said.contains("ack"), "\(said)")
            }
            #expect(await station.counts().failed == [.clientCertificate(.revoked): 2])
            // Without its certificate the ticket of before is worth nothing.
            let bare = try await station.exchange(event("k-7", 2), ["-tls1_2", "-sess_in", session])
            #expect(!bare.contains("ack"), "\(bare)")
            #expect(await station.counts().failed[.noClientCertificate] == 1)
        }
    }

    /// A device that is on the new list is told and closed at once, and another one is not.
    @Test func anOpenConnectionEndsWhenItsCertificateIsRevoked() async throws {
        let authority = fixture.authority
        let names = ["URI:tidings:kettle/k-5", "URI:tidings:kettle/k-6"]
        let (lost, kept) = (
            try authority.issue("lost", .client, names: [names[0]]),
            try authority.issue("kept", .client, names: [names[1]])
        )
        let empty = try authority.revocationList()
        try await Station.withTLS(fixture.settings(.require, crl: empty)) { station in
            async let first = station.client(
                lost.options, input: event("k-5", 1) + "\n", seconds: 15, holdsInput: true)
            async let second = station.client(
                kept.options, input: event("k-6", 1) + "\n", seconds: 6, holdsInput: true)
            #expect(try await station.until { $0.events.count == 2 })
            try authority.revoke(lost)
            let began = ContinuousClock.now
            try await change(station, fixture.settings(.require, crl: try authority.revocationList()))
            let said = try await first
            #expect(began.duration(to: .now) < .seconds(3))
            #expect(said.contains("{\"ack\":1}") && said.contains("4010"), "\(said)")
            let other = try await second
            #expect(other.contains("{\"ack\":1}") && !other.contains("4010"), "\(other)")
        }
    }

    /// No longer than the certificate itself.
    @Test func anOpenConnectionEndsWithItsCertificate() async throws {
        try await Station.withTLS(fixture.settings(.require)) { station in
            async let client = station.client(own.options, input: event("k-1", 1) + "\n", seconds: 15, holdsInput: true)
            #expect(try await station.until { $0.events.count == 1 })
            let began = ContinuousClock.now
            _ = try await station.inside { $0.now = Timestamp(rawValue: $0.now.rawValue + 31 * 86_400_000) }
            let said = try await client
            #expect(said.contains("4010"), "\(said)")
            #expect(began.duration(to: .now) < .seconds(4))
        }
    }

    @Test func newConnectionsGetTheNewCertificateAndOldOnesLiveOn() async throws {
        let renewed = try fixture.authority.issue("renewed")
        try await Station.withTLS(fixture.settings) { station in
            let (port, authority) = (station.port, fixture.authority.certificateFile)
            let lines = "(echo '\(event("k-1", 1))'; sleep 3; echo '\(event("k-1", 2))'; sleep 1)"
            let client = "openssl s_client -connect 127.0.0.1:\(port) -CAfile \(authority) -quiet -no_ign_eof"
            let old = Task.detached { try runToEnd("sh", ["-c", lines + " | " + client]) }
            #expect(try await station.until { $0.events.count == 1 })
            try await change(
                station, TLSSettings(certificateFile: renewed.certificateFile, keyFile: renewed.keyFile))
            let new = try await station.client(quiet: false)
            #expect(new.contains("subject=CN = renewed"), "\(new)")
            let said = try await old.value.output
            #expect(said.contains("CN = collector") && said.contains("{\"ack\":2}"), "\(said)")
        }
    }

    private func change(_ station: Station, _ settings: TLSSettings) async throws {
        let context = try TLSFiles(settings).context(protocols: [])
        let listeners = station.listeners
        try await station.group.next().submit { listeners.change(toTLS: context, of: "tcp") }.get()
    }
}
