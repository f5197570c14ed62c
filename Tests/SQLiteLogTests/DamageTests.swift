// Damage of every kind, done to real files: it is found, named, passed over, and never ends the process.

import Events
import Foundation
import GRDB
import Log
import SQLiteLog
import Testing
import TidingsTesting

struct DamageTests {
    private let folder: TemporaryFolder
    private static let limits = SegmentLimits(bytes: 40_000, keyframeBytes: 6_000)

    init() throws { folder = try TemporaryFolder() }

    /// A log of several segments with 50 events in each block.
    private func make(_ blocks: Int, seed: UInt64, _ limits: SegmentLimits = Self.limits) async throws -> [EventBatch] {
        try await folder.fill(blocks, seed: seed, limits)
    }

    /// Changes a file behind SQLite's back but with SQLite's help.
    private func edit(_ path: String, _ sql: String) throws {
        try editSegment(path) { db in try db.execute(sql: sql) }
    }

    private func verify(_ claim: ChainClaim? = nil) async throws -> VerifyReport {
        try await SQLiteEventLog(directory: folder.path, readOnly: true).verify(claim: claim)
    }

    private static let block500 = Offset(rawValue: 500)..<Offset(rawValue: 550)

    /// What is done to block 500 of the first segment, and the cause that must be named.
    @Test(arguments: [
        ("UPDATE block SET body = zeroblob(length(body)) WHERE first_offset = 500", "bad checksum"),
        ("UPDATE block SET crc32 = crc32 + 1 WHERE first_offset = 500", "bad checksum"),
        ("UPDATE block SET chain = zeroblob(32) WHERE first_offset = 500", "the hash chain does not fit"),
        ("UPDATE block SET chain = zeroblob(31) WHERE first_offset = 500", "the hash chain does not fit"),
        ("UPDATE block SET time_max = time_max + 1 WHERE first_offset = 500", "the hash chain does not fit"),
        ("UPDATE block SET count = 49 WHERE first_offset = 500", "malformed block"),
        ("UPDATE block SET count = -1 WHERE first_offset = 500", "column 2 of its row is damaged"),
        ("UPDATE block SET raw_size = 1 << 50 WHERE first_offset = 500", "column 7 of its row is damaged"),
        ("UPDATE block SET codec = 7 WHERE first_offset = 500", "unknown codec 7"),
        ("UPDATE block SET time_min = time_max + 1 WHERE first_offset = 500", "column 3 of its row is damaged"),
        ("UPDATE block SET text = NULL WHERE first_offset = 500", "its texts are missing"),
        ("UPDATE block SET text = zeroblob(length(text)) WHERE first_offset = 500", "its texts: bad checksum"),
        ("UPDATE block SET text_crc32 = text_crc32 + 1 WHERE first_offset = 500", "bad checksum"),
        ("UPDATE block SET text_size = text_size + 1 WHERE first_offset = 500", "its texts: bad compression"),
        ("UPDATE block SET text_sha256 = zeroblob(32) WHERE first_offset = 500", "its texts are not those of"),
        ("UPDATE block SET text_sha256 = NULL WHERE first_offset = 500", "column 14 of its row is damaged"),
        ("UPDATE block SET text_size = 1 << 40 WHERE first_offset = 500", "column 13 of its row is damaged"),
        ("UPDATE block SET writer_number = 3 WHERE first_offset = 500", "column 15 of its row is damaged"),
        ("DELETE FROM block WHERE first_offset = 500", "blocks are missing"),
    ]) func oneBlock(_ sql: String, _ cause: String) async throws {
        let written = try await make(60, seed: 21, SegmentLimits(keyframeBytes: 6_000))
        try edit(try #require(try folder.segments().first), sql)
        let report = try await verify()
        #expect(report.damageCount == 1, "\(report.damages)")
        let damage = try #require(report.damages.first)
        #expect(damage.offsets == Self.block500)
        #expect(damage.cause.hasPrefix(cause), "\(damage.cause)")
        #expect(damage.segment == "00000000000000000000.tidings")
        // Whatever is served is true, and served or counted is everything.
        let (blocks, unreadable) = try await readAll(try SQLiteEventLog(directory: folder.path, readOnly: true))
        for block in blocks { #expect(block.batch == written[Int(block.firstOffset.rawValue / 50)]) }
        #expect(blocks.reduce(0) { $0 + $1.count } + Int(unreadable) == 3_000)
        #expect(blocks.count > 30)
    }

    /// Damage that is not in a block: what is done, where it is noted, and the cause.
    @Test(arguments: [
        ("UPDATE symbol SET text = text || 'x' WHERE kind = 2 AND id = 3", "the hash chain does not fit"),
        ("UPDATE keyframe SET body = zeroblob(10)", "the keyframe is damaged"),
        ("UPDATE keyframe SET offset = offset + 7", "a keyframe stands where no block begins"),
        ("INSERT INTO symbol VALUES (2, 90000, 17, 'invented')", "1 words were recorded without a block"),
        ("UPDATE segment SET previous_chain = zeroblob(5)", "its header is damaged"),
        ("UPDATE segment SET previous_chain = randomblob(32)", "the hash chain does not fit"),
        ("DELETE FROM segment", "its header is damaged"),
    ]) func besideTheBlocks(_ sql: String, _ cause: String) async throws {
        _ = try await make(60, seed: 22, SegmentLimits(keyframeBytes: 6_000))
        try edit(try #require(try folder.segments().first), sql)
        let report = try await verify()
        #expect(report.damages.contains { $0.cause.hasPrefix(cause) }, "\(report.damages)")
    }

    /// The offset of a keyframe is a key, which has no checksum: one that has changed is not used, wherever it leads.
    @Test(arguments: [-2_048, -7, 7, 512, 4_096]) func keyframesThatMovedCostNothing(_ distance: Int) async throws {
        let written = try await make(100, seed: 28)
        for path in try folder.segments() {
            try edit(path, "UPDATE OR REPLACE keyframe SET offset = max(0, offset + (\(distance)))")
        }
        let writer = try SQLiteEventLog(directory: folder.path, readOnly: false, limits: Self.limits)
        let (blocks, unreadable) = try await readAll(writer)
        #expect(blocks.map(\.batch) == written && unreadable == 0)
        #expect(blocks.count { $0.isIdentityCertain } == written.count)
        for block in blocks {
            let found = try await writer.read(from: block.firstOffset, limit: 1)
            #expect(found.first?.batch == block.batch)
        }
        try await writer.close()
    }

    /// A page of words of the newest segment: the log ends where it did, and no number of a lost word is given again.
    @Test func aLostPageOfWordsCostsTheirTextsOnly() async throws {
        let written = try await make(60, seed: 29, SegmentLimits(keyframeBytes: 6_000))
        let path = try #require(try folder.segments().last)
        let queue = try DatabaseQueue(path: path)
        let page = try await queue.read { db in
            try Int.fetchOne(db, sql: "SELECT rootpage FROM sqlite_schema WHERE name = 'symbol'")
        }
        try queue.close()
        let start = (try #require(page) - 1) * 4_096
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        bytes.replaceSubrange(start..<start + 4_096, with: Data(count: 4_096))
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        try bytes.write(to: URL(fileURLWithPath: path))
        let writer = try SQLiteEventLog(directory: folder.path, readOnly: false)
        #expect(await writer.head == Offset(rawValue: 3_000), "\(writer.openingDamages)")
        #expect(writer.openingDamages.contains { $0.cause.hasPrefix("words cannot be read") })
        // The lost words keep their numbers: a new one gets none of them.
        let used = written.flatMap(\.events).map(\.product.rawValue).max() ?? 0
        var vocabulary = try await writer.vocabulary()
        let new = vocabulary.symbol(.product, Array("new".utf8).span)?.rawValue ?? 0
        #expect(new > used)
        try await writer.close()
    }

    @Test func swappedRows() async throws {
        _ = try await make(60, seed: 23, SegmentLimits(keyframeBytes: 6_000))
        try edit(
            try #require(try folder.segments().first),
            """
            UPDATE block SET first_offset = 999999 WHERE first_offset = 500;
            UPDATE block SET first_offset = 500 WHERE first_offset = 1000;
            UPDATE block SET first_offset = 1000 WHERE first_offset = 999999;
            """)
        let report = try await verify()
        #expect(report.damages.contains { $0.offsets == Self.block500 }, "\(report.damages)")
        #expect(report.damages.contains { $0.offsets.lowerBound.rawValue == 1_000 }, "\(report.damages)")
        // The blocks behind them continue what is no longer before them.
        #expect(report.damageCount == 4)
    }

    @Test func aMissingSegment() async throws {
        _ = try await make(100, seed: 24)
        let segments = try folder.segments()
        #expect(segments.count >= 4)
        try FileManager.default.removeItem(atPath: segments[1])
        let report = try await verify()
        #expect(report.damageCount == 1 && report.damages.first?.cause == "blocks are missing", "\(report.damages)")
        let (blocks, unreadable) = try await readAll(try SQLiteEventLog(directory: folder.path, readOnly: true))
        #expect(blocks.reduce(0) { $0 + $1.count } + Int(unreadable) == 5_000)
        #expect(report.damages.first?.events == unreadable)
    }

    @Test(arguments: [1, 2, 3]) func aTruncatedSegment(quarters: Int) async throws {
        let written = try await make(100, seed: 25)
        let path = try folder.segments()[1]
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try handle.truncate(atOffset: try handle.seekToEnd() * UInt64(quarters) / 4)
        try handle.close()
        let report = try await verify()
        #expect(!report.isClean)
        let (blocks, unreadable) = try await readAll(try SQLiteEventLog(directory: folder.path, readOnly: true))
        for block in blocks { #expect(block.batch == written[Int(block.firstOffset.rawValue / 50)]) }
        #expect(blocks.reduce(0) { $0 + $1.count } + Int(unreadable) == 5_000)
        #expect(unreadable > 0 && unreadable < 2_500)
    }

    /// Any bit anywhere: found or proven harmless; what is served is true; the writer goes on or says why not.
    @Test func flippedBits() async throws {
        let written = try await make(100, seed: 26)
        let seed = UInt64.random(in: 1...UInt64.max)
        print("flipped bits: seed \(seed)")
        var random = SeededGenerator(seed: seed)
        let original = try await export(folder.path)
        var harmless = 0
        for round in 0..<60 {
            let copy = try folder.copy()
            let path = try #require(try copy.segments().randomElement(using: &random))
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
            var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            let position = Int.random(in: bytes.indices, using: &random)
            bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            try bytes.write(to: URL(fileURLWithPath: path))
            let label = Comment(rawValue: "seed \(seed) round \(round): byte \(position) of \(path)")
            let reader = try SQLiteEventLog(directory: copy.path, readOnly: true)
            if try await reader.verify().isClean {
                harmless += 1
                #expect(try await export(copy.path) == original, label)
            }
            let (blocks, unreadable) = try await readAll(reader)
            // The key of a row may be what has changed; then only the chain can tell, which readers do not follow.
            let wrong = blocks.filter { block in !written.contains { $0 == block.batch } }
            #expect(wrong.isEmpty, label)
            let head = await reader.head
            #expect(blocks.reduce(0) { $0 + UInt64($1.count) } + unreadable == head.rawValue, label)
            var samples = SampleEvents(seed: 26)
            _ = samples.batch(50)
            let (batch, definitions) = samples.batch(50)
            let writer = try SQLiteEventLog(directory: copy.path, readOnly: false, limits: Self.limits)
            #expect(await writer.head >= Offset(rawValue: 5_000), label)
            let offset = try await append(batch, definitions, to: writer)
            #expect(try await writer.read(from: offset, limit: 1).first?.batch == batch, label)
            try await writer.close()
        }
        #expect(harmless < 60, "seed \(seed)")
    }

    /// The write-ahead log of a killed daemon: a flipped bit costs at most its block, never the commits behind it.
    @Test func flippedBitsInTheWriteAheadLog() async throws {
        var samples = SampleEvents(seed: 27)
        let log = try SQLiteEventLog(directory: folder.path, readOnly: false, limits: SegmentLimits())
        var written: [EventBatch] = []
        for _ in 0..<30 {
            let (batch, definitions) = samples.batch(50)
            _ = try await log.append(batch, defining: definitions)
            written.append(batch)
        }
        let seed = UInt64.random(in: 1...UInt64.max)
        var random = SeededGenerator(seed: seed)
        let wal = "/log/00000000000000000000.tidings-wal"
        let size = try Data(contentsOf: URL(fileURLWithPath: folder.path + wal)).count
        for round in 0..<40 {
            let killed = try folder.copy()
            try FileManager.default.removeItem(atPath: killed.path + wal.replacing("-wal", with: "-shm"))
            var bytes = try Data(contentsOf: URL(fileURLWithPath: killed.path + wal))
            // Its header, or any frame but those of the last commits.
            let position = round < 8 ? round * 4 : Int.random(in: 0..<size * 8 / 10, using: &random)
            bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            try bytes.write(to: URL(fileURLWithPath: killed.path + wal))
            let label = Comment(rawValue: "seed \(seed) round \(round): byte \(position)")
            let report = try await SQLiteEventLog(directory: killed.path, readOnly: true).verify()
            #expect(!report.isClean || report.events == 1_500, label)
            let reopened = try SQLiteEventLog(directory: killed.path, readOnly: false)
            #expect(await reopened.head >= Offset(rawValue: 1_500), label)
            let (blocks, unreadable) = try await readAll(reopened)
            for block in blocks { #expect(written.contains(block.batch), label) }
            // One page may be that of many rows; none is lost without being counted.
            let head = await reopened.head
            #expect(blocks.reduce(0) { $0 + UInt64($1.count) } + unreadable == head.rawValue, label)
            try await reopened.close()
        }
        try await log.close()
    }

    /// A false block with right checksums and a right chain, which speaks of more devices than have names.
    @Test func aBlockOfTooManyDevices() async throws {
        let written = try await make(10, seed: 28)
        var batch = EventBatch()
        var event = Event()
        event.device = DeviceID(rawValue: 3_000_000)
        batch.events.append(event)
        let log = try SQLiteEventLog(directory: folder.path, readOnly: false, limits: Self.limits)
        _ = try await log.append(batch, defining: Definitions())
        try await log.close()
        let (blocks, unreadable) = try await readAll(try SQLiteEventLog(directory: folder.path, readOnly: true))
        #expect(blocks.map(\.batch) == written && unreadable == 1)
        let report = try await verify()
        #expect(report.damages.first?.cause.contains("names device 3000000") == true, "\(report.damages)")
        // Without the names nothing tells that it is false.
        try FileManager.default.removeItem(atPath: folder.path + "/identity.sqlite")
        #expect(try await verify().isClean)
    }

    /// A segment that takes no block is told once; as the appender does, it is tried again, and comes behind it.
    private func append(
        _ batch: EventBatch, _ definitions: Definitions, to writer: SQLiteEventLog
    ) async throws -> Offset {
        do {
            return try await writer.append(batch, defining: definitions)
        } catch {
            guard case .corrupt = error else { throw error }
        }
        return try await writer.append(batch, defining: definitions)
    }

    private func export(_ path: String) async throws -> [String] {
        let log = try SQLiteEventLog(directory: path, readOnly: true)
        let vocabulary = try await log.vocabulary()
        return try await readAll(log).blocks.flatMap { block in
            block.batch.events.map { event in
                let words = [vocabulary.text(.product, event.product), vocabulary.text(.aspect, event.aspect)]
                return "\(block.firstOffset.rawValue) \(event) \(words.map { String(decoding: $0, as: UTF8.self) })"
            }
        }
    }
}
