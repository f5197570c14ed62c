// Listeners that speak TLS, tried with the openssl command: what is agreed on, and what is not.

import Admission
import Events
import Foundation
import NIOCore
import NIOPosix
import TLS
import Testing
import TidingsTesting
import Transport

/// A collector's certificate and its authority, made once for all tests of this file.
struct TLSFixture: Sendable {
    let authority: TestAuthority
    let server: TestAuthority.Issued

    static func shared() throws -> TLSFixture { try result.get() }
    private static let result = Result {
        let authority = try TestAuthority()
        return TLSFixture(authority: authority, server: try authority.issue("collector"))
    }

    var settings: TLSSettings {
        TLSSettings(certificateFile: server.certificateFile, keyFile: server.keyFile)
    }

    /// Asks clients for certificates.
    func settings(_ clients: TLSSettings.ClientCertificatePolicy, crl: String? = nil) -> TLSSettings {
        var settings = settings
        (settings.clients, settings.clientCAFile, settings.clientCRLFile) = (clients, authority.certificateFile, crl)
        return settings
    }
}

extension Station {
    /// A station whose TCP and HTTP ports speak TLS.
    static func withTLS<Result: Sendable>(
        _ settings: TLSSettings, _ transport: TransportSettings = TransportSettings(),
        _ body: (Station) async throws -> Result
    ) async throws -> Result {
        let files = try TLSFiles(settings)
        var routes = HTTPRoutes()
        routes.addReading("/health/live", "Whether it lives.") { _ in HTTPReply(.ok, body: Array("{}\n".utf8)) }
        let specifications = [
            ListenerSpecification(
                name: "tcp", host: "127.0.0.1", port: 0, service: .tcp, tls: try files.context(protocols: [])),
            ListenerSpecification(
                name: "http", host: "127.0.0.1", port: 0, service: .http(routes),
                tls: try files.context(protocols: ["http/1.1"])),
        ]
        return try await with(settings: transport, specifications) { station in
            let now = Timestamp(rawValue: Int64(Date.now.timeIntervalSince1970 * 1_000))
            _ = try await station.inside { $0.now = now }
            return try await body(station)
        }
    }

    var httpPort: Int { listeners.address(of: "http")?.port ?? 0 }

    func counts() async -> TLSCounts { await listeners.connectionCounts().tls }

    /// Runs `openssl s_client` on a thread of its own.
    ///
    /// - Parameters:
    ///   - input: sent once the handshake is done.
    ///   - seconds: how long it may take at most.
    func client(
        _ arguments: [String] = [], port: Int? = nil, input: String = "", seconds: Int = 5, quiet: Bool = true,
        holdsInput: Bool = false
    ) async throws -> String {
        let authority = try TLSFixture.shared().authority.certificateFile
        let all =
            ["s_client", "-connect", "127.0.0.1:\(port ?? self.port)", "-CAfile", authority]
            + (quiet ? ["-quiet", "-no_ign_eof"] : []) + arguments
        return try await Task.detached {
            try runToEnd("openssl", all, input: input, seconds: seconds, holdsInput: holdsInput).output
        }.value
    }

    /// Sends a line by `s_client`, waits for the answer, and leaves.
    func exchange(_ line: String, _ arguments: [String] = []) async throws -> String {
        let authority = try TLSFixture.shared().authority.certificateFile
        let all = ["s_client", "-connect", "127.0.0.1:\(port)", "-CAfile", authority, "-verify_return_error"]
        let command =
            "(printf '%s\\n' '\(line)'; sleep 1) | openssl "
            + (all + ["-quiet", "-no_ign_eof"] + arguments).joined(separator: " ")
        return try await Task.detached { try runToEnd("sh", ["-c", command], seconds: 10).output }.value
    }
}

private func event(_ device: String, _ id: Int) -> String {
    #"{"product":"kettle","device":"\#(device)","id":"1-\#(id)","type":"preference.set","aspect":"heat","value":92}"#
}

@Suite(.serialized, .timeLimit(.minutes(2))) struct TLSListenerTests {
    private let old = ["-cipher", "DEFAULT:@SECLEVEL=0"]

    @Test(arguments: ["-tls1_2", "-tls1_3"]) func linesAreAcknowledgedInBothVersions(_ version: String) async throws {
        try await Station.withTLS(try TLSFixture.shared().settings) { station in
            let answer = try await station.exchange(event("k-1", 1), [version])
            #expect(answer.contains("{\"ack\":1}"), "\(answer)")
            let counts = await station.counts()
            #expect(counts.completed == 1 && counts.failed == [:] && counts.underWay == 0)
            #expect(try await station.inside { $0.events.count } == 1)
        }
    }

    @Test(arguments: ["-tls1", "-tls1_1"]) func olderVersionsAreRefused(_ version: String) async throws {
        try await Station.withTLS(try TLSFixture.shared().settings) { station in
            let said = try await station.client([version] + old, quiet: false)
            #expect(said.contains("alert protocol version"), "\(said)")
            #expect(await station.counts().failed == [.oldVersion: 1])
        }
    }

    @Test(arguments: ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "DHE-RSA-AES128-GCM-SHA256", "NULL-SHA"])
    func suitesWithoutForwardSecrecyOrAEADAreRefused(_ suite: String) async throws {
        try await Station.withTLS(try TLSFixture.shared().settings) { station in
            let said = try await station.client(["-tls1_2", "-cipher", suite + ":@SECLEVEL=0"], quiet: false)
            #expect(said.contains("handshake failure"), "\(said)")
            let counts = await station.counts()
            #expect(counts.completed == 0 && counts.failed.values.reduce(0, +) == 1, "\(counts)")
        }
    }

    @Test func anRSAKeyIsNotExchangedUnderAndStillServes() async throws {
        let fixture = try TLSFixture.shared()
        let server = try fixture.authority.issue("collector-rsa", rsa: true)
        let settings = TLSSettings(certificateFile: server.certificateFile, keyFile: server.keyFile)
        try await Station.withTLS(settings) { station in
            for suite in ["AES128-GCM-SHA256", "AES128-SHA", "AES256-SHA256"] {
                let said = try await station.client(["-tls1_2", "-cipher", suite + ":@SECLEVEL=0"], quiet: false)
                #expect(said.contains("handshake failure"), "\(suite): \(said)")
            }
            let answer = try await station.exchange(
                event("k-1", 1), ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"])
            #expect(answer.contains("{\"ack\":1}"), "\(answer)")
        }
    }

    @Test func nothingIsNegotiatedAgain() async throws {
        try await Station.withTLS(try TLSFixture.shared().settings) { station in
            let said = try await station.client(["-tls1_2"], input: "R\n", quiet: false, holdsInput: true)
            // Nothing but the end of the connection follows.
            let parts = said.split(separator: "RENEGOTIATING")
            #expect(parts.count == 2 && parts[1].contains("error"), "\(said)")
            #expect(await station.counts().completed == 1)
            #expect(said.contains("Secure Renegotiation IS supported"))
            #expect(said.contains("Compression: NONE"))
        }
    }

    @Test func httpIsNamedWhenAskedFor() async throws {
        try await Station.withTLS(try TLSFixture.shared().settings) { station in
            let said = try await station.client(
                ["-alpn", "h2,http/1.1"], port: station.httpPort, quiet: false)
            #expect(said.contains("ALPN protocol: http/1.1"), "\(said)")
        }
    }

    @Test func curlPostsAndAsksOverHTTPS() async throws {
        let fixture = try TLSFixture.shared()
        try await Station.withTLS(fixture.settings) { station in
            let url = "https://localhost:\(station.httpPort)"
            let common = ["-sS", "-m", "5", "--cacert", fixture.authority.certificateFile]
            let posted = try await Task.detached {
                try runToEnd(
                    "curl",
                    common + ["-H", "Content-Type: application/x-ndjson", "--data-binary", event("k-1", 1)]
                        + [url + "/v1/events"])
            }.value
            #expect(posted.status == 0 && posted.output.contains("\"stored\":1"), "\(posted)")
            let asked = try await Task.detached { try runToEnd("curl", common + [url + "/health/live"]) }.value
            #expect(asked.output == "{}\n", "\(asked)")
        }
    }

    @Test func plainTextIsToldThatTLSIsSpoken() async throws {
        let fixture = try TLSFixture.shared()
        try await Station.withTLS(fixture.settings) { station in
            let answer = String(decoding: try await station.exchange(Array((event("k", 1) + "\n").utf8)), as: UTF8.self)
            #expect(answer.contains("\"bad_magic\"") && answer.contains("this port speaks TLS"), "\(answer)")
            let frame = String(decoding: try await station.exchange(Array("TDG1".utf8)), as: UTF8.self)
            #expect(frame.contains("this port speaks TLS"))
            let port = station.httpPort
            let asked = try await Task.detached {
                try runToEnd("curl", ["-sSi", "-m", "5", "http://127.0.0.1:\(port)/health/live"])
            }.value
            #expect(asked.output.hasPrefix("HTTP/1.1 400 ") && asked.output.contains("use https"), "\(asked)")
            #expect(await station.counts().failed == [.plainText: 3])
        }
    }

    /// Python's sockets end so, and much that is embedded: the end of TCP without an end of TLS.
    @Test func whoLeavesWithoutGoodbyeGetsItsEventsStored() async throws {
        try await Station.withTLS(try TLSFixture.shared().settings) { station in
            let script = """
                import socket, ssl
                plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                plain.check_hostname = False
                plain.verify_mode = ssl.CERT_NONE
                raw = socket.create_connection(("127.0.0.1", \(station.port)))
                tls = plain.wrap_socket(raw)
                tls.sendall(b'\(event("k-1", 1))\\n')
                tls.recv(4096)
                tls.close()
                """
            let ended = try await Task.detached { try runToEnd("python3", ["-c", script]) }.value
            #expect(ended.status == 0, "\(ended)")
            #expect(try await station.until { $0.events.count == 1 })
            for _ in 0..<100 where await station.listeners.connectionCounts().open > 0 {
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(await station.listeners.connectionCounts().open == 0)
        }
    }
}

@Suite(.serialized, .timeLimit(.minutes(2))) struct HandshakeQueueTests {
    /// The beginning of a handshake that never goes on.
    private let beginning: [UInt8] = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01]

    /// Connections that each say so much and then nothing.
    private func stalled(_ count: Int, _ station: Station, saying bytes: [UInt8]) async throws -> [any Channel] {
        var channels: [any Channel] = []
        for _ in 0..<count {
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: "127.0.0.1", port: station.port).get()
            try await channel.writeAndFlush(ByteBuffer(bytes: bytes))
            channels.append(channel)
        }
        return channels
    }

    @Test func handshakesBeyondTheBoundWaitAndTheOldestGivesWay() async throws {
        var transport = TransportSettings()
        transport.handshakesAtOnce = 4
        transport.quotas.connectionsPerAddress = 0
        try await Station.withTLS(try TLSFixture.shared().settings, transport) { station in
            let channels = try await stalled(6, station, saying: beginning)
            var counts = await station.counts()
            for _ in 0..<100 where counts.underWay + counts.waiting < 6 {
                try await Task.sleep(for: .milliseconds(10))
                counts = await station.counts()
            }
            #expect(counts.underWay == 4 && counts.waiting == 2 && counts.delayed >= 2, "\(counts)")
            // An honest client is served although as many as there may be do nothing.
            let answer = try await station.exchange(event("k-1", 1))
            #expect(answer.contains("{\"ack\":1}"), "\(answer)")
            counts = await station.counts()
            #expect(counts.completed == 1 && counts.failed[.gaveWay, default: 0] >= 3, "\(counts)")
            for channel in channels { try? await channel.close() }
        }
    }

    @Test func aHandshakeHasADeadline() async throws {
        var transport = TransportSettings()
        (transport.handshakeTimeoutSeconds, transport.firstByteTimeoutSeconds) = (1, 1)
        try await Station.withTLS(try TLSFixture.shared().settings, transport) { station in
            let channels =
                try await stalled(1, station, saying: beginning) + stalled(1, station, saying: [])
            for channel in channels { try await channel.closeFuture.get() }
            #expect(await station.counts().failed == [.tooSlow: 1])
            let connections = await station.listeners.connectionCounts()
            #expect(connections.closedSlow == 1 && connections.closedSilent == 1 && connections.open == 0)
        }
    }

    @Test func junkBehindTheFirstByteIsCountedAndClosed() async throws {
        try await Station.withTLS(try TLSFixture.shared().settings) { station in
            let junk: [UInt8] = [0x16, 0x03, 0x01, 0x00, 0x04] + Array("junk".utf8)
            let channels = try await stalled(3, station, saying: junk)
            for channel in channels { try await channel.closeFuture.get() }
            let counts = await station.counts()
            #expect(counts.failed.values.reduce(0, +) == 3 && counts.underWay == 0, "\(counts)")
        }
    }
}
