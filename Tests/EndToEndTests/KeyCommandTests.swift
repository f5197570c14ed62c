// tidings device and tidings token, with and without a running daemon: what they print, what they leave on disk, and
// what the daemon goes by afterwards.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(3))) struct KeyCommandTests {
    private func object(_ finished: Finished) throws -> [String: Any] {
        try #require(
            try JSONSerialization.jsonObject(with: Data(finished.output.utf8)) as? [String: Any], "\(finished)")
    }

    private func keys(_ finished: Finished) throws -> [[String: Any]] {
        try #require(try object(finished)["keys"] as? [[String: Any]], "\(finished)")
    }

    private func mode(_ path: String) throws -> Int? {
        (try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber)?.intValue
    }

    private func access(_ data: String) async throws -> [String: Any] {
        let status = try object(try await tidings("status", "--data", data, "--format", "json"))
        return try #require(status["access"] as? [String: Any])
    }

    @Test func aKeyIsPrintedOnceAndNeverKept() async throws {
        let folder = TemporaryFolder()
        let data = folder.path + "/new"
        let added = try await tidings("device", "add", "kettle/k-1", "--data", data)
        #expect(added.status == 0, "\(added)")
        #expect(
            added.output.contains(/device +kettle\/k-1\nkey id +1\nkey +[\w-]{43}\ntoken +1\.[\w-]{43}\n/), "\(added)")
        #expect(added.errors.contains("made the master key \(data)/master.key; keep a copy"), "\(added)")
        #expect(
            try mode(data) == 0o700 && mode(data + "/master.key") == 0o600 && mode(data + "/access.sqlite") == 0o600)
        let master = FileManager.default.contents(atPath: data + "/master.key")
        let more = try await tidings(
            "device", "add", "kettle/k-2", "--data", data, "--format", "json", "--note", "hall")
        #expect(!more.errors.contains("master key"))
        #expect(FileManager.default.contents(atPath: data + "/master.key") == master)
        let key = try #require(try keys(more)[0]["key"] as? String)
        for command in [["list"], ["show", "kettle/k-2"], ["revoke", "kettle/k-2"], ["restore", "2"]] {
            for format in ["table", "json", "csv"]
            where command[0] != "revoke" && command[0] != "restore" || format == "json" {
                let shown = try await run(
                    Binary.tidings, ["device"] + command + ["--data", data, "--format", format])
                #expect(
                    shown.status == 0 && shown.output.contains("kettle/k-2") && !shown.output.contains(key), "\(shown)")
            }
        }
        for file in ["access.sqlite", "access.sqlite-wal"] {
            let bytes = FileManager.default.contents(atPath: data + "/" + file) ?? Data()
            #expect(bytes.range(of: Data(key.utf8)) == nil)
        }
        folder.remove()
    }

    @Test func namesWithSignsGetKeysAndControlCharactersDoNot() async throws {
        let folder = TemporaryFolder()
        for source in ["kettle/+1", "kettle/#", "kettle/a/b", "kettle/a:b", "kettle/100%", "a%2Fb/1"] {
            let added = try await tidings("device", "add", source, "--data", folder.path, "--format", "json")
            #expect(try keys(added)[0]["for"] as? String == source, "\(added)")
        }
        for source in ["kettle/a\nb", "kettle/\u{1b}[31m", "kettle/\u{7f}", "k-1", "kettle/", "/k"] {
            let refused = try await tidings("device", "add", source, "--data", folder.path)
            #expect(refused.status == 65 && refused.output.isEmpty, "\(refused)")
            #expect(
                refused.errors.split(separator: "\n").count == 1 && !refused.errors.contains("\u{1b}"), "\(refused)")
        }
        let gateway = try await tidings("device", "add", "--gateway", "kettle/hall", "--data", folder.path)
        #expect(gateway.status == 65 && gateway.errors.contains("ends at a slash"), "\(gateway)")
        folder.remove()
    }

    @Test func aBatchOfSerialsIsRegisteredWholeOrNotAtAll() async throws {
        let folder = TemporaryFolder()
        func add(_ lines: String) async throws -> Finished {
            try await tidings(
                "device", "add", "-", "--data", folder.path, "--format", "csv", input: Data(lines.utf8))
        }
        let added = try await add("kettle/1\n\nkettle/2\nkettle/3\n")
        #expect(added.output.split(separator: "\r\n").count == 4, "\(added)")
        let again = try await add("kettle/4\nkettle/2\n")
        #expect(again.status == 65 && again.errors.contains("kettle/2 has key 2 already"), "\(again)")
        let list = try await tidings("device", "list", "--data", folder.path, "--format", "json")
        #expect(try keys(list).count == 3)
        folder.remove()
    }

    @Test func aRunningDaemonGoesByWhatTheCommandsDo() async throws {
        let folder = TemporaryFolder()
        let daemon = try await DaemonProcess(data: folder.path)
        _ = try await tidings("device", "add", "kettle/k-1", "--data", folder.path)
        #expect(try await access(folder.path)["device_keys"] as? Int == 1)
        _ = try await tidings("device", "revoke", "kettle/k-1", "--data", folder.path)
        #expect(try await access(folder.path)["device_keys"] as? Int == 0)
        let token = try await tidings(
            "token", "add", "--name", "acme", "--role", "read", "--product", "kettle", "--expires", "30d", "--data",
            folder.path)
        #expect(token.output.contains(/token +tdg_[\w-]{43}\n/) && token.errors.isEmpty, "\(token)")
        #expect(try await access(folder.path)["tokens"] as? Int == 1)
        // By another tool, which tells nobody.
        let changed = try await shell(
            """
            python3 -c 'import sqlite3; db = sqlite3.connect("\(folder.path)/access.sqlite"); \
            db.execute("UPDATE device_key SET revoked = NULL"); db.commit()'
            """)
        #expect(changed.status == 0, "\(changed)")
        #expect(try await eventually { try await self.access(folder.path)["device_keys"] as? Int == 1 })
        #expect(await daemon.stop() == 0)
        let log = daemon.log
        #expect(!log.contains("tdg_") && !log.contains("kettle"), "\(log)")
        folder.remove()
    }

    @Test func theMasterKeyIsNeededAndMustBePrivate() async throws {
        let folder = TemporaryFolder()
        let master = folder.path + "/master.key"
        _ = try await tidings("device", "add", "kettle/k-1", "--data", folder.path)
        func serve() async throws -> Finished {
            try await tidings("serve", "--data", folder.path, "--tcp-port", "0", "--udp-port", "0", "--http-port", "0")
        }
        let bytes = try #require(FileManager.default.contents(atPath: master))
        for (content, mode, says) in [
            (bytes, 0o644, "chmod 600 \(master)"), (bytes.prefix(31), 0o600, "has 31 bytes"),
            (bytes + bytes + [1], 0o600, "has 65 bytes"),
        ] {
            try content.write(to: URL(fileURLWithPath: master))
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: master)
            let refused = try await serve()
            #expect(refused.status == 78 && refused.errors.contains(says), "\(refused)")
            #expect(refused.errors.split(separator: "\n").count == 1, "\(refused)")
        }
        try FileManager.default.removeItem(atPath: master)
        for refused in [try await serve(), try await tidings("device", "add", "kettle/k-2", "--data", folder.path)] {
            #expect(refused.status == 78 && refused.errors.contains("master.key is not there"), "\(refused)")
        }
        #expect(!FileManager.default.fileExists(atPath: master))
        try bytes.write(to: URL(fileURLWithPath: master))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: master)
        // Missing at a reload: told, and what was in force still is.
        let daemon = try await DaemonProcess(data: folder.path)
        try FileManager.default.removeItem(atPath: master)
        let reloaded = try await tidings("reload", "--data", folder.path)
        #expect(reloaded.status == 78 && reloaded.errors.contains("the one before stays in force"), "\(reloaded)")
        #expect(try await tidings("status", "--data", folder.path).status == 1)
        #expect((try await access(folder.path)["problem"] as? String)?.contains("master.key is not there") == true)
        try bytes.write(to: URL(fileURLWithPath: master))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: master)
        #expect(try await eventually { try await tidings("status", "--data", folder.path).status == 0 })
        #expect(try await tidings("reload", "--data", folder.path).status == 0)
        #expect(await daemon.stop() == 0, "\(daemon.log)")
        folder.remove()
    }

    @Test func theMasterKeyIsChangedWithoutLockingAnybodyOut() async throws {
        let folder = TemporaryFolder()
        func device(_ words: String...) async throws -> Finished {
            try await run(Binary.tidings, ["device"] + words + ["--data", folder.path, "--format", "json"])
        }
        func key(_ finished: Finished) throws -> String { try #require(try keys(finished)[0]["key"] as? String) }
        let first = try key(try await device("add", "kettle/k-1"))
        #expect(try await device("rotate", "kettle/k-1", "--keep-old").status == 65)
        let begun = try await device("rotate", "--master")
        #expect(begun.status == 0 && begun.errors.contains("--keep-old"), "\(begun)")
        #expect(try await device("rotate", "--master").status == 65)
        let second = try key(try await device("rotate", "kettle/k-1", "--keep-old"))
        #expect(first != second)
        #expect(try key(try await device("rotate", "kettle/k-1", "--keep-old")) == second)
        #expect(try await device("rotate", "--finish").status == 0)
        #expect(try await device("rotate", "--finish").status == 65)
        let third = try await device("rotate", "1")
        #expect(try key(third) != second && keys(third)[0]["generation"] as? Int == 1, "\(third)")
        #expect(try await device("rotate").status == 64)
        folder.remove()
    }

    @Test func anOpenPortNeedsSomebodyWhoMaySend() async throws {
        let folder = TemporaryFolder()
        let arguments = [
            "serve", "--data", folder.path, "--host", "0.0.0.0", "--tcp-port", "0", "--udp-port", "0", "--http-port",
            "0",
        ]
        let refused = try await run(Binary.tidings, arguments)
        #expect(refused.status == 78 && refused.errors.contains("set auth.mode: warn"), "\(refused)")
        #expect(refused.errors.contains("tcp 0.0.0.0, udp 0.0.0.0, http 0.0.0.0"), "\(refused)")
        // One key is enough; on loopback none is needed, whatever there is.
        _ = try await tidings("device", "add", "kettle/k-1", "--data", folder.path)
        for (host, mode) in [("0.0.0.0", "require"), ("127.0.0.1", "off")] {
            let daemon = try await DaemonProcess(data: folder.path, "--host", host)
            let status = try object(try await tidings("status", "--data", folder.path, "--format", "json"))
            #expect(status["auth_mode"] as? String == mode)
            #expect(await daemon.stop() == 0)
        }
        folder.remove()
    }

    @Test func aBackupHasTheListAndNotTheSecret() async throws {
        let folder = TemporaryFolder()
        let (data, copy, restored) = (folder.path + "/data", folder.path + "/copy", folder.path + "/restored")
        _ = try await tidings("device", "add", "kettle/k-1", "--data", data)
        let daemon = try await DaemonProcess(data: data)
        #expect(try await tidings("log", "backup", copy, "--data", data).status == 0)
        #expect(await daemon.stop() == 0)
        #expect(!FileManager.default.fileExists(atPath: copy + "/master.key"))
        #expect(try await tidings("log", "restore", copy, "--data", restored, "--erasures-unknown").status == 0)
        #expect(try mode(restored + "/access.sqlite") == 0o600)
        let list = try await tidings("device", "list", "--data", restored, "--format", "json")
        #expect(try keys(list).count == 1)
        let refused = try await tidings("serve", "--data", restored, "--tcp-port", "0", "--udp-port", "0")
        #expect(refused.status == 78 && refused.errors.contains("put it back from where you keep a copy"), "\(refused)")
        folder.remove()
    }

    @Test func tokensAreListedAndRevokedByName() async throws {
        let folder = TemporaryFolder()
        func token(_ words: String...) async throws -> Finished {
            try await run(Binary.tidings, ["token"] + words + ["--data", folder.path])
        }
        let made = try await token("add", "--name", "m", "--role", "operate", "--format", "json")
        let secret = try #require(try object(made)["token"] as? String)
        #expect(try await token("add", "--name", "m", "--role", "admin").status == 65)
        for wrong in [
            ["--role", "read"], ["--role", "reed"], ["--role", "admin", "--product", "a"], ["--role", ""],
            ["--role", "operate", "--expires", "10y"], ["--role", "operate", "--expires", "0d"],
            ["--role", "operate", "--expires", "99999999999999999999d"],
            ["--role", "send", "--product", "a", "--all-products"],
        ] {
            let refused = try await run(
                Binary.tidings, ["token", "add", "--name", "x", "--data", folder.path] + wrong)
            #expect(refused.status == 64, "\(wrong): \(refused)")
        }
        for format in ["table", "json", "csv"] {
            let list = try await token("list", "--format", format)
            #expect(list.output.contains("operate") && !list.output.contains(secret), "\(list)")
        }
        #expect(try await token("revoke", "m").status == 0)
        #expect(try await token("revoke", "m").status == 65)
        #expect(try await token("revoke", "nobody").errors.contains("no token is called nobody"))
        folder.remove()
    }
}
