// kill -9 under load: every acknowledged event is in the log, exactly once.

import Foundation
import Testing
import TidingsTesting

@Suite(.serialized, .timeLimit(.minutes(2))) struct CrashTests {
    /// Twenty lives of one data folder, each ended by SIGKILL while a sender is at work.
    @Test func everyAckedEventIsInTheLogOnce() async throws {
        let folder = TemporaryFolder()
        let seed = UInt64.random(in: 1...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        var acked = 0
        var sent = 0
        for life in 1...20 {
            let daemon = try await DaemonProcess(data: folder.path)
            let port = daemon.tcpPort
            let sender = LineSender(port: port, device: "crash-\(life)")
            let load = Task { try await sender.run() }
            try await Task.sleep(for: .milliseconds(Int.random(in: 30...250, using: &generator)))
            await daemon.kill()
            load.cancel()
            let result = try await load.value
            acked += result.acked
            sent += result.sent
            let exported = try await ids(folder.path, device: "crash-\(life)")
            #expect(exported.count == Set(exported).count, "an event twice in the log; seed \(seed) life \(life)")
            #expect(exported.count >= result.acked, "acked but not stored; seed \(seed) life \(life)")
            // Lines are answered in order, so the acknowledged ones are the first.
            #expect(Set(exported).isSuperset(of: 1..<(result.acked + 1)), "seed \(seed) life \(life)")
            #expect(exported.allSatisfy { $0 <= result.sent }, "invented; seed \(seed) life \(life)")
        }
        #expect(acked > 0 && sent >= acked)
        let verify = try await tidings("log", "verify", "--data", folder.path)
        #expect(verify.status == 0, "\(verify)")
        try await expectRebuildEqualsLive(folder.path)
        folder.remove()
    }

    /// SIGTERM while a sender is at work: exit 0, and what was acknowledged is stored and summarised.
    @Test func aCleanStopLosesNothing() async throws {
        let folder = TemporaryFolder()
        for life in 1...3 {
            let daemon = try await DaemonProcess(data: folder.path)
            let sender = LineSender(port: daemon.tcpPort, device: "stop-\(life)")
            let load = Task { try await sender.run() }
            try await Task.sleep(for: .milliseconds(150))
            #expect(await daemon.stop() == 0, "\(daemon.log)")
            load.cancel()
            let result = try await load.value
            let exported = try await ids(folder.path, device: "stop-\(life)")
            #expect(exported.count == Set(exported).count)
            #expect(Set(exported).isSuperset(of: 1..<(result.acked + 1)), "acked but not stored, life \(life)")
            #expect(result.acked > 0)
            #expect(daemon.log.contains("\"balanced\":\"true\""), "\(daemon.log)")
        }
        try await expectRebuildEqualsLive(folder.path)
        folder.remove()
    }

    private func ids(_ data: String, device: String) async throws -> [Int] {
        let export = try await tidings("log", "export", "--data", data, "--format", "ndjson")
        #expect(export.status == 0, "\(export.errors)")
        return export.output.split(separator: "\n").compactMap { line in
            guard line.contains("\"\(device)\""), let match = line.firstMatch(of: /"id":"0-(\d+)"/) else { return nil }
            return Int(match.1)
        }
    }
}

/// `tidings rebuild` on a copy gives the same tables, row by row.
func expectRebuildEqualsLive(_ data: String) async throws {
    // A daemon that starts and stops brings the summaries up to the log's end.
    let daemon = try await DaemonProcess(data: data)
    let code = await daemon.stop()
    #expect(code == 0, "\(daemon.log)")
    let live = try await dump(data)
    let rebuild = try await tidings("rebuild", "--data", data)
    #expect(rebuild.status == 0, "\(rebuild.errors)")
    let rebuilt = try await dump(data)
    #expect(live == rebuilt, "live and rebuilt summaries differ")
    #expect(live.count > 100)
}

/// All public tables as SQL, without the snapshot and the time of writing.
func dump(_ data: String) async throws -> String {
    let tables = try await run(
        "/usr/bin/sqlite3",
        [
            "file:\(data)/summaries.sqlite?mode=ro",
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('state', 'meta') "
                + "AND name NOT LIKE 'sqlite_%' ORDER BY 1",
        ])
    var all = ""
    for table in tables.output.split(separator: "\n") {
        let rows = try await run(
            "/usr/bin/sqlite3", ["file:\(data)/summaries.sqlite?mode=ro", "SELECT * FROM \(table)"])
        all += "\(table)\n" + rows.output.split(separator: "\n").sorted().joined(separator: "\n") + "\n"
    }
    return all
}
