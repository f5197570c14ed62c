// What only files can do: crashes, damage, full disks, second writers.

import Events
import Foundation
import GRDB
import Identity
import Log
import SQLiteLog
import Testing
import TidingsTesting

struct SQLiteLogTests {
    private let folder: TemporaryFolder
    private static let limits = SegmentLimits(bytes: 40_000, keyframeBytes: 6_000)

    init() throws { folder = try TemporaryFolder() }

    private func open(_ limits: SegmentLimits = Self.limits) throws -> SQLiteEventLog {
        try SQLiteEventLog(directory: folder.path, readOnly: false, limits: limits)
    }

    private func fill(
        _ log: SQLiteEventLog, _ samples: inout SampleEvents, _ blocks: Int
    ) async throws -> [EventBatch] {
        var batches: [EventBatch] = []
        for _ in 0..<blocks {
            let (batch, definitions) = samples.batch(50)
            _ = try await log.append(batch, defining: definitions)
            batches.append(batch)
        }
        return batches
    }

    @Test func aSecondWriterIsRefused() async throws {
        let log = try open()
        #expect {
            try open()
        } throws: { error in
            guard case LogError.locked = error else { return false }
            return !"\(error)".contains("\n")
        }
        try await log.close()
        withExtendedLifetime(log) {}
    }

    @Test func theLockGoesWithItsHolder() async throws {
        do { try await open().close() }
        try await open().close()
    }

    /// The files as they are after any append hold everything that was acknowledged, and nothing else.
    @Test func crashAfterEveryAppend() async throws {
        var samples = SampleEvents(seed: 1)
        let log = try open()
        var written: [EventBatch] = []
        for round in 0..<60 {
            written += try await fill(log, &samples, 1)
            guard round % 7 == 0 || round > 55 else { continue }
            let crashed = try folder.copy()
            let reopened = try SQLiteEventLog(directory: crashed.path, readOnly: false, limits: Self.limits)
            #expect(await reopened.head.rawValue == UInt64(written.count * 50))
            let blocks = try await reopened.read(from: .zero, limit: 1_000)
            #expect(blocks.map(\.batch) == written)
            // It goes on from there.
            var more = samples
            let (batch, definitions) = more.batch(50)
            _ = try await reopened.append(batch, defining: definitions)
            let report = try await reopened.verify()
            #expect(report.isClean && report.events == (written.count + 1) * 50, "\(report.damages)")
            let last = try await reopened.read(from: Offset(rawValue: UInt64(written.count * 50)), limit: 1)
            #expect(last.first?.batch == batch)
            try await reopened.close()
        }
        try await log.close()
    }

    /// A draft of a segment that a crash left behind is swept away.
    @Test func aHalfMadeSegment() async throws {
        var samples = SampleEvents(seed: 2)
        var log = try open()
        _ = try await fill(log, &samples, 3)
        try await log.close()
        let draft = folder.path + "/log/00000000000000000150.tidings.new"
        try Data("half".utf8).write(to: URL(fileURLWithPath: draft))
        log = try open()
        #expect(!FileManager.default.fileExists(atPath: draft))
        _ = try await fill(log, &samples, 1)
        #expect(await log.head.rawValue == 200)
        try await log.close()
    }

    @Test func sealedSegmentsArePlainFiles() async throws {
        var samples = SampleEvents(seed: 3)
        let log = try open()
        _ = try await fill(log, &samples, 80)
        let sealed = try folder.segments().dropLast()
        #expect(sealed.count >= 2)
        for path in sealed {
            #expect(!FileManager.default.fileExists(atPath: path + "-wal"))
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o400)
            let header = try Data(contentsOf: URL(fileURLWithPath: path)).prefix(20)
            #expect(header[18] == 1 && header[19] == 1, "not in rollback mode")
        }
        try await log.close()
    }

    @Test func rowsCannotBeChanged() async throws {
        var samples = SampleEvents(seed: 4)
        let log = try open()
        _ = try await fill(log, &samples, 3)
        let queue = try DatabaseQueue(path: try #require(try folder.segments().first))
        for statement in [
            "DELETE FROM block", "UPDATE block SET count = 1", "DELETE FROM segment", "UPDATE symbol SET text = ''",
            "DELETE FROM symbol",
        ] {
            #expect(throws: DatabaseError.self) { try queue.write { try $0.execute(sql: statement) } }
        }
        try queue.close()
        try await log.close()
    }

    /// A full disk: nothing is stored, nothing is remembered, and the same batch goes in when there is room.
    @Test func aFullDisk() async throws {
        var samples = SampleEvents(seed: 5)
        var small = Self.limits
        small.bytes = 1 << 30
        small.maximumPages = 40
        var log = try open(small)
        var written: [EventBatch] = []
        var pending: (batch: EventBatch, definitions: Definitions)?
        while pending == nil {
            let next = samples.batch(400)
            do {
                _ = try await log.append(next.batch, defining: next.definitions)
                written.append(next.batch)
            } catch {
                guard case .full = error else { throw error }
                pending = next
            }
        }
        let failed = try #require(pending)
        #expect(!written.isEmpty)
        #expect(await log.head.rawValue == UInt64(written.count * 400))
        await #expect(throws: LogError.self) { try await log.append(failed.batch, defining: failed.definitions) }
        // A smaller one may still fit, and is coded against the right prediction.
        try await log.close()
        log = try open()
        let offset = try await log.append(failed.batch, defining: failed.definitions)
        #expect(offset.rawValue == UInt64(written.count * 400))
        written.append(failed.batch)
        #expect(try await log.read(from: .zero, limit: 1_000).map(\.batch) == written)
        #expect(try await log.verify().isClean)
        try await log.close()
    }

    /// A block of which one byte changed is named, and read as before.
    @Test func oneChangedByteCostsNothing() async throws {
        var samples = SampleEvents(seed: 9)
        var log = try open(SegmentLimits(keyframeBytes: 6_000))
        let written = try await fill(log, &samples, 20)
        try await log.close()
        let queue = try DatabaseQueue(path: try #require(try folder.segments().first))
        try await queue.write { db in
            try db.execute(sql: "DROP TRIGGER block_no_update")
            var body = try #require(try Data.fetchOne(db, sql: "SELECT body FROM block WHERE first_offset = 500"))
            body[body.count / 3] ^= 0xa5
            try db.execute(sql: "UPDATE block SET body = ? WHERE first_offset = 500", arguments: [body])
        }
        try queue.close()
        log = try open(SegmentLimits(keyframeBytes: 6_000))
        let report = try await log.verify()
        #expect(report.damages.map(\.offsets) == [Offset(rawValue: 500)..<Offset(rawValue: 550)])
        let blocks = try await log.read(from: .zero, limit: 1_000)
        #expect(blocks.map(\.batch) == written)
        let areCertain = blocks.allSatisfy { $0.isIdentityCertain }
        #expect(areCertain)
        try await log.close()
    }

    /// One damaged block costs that block; what follows is read, and marked until the next keyframe.
    @Test func damage() async throws {
        var samples = SampleEvents(seed: 6)
        var log = try open(SegmentLimits(keyframeBytes: 6_000))
        let written = try await fill(log, &samples, 60)
        try await log.close()
        let path = try #require(try folder.segments().first)
        let queue = try DatabaseQueue(path: path)
        let keyframes = try await queue.write { db in
            try db.execute(sql: "DROP TRIGGER block_no_update")
            var body = try #require(try Data.fetchOne(db, sql: "SELECT body FROM block WHERE first_offset = 500"))
            body[body.count / 2] ^= 0x10
            body[body.count / 3] ^= 0x10
            try db.execute(sql: "UPDATE block SET body = ? WHERE first_offset = 500", arguments: [body])
            return try UInt64.fetchAll(db, sql: "SELECT offset FROM keyframe ORDER BY offset")
        }
        try queue.close()
        let healed = try #require(keyframes.first { $0 > 500 })
        log = try open(SegmentLimits(keyframeBytes: 6_000))
        let report = try await log.verify()
        #expect(report.damages.count == 1)
        #expect(report.damages.first?.offsets == Offset(rawValue: 500)..<Offset(rawValue: 550))
        #expect(report.damages.first?.cause == "bad checksum")
        let before = try await log.read(from: .zero, limit: 1_000)
        #expect(before.map(\.batch) == Array(written[..<10]))
        await #expect(
            throws: LogError.corrupt(
                segment: "00000000000000000000.tidings", offsets: Offset(rawValue: 500)..<Offset(rawValue: 550),
                cause: "bad checksum")
        ) { try await log.read(from: Offset(rawValue: 500), limit: 5) }
        let after = try await log.read(from: Offset(rawValue: 550), limit: 1_000)
        #expect(after.count == 49)
        for block in after {
            #expect(block.isIdentityCertain == (block.firstOffset.rawValue >= healed), "\(block.firstOffset)")
            let right = written[Int(block.firstOffset.rawValue / 50)]
            if block.isIdentityCertain { #expect(block.batch == right) }
            #expect(block.batch.events.map(\.device) == right.events.map(\.device))
            #expect(block.batch.events.map(\.value) == right.events.map(\.value))
        }
        // Another cursor, which comes from elsewhere, finds the same.
        let fresh = try SQLiteEventLog(directory: folder.path, readOnly: true)
        let again = try await fresh.read(from: Offset(rawValue: 575), limit: 1_000)
        #expect(again.map(\.batch) == after.map(\.batch))
        #expect(again.map(\.isIdentityCertain) == after.map(\.isIdentityCertain))
        // The writer goes on, in a segment of its own if it must.
        _ = try await fill(log, &samples, 3)
        #expect(await log.head.rawValue == 3_150)
        try await log.close()
    }

    @Test func aMissingBlock() async throws {
        var samples = SampleEvents(seed: 7)
        let log = try open(SegmentLimits())
        _ = try await fill(log, &samples, 20)
        try await log.close()
        let queue = try DatabaseQueue(path: try #require(try folder.segments().first))
        try await queue.write { db in
            try db.execute(sql: "DROP TRIGGER block_no_delete; DELETE FROM block WHERE first_offset = 300")
        }
        try queue.close()
        let reader = try SQLiteEventLog(directory: folder.path, readOnly: true)
        let report = try await reader.verify()
        #expect(report.damages.first?.offsets == Offset(rawValue: 300)..<Offset(rawValue: 350))
        #expect(try await reader.read(from: .zero, limit: 100).count == 6)
        await #expect(throws: LogError.self) { try await reader.read(from: Offset(rawValue: 300), limit: 1) }
        let after = try await reader.read(from: Offset(rawValue: 350), limit: 100)
        #expect(after.count == 13)
        #expect(after.allSatisfy { !$0.isIdentityCertain })
    }

    @Test func aReaderFollowsAnotherWriter() async throws {
        var samples = SampleEvents(seed: 8)
        let log = try open()
        let written = try await fill(log, &samples, 5)
        let reader = try SQLiteEventLog(directory: folder.path, readOnly: true)
        var follower = Follower(reader, from: .zero, wakeup: .poll(every: .milliseconds(5)))
        #expect(try await follower.next(limit: 100).map(\.batch) == written)
        let more = try await fill(log, &samples, 90)
        var seen: [EventBatch] = []
        while seen.count < more.count { seen += try await follower.next(limit: 100).map(\.batch) }
        #expect(seen == more)
        await #expect(throws: LogError.self) { try await reader.append(written[0], defining: Definitions()) }
        try await log.close()
    }

    /// A name is on disk before the block that uses it: it is there even if the block never comes.
    @Test func namesComeFirst() async throws {
        var samples = SampleEvents(seed: 9)
        let log = try open(SegmentLimits(maximumPages: 21))
        let (batch, definitions) = samples.batch(4_000)
        await #expect(throws: LogError.self) { try await log.append(batch, defining: definitions) }
        let crashed = try folder.copy()
        let names = try IdentityStore(path: crashed.path + "/identity.sqlite", readOnly: true).names()
        var recorded = definitions
        recorded.symbols = []
        #expect(names == recorded)
        #expect(!names.devices.isEmpty && !names.customers.isEmpty)
        try await log.close()
    }

    @Test func namesAreNotInTheLog() async throws {
        var samples = SampleEvents(seed: 10)
        let log = try open(SegmentLimits())
        _ = try await fill(log, &samples, 10)
        try await log.close()
        let bytes = try Data(contentsOf: URL(fileURLWithPath: try #require(try folder.segments().first)))
        #expect(bytes.range(of: Data("product-1".utf8)) != nil)
        #expect(bytes.range(of: Data("device-1".utf8)) == nil)
        #expect(bytes.range(of: Data("customer-1".utf8)) == nil)
    }

    @Test func otherFilesAreRefused() async throws {
        let path = folder.path + "/log"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        let queue = try DatabaseQueue(path: path + "/00000000000000000000.tidings")
        try await queue.write { try $0.execute(sql: "CREATE TABLE t (a)") }
        try queue.close()
        #expect {
            try open()
        } throws: { error in
            if case LogError.version = error { true } else { false }
        }
    }
}
