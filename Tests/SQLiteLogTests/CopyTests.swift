// Copies of a log: backup while it grows, restore, salvage; dropping its oldest segments.

import Events
import Foundation
import GRDB
import Log
import SQLiteLog
import Testing
import TidingsTesting

struct CopyTests {
    private let folder: TemporaryFolder
    private static let limits = SegmentLimits(bytes: 40_000, keyframeBytes: 6_000)

    init() throws { folder = try TemporaryFolder() }

    private func open(_ path: String? = nil) throws -> SQLiteEventLog {
        try SQLiteEventLog(directory: path ?? folder.path, readOnly: false, limits: Self.limits)
    }

    @discardableResult private func fill(
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

    private func batches(_ path: String) async throws -> [EventBatch] {
        let log = try SQLiteEventLog(directory: path, readOnly: true)
        return try await log.read(from: await log.start, limit: 10_000).map(\.batch)
    }

    private func edit(_ path: String, _ sql: String) throws {
        try editSegment(path) { db in try db.execute(sql: sql) }
    }

    // MARK: Backup

    @Test func aBackupOfAGrowingLogIsWholeAndIncremental() async throws {
        let copy = try TemporaryFolder()
        var samples = SampleEvents(seed: 31)
        let log = try open()
        var written = try await fill(log, &samples, 70)
        let first = try Backup.take(from: folder.path, to: copy.path, companions: [])
        #expect(first.verification.isClean, "\(first.verification.damages)")
        #expect(first.verification.events == 3_500 && first.skipped == 0)
        #expect("\(first.verification.head.rawValue):\(first.verification.chainHead)" == log.chainHead)
        #expect(try await batches(copy.path) == written)
        written += try await fill(log, &samples, 40)
        let second = try Backup.take(from: folder.path, to: copy.path, companions: [])
        #expect(second.skipped == first.copied - 1, "only what grew is copied: \(second)")
        #expect(second.verification.isClean && second.verification.events == 5_500)
        #expect(try await batches(copy.path) == written)
        let third = try Backup.take(from: folder.path, to: copy.path, companions: [])
        #expect(third.copied <= 1 && third.skipped == second.copied + second.skipped - third.copied)
        try await log.close()
        // Every name that the events use is in the copy.
        let names = try await SQLiteEventLog(directory: copy.path, readOnly: true).vocabulary()
        #expect(names.deviceCount == samples.vocabulary.deviceCount)
        for name in try FileManager.default.contentsOfDirectory(atPath: copy.path + "/log") {
            #expect(name.hasSuffix(".tidings"), "\(name)")
        }
    }

    @Test func aRestoredLogGoesOn() async throws {
        let (copy, other) = (try TemporaryFolder(), try TemporaryFolder())
        var samples = SampleEvents(seed: 32)
        let log = try open()
        var written = try await fill(log, &samples, 70)
        _ = try Backup.take(from: folder.path, to: copy.path, companions: [])
        let restored = try Backup.restore(from: copy.path, to: other.path, companions: [])
        let count = try folder.segments().count
        #expect(restored.verification.isClean && restored.copied == count)
        let next = try open(other.path)
        #expect(next.logIdentity == log.logIdentity)
        #expect(next.chainHead == log.chainHead)
        written += try await fill(next, &samples, 5)
        #expect(try await next.verify().isClean)
        try await next.close()
        try await log.close()
        #expect(try await batches(other.path) == written)
        // A folder that has something is left alone; so is one copy by another log's, or by one that went another way.
        #expect { try Backup.restore(from: copy.path, to: other.path, companions: []) } throws: { isInTheWay($0) }
        var mine = samples
        let again = try open()
        try await fill(again, &mine, 3)
        try await again.close()
        _ = try Backup.take(from: folder.path, to: copy.path, companions: [])
        #expect { try Backup.take(from: other.path, to: copy.path, companions: []) } throws: { isInTheWay($0) }
        let stranger = try TemporaryFolder()
        var others = SampleEvents(seed: 33)
        let another = try open(stranger.path)
        try await fill(another, &others, 3)
        try await another.close()
        #expect { try Backup.take(from: stranger.path, to: copy.path, companions: []) } throws: { isInTheWay($0) }
    }

    private func isInTheWay(_ error: any Error) -> Bool {
        if case LogError.inTheWay = error { "\(error)".contains("\n") == false } else { false }
    }

    @Test func aRottenOriginalDoesNotReplaceItsCopy() async throws {
        let copy = try TemporaryFolder()
        var samples = SampleEvents(seed: 34)
        let log = try open()
        let written = try await fill(log, &samples, 100)
        try await log.close()
        _ = try Backup.take(from: folder.path, to: copy.path, companions: [])
        let path = try folder.segments()[1]
        try edit(path, "UPDATE block SET body = zeroblob(9) WHERE rowid = (SELECT min(rowid) FROM block)")
        let report = try Backup.take(from: folder.path, to: copy.path, companions: [])
        #expect(report.kept == [(path as NSString).lastPathComponent])
        #expect(report.verification.isClean)
        #expect(try await batches(copy.path) == written)
        // A damaged copy is not restored.
        try edit(try copy.segments()[2], "UPDATE block SET crc32 = 1")
        let other = try TemporaryFolder()
        let refused = try Backup.restore(from: copy.path, to: other.path, companions: [])
        #expect(!refused.verification.isClean && refused.copied == 0)
        #expect(!FileManager.default.fileExists(atPath: other.path + "/log"))
    }

    // MARK: Salvage

    @Test func whatIsWholeIsSalvagedUnderTheSameOffsets() async throws {
        var samples = SampleEvents(seed: 35)
        let log = try open()
        let written = try await fill(log, &samples, 120)
        try await log.close()
        let segments = try folder.segments()
        #expect(segments.count >= 5)
        try edit(segments[1], "UPDATE block SET body = zeroblob(9) WHERE rowid = (SELECT max(rowid) FROM block)")
        try Data("not a database".utf8).write(to: URL(fileURLWithPath: segments[2] + ".x"))
        try FileManager.default.removeItem(atPath: segments[2])
        try FileManager.default.moveItem(atPath: segments[2] + ".x", toPath: segments[2])
        let other = try TemporaryFolder()
        let report = try await Backup.salvage(folder.path, into: other.path, companions: [], report: { _ in })
        #expect(report.verification.isClean, "\(report.verification.damages)")
        #expect(report.events + report.leftOut == 6_000 && report.leftOut > 50)
        #expect(report.verification.leftOut == report.leftOut)
        let new = try open(other.path)
        var follower = PassingFollower(
            Follower(new, from: await new.start, wakeup: .poll(every: .seconds(1))), report: { _ in })
        var count = 0
        while true {
            let blocks = try await follower.nextAvailable(limit: 10)
            if blocks.isEmpty { break }
            for block in blocks { #expect(block.batch == written[Int(block.firstOffset.rawValue / 50)]) }
            count += blocks.reduce(0) { $0 + $1.count }
        }
        #expect(UInt64(count) == report.events)
        // It goes on, and names are there.
        #expect(await new.head.rawValue == 6_000)
        try await fill(new, &samples, 2)
        #expect(try await new.verify().isClean)
        #expect(try await new.vocabulary().deviceCount == samples.vocabulary.deviceCount)
        try await new.close()
        #expect(new.logIdentity.isEmpty || new.logIdentity == log.logIdentity)
        // A gap that is moved is noticed.
        let path = try #require(try other.segments().dropFirst().first)
        try edit(path, "UPDATE segment SET previous_chain = randomblob(32)")
        #expect(try await SQLiteEventLog(directory: other.path, readOnly: true).verify().isClean == false)
    }

    // MARK: Retention

    @Test func oldSegmentsGoAndTheirWordsStay() async throws {
        var samples = SampleEvents(seed: 36)
        var log = try open()
        // A word that only the first segment uses.
        var (batch, definitions) = samples.batch(50)
        let rare = SymbolID(rawValue: 50_000)
        definitions.symbols.append(Symbol(kind: .aspect, id: rare, text: Array("only.once".utf8)))
        batch.events[7].aspect = rare
        _ = try await log.append(batch, defining: definitions)
        try await fill(log, &samples, 120)
        let before = try folder.segments().count
        #expect(before >= 5)
        let all = try await log.statistics()
        let retention = Retention(bytes: all.bytes / 2)
        let due = try await log.droppable(retention)
        let head = await log.head
        #expect(due > .zero && due < head)
        // First the word must be safe elsewhere.
        #expect(try await log.drop(before: due).segments == 0)
        try await fill(log, &samples, 1)
        let dropped = try await log.drop(before: due)
        #expect(dropped.segments > 0 && dropped.offsets == Offset.zero..<due)
        #expect(await log.start == due)
        #expect(try folder.segments().count == before - dropped.segments)
        #expect(try await log.droppable(retention) == due)
        let report = try await log.verify()
        #expect(report.isClean && report.start == due, "\(report.damages)")
        await #expect(throws: LogError.self) { try await log.read(from: .zero, limit: 1) }
        try await log.close()
        log = try open()
        let vocabulary = try await log.vocabulary()
        #expect(vocabulary.text(.aspect, rare).elementsEqual("only.once".utf8))
        // No number is given out twice.
        #expect(vocabulary.count(.aspect) == 50_000)
        // The growing segment never goes.
        for _ in 0..<5 {
            _ = try await log.drop(before: await log.head)
            try await fill(log, &samples, 1)
        }
        #expect(try folder.segments().count <= 2)
        #expect(try await log.verify().isClean)
        #expect(try await log.vocabulary().text(.aspect, rare).elementsEqual("only.once".utf8))
        try await log.close()
    }

    @Test func segmentsGoByAge() async throws {
        var samples = SampleEvents(seed: 37)
        let log = try open()
        try await fill(log, &samples, 100)
        let segments = try await log.statistics().segments
        let second = try #require(segments[1].arrivals)
        #expect(try await log.droppable(Retention(arrivedBefore: second.upperBound)) == segments[1].offsets.lowerBound)
        let later = Timestamp(rawValue: second.upperBound.rawValue + 1)
        #expect(try await log.droppable(Retention(arrivedBefore: later)) == segments[2].offsets.lowerBound)
        #expect(try await log.droppable(Retention()) == .zero)
        try await log.close()
    }

    /// A crash between any two steps of dropping leaves a log that opens.
    @Test func aCrashWhileDroppingHarmsNothing() async throws {
        var samples = SampleEvents(seed: 38)
        var log = try open()
        try await fill(log, &samples, 100)
        try await log.close()
        for step in 1...3 {
            let crashed = try folder.copy()
            for path in try crashed.segments().prefix(step) { try FileManager.default.removeItem(atPath: path) }
            // What SQLite had beside a removed file.
            let left = try crashed.segments()[0].replacing(".tidings", with: "0.tidings-wal")
            try Data("left".utf8).write(to: URL(fileURLWithPath: left))
            log = try open(crashed.path)
            #expect(try await log.verify().isClean)
            #expect(await log.start > .zero)
            var more = samples
            try await fill(log, &more, 1)
            try await log.close()
        }
    }
}
