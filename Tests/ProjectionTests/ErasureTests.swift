// Texts of somebody who is forgotten: gone from the file, live and rebuilt alike, and nothing else changes.

import Admission
import Events
import Foundation
import Log
import Projection
import Testing
import TidingsTesting

private let clock: @Sendable () -> Timestamp = { Timestamp(rawValue: Fleet.start) }

@Suite struct ErasureTests {
    private static func erased(_ customer: CustomerID) -> Event {
        var event = Event()
        event.kind = .customerErased
        event.customer = customer
        (event.time, event.arrival, event.clock) = (clock(), clock(), .arrival)
        return event
    }

    /// A batch in which customers are forgotten at random; they say nothing under their numbers afterwards.
    private static func batch(seed: UInt64) -> (batch: EventBatch, names: Definitions, gone: [CustomerID: Int]) {
        var random = SeededGenerator(seed: seed)
        var fleet = Fleet(seed: seed)
        let all = fleet.batch(count: 2_000)
        var batch = EventBatch()
        var gone: [CustomerID: Int] = [:]
        for var event in all.events {
            if gone[event.customer] != nil { event.customer = .none }
            batch.append(event, of: all)
            if event.customer != .none, Int.random(in: 0..<40, using: &random) == 0 {
                gone[event.customer] = batch.count
                batch.events.append(erased(event.customer))
            }
        }
        return (batch, fleet.vocabulary.takeDefinitions(), gone)
    }

    /// The same as it is read once the keys are gone: their texts cannot be opened.
    private static func sealed(_ batch: EventBatch, _ gone: [CustomerID: Int]) -> EventBatch {
        var batch = batch
        for index in batch.events.indices {
            var event = batch.events[index]
            guard event.textLength > 0, gone[event.customer] != nil else { continue }
            var details = batch.details(of: event)
            details.sealedText.start = event.textStart
            details.sealedText.length = event.textLength
            details.sealedText.codec = .sealed
            (event.textStart, event.textLength) = (0, 0)
            batch.setDetails(details, of: &event)
            batch.events[index] = event
        }
        return batch
    }

    @Test(arguments: 1...8) func liveEqualsRebuiltWithoutKeys(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let (batch, names, gone) = Self.batch(seed: seed)
        #expect(gone.count > 3)
        let log = ListLog(blocks: cut(batch, names, &random, most: 200))
        let head = await log.head
        let folder = try Folder()
        var projector = try Projector(
            directory: folder.path, identity: "log", start: .zero, head: head, now: clock)
        for block in log.blocks {
            await projector.apply(block)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: try await projector.checkpoint()
            case 1: try await projector.checkpoint(snapshot: true)
            case 2:
                try await projector.stop()
                projector = try Projector(
                    directory: folder.path, identity: "log", start: .zero, head: head, now: clock)
            default: break
            }
        }
        #expect(try await projector.clearErased(until: .now + .seconds(5)) == nil)
        let live = try await projector.dump()
        try await projector.stop()
        let other = try Folder()
        let without = ListLog(blocks: cut(Self.sealed(batch, gone), names, &random, most: 900))
        _ = try await Projector.rebuild(log: without, identity: "log", into: other.path, now: clock)
        let again = try Projector(directory: other.path, identity: "log", start: .zero, head: head, now: clock)
        let rebuilt = try await again.dump()
        let difference = zip(live, rebuilt).first { $0 != $1 }.map { "\($0) is not \($1)" }
        #expect(difference == nil && live.count == rebuilt.count, "seed \(seed): \(difference ?? "")")
        #expect(live.contains { $0.hasPrefix("feedback|") && $0.contains("NULL") }, "seed \(seed)")
        try await again.stop()
    }

    @Test func theWordsLeaveTheFileAndItsWriteAheadLog() async throws {
        var fleet = Fleet(seed: 3)
        var batch = EventBatch()
        for number in 0..<300 {
            var event = fleet.event(.feedbackText, product: "p", device: "d")
            event.customer = fleet.customer(number % 2 == 0 ? "anna" : "berta")
            batch.setText(Array("said-by-\(number % 2 == 0 ? "ANNA" : "BERTA")-\(number)".utf8).span, of: &event)
            batch.events.append(event)
        }
        let berta = fleet.customer("berta")
        let block = Block(firstOffset: .zero, batch: batch, definitions: fleet.vocabulary.takeDefinitions())
        let folder = try Folder()
        let projector = try Projector(
            directory: folder.path, identity: "log", start: .zero, head: block.endOffset + 10, now: clock)
        await projector.apply(block)
        try await projector.checkpoint()
        func holds(_ text: String) throws -> Bool {
            try FileManager.default.contentsOfDirectory(atPath: folder.path).contains { name in
                FileManager.default.contents(atPath: folder.path + "/" + name)?.range(of: Data(text.utf8)) != nil
            }
        }
        #expect(try holds("said-by-BERTA"))
        var erasure = EventBatch()
        erasure.events = [Self.erased(berta)]
        await projector.apply(Block(firstOffset: block.endOffset, batch: erasure, definitions: Definitions()))
        #expect(try await projector.clearErased(until: .now + .seconds(5)) == nil)
        #expect(try !holds("said-by-BERTA") && holds("said-by-ANNA"))
        let summary = try SummaryReader(path: folder.summaries).summary(product: "p")
        #expect(summary?.texts.contains { $0.text == nil } == true)
        try await projector.stop()
        #expect(try !holds("said-by-BERTA"))
    }

    /// What a device sends under the number of the kind is no erasure.
    @Test func nobodyElseCanEraseTexts() async throws {
        var fleet = Fleet(seed: 4)
        var batch = EventBatch()
        var event = fleet.event(.feedbackText, product: "p", device: "d")
        event.customer = fleet.customer("anna")
        batch.setText(Array("stays".utf8).span, of: &event)
        batch.events.append(event)
        var forged = Self.erased(event.customer)
        forged.quarantine = .unknownType
        batch.events.append(forged)
        var state = SummaryState()
        state.apply(Block(firstOffset: .zero, batch: batch, definitions: fleet.vocabulary.takeDefinitions()))
        let folder = try Folder()
        var store = try SummaryStore(path: folder.summaries, identity: "log")
        try store.checkpoint(&state, updated: clock())
        #expect(try store.dump().contains { $0.contains("stays") })
        try store.close()
    }
}
