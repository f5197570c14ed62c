// A program in another language, which shares no code with us, reads the same events from the files.

import Events
import Foundation
import Log
import SQLiteLog
import Testing
import TidingsTesting
import Wire

struct IndependentReaderTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path
    private static let canRun =
        FileManager.default.isExecutableFile(atPath: "/usr/bin/python3")
        && FileManager.default.isExecutableFile(atPath: "/usr/bin/protoc")

    @Test(.enabled(if: canRun, "needs /usr/bin/python3, python3-protobuf and protoc"))
    func pythonReadsTheSameEvents() async throws {
        let folder = try TemporaryFolder()
        let limits = SegmentLimits(bytes: 60_000, keyframeBytes: 6_000)
        let log = try SQLiteEventLog(directory: folder.path, readOnly: false, limits: limits)
        var samples = SampleEvents(seed: 77)
        for _ in 0..<60 {
            let (batch, definitions) = samples.batch(90)
            _ = try await log.append(batch, defining: definitions)
        }
        try await log.close()
        let vocabulary = samples.vocabulary
        let reader = try SQLiteEventLog(directory: folder.path, readOnly: true)
        var lines: [String] = []
        for block in try await reader.read(from: .zero, limit: 1_000) {
            for (index, event) in block.batch.events.enumerated() {
                var line: [UInt8] = []
                writeEventLine(
                    event, in: block.batch, offset: block.firstOffset + index, vocabulary: vocabulary, into: &line)
                lines.append(String(decoding: line, as: UTF8.self))
            }
        }
        let output = folder.path + "/out.ndjson"
        #expect(FileManager.default.createFile(atPath: output, contents: nil))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
        process.arguments = [Self.root + "/scripts/read-log.py", folder.path]
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: output))
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        let read = try String(contentsOfFile: output, encoding: .utf8).split(separator: "\n").map(String.init)
        #expect(read.count == 5_400)
        let wrong = zip(lines, read).first { $0 != $1 }
        #expect(wrong?.0 == wrong?.1)
        #expect(lines.count == read.count)
    }
}
