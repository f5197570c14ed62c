// The configuration read again by the real daemon, with connections open: none is dropped, and each change is told.

import Foundation
import Testing
import Transport

@Suite(.serialized, .timeLimit(.minutes(2))) struct ReloadTests {
    /// A daemon whose file can be rewritten.
    private struct Running {
        let daemon: DaemonProcess
        let file: String

        func write(_ yaml: String) throws { try yaml.write(toFile: file, atomically: true, encoding: .utf8) }

        /// Writes the file and runs `tidings reload --wait`.
        func reload(_ yaml: String) async throws -> Finished {
            try write(yaml)
            return try await tidings("reload", "--wait", "--data", daemon.data, "--format", "json")
        }

        /// The outcome of each key that has changed.
        func outcomes(_ yaml: String) async throws -> [String: String] {
            let answer = try await reload(yaml)
            #expect(answer.status == 0 && answer.errors == "", "\(answer)")
            let report = try JSONSerialization.jsonObject(with: Data(answer.output.utf8)) as? [String: Any]
            #expect(report?["in_force"] as? Bool == true)
            let changes = report?["changes"] as? [[String: String]] ?? []
            return Dictionary(uniqueKeysWithValues: changes.map { ($0["key"] ?? "", $0["outcome"] ?? "") })
        }

        func status() async throws -> [String: Any] {
            let status = try await tidings("status", "--data", daemon.data, "--format", "json")
            return try #require(try JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [String: Any])
        }
    }

    private func serve(_ yaml: String, _ body: (Running) async throws -> Void) async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let file = folder.path + "/tidings.yaml"
        try yaml.write(toFile: file, atomically: true, encoding: .utf8)
        let daemon = try await DaemonProcess(data: folder.path + "/data", "--config", file)
        do {
            try await body(Running(daemon: daemon, file: file))
        } catch {
            Issue.record("\(error); daemon log:\n\(daemon.log)")
        }
        let code = await daemon.stop()
        #expect(code == 0, "\(daemon.log)")
    }

    private func line(_ device: String, _ id: Int) -> String {
        #"{"product":"oven","device":"\#(device)","id":\#(id),"type":"feature.used","aspect":"grill"}"# + "\n"
    }

    private func post(_ device: String, _ id: Int) -> String {
        let body = line(device, id)
        return "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            + "Content-Length: \(body.utf8.count)\r\n\r\n" + body
    }

    /// Whether the one event of the last request is stored.
    private func isStored(_ socket: LoopbackSocket) -> Bool {
        var answer = ""
        for _ in 0..<200 where !answer.hasSuffix("}\n") {
            guard let text = socket.receive(wait: .milliseconds(50)) else { return false }
            answer += text
        }
        return answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.contains(#""stored":1,"#)
    }

    private func isAcknowledged(_ count: Int, _ socket: LoopbackSocket, seconds: Int = 10) -> Bool {
        var answers = ""
        for _ in 0..<(seconds * 20) where !answers.contains("{\"ack\":\(count)}") {
            guard let text = socket.receive(wait: .milliseconds(50)) else { return false }
            answers += text
        }
        return answers.contains("{\"ack\":\(count)}")
    }

    @Test func aThousandConnectionsSurviveWrongNarrowerAndWiderSettings() async throws {
        try await serve("quota: {device_events_per_second: 10, burst_seconds: 1}\n") { running in
            try #require(raiseDescriptorLimit() > 1_200, "too few open files are allowed for this test")
            let sockets = try (0..<500).map { _ in try #require(LoopbackSocket(port: running.daemon.tcpPort)) }
            let web = try (0..<500).map { _ in try #require(LoopbackSocket(port: running.daemon.httpPort)) }
            let greedy = try #require(LoopbackSocket(port: running.daemon.tcpPort))
            defer { for socket in sockets + web + [greedy] { socket.close() } }
            func everyoneIsServed(_ round: Int) {
                for (index, socket) in sockets.enumerated() {
                    #expect(socket.send(line("d-\(index)", round)))
                }
                for (index, socket) in web.enumerated() { #expect(socket.send(post("w-\(index)", round))) }
                for (index, socket) in sockets.enumerated() {
                    #expect(isAcknowledged(round, socket), "connection \(index) in round \(round)")
                }
                for (index, socket) in web.enumerated() {
                    #expect(isStored(socket), "web connection \(index) in round \(round)")
                }
            }
            everyoneIsServed(1)
            // Two batches of lines: after the first one it owes more than a minute.
            #expect(greedy.send((1...700).map { line("greedy", $0) }.joined()))
            #expect(!isAcknowledged(701, greedy, seconds: 1))
            #expect(greedy.send(line("greedy", 701)))
            for (yaml, cause) in [
                ("quota: [\n", "is not YAML"), ("quota: {nonsense: 1}\n", "unknown key quota.nonsense"),
                ("quota: {device_events_per_second: -1}\n", "quota.device_events_per_second = -1"),
            ] {
                let answer = try await running.reload(yaml)
                #expect(answer.status == 78 && answer.output == "", "\(answer)")
                #expect(answer.errors.contains(cause) && answer.errors.contains(running.file), "\(answer.errors)")
                #expect(answer.errors.split(separator: "\n").count == 1)
            }
            #expect(try await running.status()["config_last_reload_ok"] as? Bool == false)
            everyoneIsServed(2)
            #expect(!isAcknowledged(701, greedy, seconds: 1), "the quota was lifted by a wrong file")
            let key = "quota.device_events_per_second"
            let wider = try await running.outcomes("quota: {device_events_per_second: 1000000, burst_seconds: 1}\n")
            #expect(wider == [key: "applied"])
            #expect(isAcknowledged(701, greedy, seconds: 5), "who waited is not read again")
            everyoneIsServed(3)
            let narrower = try await running.outcomes(
                "quota: {device_events_per_second: 5, burst_seconds: 1, connections_per_address: 3}\n")
            #expect(narrower == [key: "applied", "quota.connections_per_address": "applied"])
            everyoneIsServed(4)
            let status = try await running.status()
            #expect(status["connections"] as? Int == 1_001)
            #expect((status["connections_ended"] as? [String: Int])?.isEmpty == true)
            #expect(status["config_reloads"] as? Int == 5 && status["config_last_reload_ok"] as? Bool == true)
        }
    }

    @Test func aListenerNeedsARestart() async throws {
        // A flag is stronger, so the ports of this daemon cannot be set by its file; its addresses can.
        try await serve("") { running in
            let before = try await running.status()["listening"] as? [String: String]
            let outcomes = try await running.outcomes("listen: {tcp: {host: 0.0.0.0}}\nlog: {block_max_events: 9}\n")
            #expect(outcomes == ["listen.tcp.host": "needs_restart", "log.block_max_events": "needs_restart"])
            let status = try await running.status()
            #expect(status["config_needs_restart"] as? [String] == ["listen.tcp.host", "log.block_max_events"])
            #expect(status["listening"] as? [String: String] == before && (status["exposed"] as? [String]) == [])
            let table = try await tidings("reload", "--data", running.daemon.data)
            #expect(table.status == 0 && table.output.contains("needs a restart"), "\(table)")
            let text = try await tidings("status", "--data", running.daemon.data)
            #expect(text.output.contains("needs a restart: listen.tcp.host, log.block_max_events"), "\(text.output)")
            let csv = try await tidings("reload", "--data", running.daemon.data, "--format", "csv")
            #expect(csv.output.hasPrefix("key,old,new,outcome\r\nlisten.tcp.host,127.0.0.1,0.0.0.0,needs_restart\r\n"))
        }
    }

    @Test func aHangupReloadsAndTheLevelOfTheLogFollows() async throws {
        try await serve("") { running in
            func reloads() -> Int { running.daemon.log.matches(of: /"configuration read again/).count }
            func hangUp(_ yaml: String, _ count: Int) async throws {
                try running.write(yaml)
                kill(running.daemon.pid, SIGHUP)
                #expect(
                    try await eventually { try await running.status()["config_reloads"] as? Int == count },
                    "\(running.daemon.log)")
            }
            try await hangUp("logging: {level: warning}\n", 1)
            #expect(reloads() == 1 && running.daemon.log.contains(#""applied":"logging.level""#))
            // Of less weight than what is logged now.
            try await hangUp("logging: {level: warning}\nlog: {retention_days: 30}\n", 2)
            #expect(reloads() == 1)
            try await hangUp("logging: {level: loud}\n", 3)
            #expect(running.daemon.log.contains("logging.level = loud"), "\(running.daemon.log)")
            try await hangUp("log: {retention_days: 30}\n", 4)
            #expect(reloads() == 2)
        }
    }

    @Test func retentionBeginsWithAReload() async throws {
        try await serve("log: {segment_max_bytes: 1048576}\n") { running in
            let sent = try await tidings(
                "send", "--port", "\(running.daemon.tcpPort)", "--events", "1000000", "--devices", "500")
            #expect(sent.status == 0, "\(sent)")
            #expect(try await running.status()["retention_segments"] as? Int == 0)
            let outcomes = try await running.outcomes("log: {segment_max_bytes: 1048576, retention_bytes: 1}\n")
            #expect(outcomes == ["log.retention_bytes": "applied"])
            var dropped = false
            for _ in 0..<4 where !dropped {
                dropped = try await eventually { (try await running.status()["retention_segments"] as? Int ?? 0) > 0 }
            }
            #expect(dropped, "\(running.daemon.log)")
        }
    }

    @Test func withoutADaemonNobodyAnswers() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let answer = try await tidings("reload", "--data", folder.path)
        #expect(answer.status == 69 && answer.errors.contains("no daemon serves"), "\(answer)")
    }
}
