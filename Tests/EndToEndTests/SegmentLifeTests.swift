// The life of segments with the real program: backup while it takes events, restore, damage, retention, proofs.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(3))) struct SegmentLifeTests {
    /// A backup during ingest, restored: the summaries are those of the events in it, and repetitions are recognised.
    @Test func aBackupDuringIngestComesBackWhole() async throws {
        let folder = TemporaryFolder()
        let (data, copy, restored) = (folder.path + "/data", folder.path + "/copy", folder.path + "/restored")
        let daemon = try await DaemonProcess(data: data)
        let sender = LineSender(port: daemon.tcpPort, device: "b-1")
        let load = Task { try await sender.run() }
        var backups: [Finished] = []
        for _ in 0..<3 {
            try await Task.sleep(for: .milliseconds(150))
            backups.append(try await tidings("log", "backup", copy, "--data", data))
        }
        load.cancel()
        let sent = try await load.value
        let code = await daemon.stop()
        #expect(code == 0, "\(daemon.log)")
        for backup in backups { #expect(backup.status == 0, "\(backup)") }
        let head = try #require(backups.last?.output.firstMatch(of: /chain head (\d+):([0-9a-f]{64})/))
        let events = try #require(Int(head.1))
        #expect(events > 0 && events <= sent.sent)
        // The copy is a beginning of the log: its head is proven there.
        let proof = try await tidings("log", "verify", "--head", "\(head.1):\(head.2)", "--data", data)
        #expect(proof.status == 0 && proof.output.contains("proven: nothing before event \(events)"), "\(proof)")
        let other = try await tidings("log", "verify", "--head", String(head.2.reversed()), "--data", data)
        #expect(other.status == 1 && other.output.contains("NOT PROVEN"), "\(other)")

        let restore = try await tidings("log", "restore", copy, "--data", restored, "--erasures-unknown")
        #expect(restore.status == 0, "\(restore)")
        let again = try await tidings("log", "restore", copy, "--data", restored, "--erasures-unknown")
        #expect(again.status == 65 && again.errors.contains("restore into an empty folder"), "\(again)")
        try await expectRebuildEqualsLive(restored)
        // Everything is sent again from the first line: what the copy has is recognised, the rest is stored.
        let next = try await DaemonProcess(data: restored)
        let socket = try #require(LoopbackSocket(port: next.tcpPort))
        var answers = ""
        for id in 1...events + 100 {
            let line =
                "{\"product\":\"oven\",\"device\":\"b-1\",\"id\":\(id),\"type\":\"preference.set\","
                + "\"aspect\":\"fan.mode\",\"value\":\"m\(id % 5)\"}\n"
            #expect(socket.send(line))
            if id % 500 == 0 { answers += socket.receive(wait: .milliseconds(1)) ?? "" }
        }
        let isAcked = try await eventually {
            answers += socket.receive(wait: .milliseconds(20)) ?? ""
            return answers.contains("{\"ack\":\(events + 100)}")
        }
        #expect(isAcked, "\(answers.suffix(200))")
        socket.close()
        #expect(await next.stop() == 0)
        let stat = try await tidings("log", "stat", "--format", "json", "--data", restored)
        // Up to 64 numbers below the highest of the device are known one by one; older ones are stale, not stored.
        #expect(stat.output.contains("\"head_offset\":\(events + 100),"), "\(stat.output) after \(events)")
        try await expectRebuildEqualsLive(restored)
        folder.remove()
    }

    /// A damaged segment: the daemon starts, serves the rest, says and counts what is missing; a salvage is clean.
    @Test func damageIsPassedOverCountedAndSalvaged() async throws {
        let folder = TemporaryFolder()
        let (data, salvaged) = (folder.path + "/data", folder.path + "/salvaged")
        let daemon = try await DaemonProcess(data: data)
        let sender = LineSender(port: daemon.tcpPort, device: "d-1")
        let load = Task { try await sender.run() }
        try await Task.sleep(for: .milliseconds(300))
        load.cancel()
        _ = try await load.value
        #expect(await daemon.stop() == 0)
        let segment = data + "/log/00000000000000000000.tidings"
        let damage = try await run(
            "/usr/bin/sqlite3",
            [
                segment,
                "DROP TRIGGER block_no_update; UPDATE block SET body = zeroblob(length(body)) "
                    + "WHERE first_offset = (SELECT first_offset FROM block ORDER BY first_offset LIMIT 1 OFFSET 2)",
            ])
        #expect(damage.status == 0, "\(damage)")
        let verify = try await tidings("log", "verify", "--data", data)
        #expect(verify.status == 1, "\(verify)")
        #expect(
            verify.output.contains(
                /damage in 00000000000000000000\.tidings, block \d+, events \d+ to \d+: bad checksum/),
            "\(verify.output)")
        let export = try await tidings("log", "export", "--data", data)
        #expect(export.status == 65 && export.errors.contains("left out"), "\(export.errors)")
        for file in ["", "-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: data + "/summaries.sqlite" + file)
        }
        let next = try await DaemonProcess(data: data)
        // The doors are open before the summaries have come to the log's end.
        #expect(
            try await eventually {
                let now = try await status(data)
                return now["projected"] as? Int == now["head"] as? Int
            })
        let fields = try await status(data)
        let unreadable = try #require(fields["unreadable"] as? Int)
        #expect(unreadable > 0 && next.log.contains("the log is damaged"), "\(next.log)")
        #expect(export.output.split(separator: "\n").count + unreadable == fields["head"] as? Int)
        #expect(await next.stop() == 0)
        let salvage = try await tidings("log", "salvage", salvaged, "--data", data)
        #expect(salvage.status == 0, "\(salvage)")
        #expect(try await tidings("log", "verify", "--data", salvaged).status == 0)
        let whole = try await tidings("log", "export", "--data", salvaged)
        #expect(whole.output == export.output)
        try await expectRebuildEqualsLive(salvaged)
        folder.remove()
    }

    private func status(_ data: String) async throws -> [String: Any] {
        let status = try await tidings("status", "--format", "json", "--data", data)
        return try #require(try JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [String: Any])
    }

    /// The first offset that the log still has.
    private func start(_ data: String) async throws -> Int {
        let stat = try await tidings("log", "stat", "--data", data)
        return try #require(stat.output.firstMatch(of: /start offset (\d+)/).flatMap { Int($0.1) })
    }

    /// Segments go by size while events come in; the daemon starts again without them, and rebuild says why it cannot.
    @Test func oldSegmentsAreDroppedWhileServing() async throws {
        let folder = TemporaryFolder()
        let data = folder.path + "/data"
        let settings = folder.path + "/tidings.yaml"
        try "log:\n  segment_max_bytes: 1048576\n  retention_bytes: 2097152\n".write(
            toFile: settings, atomically: true, encoding: .utf8)
        let daemon = try await DaemonProcess(data: data, "--config", settings)
        var isDropped = false
        for epoch in 1...20 where !isDropped {
            let send = try await tidings(
                "send", "--port", "\(daemon.tcpPort)", "--devices", "500", "--events", "200000", "--epoch", "\(epoch)")
            #expect(send.status == 0, "\(send)")
            isDropped = daemon.log.contains("retention dropped the oldest segments")
        }
        let isDone = try await eventually { daemon.log.contains("retention dropped the oldest segments") }
        #expect(isDropped || isDone, "\(daemon.log)")
        #expect(await daemon.stop() == 0)
        #expect(try await start(data) > 0)
        let live = try await dump(data)
        let next = try await DaemonProcess(data: data, "--config", settings)
        #expect(await next.stop() == 0)
        #expect(try await dump(data) == live)
        let rebuild = try await tidings("rebuild", "--data", data)
        #expect(rebuild.status == 65 && rebuild.errors.contains("the log begins at event"), "\(rebuild)")
        #expect(try await dump(data) == live)
        // A copy has what a start needs; without it the daemon refuses in one line.
        let (copy, restored) = (folder.path + "/copy", folder.path + "/restored")
        #expect(try await tidings("log", "backup", copy, "--data", data).status == 0)
        #expect(try await tidings("log", "restore", copy, "--data", restored, "--erasures-unknown").status == 0)
        let third = try await DaemonProcess(data: restored)
        #expect(await third.stop() == 0)
        #expect(try await dump(restored) == live)
        try FileManager.default.removeItem(atPath: restored + "/summaries.sqlite")
        let refused = try await tidings(
            "serve", "--data", restored, "--tcp-port", "0", "--udp-port", "0", "--http-port", "0")
        #expect(refused.status == 65, "\(refused)")
        // The second daemon may have dropped more.
        let start = try await start(restored)
        #expect(refused.errors.contains("the log begins at event \(start);"), "\(refused)")
        folder.remove()
    }
}
