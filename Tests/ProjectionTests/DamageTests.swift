// Summaries that something else than the daemon has changed: made anew or refused, and never the end of the process.

import Bytes
import Events
import Foundation
import GRDB
import Log
import Projection
import Testing
import TidingsTesting

private let clock: @Sendable () -> Timestamp = { Timestamp(rawValue: Fleet.start) }

@Suite struct DamageTests {
    /// A folder with the summaries of a small fleet, snapshot included, changed by `change`.
    private func damaged(_ change: (Database) throws -> Void) async throws -> (Folder, head: Offset) {
        var fleet = Fleet(seed: 11)
        var random = SeededGenerator(seed: 11)
        let batch = fleet.batch(count: 600)
        let log = ListLog(blocks: cut(batch, fleet.vocabulary.takeDefinitions(), &random, most: 100))
        let folder = try Folder()
        _ = try await Projector.rebuild(log: log, identity: "log", into: folder.path, now: clock)
        let queue = try DatabaseQueue(path: folder.summaries)
        try queue.writeWithoutTransaction(change)
        try queue.close()
        return (folder, await log.head)
    }

    private func offset(of folder: Folder, head: Offset) async throws -> Offset {
        try await Projector(directory: folder.path, identity: "log", start: .zero, head: head, now: clock).offset
    }

    /// Behind damage a block's products may be other ones, so that its events are not counted; but later blocks use the
    /// symbols that it defines.
    @Test func symbolsThatADoubtfulBlockDefinesKeepTheirNames() async throws {
        var fleet = Fleet(seed: 12)
        var blocks: [Block] = []
        var end = Offset.zero
        for (aspect, isCertain) in [("first", true), ("second", false), ("second", true)] {
            var batch = EventBatch()
            batch.events = [fleet.event(.featureUsed, product: "p", device: "d", aspect: aspect)]
            var block = Block(firstOffset: end, batch: batch)
            block.definitions = fleet.vocabulary.takeDefinitions()
            block.isIdentityCertain = isCertain
            blocks.append(block)
            end = block.endOffset
        }
        let folder = try Folder()
        _ = try await Projector.rebuild(log: ListLog(blocks: blocks), identity: "log", into: folder.path, now: clock)
        let summary = try #require(try SummaryReader(path: folder.summaries).summary(product: "p"))
        #expect(summary.aspects.map(\.aspect).sorted() == ["first", "second"])
        #expect(summary.aspects.map(\.kinds.total) == [1, 1])
        #expect(summary.position.skipped == 1)
    }

    @Test func anUndamagedSnapshotIsTaken() async throws {
        let (folder, head) = try await damaged { _ in }
        #expect(try await offset(of: folder, head: head) == head)
    }

    /// Lists of rows that end nowhere, or at a row that is not there. By part: words, faults, bins; word, next, counts.
    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            (11, [5, 0, 1, 1]), (12, [5, 0, 1, 1, 1]), (13, [10, 0, 1, 1]), (11, [5, 0xff, 0xff, 3, 1, 1]),
        ] as [(Int, [UInt8])]) func aListWithoutEnd(_ part: Int, _ row: [UInt8]) async throws
    {
        let (folder, head) = try await damaged { db in
            let body = Array(repeatElement(row, count: 1_000).joined())
            try db.execute(
                sql: "UPDATE state SET body = ?, checksum = ? WHERE part = ? AND page = 0",
                arguments: [Data(body), Int64(bitPattern: hashBytes(body.span, seed: 0)), part])
            try #require(db.changesCount == 1)
        }
        #expect(try await offset(of: folder, head: head) == .zero)
    }

    @Test(arguments: [
        "UPDATE state SET part = -1 WHERE part = 4", "UPDATE state SET part = 99 WHERE part = 4",
        "UPDATE state SET page = -1 WHERE part = 4", "UPDATE state SET page = 7 WHERE part = 4",
        "UPDATE state SET checksum = checksum + 1 WHERE part = 4", "UPDATE state SET body = x'' WHERE part = 4",
        "UPDATE fold_product_day SET device_set = NULL", "UPDATE fold_product_day SET customer_set = x'07'",
    ]) func aDamagedSnapshotIsMadeAnew(_ sql: String) async throws {
        let (folder, head) = try await damaged { db in
            try db.execute(sql: sql)
            try #require(db.changesCount > 0)
        }
        #expect(try await offset(of: folder, head: head) == .zero)
    }

    @Test(arguments: [
        "UPDATE fold_product SET devices = NULL", "UPDATE fold_product SET customers = -1",
        "UPDATE fold_product SET preferences = 9223372036854775807",
        "UPDATE fold_aspect SET choices = '[[1]]', counts = replace(counts, '[', '[-')",
        "UPDATE fold_aspect SET choices = '[[9e999,-1,1e30]]'",
        "UPDATE fold_aspect SET fault_codes = '[[1,-2]]'", "UPDATE fold_aspect SET rating_scales = '[[0,1e40]]'",
        "UPDATE fold_aspect SET counts = '[1,0,0,0,0,0,-1]'", "UPDATE fold_aspect SET counts = '[1,2.5]'",
        "UPDATE fold_product SET rating_histogram = '[1e400]'",
    ]) func aReaderSaysWhatIsDamaged(_ sql: String) async throws {
        let (whole, _) = try await damaged { _ in }
        let names = try SummaryReader(path: whole.summaries).products().map(\.product)
        let (folder, _) = try await damaged { db in
            try db.execute(sql: sql)
            try #require(db.changesCount > 0)
        }
        let reader = try SummaryReader(path: folder.summaries)
        try #require(!names.isEmpty)
        #expect {
            _ = try reader.products()
            for name in names { _ = try reader.summary(product: name) }
        } throws: { error in
            guard case .damaged? = error as? ProjectionError else { return false }
            return true
        }
    }

    /// Damage that cannot be told from a summary: whatever is read, reading ends.
    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            "UPDATE fold_aspect SET choices = replace(hex(zeroblob(50000)), '00', '[')",
            "UPDATE fold_aspect SET rating_scales = '[[3]]'",
            "UPDATE fold_product_day SET aspects = replace(aspects, '[[', '[[9,0,0,1,0,0,0,9223372036854775807],[')",
        ]) func readingEnds(_ sql: String) async throws
    {
        let (folder, _) = try await damaged { db in try db.execute(sql: sql) }
        let reader = try SummaryReader(path: folder.summaries)
        let days = (Day(rawValue: -719_468), Day(rawValue: 2_932_896))
        for line in try reader.products() {
            #expect(try reader.summary(product: line.product) != nil)
            #expect(try reader.summary(product: line.product, since: days.0, until: days.1) != nil)
        }
    }
}
