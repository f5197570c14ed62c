// What somebody gets wrong with keys and tokens: told in one line that helps, with the right code; nothing is changed.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct KeyMistakeTests {
    /// Runs a command that must fail so.
    private func expect(
        _ code: Int32, _ says: String, _ words: [String], in data: String, input: String = ""
    ) async throws {
        let ended = try await run(Binary.tidings, words + ["--data", data], input: Data(input.utf8))
        #expect(ended.status == code && ended.errors.contains(says), "\(words): \(ended)")
        #expect(ended.output.isEmpty, "\(words): \(ended)")
        if code != 64 { #expect(ended.errors.split(separator: "\n").count == 1, "\(words): \(ended)") }
    }

    @Test func ofDevices() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let data = folder.path
        #expect(try await tidings("device", "add", "kettle/k-1", "--data", data).status == 0)
        let none = "`tidings device list` shows those that have"
        for word in ["show", "revoke", "restore", "rotate"] {
            for typed in ["kettle/k1", "kettel/k-1", "kettle/", "0", "2", "99999999999"] {
                try await expect(65, "\(typed) has no key; \(none)", ["device", word, typed], in: data)
            }
            try await expect(65, "is empty; write PRODUCT/DEVICE", ["device", word, ""], in: data)
        }
        try await expect(65, "the source is empty; write PRODUCT/DEVICE", ["device", "add", ""], in: data)
        try await expect(65, "kettle/k-1 has key 1 already", ["device", "add", "kettle/k-2", "kettle/k-1"], in: data)
        // Not a key that has gone again when the command has ended.
        let twice = "kettle/k-2 is named twice; name each once"
        try await expect(65, twice, ["device", "add", "kettle/k-2", "kettle/k-2"], in: data)
        try await expect(65, twice, ["device", "add", "-"], in: data, input: "kettle/k-2\nkettle/k-3\nkettle/k-2\n")
        try await expect(65, "names no device; give one source a line", ["device", "add", "-"], in: data, input: "\n")
        #expect(try await tidings("device", "rotate", "1", "--data", data).status == 0)
        let list = try await tidings("device", "list", "--data", data)
        #expect(list.output.contains("once") && list.output.split(separator: "\n").count == 2, "\(list)")
    }

    @Test func ofTokens() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let data = folder.path
        func add(_ words: String...) -> [String] { ["token", "add", "--name"] + words }
        let kettle = ["--role", "read", "--product", "kettle"]
        try await expect(64, "--role must be of", add("a", "--role", "reader", "--product", "kettle"), in: data)
        for expiry in ["2020-01-01", "2099-01-01", "90", "0d", "3651d", "2w"] {
            try await expect(64, "as in 90d or 12h", add("a", "--expires", expiry) + kettle, in: data)
        }
        // What it sees is the same for every product: one that is named would be a promise that is not kept.
        try await expect(
            64, "operate is for the whole daemon", add("a", "--role", "operate", "--product", "kettle"), in: data)
        try await expect(65, "could be taken for the number of a token", add("7") + kettle, in: data)
        try await expect(65, "has 1 to 64 bytes", add("") + kettle, in: data)
        let nobody = "; `tidings token list` shows them"
        for typed in ["nobody", "1", "99999999999"] {
            try await expect(65, "no token is called \(typed)\(nobody)", ["token", "revoke", typed], in: data)
        }
        try await expect(65, "no token is called by an empty name\(nobody)", ["token", "revoke", ""], in: data)
        let twice = try await run(Binary.tidings, add("b") + kettle + ["--product", "kettle", "--data", data])
        #expect(twice.status == 0 && twice.output.contains(/for +kettle\n/), "\(twice)")
    }

    @Test func ofFilesThatOptionsName() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let missing = folder.path + "/nowhere"
        for option in ["--credentials", "--token-file", "--ca"] {
            let words = ["send", option, missing] + (option == "--ca" ? ["--tls"] : [])
            let ended = try await run(Binary.tidings, words)
            let says = "tidings: there is no file \(missing); check \(option)\n"
            #expect(ended.status == 66 && ended.errors == says && ended.output.isEmpty, "\(ended)")
        }
        let keyless = try await tidings("send", "--key-id", "1", "--key-file", missing)
        #expect(keyless.status == 66 && keyless.errors.contains("check --key-file"), "\(keyless)")
        let directory = try await tidings("send", "--credentials", folder.path)
        #expect(directory.status == 65 && directory.errors.contains("check --credentials"), "\(directory)")
        let half = try await tidings("send", "--tls", "--key", missing)
        #expect(half.status == 64 && half.errors.contains("--cert and --key belong together"), "\(half)")
    }

    /// Datagrams that nobody has signed are not answered, so nothing would be said of it later.
    @Test func aTokenDoesNotSignDatagrams() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let made = try await tidings(
            "token", "add", "--name", "a", "--role", "send", "--all-products", "--data", folder.path, "--format", "json"
        )
        let file = folder.path + "/a.json"
        try Data(made.output.utf8).write(to: URL(fileURLWithPath: file))
        for option in ["--credentials", "--token-file"] {
            let ended = try await tidings("send", "--transport", "udp", option, file)
            #expect(ended.status == 64 && ended.errors.contains("a token cannot sign datagrams"), "\(ended)")
        }
        let key = try await tidings("device", "add", "a/b", "--data", folder.path, "--format", "json")
        try Data(key.output.utf8).write(to: URL(fileURLWithPath: file))
        let nowhere = folder.path + "/no/epoch"
        let epoch = try await tidings("send", "--transport", "udp", "--credentials", file, "--epoch-file", nowhere)
        #expect(epoch.status == 74 && epoch.errors.contains("its folder does not exist"), "\(epoch)")
    }

    @Test func whoIsNotAnsweredIsToldWhatThatMayMean() async throws {
        try await withDaemon("--auth", "require") { daemon in
            let line = #"{"source":"a/b","id":"1-1","type":"feature.used","aspect":"lid"}"# + "\n"
            let sent = try await tidings(
                "send", "--transport", "udp", "--port", "\(daemon.udpPort)", input: Data(line.utf8))
            #expect(sent.status == 1 && sent.errors.contains("the daemon requires a key"), "\(sent)")
            let status = try await tidings("status", "--data", daemon.data)
            #expect(status.output.contains("no key"), "\(status)")
        }
    }

    @Test(.enabled(if: getuid() == 0)) func whoMayNotMakeTheFolderIsToldSo() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let program = folder.path + "/tidings"
        try FileManager.default.copyItem(atPath: Binary.tidings, toPath: program)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path)
        let words = ["device", "add", "a/b", "--data", folder.path + "/none"]
        let ended = try await run(
            "/usr/bin/setpriv", ["--reuid", "65534", "--regid", "65534", "--clear-groups", program] + words)
        #expect(ended.status == 77 && ended.errors.contains("not permitted"), "\(ended)")
    }

    @Test func aSecretThatOthersMayReadIsTold() async throws {
        let folder = TemporaryFolder()
        let made = try await tidings("device", "add", "kettle/k-1", "--data", folder.path, "--format", "json")
        let file = folder.path + "/k-1.json"
        try Data(made.output.utf8).write(to: URL(fileURLWithPath: file))
        let daemon = try await DaemonProcess(data: folder.path, "--auth", "require")
        for (mode, isTold) in [(0o644, true), (0o600, false)] {
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
            let line = #"{"source":"kettle/k-1","id":"1-\#(mode)","type":"feature.used","aspect":"lid"}"# + "\n"
            let sent = try await tidings(
                "send", "--port", "\(daemon.tcpPort)", "--credentials", file, input: Data(line.utf8))
            #expect(sent.status == 0 && sent.errors.contains("chmod 600 \(file)") == isTold, "\(sent)")
        }
        #expect(await daemon.stop() == 0)
        folder.remove()
    }
}
