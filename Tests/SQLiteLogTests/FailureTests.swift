// After a failed write nothing in memory is trusted: the files are read again, and must hold what was acknowledged.

import Events
import Foundation
import GRDB
import Log
import SQLiteLog
import Testing
import TidingsTesting

struct FailureTests {
    private let folder: TemporaryFolder
    private static let small = SegmentLimits(keyframeBytes: 6_000, maximumPages: 40)

    init() throws { folder = try TemporaryFolder() }

    /// Fills a log until its disk is full; returns what was stored and the batch that was not.
    private func fillUp(
        _ log: SQLiteEventLog, _ samples: inout SampleEvents
    ) async throws -> (written: [EventBatch], failed: EventBatch, names: Definitions) {
        var written: [EventBatch] = []
        while true {
            let (batch, definitions) = samples.batch(400)
            do {
                _ = try await log.append(batch, defining: definitions)
                written.append(batch)
            } catch {
                guard case .full = error else { throw error }
                return (written, batch, definitions)
            }
        }
    }

    /// The files cannot even be read for a while: the batch is not taken for stored afterwards.
    @Test func aFailureWhileComingBackIsNoSuccess() async throws {
        var samples = SampleEvents(seed: 41)
        let log = try SQLiteEventLog(directory: folder.path, readOnly: false, limits: Self.small)
        let (written, failed, names) = try await fillUp(log, &samples)
        let head = await log.head
        try FileManager.default.moveItem(atPath: folder.path + "/log", toPath: folder.path + "/away")
        for _ in 0..<2 {
            await #expect(throws: LogError.self) { try await log.append(failed, defining: names) }
        }
        try FileManager.default.moveItem(atPath: folder.path + "/away", toPath: folder.path + "/log")
        // There is still no room; a success would be a lie.
        await #expect(throws: LogError.self) { try await log.append(failed, defining: names) }
        #expect(await log.head == head)
        try await log.close()
        let again = try SQLiteEventLog(directory: folder.path, readOnly: false)
        #expect(await again.head.rawValue == UInt64(written.count * 400))
        #expect(try await again.append(failed, defining: names) == head)
        #expect(try await again.read(from: .zero, limit: 1_000).map(\.batch) == written + [failed])
        #expect(try await again.verify().isClean)
        try await again.close()
    }

    /// A number of a word that the file has already, though nobody gave it out: the next try goes on behind it.
    @Test func aKeyThatIsTaken() async throws {
        let sql = "INSERT INTO symbol SELECT kind, max(id) + 1, 0, 'there already' FROM symbol GROUP BY kind"
        var samples = SampleEvents(seed: 43)
        let log = try SQLiteEventLog(directory: folder.path, readOnly: false)
        let (batch, definitions) = samples.batch(400)
        _ = try await log.append(batch, defining: definitions)
        let queue = try DatabaseQueue(path: try #require(try folder.segments().first))
        try await queue.write { db in try db.execute(sql: sql) }
        try queue.close()
        // Words that are new come sooner or later.
        var refused: (batch: EventBatch, definitions: Definitions)?
        for _ in 0..<50 where refused == nil {
            let (batch, definitions) = samples.batch(400)
            do {
                _ = try await log.append(batch, defining: definitions)
            } catch {
                guard case .corrupt(let segment, _, _) = error else { throw error }
                #expect(segment == "00000000000000000000.tidings")
                refused = (batch, definitions)
            }
        }
        let (again, names) = try #require(refused)
        let offset = try await log.append(again, defining: names)
        #expect(try await log.read(from: offset, limit: 1).first?.batch == again)
        #expect(try folder.segments().count == 2)
        try await log.close()
    }

    /// What was acknowledged is gone from the file, or changed: nothing is added behind it.
    @Test(arguments: [
        "DELETE FROM block WHERE first_offset = (SELECT max(first_offset) FROM block)",
        "UPDATE block SET chain = randomblob(32) WHERE first_offset = (SELECT max(first_offset) FROM block)",
    ]) func aFileThatLostWhatWasAcknowledged(_ sql: String) async throws {
        var samples = SampleEvents(seed: 42)
        let log = try SQLiteEventLog(directory: folder.path, readOnly: false, limits: Self.small)
        let (_, failed, names) = try await fillUp(log, &samples)
        let path = try #require(try folder.segments().last)
        let saved = folder.path + "/saved"
        let queue = try DatabaseQueue(path: path)
        try await queue.writeWithoutTransaction { db in _ = try db.checkpoint(.truncate) }
        try FileManager.default.copyItem(atPath: path, toPath: saved)
        try await queue.write { db in
            try db.execute(sql: "DROP TRIGGER block_no_update; DROP TRIGGER block_no_delete")
            try db.execute(sql: sql)
        }
        try queue.close()
        for _ in 0..<2 {
            await #expect {
                _ = try await log.append(failed, defining: names)
            } throws: { error in
                "\(error)".contains("no longer holds what was acknowledged") && !"\(error)".contains("\n")
            }
        }
        try await log.close()
    }
}
