// What people say is never in a segment as it was said, and is read by whoever has the names and the secret.

import Events
import Foundation
import Identity
import Log
import SQLiteLog
import Testing
import TidingsTesting
import Wire

struct SealedPartTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func open(readOnly: Bool = false, opensParts: Bool = true) throws -> SQLiteEventLog {
        try SQLiteEventLog(directory: folder.path, readOnly: readOnly, opensParts: opensParts)
    }

    /// Two customers and nobody, each with a text and a property of their own.
    private func sayings(_ vocabulary: inout Vocabulary) -> EventBatch {
        var batch = EventBatch()
        for (index, name) in ["ann", "bob", ""].enumerated() {
            var event = Event()
            event.kind = .feedbackText
            event.product = vocabulary.symbol(.product, Array("kettle".utf8).span) ?? .none
            event.device = vocabulary.device(product: event.product, name: Array("k-1".utf8).span) ?? .none
            if !name.isEmpty { event.customer = vocabulary.customer(Array(name.utf8).span) ?? .none }
            event.identity = .sequence
            event.seq = UInt64(index + 1)
            batch.setText(Array("whisper of \(name)".utf8).span, of: &event)
            var details = EventDetails()
            details.extra = batch.append(part: Array(#"{"hobby":"chess of \#(name)"}"#.utf8).span)
            batch.setDetails(details, of: &event)
            batch.events.append(event)
        }
        return batch
    }

    private func write() async throws -> EventBatch {
        var vocabulary = Vocabulary()
        let batch = sayings(&vocabulary)
        let log = try open()
        _ = try await log.append(batch, defining: vocabulary.takeDefinitions())
        #expect(try await log.read(from: .zero, limit: 1).map(\.batch) == [batch])
        try await log.close()
        return batch
    }

    private func lines(_ log: SQLiteEventLog) async throws -> [String] {
        var lines: [String] = []
        let vocabulary = try await log.vocabulary()
        for block in try await log.read(from: .zero, limit: 10) {
            for (index, event) in block.batch.events.enumerated() {
                var line: [UInt8] = []
                writeEventLine(
                    event, in: block.batch, offset: block.firstOffset + index, vocabulary: vocabulary, into: &line)
                lines.append(String(decoding: line, as: UTF8.self))
            }
        }
        return lines
    }

    @Test func aSegmentHasNoWordOfThem() async throws {
        let batch = try await write()
        let sealed = try open(readOnly: true, opensParts: false)
        for block in try await sealed.read(from: .zero, limit: 10) {
            for word in ["whisper", "chess", "ann"] {
                #expect(block.batch.text.firstRange(of: Array(word.utf8)) == nil, "\(word)")
            }
        }
        #expect(try await lines(sealed).allSatisfy { $0.contains(#""sealed":["text","extra"]"#) })
        let opened = try open(readOnly: true)
        #expect(try await opened.read(from: .zero, limit: 1).map(\.batch) == [batch])
        try await sealed.close()
        try await opened.close()
    }

    /// Who may not read the secret reads everything else.
    @Test func withoutTheSecretTheLogIsReadWithoutItsTexts() async throws {
        _ = try await write()
        try FileManager.default.removeItem(atPath: folder.path + "/" + SealingSecret.fileName)
        let log = try open(readOnly: true)
        let lines = try await lines(log)
        #expect(lines.count == 3)
        #expect(lines.allSatisfy { $0.contains(#""sealed":["text","extra"]"#) && !$0.contains("whisper") })
        try await log.close()
        // A daemon would seal with another one, and what is there could never be read again.
        #expect { _ = try open() } throws: { "\($0)".contains("sealing.secret is not there") }
    }

    /// The same blocks with the same seeds and the same secret make the same bytes.
    @Test func twoLogsOfTheSameBlocksAreEqual() async throws {
        var vocabulary = Vocabulary()
        let batch = sayings(&vocabulary)
        let definitions = vocabulary.takeDefinitions()
        let other = try TemporaryFolder()
        var bodies: [[EventBatch]] = []
        for path in [folder.path, other.path] {
            if path == other.path {
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
                try FileManager.default.copyItem(
                    atPath: folder.path + "/" + SealingSecret.fileName,
                    toPath: path + "/" + SealingSecret.fileName)
            }
            let log = try SQLiteEventLog(directory: path, readOnly: false)
            _ = try await log.append(batch, defining: definitions)
            _ = try await log.append(batch, defining: Definitions())
            try await log.close()
            let sealed = try SQLiteEventLog(directory: path, readOnly: true, opensParts: false)
            bodies.append(try await sealed.read(from: .zero, limit: 10).map(\.batch))
            try await sealed.close()
        }
        #expect(bodies[0] == bodies[1])
        // The same words in two places are two different things.
        #expect(bodies[0][0].text != bodies[0][1].text)
    }

    /// A copy is read where the original is not any more; what a salvage copies stays as it was.
    @Test func copiesTakeTheSecretAlong() async throws {
        let batch = try await write()
        let (copy, back, saved) = (folder.path + "-copy", folder.path + "-back", folder.path + "-saved")
        defer { for path in [copy, back, saved] { try? FileManager.default.removeItem(atPath: path) } }
        _ = try Backup.take(from: folder.path, to: copy, companions: [])
        _ = try Backup.restore(from: copy, to: back, companions: [])
        _ = try await Backup.salvage(folder.path, into: saved, companions: [], report: { _ in })
        for path in [copy, back, saved] {
            let mode = try FileManager.default.attributesOfItem(atPath: path + "/" + SealingSecret.fileName)
            #expect((mode[.posixPermissions] as? NSNumber)?.intValue == 0o600)
            let log = try SQLiteEventLog(directory: path, readOnly: true)
            #expect(try await log.read(from: .zero, limit: 1).map(\.batch) == [batch], "\(path)")
            try await log.close()
        }
    }
}
