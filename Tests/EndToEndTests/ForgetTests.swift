// `tidings forget` with the shipped binary: what is gone, what is told, and what a crash at any step leaves.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(3))) struct ForgetTests {
    private static let name = "CUSTOMER-Berta"
    private static let text = "the WORDS-of-Berta are hers"

    private static func line(
        _ number: Int, device: String = "k-1", customer: String? = name, type: String = "feedback.text",
        _ rest: String = ""
    ) -> String {
        let who = customer.map { #","customer":"\#($0)""# } ?? ""
        let says = type == "feedback.text" ? #","text":"\#(text) \#(number)""# : ""
        return
            #"{"product":"kettle","device":"\#(device)"\#(who),"id":"1-\#(number)","type":"\#(type)"\#(says)\#(rest)}"#
    }

    private static func send(_ lines: [String], to daemon: DaemonProcess) async throws {
        let sent = try await tidings(
            "send", "--port", "\(daemon.tcpPort)", input: Data(lines.joined(separator: "\n").utf8))
        #expect(sent.status == 0, "\(sent)")
    }

    private static func fill(_ daemon: DaemonProcess) async throws {
        var lines = (1...20).map { line($0) }
        lines += (21...40).map { line($0, customer: "CUSTOMER-Anna", type: "feature.used", #","aspect":"boil""#) }
        try await send(lines, to: daemon)
        _ = try await tidings("summary", "kettle", "--data", daemon.data)
    }

    /// Where a text is found in the files of a folder.
    private static func places(of text: String, in folder: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: folder).filter { path in
            guard let content = FileManager.default.contents(atPath: folder + "/" + path) else { return false }
            return [String.Encoding.utf8, .utf16LittleEndian, .utf16BigEndian].contains {
                content.range(of: text.data(using: $0) ?? Data()) != nil
            }
        }
    }

    private static func export(_ data: String) async throws -> [Substring] {
        let exported = try await tidings("log", "export", "--data", data)
        #expect(exported.status == 0, "\(exported)")
        return exported.output.split(separator: "\n")
    }

    private static func customers(of kind: String, _ data: String) async throws -> [String] {
        try await export(data).filter { $0.contains("\"type\":\"\(kind)\"") }.map { line in
            line.firstMatch(of: #/"customer":"([^\x22]*)"/#).map { String($0.output.1) } ?? ""
        }
    }

    @Test func theNameAndTheTextsAreGoneAndTheReceiptIsTrue() async throws {
        try await withDaemon { daemon in
            try await Self.fill(daemon)
            let dry = try await tidings("forget", Self.name, "--dry-run", "--data", daemon.data)
            #expect(dry.status == 0 && dry.output.contains("would be forgotten"), "\(dry)")
            #expect(try !Self.places(of: Self.name, in: daemon.data).isEmpty)
            let forgot = try await tidings("forget", Self.name, "--data", daemon.data, "--format", "json")
            #expect(forgot.status == 0 && !forgot.output.contains(Self.name), "\(forgot)")
            #expect(try Self.places(of: Self.name, in: daemon.data) == [])
            #expect(try Self.places(of: "WORDS-of-Berta", in: daemon.data) == [])
            try await Self.expectSigned(forgot.output)
            #expect(
                forgot.output.contains(#""events":20,"devices":1,"aspects":0,"readable_texts":0"#), "\(forgot.output)")
            let summary = try await tidings(
                "summary", "kettle", "--data", daemon.data, "--format", "json", environment: showsSmallGroups)
            #expect(summary.output.contains(#""text":null"#) && !summary.output.contains("WORDS"), "\(summary.output)")
            let twice = try await tidings("forget", Self.name, "--data", daemon.data)
            #expect(twice.status == 0 && twice.output.contains("was forgotten already"), "\(twice)")
            let nobody = try await tidings("forget", "nobody", "--data", daemon.data)
            #expect(nobody.status == 65 && nobody.output.contains("nobody of this name is known"), "\(nobody)")
            let erased = try await Self.customers(of: "customer.erased", daemon.data)
            #expect(erased.count == 1 && erased[0].hasPrefix("customer#"), "\(erased)")
            #expect(try await tidings("log", "verify", "--data", daemon.data).status == 0)
        }
    }

    /// What docs/privacy.md says of verifying a receipt.
    private static func expectSigned(_ line: String) async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let fields = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        let receipt = try #require(fields["receipt"] as? String)
        let signature = try #require((fields["signature"] as? String).flatMap { Data(base64Encoded: $0) })
        try Data(receipt.utf8).write(to: URL(fileURLWithPath: folder.path + "/receipt"))
        try signature.write(to: URL(fileURLWithPath: folder.path + "/signature"))
        try Data((try #require(fields["public_key"] as? String)).utf8)
            .write(to: URL(fileURLWithPath: folder.path + "/key.pem"))
        let check =
            "openssl pkeyutl -verify -pubin -inkey \(folder.path)/key.pem -rawin -in \(folder.path)/receipt "
            + "-sigfile \(folder.path)/signature"
        #expect(try await shell(check).status == 0)
        try Data((receipt + " ").utf8).write(to: URL(fileURLWithPath: folder.path + "/receipt"))
        #expect(try await shell(check).status != 0, "a receipt that was changed verifies")
        let said = try #require(try JSONSerialization.jsonObject(with: Data(receipt.utf8)) as? [String: Any])
        let statement = try #require(said["statement"] as? String)
        let day = try #require(said["identity_backups_expire"] as? String)
        #expect(statement.contains("once the last copy of the identity file expires on \(day)"))
    }

    @Test func whoComesAgainIsNotKnownUntilConsentIsGiven() async throws {
        try await withDaemon { daemon in
            try await Self.fill(daemon)
            #expect(try await tidings("forget", Self.name, "--data", daemon.data).status == 0)
            try await Self.send([Self.line(50), Self.line(51, type: "feature.used", #","aspect":"late""#)], to: daemon)
            #expect(try Self.places(of: Self.name, in: daemon.data) == [])
            #expect(try Self.places(of: Self.text + " 50", in: daemon.data) == [])
            let late = try await Self.export(daemon.data).filter { $0.contains(#""id":"1-50""#) }
            #expect(late.count == 1 && !late[0].contains("customer") && !late[0].contains("text\":"), "\(late)")
            // A consent from before the erasure, one without a time of its own, and one from after it.
            try await Self.send(
                [
                    Self.line(52, type: "consent.given", #","purpose":"analytics","time":"2026-01-01T00:00:00Z""#),
                    Self.line(53, type: "consent.given", #","purpose":"analytics""#),
                ], to: daemon)
            #expect(try await Self.customers(of: "consent.given", daemon.data) == ["", ""])
            let now = ISO8601DateFormatter().string(from: Date(timeIntervalSinceNow: 60))
            try await Self.send(
                [
                    Self.line(54, type: "consent.given", #","purpose":"analytics","time":"\#(now)""#),
                    Self.line(55, type: "feature.used", #","aspect":"back""#),
                ], to: daemon)
            #expect(try await Self.customers(of: "consent.given", daemon.data) == ["", "", Self.name])
            let back = try await Self.export(daemon.data).filter { $0.contains(#""aspect":"back""#) }
            #expect(back.count == 1 && back[0].contains(Self.name))
            #expect(
                try await eventually {
                    let list = try String(contentsOfFile: daemon.data + "/erasures", encoding: .utf8)
                    return list.contains(" readmitted customer ")
                })
        }
    }

    @Test func aNameInAnotherUnicodeFormIsTheSamePerson() async throws {
        try await withDaemon { daemon in
            let (composed, decomposed) = ("Jos\u{e9}-X", "Jose\u{301}-X")
            try await Self.send([Self.line(1, customer: composed), Self.line(2, customer: decomposed)], to: daemon)
            let forgot = try await tidings("forget", decomposed, "--data", daemon.data, "--format", "json")
            #expect(forgot.status == 0 && forgot.output.contains(#""events":2"#), "\(forgot)")
            for form in [composed, decomposed] { #expect(try Self.places(of: form, in: daemon.data) == []) }
            try await Self.send([Self.line(3, customer: composed)], to: daemon)
            #expect(try Self.places(of: composed, in: daemon.data) == [])
        }
    }

    @Test func aForgottenDeviceIsAnotherOneAndItsPastIsStale() async throws {
        try await withDaemon { daemon in
            try await Self.fill(daemon)
            let forgot = try await tidings("forget", "--device", "kettle/k-1", "--data", daemon.data)
            #expect(forgot.status == 0 && forgot.output.contains("kettle/k-1: forgotten"), "\(forgot)")
            let soon = ISO8601DateFormatter().string(from: Date(timeIntervalSinceNow: 60))
            let lines = [
                Self.line(90, type: "feature.used", #","aspect":"old","time":"2026-01-01T00:00:00Z""#),
                Self.line(91, type: "feature.used", #","aspect":"new","time":"\#(soon)""#),
            ]
            _ = try await tidings(
                "send", "--port", "\(daemon.tcpPort)", input: Data(lines.joined(separator: "\n").utf8))
            let exported = try await Self.export(daemon.data)
            #expect(!exported.contains { $0.contains(#""aspect":"old""#) })
            #expect(exported.contains { $0.contains(#""aspect":"new""#) && $0.contains(#""device":"k-1""#) })
            #expect(exported.contains { $0.contains(#""device":"device#1""#) })
            let status = try await tidings("status", "--data", daemon.data, "--format", "json")
            #expect(status.output.contains(#""stale_events":1"#), "\(status.output)")
        }
    }

    @Test(arguments: ["list", "memory", "names", "event", "texts", "finish"])
    func aCrashBehindAnyStepIsMended(_ step: String) async throws {
        let folder = TemporaryFolder()
        let data = folder.path + "/data"
        let first = try await DaemonProcess(data: data, environment: ["TIDINGS_FORGET_CRASH": step])
        try await Self.fill(first)
        // Asked as the command does, which would go on by itself when the daemon is gone.
        let request = #"{"command":"forget","forget":{"names":[{"name":"\#(Self.name)"}],"isDryRun":false}}"#
        let answer = try await shell("printf '%s\\n' '\(request)' | nc -U -w 10 \(data)/control.sock")
        #expect(!answer.output.contains("forgotten"), "\(answer)")
        #expect(await first.waitForEnd() != 0)
        let second = try await DaemonProcess(data: data)
        let isGone = try await eventually {
            try Self.places(of: Self.name, in: data) == []
                && Self.places(of: "WORDS-of-Berta", in: data) == []
        }
        let places = try Self.places(of: Self.name, in: data)
        #expect(isGone, "after \(step): \(places)")
        let again = try await tidings("forget", Self.name, "--data", data)
        #expect(again.status == 0 && again.output.contains("was forgotten already"), "\(step): \(again)")
        // The number is nobody else's.
        try await Self.send(
            [Self.line(70, customer: "CUSTOMER-Carla", type: "feature.used", #","aspect":"x""#)], to: second)
        #expect(await second.stop() == 0, "\(second.log)")
        let exported = try await Self.export(data)
        #expect(exported.filter { $0.contains("CUSTOMER-Carla") }.count == 1)
        #expect(exported.filter { $0.contains(#""customer":"customer#"#) && $0.contains("feedback") }.count == 20)
        #expect(try await !Self.customers(of: "customer.erased", data).isEmpty)
        #expect(try await tidings("log", "verify", "--data", data).status == 0)
        try await expectRebuildEqualsLive(data)
        folder.remove()
    }

    @Test func aDaemonThatDiesMeanwhileIsStoodInFor() async throws {
        let folder = TemporaryFolder()
        let daemon = try await DaemonProcess(data: folder.path, environment: ["TIDINGS_FORGET_CRASH": "names"])
        try await Self.fill(daemon)
        let forgot = try await tidings("forget", Self.name, "--data", folder.path)
        #expect(forgot.status == 0 && forgot.output.contains("was forgotten already"), "\(forgot)")
        #expect(await daemon.waitForEnd() != 0)
        #expect(try Self.places(of: Self.name, in: folder.path) == [])
        try await expectRebuildEqualsLive(folder.path)
        folder.remove()
    }

    @Test func aCopyThatComesBackIsForgottenAgain() async throws {
        let folder = TemporaryFolder()
        let (data, copy, back) = (folder.path + "/data", folder.path + "/copy", folder.path + "/back")
        let daemon = try await DaemonProcess(data: data)
        try await Self.fill(daemon)
        #expect(try await tidings("log", "backup", copy, "--data", data).status == 0)
        #expect(try await tidings("forget", Self.name, "--data", data).status == 0)
        #expect(await daemon.stop() == 0)
        let refused = try await tidings("log", "restore", copy, "--data", back)
        #expect(
            refused.status == 65 && refused.errors.contains("who was forgotten since the copy was made"), "\(refused)")
        #expect(!FileManager.default.fileExists(atPath: back + "/log"))
        let restored = try await tidings("log", "restore", copy, "--data", back, "--erasures", data + "/erasures")
        #expect(restored.status == 0 && restored.errors.contains("forgotten again: 1"), "\(restored)")
        #expect(try Self.places(of: Self.name, in: back) == [])
        #expect(try Self.places(of: "WORDS-of-Berta", in: back) == [])
        let unknown = folder.path + "/unknown"
        #expect(try await tidings("log", "restore", copy, "--data", unknown, "--erasures-unknown").status == 0)
        // The names alone, from the copy: the start forgets again.
        try FileManager.default.removeItem(atPath: data + "/identity.sqlite")
        try FileManager.default.copyItem(atPath: copy + "/identity.sqlite", toPath: data + "/identity.sqlite")
        let again = try await DaemonProcess(data: data)
        #expect(try await eventually { try Self.places(of: Self.name, in: data) == [] })
        #expect(await again.stop() == 0, "\(again.log)")
        // A list of another log is no list for this one.
        let other = try await DaemonProcess(data: folder.path + "/other")
        try await Self.fill(other)
        #expect(await other.stop() == 0)
        let alien = try await tidings(
            "log", "restore", copy, "--data", folder.path + "/alien", "--erasures", data + "/erasures")
        #expect(alien.status == 0)
        try FileManager.default.removeItem(atPath: folder.path + "/other/erasures")
        try FileManager.default.copyItem(atPath: data + "/erasures", toPath: folder.path + "/other/erasures")
        let wrong = try await tidings("serve", "--data", folder.path + "/other", "--tcp-port", "0", "--udp-port", "0")
        #expect(wrong.status == 78 && wrong.errors.contains("is of another log"), "\(wrong)")
        folder.remove()
    }

    @Test func whoAsksOnTheirOwnDeviceIsForgottenOnRequest() async throws {
        let folder = TemporaryFolder()
        let data = folder.path + "/data"
        let daemon = try await DaemonProcess(data: data)
        try await Self.fill(daemon)
        try await Self.send(
            [
                Self.line(60, type: "erasure.requested"),
                Self.line(1, device: "k-9", customer: "CUSTOMER-Anna", type: "erasure.requested"),
                Self.line(2, device: "k-9", customer: "CUSTOMER-Anna", type: "data.requested"),
            ], to: daemon)
        let requests = try await tidings("requests", "--data", data, "--format", "json")
        #expect(requests.output.split(separator: "\n").count == 3, "\(requests)")
        #expect(await daemon.stop() == 0)
        // Without a daemon, under the folder's lock.
        let forgot = try await tidings("forget", "--requested", "--data", data)
        #expect(forgot.status == 0 && forgot.output.contains("\(Self.name): forgotten"), "\(forgot)")
        #expect(forgot.errors.contains("CUSTOMER-Anna asks on kettle/k-9"), "\(forgot)")
        #expect(try Self.places(of: Self.name, in: data) == [])
        let left = try await tidings("requests", "--data", data, "--format", "json")
        #expect(left.output.split(separator: "\n").count == 2, "\(left)")
        try await expectRebuildEqualsLive(data)
        folder.remove()
    }
}
