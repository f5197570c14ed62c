// The data folder as people meet it: long paths, read-only places, other users, and what commands say of them.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(3))) struct DataFolderTests {
    private static let kettle =
        #"{"product":"kettle","device":"k-1","type":"preference.set","aspect":"temperature","value":92}"#

    private func post(_ daemon: DaemonProcess, _ line: String = kettle) async throws {
        let answer = try await shell("printf '\(line)\\n' | nc -q1 127.0.0.1 \(daemon.tcpPort)")
        #expect(answer.output == "{\"ack\":1}\n", "\(answer)")
    }

    private func mode(_ path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return try #require(attributes[.posixPermissions] as? NSNumber).intValue
    }

    /// Whether these tests may take the part of other users.
    private static let isRoot = geteuid() == 0 && FileManager.default.isExecutableFile(atPath: "/usr/bin/setpriv")

    /// Runs the program as a user of the system that owns nothing.
    private func asNobody(
        _ program: String, _ arguments: [String], group: String = "65534"
    ) async throws -> Finished {
        try await run(
            "/usr/bin/setpriv",
            ["--reuid", "65534", "--regid", group, "--clear-groups", program] + arguments,
            environment: showsSmallGroups)
    }

    /// The program where every user can start it.
    private func publicProgram(_ folder: TemporaryFolder) throws -> String {
        let program = folder.path + "/tidings"
        try FileManager.default.copyItem(atPath: Binary.tidings, toPath: program)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
        return program
    }

    @Test(arguments: [85, 95, 108, 400]) func aLongPathHasAControlSocket(_ length: Int) async throws {
        let folder = TemporaryFolder()
        var data = folder.path
        while data.utf8.count + 60 < length { data += "/" + String(repeating: "d", count: 50) }
        data += "/" + String(repeating: "e", count: max(1, length - data.utf8.count - 1))
        let daemon = try await DaemonProcess(data: data)
        try await post(daemon)
        let status = try await tidings("status", "--data", data)
        #expect(status.status == 0, "\(status)")
        let summary = try await tidings("summary", "kettle", "--data", data, environment: showsSmallGroups)
        #expect(summary.output.contains("92") && summary.errors.isEmpty, "\(summary)")
        #expect(await daemon.stop() == 0, "\(daemon.log)")
        #expect(!FileManager.default.fileExists(atPath: data + "/control.sock"))
        #expect(!daemon.log.contains("control socket failed"))
        let after = try await tidings("status", "--data", data)
        #expect(after.status == 69 && after.errors.contains("no daemon serves \(data)"), "\(after)")
        folder.remove()
    }

    @Test func aDaemonThatSaysNothingIsNotWaitedForInVain() async throws {
        let folder = TemporaryFolder()
        let daemon = try await DaemonProcess(data: folder.path)
        try await post(daemon)
        _ = try await tidings("summary", "--data", folder.path)
        Foundation.kill(daemon.pid, SIGSTOP)
        async let another = tidings("status", "--data", folder.path)
        async let third = tidings("status", "--data", folder.path)
        let status = try await tidings("status", "--data", folder.path)
        #expect(status.status == 69, "\(status)")
        #expect(try await [another.status, third.status] == [69, 69])
        #expect(status.errors.contains("the daemon at \(folder.path) does not answer (within 10 s)"), "\(status)")
        let summary = try await tidings("summary", "kettle", "--data", folder.path, environment: showsSmallGroups)
        #expect(summary.status == 0 && summary.output.contains("92"), "\(summary)")
        #expect(summary.errors.contains("does not answer") && summary.errors.contains("as of the last checkpoint"))
        Foundation.kill(daemon.pid, SIGCONT)
        // Connections that it finds in the moment of its stop, their clients gone, once were its end by a trap.
        let code = await daemon.stop()
        #expect(code == 0, "\(code): \(daemon.log)")
        folder.remove()
    }

    @Test(.enabled(if: isRoot)) func whoMayNotAskIsToldSo() async throws {
        let folder = TemporaryFolder()
        let program = try publicProgram(folder)
        let data = folder.path + "/data"
        let daemon = try await DaemonProcess(data: data)
        for command in ["status", "summary"] {
            let denied = try await asNobody(program, [command, "--data", data])
            #expect(denied.status == 77, "\(denied)")
            #expect(denied.errors.contains("not permitted to"), "\(denied)")
            #expect(!denied.errors.contains("no daemon"), "\(denied)")
        }
        for command in ["tail", "stat", "verify", "export"] {
            let denied = try await asNobody(program, ["log", command, "--data", data])
            #expect(denied.status == 77 && denied.errors.contains("not permitted to read \(data)/log"), "\(denied)")
        }
        #expect(await daemon.stop() == 0)
        folder.remove()
    }

    @Test(.enabled(if: isRoot)) func everythingCanBeReadAtRestWithoutWritePermission() async throws {
        let folder = TemporaryFolder()
        let program = try publicProgram(folder)
        let data = folder.path + "/data"
        let daemon = try await DaemonProcess(data: data)
        try await post(daemon)
        #expect(await daemon.stop() == 0)
        let prepared = try await shell("chown -R 65534:65534 '\(data)' && chmod -R a-w '\(data)'")
        #expect(prepared.status == 0)
        try await expectReadable(program, data, folder)
        // As an earlier release left it: in WAL mode (the versions in bytes 18 and 19), with no file beside it.
        let paths = ["summaries.sqlite", "identity.sqlite", "log/00000000000000000000.tidings"].map { data + "/" + $0 }
        for path in paths { try setVersions(of: path, to: 2) }
        for command in [["summary"], ["log", "tail"], ["log", "stat"], ["log", "verify"], ["log", "export"]] {
            let done = try await asNobody(program, command + ["--data", data])
            #expect(done.status == 0 && !done.output.isEmpty && done.errors.isEmpty, "\(command): \(done)")
        }
        for path in paths { try setVersions(of: path, to: 1) }
        // The same when all was killed in the midst of it: what is in the write-ahead logs is read too.
        _ = try await shell("chmod -R u+w '\(data)' && chown -R 0:0 '\(data)'")
        let killed = try await DaemonProcess(data: data)
        try await post(killed, Self.kettle.replacing("92", with: "93"))
        await killed.kill()
        _ = try await shell("chown -R 65534:65534 '\(data)' && chmod -R a-w '\(data)'")
        let export = try await asNobody(program, ["log", "export", "--data", data])
        #expect(export.output.split(separator: "\n").count == 2, "\(export)")
        let status = try await asNobody(program, ["status", "--data", data])
        #expect(status.status == 69 && status.errors.contains("no daemon serves"), "\(status)")
        // Without its index a write-ahead log cannot be read there: said, and never less than there is.
        _ = try await shell("rm '\(data)'/*-shm '\(data)'/log/*-shm")
        for command in [["summary"], ["log", "tail"], ["log", "stat"], ["log", "export"]] {
            let refused = try await asNobody(program, command + ["--data", data])
            #expect(refused.status == 74 && refused.output.isEmpty, "\(refused)")
            #expect(refused.errors.contains("was not closed") && refused.errors.contains("start the daemon"))
        }
        _ = try await shell("chmod -R u+w '\(data)'")
        folder.remove()
    }

    private func setVersions(of path: String, to version: UInt8) throws {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try file.seek(toOffset: 18)
        try file.write(contentsOf: Data([version, version]))
        try file.close()
    }

    private func expectReadable(_ program: String, _ data: String, _ folder: TemporaryFolder) async throws {
        let copy = folder.path + "/copy"
        _ = try await shell("mkdir -p '\(copy)' && chown 65534 '\(copy)'")
        for command in [
            ["summary"], ["summary", "kettle"], ["log", "tail"], ["log", "stat"], ["log", "verify"], ["log", "export"],
            ["log", "backup", copy],
        ] {
            let done = try await asNobody(program, command + ["--data", data])
            #expect(done.status == 0 && !done.output.isEmpty && done.errors.isEmpty, "\(command): \(done)")
        }
        for file in ["summaries.sqlite", "identity.sqlite", "log/00000000000000000000.tidings"] {
            let sql = "SELECT count(*) FROM sqlite_schema"
            let done = try await asNobody("/usr/bin/sqlite3", ["-readonly", "\(data)/\(file)", sql])
            #expect(done.status == 0, "\(file): \(done)")
        }
    }

    @Test(.enabled(if: isRoot)) func aGroupReadsTheSummariesAndNothingElse() async throws {
        let folder = TemporaryFolder()
        let program = try publicProgram(folder)
        let data = folder.path + "/data"
        let settings = folder.path + "/tidings.yaml"
        try "data_group: games\n".write(toFile: settings, atomically: true, encoding: .utf8)
        let daemon = try await DaemonProcess(data: data, "--config", settings)
        try await post(daemon)
        _ = try await tidings("summary", "--data", data)
        #expect(try mode(data) == 0o750)
        for suffix in ["", "-wal", "-shm"] { #expect(try mode(data + "/summaries.sqlite" + suffix) == 0o640) }
        for file in ["identity.sqlite", "identity.sqlite-wal", "lock", "control.sock"] {
            #expect(try mode(data + "/" + file) == 0o600, "\(file)")
        }
        #expect(try mode(data + "/log") == 0o700)
        try await expectGroupReads(program, data, whileRunning: true)
        #expect(await daemon.stop() == 0)
        try await expectGroupReads(program, data, whileRunning: false)
        // Without the group the next start takes it back, and says so.
        let next = try await DaemonProcess(data: data)
        #expect(try mode(data) == 0o700)
        #expect(try mode(data + "/summaries.sqlite") == 0o600)
        #expect(next.log.contains("its permissions were put right"))
        #expect(await next.stop() == 0)
        folder.remove()
    }

    private func expectGroupReads(_ program: String, _ data: String, whileRunning: Bool) async throws {
        let group = try await shell("getent group games | cut -d: -f3").output.trimmingCharacters(in: .newlines)
        let query = ["-readonly", data + "/summaries.sqlite", "SELECT value FROM meta WHERE key = 'offset'"]
        let sql = try await asNobody("/usr/bin/sqlite3", query, group: group)
        #expect(sql.status == 0 && sql.output == "1\n", "\(sql)")
        let summary = try await asNobody(program, ["summary", "kettle", "--data", data], group: group)
        #expect(summary.status == 0 && summary.output.contains("92"), "\(summary)")
        #expect(summary.errors.contains("not permitted to ask the daemon") == whileRunning, "\(summary)")
        let names = try await asNobody(
            "/usr/bin/sqlite3", ["-readonly", data + "/identity.sqlite", ".tables"], group: group)
        #expect(names.status != 0, "\(names)")
        let log = try await asNobody(program, ["log", "tail", "--data", data], group: group)
        #expect(log.status == 77, "\(log)")
        let stranger = try await asNobody("/usr/bin/sqlite3", query)
        #expect(stranger.status != 0, "\(stranger)")
    }

    @Test func filesAreTheOwnersWhateverTheUmask() async throws {
        for mask in ["000", "022", "077"] {
            let folder = TemporaryFolder()
            let data = folder.path + "/data"
            let started = try await shell(
                """
                umask \(mask); '\(Binary.tidings)' serve --data '\(data)' --tcp-port 0 --udp-port 0 --http-port 0 \
                2>'\(folder.path)/log' & pid=$!
                for i in $(seq 100); do grep -q listening '\(folder.path)/log' && break; sleep 0.05; done
                '\(Binary.tidings)' log backup '\(folder.path)/copy' --data '\(data)' >/dev/null
                find '\(data)' '\(folder.path)/copy' -printf '%m %P\\n'; kill $pid; wait $pid
                """)
            let modes = started.output.split(separator: "\n").map { $0.prefix { $0 != " " } }
            #expect(modes.count > 8 && modes.allSatisfy { ["700", "600", "400"].contains($0) }, "\(mask): \(started)")
            folder.remove()
        }
    }
}
