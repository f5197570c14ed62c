// What is watched leaves an event in the log, with the shipped binary: one for each use, with and without a daemon.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(3))) struct AuditTests {
    private static let name = "CUSTOMER-Dora"

    /// Commands in an order in which each works, and the word that each leaves.
    private static let commands: [(words: [String], use: String)] = [
        (["export", name], "export"), (["log", "export"], "log.export"), (["export", "nobody"], "export"),
        (["device", "add", "kettle/k-1"], "device.add"), (["device", "list"], "device.list"),
        (["device", "show", "kettle/k-1"], "device.show"), (["device", "revoke", "kettle/k-1"], "device.revoke"),
        (["device", "restore", "kettle/k-1"], "device.restore"),
        (["device", "rotate", "kettle/k-1"], "device.rotate"), (["device", "rotate", "--master"], "master.rotate"),
        (["device", "rotate", "--finish"], "master.finish"),
        (["token", "add", "--name", "CUSTOMER-token", "--role", "operate"], "token.add"),
        (["token", "list"], "token.list"), (["token", "revoke", "CUSTOMER-token"], "token.revoke"),
        (["forget", name, "--text-match"], "forget.text-match"), (["forget", name, "--dry-run"], "forget.dry-run"),
        (["forget", "nobody"], "forget"), (["forget", name], "forget"),
    ]

    private static func fill(_ daemon: DaemonProcess) async throws {
        let lines = (1...6).map { number in
            let customer = number % 2 == 0 ? name : "CUSTOMER-Emma"
            return #"{"product":"kettle","device":"k-1","customer":"\#(customer)","id":"1-\#(number)","#
                + #""type":"feedback.text","text":"words \#(number)"}"#
        }
        let sent = try await tidings(
            "send", "--port", "\(daemon.tcpPort)", input: Data(lines.joined(separator: "\n").utf8))
        #expect(sent.status == 0, "\(sent)")
    }

    /// The events, each with the use and whether a customer is in it.
    private static func audited(_ data: String) async throws -> [(use: String, line: Substring)] {
        let tail = try await tidings("log", "tail", "--audit", "-n", "1000", "--format", "json", "--data", data)
        #expect(tail.status == 0, "\(tail)")
        return try tail.output.split(separator: "\n").map { line in
            #expect(line.contains(#""type":"audited""#), "\(line)")
            return (String(try #require(line.firstMatch(of: /"value":"([^"]*)"/)).1), line)
        }
    }

    private static func expectOneEventEach(_ data: String, isServed: Bool) async throws {
        // To read a folder that no daemon serves changes nothing in it.
        for (words, use) in commands where isServed || use != "log.export" {
            let before = try await audited(data).map(\.use)
            let done = try await run(Binary.tidings, words + ["--data", data])
            #expect([0, 65].contains(done.status) && !done.errors.contains("is not noted"), "\(words): \(done)")
            let after = try await audited(data)
            #expect(after.map(\.use) == before + [use], "\(words)")
            // The name is not in the event: it is known as long as it is in identity.sqlite.
            let isAbout = words.contains(name)
            #expect(after.last?.line.contains(#""customer""#) == isAbout, "\(words): \(after)")
        }
        // It is gone with the person, from all of them.
        #expect(try await audited(data).allSatisfy { !$0.line.contains("CUSTOMER-") })
    }

    @Test func eachCommandLeavesOneEventInTheDaemonsLog() async throws {
        let folder = TemporaryFolder()
        let daemon = try await DaemonProcess(data: folder.path)
        try await Self.fill(daemon)
        try await Self.expectOneEventEach(folder.path, isServed: true)
        #expect(await daemon.stop() == 0, "\(daemon.log)")
        try await expectRebuildEqualsLive(folder.path)
        #expect(try await tidings("log", "verify", "--data", folder.path).status == 0)
        folder.remove()
    }

    @Test func eachCommandLeavesOneEventInAFolderThatNoDaemonUses() async throws {
        let folder = TemporaryFolder()
        let daemon = try await DaemonProcess(data: folder.path)
        try await Self.fill(daemon)
        #expect(await daemon.stop() == 0)
        try await Self.expectOneEventEach(folder.path, isServed: false)
        try await expectRebuildEqualsLive(folder.path)
        #expect(try await tidings("log", "verify", "--data", folder.path).status == 0)
        folder.remove()
    }

    @Test func nothingIsCountedOfIt() async throws {
        try await withDaemon { daemon in
            try await Self.fill(daemon)
            let before = try await tidings("summary", "kettle", "--format", "csv", "--data", daemon.data)
            for _ in 0..<5 { _ = try await tidings("export", Self.name, "--data", daemon.data) }
            let after = try await tidings("summary", "kettle", "--format", "csv", "--data", daemon.data)
            #expect(before.output == after.output && !after.output.isEmpty)
        }
    }

    @Test func thePersonAndTheReceiptAreToldOfTheExports() async throws {
        try await withDaemon { daemon in
            try await Self.fill(daemon)
            _ = try await tidings("export", "CUSTOMER-Emma", "--data", daemon.data)
            _ = try await tidings("export", Self.name, "--data", daemon.data)
            _ = try await tidings("log", "export", "--data", daemon.data)
            _ = try await tidings("token", "list", "--data", daemon.data)
            let exported = try await tidings("export", Self.name, "--data", daemon.data)
            let document = try #require(
                try JSONSerialization.jsonObject(with: Data(exported.output.utf8)) as? [String: Any])
            let accesses = try #require(document["accesses"] as? [[String: Any]])
            #expect(accesses.compactMap { $0["use"] as? String } == ["export", "log.export"], "\(accesses)")
            #expect((document["events"] as? [Any])?.count == 3)
            let forgot = try await tidings("forget", Self.name, "--format", "json", "--data", daemon.data)
            let fields = try #require(
                try JSONSerialization.jsonObject(with: Data(forgot.output.utf8)) as? [String: Any])
            let text = try #require(fields["receipt"] as? String)
            let receipt = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
            // Two of this person, one of all, none of the other person.
            #expect((receipt["exports"] as? [String])?.count == 3, "\(receipt)")
        }
    }

    @Test func aCopyIsNotWrittenToAndSaysSo() async throws {
        let folder = TemporaryFolder()
        let (data, copy) = (folder.path + "/data", folder.path + "/copy")
        let daemon = try await DaemonProcess(data: data)
        try await Self.fill(daemon)
        #expect(try await tidings("log", "backup", copy, "--data", data).status == 0)
        let all = try await tidings("log", "export", "--data", copy)
        #expect(all.status == 0 && all.output.split(separator: "\n").count == 6 && all.errors.isEmpty, "\(all)")
        let export = try await tidings("export", Self.name, "--data", copy)
        #expect(export.errors.contains("that `export` was used is not noted in the log"), "\(export)")
        #expect(export.errors.split(separator: "\n").count == 1)
        let again = try await tidings("log", "backup", copy, "--data", data)
        #expect(again.status == 0, "\(again)")
        #expect(await daemon.stop() == 0)
        let empty = try await tidings("token", "list", "--data", folder.path + "/nothing")
        #expect(empty.errors.contains("is not noted in the log"), "\(empty)")
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/nothing/log"))
        folder.remove()
    }

    @Test func textsOfOthersThatMentionThePersonAreListed() async throws {
        try await withDaemon { daemon in
            let said = [
                ("CUSTOMER-Emma", "I lent it to customer-DORA once"), ("CUSTOMER-Emma", "customer Doras are many"),
                (Self.name, "I am CUSTOMER-Dora"), (nil, "Ask Customer, Dora!"),
            ]
            let lines = said.enumerated().map { number, one in
                let who = one.0.map { #","customer":"\#($0)""# } ?? ""
                return #"{"product":"kettle","device":"k-2"\#(who),"id":"1-\#(number + 1)","type":"feedback.text","#
                    + #""text":"\#(one.1)"}"#
            }
            let sent = try await tidings(
                "send", "--port", "\(daemon.tcpPort)", input: Data(lines.joined(separator: "\n").utf8))
            #expect(sent.status == 0, "\(sent)")
            let dry = try await tidings("forget", Self.name, "--dry-run", "--format", "json", "--data", daemon.data)
            #expect(dry.output.contains(#""mentions":2"#), "\(dry)")
            let found = try await tidings(
                "forget", Self.name, "--text-match", "--format", "json", "--data", daemon.data)
            let texts = found.output.split(separator: "\n")
            #expect(found.status == 0 && texts.count == 2, "\(found)")
            #expect(texts.contains { $0.contains("lent it") } && texts.contains { $0.contains("Ask Customer") })
            // Nothing was changed: the person is still known.
            let forgot = try await tidings("forget", Self.name, "--data", daemon.data)
            #expect(forgot.output.contains("\(Self.name): forgotten"), "\(forgot)")
            let later = try await tidings("forget", Self.name, "--text-match", "--data", daemon.data)
            #expect(later.output.contains("lent it") && !later.output.contains("I am"), "\(later)")
        }
    }
}
