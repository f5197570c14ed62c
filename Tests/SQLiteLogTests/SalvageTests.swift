// A salvage holds what the hash chain proves: each damage that keeps its checksums is done to real files.

import Events
import Foundation
import GRDB
import Log
import SQLiteLog
import Synchronization
import Testing
import TidingsTesting

struct SalvageTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Several segments, 50 events in each block; the last word of each batch's text is its own.
    private func make(_ blocks: Int, seed: UInt64, bytes: Int = 1 << 30) async throws -> [EventBatch] {
        try await folder.fill(blocks, seed: seed, SegmentLimits(bytes: bytes, keyframeBytes: 6_000))
    }

    /// What became of a salvage.
    private struct Outcome {
        var blocks: [Block] = []
        var damages: [Damage] = []
        var report = SalvageReport()
        var vocabulary = Vocabulary()

        func names(_ offset: UInt64, _ cause: String, in segment: String = "00000000000000000000.tidings") -> Bool {
            damages.contains {
                $0.segment == segment && $0.offsets.lowerBound.rawValue == offset && $0.cause.contains(cause)
            }
        }
    }

    /// Salvages, and checks what holds for every damage: the copy verifies, and each of its events is the true one.
    private func salvage(_ written: [EventBatch]) async throws -> Outcome {
        let copy = try TemporaryFolder()
        let damages = Mutex<[Damage]>([])
        var outcome = Outcome()
        outcome.report = try await Backup.salvage(
            folder.path, into: copy.path, companions: [], report: { damage in damages.withLock { $0.append(damage) } })
        outcome.damages = damages.withLock { $0 }
        #expect(outcome.report.verification.isClean, "\(outcome.report.verification.damages)")
        #expect(outcome.damages.allSatisfy { !$0.segment.isEmpty && !$0.cause.isEmpty })
        let log = try SQLiteEventLog(directory: copy.path, readOnly: true)
        outcome.vocabulary = try await log.vocabulary()
        var follower = PassingFollower(
            Follower(log, from: await log.start, wakeup: .poll(every: .seconds(1))), report: { _ in })
        while true {
            let blocks = try await follower.nextAvailable(limit: 16)
            if blocks.isEmpty { break }
            for block in blocks { #expect(block.batch == written[Int(block.firstOffset.rawValue / 50)]) }
            outcome.blocks += blocks
        }
        let count = outcome.blocks.reduce(0) { $0 + $1.count }
        #expect(UInt64(count) == outcome.report.events)
        #expect(outcome.report.events + outcome.report.leftOut == UInt64(written.count * 50))
        return outcome
    }

    /// The first offset at or behind one where reading can begin anew.
    private func keyframe(_ path: String, from offset: Int64) throws -> UInt64 {
        let queue = try DatabaseQueue(path: path)
        let found = try queue.read { db in
            try Int64.fetchOne(db, sql: "SELECT min(offset) FROM keyframe WHERE offset >= ?", arguments: [offset])
        }
        return UInt64(try #require(found))
    }

    @Test func swappedBlocksAreLeftOut() async throws {
        let written = try await make(60, seed: 41)
        let path = try folder.segments()[0]
        try editSegment(path) { db in
            try db.execute(
                sql: """
                    UPDATE block SET first_offset = 999999 WHERE first_offset = 500;
                    UPDATE block SET first_offset = 500 WHERE first_offset = 550;
                    UPDATE block SET first_offset = 550 WHERE first_offset = 999999;
                    """)
        }
        let outcome = try await salvage(written)
        #expect(outcome.names(500, "the hash chain does not fit"), "\(outcome.damages)")
        #expect(outcome.names(550, "the hash chain does not fit"), "\(outcome.damages)")
        #expect(outcome.report.leftOut == (try keyframe(path, from: 600)) - 500)
    }

    @Test func aDeletedBlockCostsThoseUpToTheKeyframe() async throws {
        let written = try await make(60, seed: 42)
        let path = try folder.segments()[0]
        try editSegment(path) { db in try db.execute(sql: "DELETE FROM block WHERE first_offset = 500") }
        let outcome = try await salvage(written)
        #expect(outcome.names(500, "blocks are missing"), "\(outcome.damages)")
        #expect(outcome.report.leftOut == (try keyframe(path, from: 600)) - 500)
    }

    /// The block directly behind a deleted one is proven by nothing, even where reading can begin anew.
    @Test func theBlockBehindADeletedOneIsNotProven() async throws {
        let written = try await make(80, seed: 43)
        let path = try folder.segments()[0]
        let start = try keyframe(path, from: 500)
        try editSegment(path) { db in
            try db.execute(sql: "DELETE FROM block WHERE first_offset = ?", arguments: [Int64(start) - 50])
        }
        let outcome = try await salvage(written)
        #expect(outcome.names(start, "nothing proves this one"), "\(outcome.damages)")
        #expect(outcome.report.leftOut == (try keyframe(path, from: Int64(start) + 50)) - start + 50)
    }

    @Test func aChangedRowIsLeftOutAndAChangedChainValueIsNot() async throws {
        let written = try await make(60, seed: 44)
        let path = try folder.segments()[0]
        try editSegment(path) { db in
            try db.execute(
                sql: """
                    UPDATE block SET chain = randomblob(32) WHERE first_offset = 300;
                    UPDATE block SET time_max = time_max + 1 WHERE first_offset = 1500;
                    """)
        }
        let outcome = try await salvage(written)
        #expect(outcome.blocks.contains { $0.firstOffset.rawValue == 300 })
        #expect(outcome.names(1_500, "the hash chain does not fit"), "\(outcome.damages)")
        #expect(outcome.report.leftOut == (try keyframe(path, from: 1_550)) - 1_500)
    }

    @Test(arguments: [
        "UPDATE symbol SET text = text || 'x' WHERE kind = 2 AND id = ?",
        "DELETE FROM symbol WHERE kind = 2 AND id = ?",
    ])
    func aLostWordIsTakenFromAnotherSegment(_ sql: String) async throws {
        let written = try await make(200, seed: 45, bytes: 60_000)
        let (first, second) = (try folder.segments()[0], try folder.segments()[1])
        let words = try editSegment(second) { db in try Int64.fetchSet(db, sql: "SELECT id FROM symbol WHERE kind = 2")
        }
        let shared = try editSegment(first) { db in
            let ids = try Int64.fetchAll(db, sql: "SELECT id FROM symbol WHERE kind = 2 ORDER BY id")
            let id = try #require(ids.first { words.contains($0) })
            let text = try #require(
                try String.fetchOne(db, sql: "SELECT text FROM symbol WHERE kind = 2 AND id = ?", arguments: [id]))
            try db.execute(sql: sql, arguments: [id])
            return (id: SymbolID(rawValue: UInt32(id)), text: text)
        }
        let outcome = try await salvage(written)
        #expect(outcome.report.leftOut == 0, "\(outcome.damages)")
        #expect(outcome.vocabulary.text(.aspect, shared.id).elementsEqual(shared.text.utf8))
        #expect(outcome.damages.contains { $0.cause.contains("other segments have them") }, "\(outcome.damages)")
    }

    @Test func aChangedWordThatOnlyOneSegmentHasCostsItsTextAndItsBlock() async throws {
        let written = try await make(60, seed: 46)
        let path = try folder.segments()[0]
        let word = try editSegment(path) { db in
            let row = try #require(
                try Row.fetchOne(db, sql: "SELECT id, first_offset FROM symbol WHERE kind = 2 AND first_offset > 400"))
            let (id, block): (Int64, Int64) = (row[0], row[1])
            try db.execute(sql: "UPDATE symbol SET text = text || 'x' WHERE kind = 2 AND id = ?", arguments: [id])
            return (id: SymbolID(rawValue: UInt32(id)), block: block)
        }
        let outcome = try await salvage(written)
        #expect(outcome.names(UInt64(word.block), "the hash chain does not fit"), "\(outcome.damages)")
        #expect(outcome.vocabulary.text(.aspect, word.id).isEmpty)
        #expect(outcome.report.leftOut == (try keyframe(path, from: word.block + 50)) - UInt64(word.block))
    }

    @Test(arguments: [
        "UPDATE segment SET previous_chain = randomblob(32)", "UPDATE segment SET previous_chain = zeroblob(5)",
        "UPDATE segment SET log_id = randomblob(16)", "DELETE FROM segment",
    ]) func aChangedHeaderIsNamedAndCostsNothing(_ sql: String) async throws {
        let written = try await make(200, seed: 47, bytes: 60_000)
        let path = try folder.segments()[1]
        try editSegment(path) { db in try db.execute(sql: sql) }
        let outcome = try await salvage(written)
        #expect(outcome.report.leftOut == 0, "\(outcome.damages)")
        let segment = (path as NSString).lastPathComponent
        #expect(outcome.damages.contains { $0.segment == segment && $0.offsets.isEmpty }, "\(outcome.damages)")
    }

    /// A segment of another log under the right name is sound in itself, and still not of this log.
    @Test func aStrangeSegmentIsLeftOut() async throws {
        let written = try await make(200, seed: 48, bytes: 60_000)
        let other = try TemporaryFolder()
        // The same events but for one bit of the first, so that its segments begin at the same offsets.
        var samples = SampleEvents(seed: 48)
        let log = try SQLiteEventLog(
            directory: other.path, readOnly: false, limits: SegmentLimits(bytes: 60_000, keyframeBytes: 6_000))
        let segments = try folder.segments()
        let second = try #require(UInt64((segments[1] as NSString).lastPathComponent.prefix(20)))
        let third = try #require(UInt64((segments[2] as NSString).lastPathComponent.prefix(20)))
        for index in 0..<200 {
            var (batch, definitions) = samples.batch(50)
            if index == 0 { batch.events[0].severity ^= 1 }
            _ = try await log.append(batch, defining: definitions)
        }
        try await log.close()
        let stranger = try other.segments()[1]
        #expect((stranger as NSString).lastPathComponent == (segments[1] as NSString).lastPathComponent)
        try FileManager.default.removeItem(atPath: segments[1])
        try FileManager.default.copyItem(atPath: stranger, toPath: segments[1])
        let outcome = try await salvage(written)
        #expect(outcome.names(second, "nothing proves", in: (segments[1] as NSString).lastPathComponent))
        #expect(outcome.report.leftOut == third - second)
    }

    /// What a segment's end no longer says is not held against the next one.
    @Test func damageAtTheEndOfASegmentCostsTheNextOneNothing() async throws {
        let written = try await make(200, seed: 48, bytes: 60_000)
        let path = try folder.segments()[0]
        try editSegment(path) { db in
            try db.execute(
                sql: """
                    CREATE TEMP TABLE l AS SELECT * FROM block ORDER BY first_offset DESC LIMIT 2;
                    DELETE FROM block WHERE first_offset IN (SELECT first_offset FROM l);
                    UPDATE l SET first_offset = (SELECT sum(first_offset) FROM l) - first_offset;
                    INSERT INTO block SELECT * FROM l;
                    """)
        }
        let outcome = try await salvage(written)
        #expect(outcome.report.leftOut == 100, "\(outcome.damages)")
    }

    // MARK: Indexes

    /// What an index says of the words is not believed: any byte of it may change, and no event is lost or changed.
    @Test(arguments: ["symbol_by_offset", "sqlite_autoindex_symbol_1"]) func aWrongIndexCostsNothing(
        _ index: String
    ) async throws {
        let written = try await make(40, seed: 51)
        let path = try folder.segments()[0]
        let queue = try DatabaseQueue(path: path)
        let found = try await queue.read { db in
            try Int.fetchOne(db, sql: "SELECT rootpage FROM sqlite_schema WHERE name = ?", arguments: [index])
        }
        try queue.close()
        let page = (try #require(found) - 1) * 4_096
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        let sound = try Data(contentsOf: URL(fileURLWithPath: path))
        try #require(sound[page] == 10, "the index is one leaf")
        let cells = Int(sound[page + 5]) << 8 | Int(sound[page + 6])
        var random = SeededGenerator(seed: 51)
        for _ in 0..<25 {
            let at = page + Int.random(in: Bool.random(using: &random) ? 0..<40 : cells..<4_096, using: &random)
            var damaged = sound
            damaged[at] ^= 1 << UInt8(random.next() % 8)
            try damaged.write(to: URL(fileURLWithPath: path))
            let outcome = try await salvage(written)
            #expect(outcome.report.leftOut == 0, "byte \(at - page) of the page: \(outcome.damages)")
        }
    }

    // MARK: What SQLite no longer finds

    /// The pointers of a leaf lead to its rows; a row is found in its page without them too.
    @Test(arguments: [0, 3, 8, 11]) func aChangedPointerOfALeafCostsNothing(_ bit: Int) async throws {
        let written = try await make(60, seed: 47)
        let path = try folder.segments()[0]
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        let sound = try Data(contentsOf: URL(fileURLWithPath: path))
        let leaves = stride(from: 4_096, to: sound.count, by: 4_096).filter { page in
            // A leaf of a table that is not a page full of one body's bytes: few cells, and room for their pointers.
            sound[page] == 13 && sound[page + 3] == 0 && (1...40).contains(sound[page + 4])
        }
        #expect(leaves.count > 5)
        for leaf in leaves.prefix(3) + leaves.suffix(3) {
            var damaged = sound
            damaged[leaf + 8 + (bit < 8 ? 1 : 0)] ^= 1 << UInt8(bit % 8)
            try damaged.write(to: URL(fileURLWithPath: path))
            let outcome = try await salvage(written)
            #expect(outcome.report.leftOut == 0, "the leaf at byte \(leaf): \(outcome.damages)")
        }
    }

    /// A bit of the schema, or a page that leads to others, costs nothing: rows are found without them.
    @Test func rowsAreFoundWithoutTheTree() async throws {
        let written = try await make(200, seed: 50, bytes: 60_000)
        let path = try folder.segments()[1]
        let size = try Data(contentsOf: URL(fileURLWithPath: path)).count
        for page in 0..<size / 4_096 {
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
            let sound = try Data(contentsOf: URL(fileURLWithPath: path))
            let kind = sound[page * 4_096]
            guard page == 0 || kind == 5 || kind == 2 || kind == 10 else { continue }
            var damaged = sound
            damaged.replaceSubrange(page * 4_096..<(page + 1) * 4_096, with: Data(count: 4_096))
            try damaged.write(to: URL(fileURLWithPath: path))
            let outcome = try await salvage(written)
            #expect(outcome.report.leftOut == 0, "page \(page): \(outcome.damages)")
            #expect(try await SQLiteEventLog(directory: folder.path, readOnly: true).verify().isClean == false)
            try sound.write(to: URL(fileURLWithPath: path))
        }
    }
}
