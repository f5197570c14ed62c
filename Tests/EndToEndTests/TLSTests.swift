// TLS from the outside: the daemon started with certificates, `tidings send --tls`, reloads, and what goes wrong.

import Foundation
import Testing
import TidingsTesting

@Suite(.serialized, .timeLimit(.minutes(3))) struct TLSTests {
    private let authority: TestAuthority
    private let server: TestAuthority.Issued

    init() throws {
        authority = try TestAuthority()
        server = try authority.issue("collector")
    }

    private func yaml(_ pair: TestAuthority.Issued, _ more: String = "") -> String {
        """
        listen: {tcp: {tls: on}, http: {tls: on}}
        tls:
          certificate_file: \(pair.certificateFile)
          key_file: \(pair.keyFile)
        \(more)

        """
    }

    private func serve(_ yaml: String, _ body: (DaemonProcess, _ file: String) async throws -> Void) async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let file = folder.path + "/tidings.yaml"
        try yaml.write(toFile: file, atomically: true, encoding: .utf8)
        let daemon = try await DaemonProcess(data: folder.path + "/data", "--config", file)
        do {
            try await body(daemon, file)
        } catch {
            Issue.record("\(error); daemon log:\n\(daemon.log)")
        }
        let code = await daemon.stop()
        #expect(code == 0, "\(daemon.log)")
    }

    private func status(_ daemon: DaemonProcess) async throws -> [String: Any] {
        let status = try await tidings("status", "--data", daemon.data, "--format", "json")
        let fields = try JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [String: Any]
        return try #require(fields?["tls"] as? [String: Any], "\(status.output)")
    }

    private func send(_ daemon: DaemonProcess, _ more: [String]) async throws -> Finished {
        try await run(
            Binary.tidings, ["send", "--port", "\(daemon.tcpPort)", "--devices", "3", "--events", "100"] + more)
    }

    @Test(arguments: ["native", "json"]) func aFleetSendsOverTLS(_ format: String) async throws {
        try await serve(yaml(server)) { daemon, _ in
            let sent = try await send(daemon, ["--format", format, "--tls", "--ca", authority.certificateFile])
            #expect(sent.status == 0 && sent.output.contains("acked 100"), "\(sent)")
            let tls = try await status(daemon)
            let document = try String(contentsOfFile: Binary.checkout + "/docs/operating.md", encoding: .utf8)
            let documented = document.matches(of: /\n\| `tls\.([a-z_]+)` \|/).map { String($0.output.1) }
            #expect(Set(documented) == Set(tls.keys), "documented")
            #expect(
                tls["subject"] as? String == "CN=collector" && tls["names"] as? [String] == ["127.0.0.1", "localhost"])
            #expect([29, 30].contains(tls["days_left"] as? Int ?? 0) && tls["handshakes"] as? Int == 1)
            #expect((tls["failed"] as? [String: Int])?.isEmpty == true)
            let shown = try await tidings("status", "--data", daemon.data)
            #expect(shown.output.contains("CN=collector") && shown.output.contains("days left"), "\(shown.output)")
        }
    }

    @Test func aSenderIsToldWhyItDoesNotGetThrough() async throws {
        let stranger = try TestAuthority()
        let elsewhere = try authority.issue("elsewhere", names: ["DNS:elsewhere.example.org"])
        let ca = ["--tls", "--ca", authority.certificateFile]
        try await serve(yaml(server)) { daemon, _ in
            let plain = try await send(daemon, [])
            #expect(plain.status == 69 && plain.errors.contains("this port speaks TLS"), "\(plain)")
            let distrusts = try await send(daemon, ["--tls", "--ca", stranger.certificateFile])
            #expect(distrusts.status == 69 && distrusts.errors.contains("leads to no authority"), "\(distrusts)")
            let failed = try await status(daemon)["failed"] as? [String: Int]
            #expect((failed?["plain_text"] ?? 0) > 0 && (failed?["client_refused"] ?? 0) > 0, "\(failed ?? [:])")
            #expect(daemon.log.contains("TLS handshakes came to nothing"))
            #expect(daemon.log.contains("the client must speak TLS"), "\(daemon.log)")
        }
        try await serve(yaml(elsewhere)) { daemon, _ in
            let other = try await send(daemon, ca)
            #expect(other.status == 69 && other.errors.contains("for another name or address"), "\(other)")
        }
        try await withDaemon { daemon in
            let tls = try await send(daemon, ca)
            #expect(tls.status == 69 && tls.errors.contains("does not speak TLS"), "\(tls)")
        }
        let alone = try await tidings("send", "--tls", "--cert", server.certificateFile)
        #expect(alone.status == 64 && alone.errors.contains("belong together"), "\(alone)")
    }

    @Test func aDeviceWithACertificateSendsItsOwnEvents() async throws {
        let device = try authority.issue("k-1", .client, names: ["URI:tidings:kettle/k-1"])
        let more = "  client_certificates: require\n  client_ca_file: \(authority.certificateFile)"
        try await serve(yaml(server, more)) { daemon, _ in
            func send(_ name: String, _ options: [String]) async throws -> Finished {
                let line =
                    #"{"product":"kettle","device":"\#(name)","id":"1-1","type":"feature.used","aspect":"boil"}"# + "\n"
                return try await run(
                    Binary.tidings,
                    ["send", "--port", "\(daemon.tcpPort)", "--tls", "--ca", authority.certificateFile] + options,
                    input: Data(line.utf8))
            }
            let own = ["--cert", device.certificateFile, "--key", device.keyFile]
            #expect(try await send("k-1", own).status == 0)
            let other = try await send("k-2", own)
            #expect(other.status == 69 && other.errors.contains("4030"), "\(other)")
            let bare = try await send("k-1", [])
            #expect(bare.status == 69 && bare.errors.contains("--cert"), "\(bare)")
            #expect((try await status(daemon)["failed"] as? [String: Int])?["no_client_certificate"] ?? 0 > 0)
        }
    }

    @Test func aReloadTakesTheNewPairAndKeepsTheOldOneWhenItIsBroken() async throws {
        let renewed = try authority.issue("renewed")
        let (certificate, key) = (server.certificateFile, server.keyFile)
        func replace(_ file: String, by other: String) throws {
            try Data(contentsOf: URL(filePath: other)).write(to: URL(filePath: file))
        }
        try await serve(yaml(server)) { daemon, _ in
            func reload() async throws -> Finished { try await tidings("reload", "--wait", "--data", daemon.data) }
            try replace(certificate, by: renewed.certificateFile)
            let broken = try await reload()
            #expect(broken.status == 78 && broken.errors.contains("does not belong"), "\(broken)")
            #expect(try await status(daemon)["subject"] as? String == "CN=collector")
            #expect(try await send(daemon, ["--tls", "--ca", authority.certificateFile]).status == 0)
            try replace(key, by: renewed.keyFile)
            let good = try await reload()
            #expect(good.status == 0 && good.output.contains("CN=renewed"), "\(good)")
            #expect(try await status(daemon)["subject"] as? String == "CN=renewed")
            #expect(try await send(daemon, ["--tls", "--ca", authority.certificateFile]).status == 0)
            let again = try await reload()
            #expect(again.output == "nothing has changed\n", "\(again)")
        }
    }

    @Test func aCertificateThatHasEndedIsServedAndLoudlyTold() async throws {
        let ended = try authority.issue("ended", days: -9 ... -3)
        try await serve(yaml(ended)) { daemon, _ in
            let isTold = try await eventually { daemon.log.contains("the certificate is out of date") }
            #expect(isTold, "\(daemon.log)")
            let left = try await status(daemon)["days_left"] as? Int ?? 0
            #expect(left == -3 || left == -4)
            let sent = try await send(daemon, ["--tls", "--ca", authority.certificateFile])
            #expect(sent.status == 69 && sent.errors.contains("out of date"), "\(sent)")
        }
        let ending = try authority.issue("ending", days: -1...13)
        try await serve(yaml(ending)) { daemon, _ in
            let isTold = try await eventually { daemon.log.contains("the certificate ends soon") }
            #expect(isTold, "\(daemon.log)")
        }
    }

    @Test func whatIsWrongAtTheStartEndsWith78AndTheRemedy() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let other = try authority.issue("other")
        let open = try authority.issue("open")
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: open.keyFile)
        let cases: [(yaml: String, said: String)] = [
            ("listen: {tcp: {tls: on}}\n", "tls.certificate_file = none"),
            (yaml(open), "chmod 600 \(open.keyFile)"),
            (yaml(.init(certificateFile: server.certificateFile, keyFile: other.keyFile)), "does not belong"),
            (yaml(.init(certificateFile: "/nowhere.pem", keyFile: other.keyFile)), "there is no such file"),
            (yaml(server, "  client_certificates: require"), "set tls.client_ca_file"),
            ("listen: {tcp: {tls: maybe}}\n", "must be one of off, on"),
        ]
        for (yaml, said) in cases {
            let file = folder.path + "/tidings.yaml"
            try yaml.write(toFile: file, atomically: true, encoding: .utf8)
            for command in [["serve", "--data", folder.path + "/data", "--config", file], ["check", "config", file]] {
                let ended = try await run(Binary.tidings, command)
                #expect(ended.status == 78 && ended.errors.contains(said), "\(command): \(ended)")
                #expect(ended.errors.split(separator: "\n").count == 1, "\(ended.errors)")
            }
        }
    }
}
