// Quotas and patience, with the real daemon on real sockets: one sender's greed or sloth is not the others' loss.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct FairShareTests {
    private static let perSecond = 200

    private func line(_ device: String, _ id: Int) -> String {
        #"{"product":"oven","device":"\#(device)","id":\#(id),"type":"feature.used","aspect":"grill"}"# + "\n"
    }

    private func status(_ daemon: DaemonProcess) async throws -> [String: Any] {
        let status = try await tidings("status", "--data", daemon.data, "--format", "json")
        return try #require(try JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [String: Any])
    }

    private func committed(_ status: [String: Any]) -> Int {
        let lines = (status["transports"] as? [String: Any])?["tcp_json"] as? [String: Any]
        return lines?["committed"] as? Int ?? -1
    }

    /// Runs a daemon with the given settings and stops it.
    private func serve(_ yaml: String, _ body: (DaemonProcess) async throws -> Void) async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let file = folder.path + "/tidings.yaml"
        try yaml.write(toFile: file, atomically: true, encoding: .utf8)
        let daemon = try await DaemonProcess(data: folder.path + "/data", "--config", file)
        do {
            try await body(daemon)
        } catch {
            Issue.record("daemon log:\n\(daemon.log)")
        }
        let code = await daemon.stop()
        #expect(code == 0, "\(daemon.log)")
    }

    /// Sends a few lines now and then, well within the quota; returns the last ack.
    private func honest(_ daemon: DaemonProcess, lines count: Int) throws -> Int {
        let socket = try #require(LoopbackSocket(port: daemon.tcpPort))
        defer { socket.close() }
        var answers = ""
        for start in stride(from: 1, through: count, by: 5) {
            #expect(socket.send((start..<start + 5).map { line("honest", $0) }.joined()))
            answers += socket.receive(wait: .milliseconds(50)) ?? ""
        }
        for _ in 0..<200 where !answers.contains("{\"ack\":\(count)}") {
            answers += socket.receive(wait: .milliseconds(50)) ?? ""
        }
        return answers.contains("{\"ack\":\(count)}") ? count : 0
    }

    @Test func aGreedyDeviceIsHeldToItsShareAndAnHonestOneIsServed() async throws {
        try await serve("quota:\n  device_events_per_second: \(Self.perSecond)\n  burst_seconds: 1\n") { daemon in
            let started = ContinuousClock.now
            let greedy = try #require(LoopbackSocket(port: daemon.tcpPort))
            let (all, lines) = (20_000, (1...20_000).map { line("greedy", $0) }.joined())
            try await withThrowingTaskGroup(of: Void.self) { group in
                // Blocks while the daemon does not read; ends when the daemon does.
                group.addTask { _ = greedy.send(lines) }
                let acked = try honest(daemon, lines: 100)
                #expect(acked == 100)
                let goesOn = try await eventually { self.committed(try await self.status(daemon)) > 100 + 512 }
                #expect(goesOn, "the greedy sender is not served at all")
                let seen = try await status(daemon)
                let elapsed = started.duration(to: .now)
                let seconds = Int(elapsed.components.seconds) + 1
                // Its rate, its burst, and the run of lines that overdrew the bucket.
                let share = Self.perSecond * (seconds + 1) + 256
                #expect(committed(seen) - 100 <= share, "\(committed(seen)) of \(all) events in \(elapsed)")
                #expect(share < all, "the machine is too slow for this test")
                #expect(seen["is_balanced"] as? Bool == true)
                #expect((seen["pauses"] as? Int ?? 0) > 0)
                let code = await daemon.stop()
                #expect(code == 0)
                #expect(daemon.log.contains("\"balanced\":\"true\""), "\(daemon.log)")
                #expect(!daemon.log.contains("\"balanced\":\"false\""), "\(daemon.log)")
            }
            greedy.close()
        }
    }

    @Test func slowAndSilentConnectionsAreClosedAndIdleOnesAreNot() async throws {
        try await serve("listen:\n  frame_timeout_seconds: 1\n  first_byte_timeout_seconds: 1\n") { daemon in
            let idle = try #require(LoopbackSocket(port: daemon.tcpPort))
            #expect(idle.send(line("honest", 1)))
            #expect(idle.receive(wait: .seconds(5)) == "{\"ack\":1}\n")
            let silent = try #require(LoopbackSocket(port: daemon.tcpPort))
            let slow = try #require(LoopbackSocket(port: daemon.tcpPort))
            var (answer, isClosed) = ("", false)
            for byte in line("slow", 1).utf8.dropLast() where !isClosed {
                isClosed = !slow.send([byte])
                guard let more = slow.receive(wait: .milliseconds(100)) else {
                    isClosed = true
                    break
                }
                answer += more
            }
            #expect(isClosed)
            #expect(answer.contains("\"code\":4080,\"reason\":\"too_slow\""), "\(answer)")
            #expect(silent.receive(wait: .seconds(5)) == nil)
            #expect(idle.send(line("honest", 2)))
            #expect(idle.receive(wait: .seconds(5)) == "{\"ack\":2}\n")
            let seen = try await status(daemon)
            #expect(seen["connections_ended"] as? [String: Int] == ["silent": 1, "slow": 1])
            #expect(seen["is_balanced"] as? Bool == true)
            for socket in [idle, silent, slow] { socket.close() }
        }
    }
}
