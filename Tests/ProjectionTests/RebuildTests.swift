// Rebuild equals live: for any block boundaries, any restarts, any kill.

import Admission
import Events
import GRDB
import Log
import Projection
import Testing
import TidingsTesting

private let clock: @Sendable () -> Timestamp = { Timestamp(rawValue: Fleet.start) }

private func open(_ folder: Folder, head: Offset) throws -> Projector {
    try Projector(directory: folder.path, identity: "log", start: .zero, head: head, now: clock)
}

@Suite struct RebuildTests {
    @Test(arguments: 0..<12) func liveEqualsRebuilt(round: UInt64) async throws {
        let seed = 0x7164_1265 &+ round
        var random = SeededGenerator(seed: seed)
        var fleet = Fleet(seed: seed)
        let batch = fleet.batch(count: 2_000)
        let names = fleet.vocabulary.takeDefinitions()
        let log = ListLog(blocks: cut(batch, names, &random, most: 300))
        let head = await log.head
        var folder = try Folder()
        var projector = try open(folder, head: head)
        for block in log.blocks {
            await projector.apply(block)
            switch Int.random(in: 0..<12, using: &random) {
            case 0...2: try await projector.checkpoint()
            case 3: try await projector.checkpoint(snapshot: true)
            case 4:
                try await projector.stop()
                projector = try open(folder, head: head)
            case 5:
                folder = try folder.copyAsKilled()
                projector = try open(folder, head: head)
                let written = log.blocks.filter { $0.endOffset <= block.endOffset }
                try await projector.catchUp(with: ListLog(blocks: written))
            case 6: await projector.apply(block)
            default: break
            }
            #expect(await projector.offset == block.endOffset, "seed \(seed)")
        }
        try await projector.checkpoint()
        let live = try await projector.dump()
        try await projector.stop()

        let other = try Folder()
        let again = ListLog(blocks: cut(batch, names, &random, most: 1_500))
        let count = try await Projector.rebuild(log: again, identity: "log", into: other.path, now: clock)
        #expect(count == head.rawValue, "seed \(seed)")
        let rebuilt = try await open(other, head: head).dump()
        #expect(live.count > 500, "seed \(seed)")
        let difference = zip(live, rebuilt).first { $0 != $1 }.map { "\($0) is not \($1)" }
        #expect(difference == nil, "seed \(seed)")
        #expect(live.count == rebuilt.count, "seed \(seed)")
    }

    @Test func restoredDedupeStillKnowsWhatWasTaken() async throws {
        var fleet = Fleet(seed: 5)
        let event = fleet.event(.preferenceSet, product: "kettle", device: "k1")
        var batch = EventBatch()
        batch.events = [event]
        let folder = try Folder()
        let projector = try open(folder, head: Offset(rawValue: 1))
        await projector.apply(Block(firstOffset: .zero, batch: batch, definitions: fleet.vocabulary.takeDefinitions()))
        try await projector.stop()
        let next = try open(folder, head: Offset(rawValue: 1))
        var dedupe = try await next.memory(with: ListLog(blocks: []), ConsentPurposes()).dedupe
        #expect(dedupe.admit(event) == .duplicate)
        #expect(await next.offset == Offset(rawValue: 1))
    }

    /// What the ingest starts with: the snapshot's part and the events since then, before the state is read.
    @Test(arguments: 0..<6) func dedupeIsKnownBeforeTheState(round: UInt64) async throws {
        let seed = 0x1df0_0d5e &+ round
        var random = SeededGenerator(seed: seed)
        var fleet = Fleet(seed: seed)
        let batch = fleet.batch(count: 1_500)
        let log = ListLog(blocks: cut(batch, fleet.vocabulary.takeDefinitions(), &random, most: 200))
        let snapshotAfter = Int.random(in: 0...log.blocks.count, using: &random)
        var folder = try Folder()
        let before = try open(folder, head: await log.head)
        for (index, block) in log.blocks.enumerated() {
            if index == snapshotAfter { try await before.checkpoint(snapshot: true) }
            await before.apply(block)
        }
        folder = try folder.copyAsKilled()

        let next = try Projector(
            directory: folder.path, identity: "log", start: .zero, head: await log.head, isLoading: false, now: clock)
        let purposes = ConsentPurposes(fleet.vocabulary)
        let (dedupe, consents) = try await next.memory(with: log, purposes)
        var whole = DedupeTable()
        var wholeConsents = ConsentTable()
        for event in batch.events {
            guard case .new = whole.fold(event), case .none = event.quarantine else { continue }
            wholeConsents.fold(event, batch.details(of: event), purposes.purpose(of: event))
        }
        #expect(consents == wholeConsents && consents.count > 20, "seed \(seed)")
        #expect(dedupe.pageCount == whole.pageCount && whole.pageCount > 0, "seed \(seed)")
        for page in 0..<whole.pageCount { #expect(dedupe.page(page) == whole.page(page), "seed \(seed)") }

        // Not loaded yet: a block is passed over, nothing is written, and catching up makes it good.
        let known = await next.offset
        await next.apply(log.blocks[min(snapshotAfter, log.blocks.count - 1)])
        #expect(try await next.checkpoint(snapshot: true) == .zero)
        #expect(await next.offset == known)
        try await next.catchUp(with: log)
        try await before.checkpoint()
        try await next.checkpoint(snapshot: true)
        #expect(try await next.dump() == before.dump(), "seed \(seed)")
        // The projector has folded the same consents as the ingest.
        let saved = try await next.memory(with: ListLog(blocks: []), ConsentPurposes()).consents
        #expect(saved == wholeConsents, "seed \(seed)")
    }

    @Test func aDamagedPartOfTheSnapshotIsFoundBeforeTheStateIsRead() async throws {
        var fleet = Fleet(seed: 9)
        let batch = fleet.batch(count: 100)
        let log = ListLog(
            blocks: [Block(firstOffset: .zero, batch: batch, definitions: fleet.vocabulary.takeDefinitions())])
        let folder = try Folder()
        _ = try await Projector.rebuild(log: log, identity: "log", into: folder.path, now: clock)
        let queue = try DatabaseQueue(path: folder.summaries)
        try await queue.write { try $0.execute(sql: "UPDATE state SET checksum = 0 WHERE part = 1") }
        try queue.close()
        let next = try Projector(
            directory: folder.path, identity: "log", start: .zero, head: await log.head, isLoading: false, now: clock)
        var dedupe = try await next.memory(with: log, ConsentPurposes()).dedupe
        let numbered = batch.events.first { $0.identity != .none && $0.kind != .gap }
        #expect(dedupe.admit(try #require(numbered)) == .duplicate)
        #expect(await next.offset == .zero)
        try await next.catchUp(with: log)
        #expect(await next.offset == (await log.head))
    }

    @Test func aReaderKeepsTheOldFileWhileItIsReplaced() async throws {
        var fleet = Fleet(seed: 6)
        var random = SeededGenerator(seed: 6)
        let batch = fleet.batch(count: 300)
        let log = ListLog(blocks: cut(batch, fleet.vocabulary.takeDefinitions(), &random, most: 100))
        let folder = try Folder()
        _ = try await Projector.rebuild(log: log, identity: "log", into: folder.path, now: clock)
        let reader = try SummaryReader(path: folder.summaries)
        let before = try reader.products()
        #expect(!before.isEmpty)
        _ = try await Projector.rebuild(log: log, identity: "log", into: folder.path, now: clock)
        #expect(try reader.products() == before)
        #expect(try SummaryReader(path: folder.summaries).products() == before)
        // The replaced file is a whole one: a projector goes on with it.
        let projector = try open(folder, head: Offset(rawValue: UInt64(batch.count)))
        #expect(await projector.offset == Offset(rawValue: UInt64(batch.count)))
    }

    @Test func readersNeverSeeTheSummariesGoBack() async throws {
        var fleet = Fleet(seed: 7)
        var random = SeededGenerator(seed: 7)
        let batch = fleet.batch(count: 400)
        let log = ListLog(blocks: cut(batch, fleet.vocabulary.takeDefinitions(), &random, most: 50))
        var folder = try Folder()
        var projector = try open(folder, head: await log.head)
        for block in log.blocks { await projector.apply(block) }
        try await projector.checkpoint()
        folder = try folder.copyAsKilled()
        projector = try open(folder, head: await log.head)
        #expect(await projector.offset == .zero)
        await projector.apply(log.blocks[0])
        try await projector.checkpoint()
        #expect(try SummaryReader(path: folder.summaries).position().offset == (await log.head))
    }

    @Test func summariesOfAnotherLogAreMadeAnew() async throws {
        let folder = try Folder()
        let projector = try open(folder, head: .zero)
        try await projector.stop()
        let other = try Projector(directory: folder.path, identity: "other", start: .zero, head: .zero, now: clock)
        #expect(await other.offset == .zero)
    }

    @Test func summariesAheadOfTheLogAreMadeAnew() async throws {
        var fleet = Fleet(seed: 8)
        let folder = try Folder()
        let projector = try open(folder, head: Offset(rawValue: 50))
        let batch = fleet.batch(count: 50)
        await projector.apply(Block(firstOffset: .zero, batch: batch, definitions: fleet.vocabulary.takeDefinitions()))
        try await projector.stop()
        let shorter = try open(folder, head: Offset(rawValue: 10))
        #expect(await shorter.offset == .zero)
        #expect(try SummaryReader(path: folder.summaries).products().isEmpty)
    }

    @Test func aLogWithoutItsBeginningNeedsASnapshot() throws {
        let folder = try Folder()
        #expect(throws: ProjectionError.horizon("the log begins at event 7")) {
            try Projector(
                directory: folder.path, identity: "log", start: Offset(rawValue: 7), head: Offset(rawValue: 9),
                now: clock)
        }
    }
}
