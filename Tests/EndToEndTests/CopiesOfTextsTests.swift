// Where plain text may be, with the shipped binary: in no copy, and in no memory that outlives the name.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(3))) struct CopiesOfTextsTests {
    /// A daemon with a configuration of its own.
    private static func start(_ folder: TemporaryFolder, _ yaml: String) async throws -> DaemonProcess {
        let file = folder.path + "/tidings.yaml"
        try yaml.write(toFile: file, atomically: true, encoding: .utf8)
        return try await DaemonProcess(data: folder.path + "/data", "--config", file)
    }

    private static func say(_ text: String, _ number: Int, customer: String, to daemon: DaemonProcess) async throws {
        let line =
            #"{"product":"planted","device":"p-1","customer":"\#(customer)","id":"1-\#(number)","#
            + #""type":"feedback.text","text":"\#(text)"}"#
        let sent = try await tidings("send", "--port", "\(daemon.tcpPort)", input: Data(line.utf8))
        #expect(sent.status == 0, "\(sent)")
    }

    private static func files(with text: String, in folder: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: folder).filter { path in
            FileManager.default.contents(atPath: folder + "/" + path)?.range(of: Data(text.utf8)) != nil
        }
    }

    private func summaryOfPlanted(_ data: String, _ arguments: String...) async throws -> Finished {
        try await run(
            Binary.tidings, ["summary", "planted", "--data", data] + arguments, environment: showsSmallGroups)
    }

    @Test func aCopyOfALogWithoutItsBeginningHasNoPlainText() async throws {
        let folder = TemporaryFolder()
        let (data, copy, back) = (folder.path + "/data", folder.path + "/copy", folder.path + "/back")
        let daemon = try await Self.start(folder, "log: {segment_max_bytes: 1048576, retention_bytes: 1}\n")
        try await Self.say("PLANTED-early", 1, customer: "anna", to: daemon)
        let sent = try await tidings(
            "send", "--port", "\(daemon.tcpPort)", "--events", "1000000", "--devices", "500")
        #expect(sent.status == 0, "\(sent)")
        var isDropped = false
        for round in 1...12 where !isDropped {
            // Words that only the first segment has go with the next block.
            _ = try await tidings(
                "send", "--port", "\(daemon.tcpPort)",
                input: Data(#"{"product":"tick","device":"t","id":\#(round),"type":"feature.used","aspect":"x"}"#.utf8))
            isDropped = try await eventually {
                let status = try await tidings("status", "--data", data, "--format", "json").output
                return status.contains(/"retention_segments":[1-9]/)
            }
        }
        #expect(isDropped, "\(daemon.log)")
        try await Self.say("PLANTED-late", 2, customer: "berta", to: daemon)
        let live = try await summaryOfPlanted(data, "--format", "json")
        #expect(live.output.contains("PLANTED-early") && live.output.contains("PLANTED-late"), "\(live)")
        #expect(try Self.files(with: "PLANTED", in: data).contains { $0.hasPrefix("summaries.sqlite") })
        #expect(try await tidings("log", "backup", copy, "--data", data).status == 0)
        #expect(try await tidings("log", "backup", copy, "--data", data).status == 0)
        #expect(FileManager.default.fileExists(atPath: copy + "/summaries.sqlite"))
        #expect(try Self.files(with: "PLANTED", in: copy) == [])
        #expect(await daemon.stop() == 0, "\(daemon.log)")
        let restored = try await tidings("log", "restore", copy, "--data", back, "--erasures", data + "/erasures")
        #expect(restored.status == 0, "\(restored)")
        let summary = try await summaryOfPlanted(back, "--format", "json")
        #expect(summary.output.contains("PLANTED-late") && !summary.output.contains("PLANTED-early"), "\(summary)")
        #expect(summary.output.contains(#""text":null"#), "\(summary)")
        let table = try await summaryOfPlanted(back)
        #expect(table.output.contains("(no longer there)"), "\(table)")
        let again = try await DaemonProcess(data: back)
        #expect(await again.stop() == 0, "\(again.log)")
        folder.remove()
    }

    /// Without a consent a customer's name is in the daemon's memory alone; there it can be forgotten too.
    @Test func aNameThatIsInNoFileIsForgotten() async throws {
        let folder = TemporaryFolder()
        let data = folder.path + "/data"
        let daemon = try await Self.start(folder, "privacy: {consent: {analytics: all}}\n")
        try await Self.say("something", 1, customer: "PLANTED-Anna", to: daemon)
        #expect(try Self.files(with: "PLANTED", in: data) == [])
        let forgot = try await tidings("forget", "PLANTED-Anna", "--data", data)
        #expect(forgot.status == 0 && forgot.output.contains("PLANTED-Anna: forgotten"), "\(forgot)")
        let twice = try await tidings("forget", "PLANTED-Anna", "--data", data)
        #expect(twice.output.contains("was forgotten already"), "\(twice)")
        let unknown = try await tidings("forget", "PLANTED-Berta", "--data", data)
        #expect(unknown.status == 65, "\(unknown)")
        #expect(await daemon.stop() == 0, "\(daemon.log)")
        #expect(try Self.files(with: "PLANTED", in: data) == [])
        try await expectRebuildEqualsLive(data)
        folder.remove()
    }
}
