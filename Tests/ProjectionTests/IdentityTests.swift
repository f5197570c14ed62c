// What the summaries remember of devices' epochs and numbers: the same as the ingest, also after a restart.

import Admission
import Events
import Log
import Projection
import Testing
import TidingsTesting

private let clock: @Sendable () -> Timestamp = { Timestamp(rawValue: Fleet.start) }

private func open(_ folder: Folder, _ log: ListLog) async throws -> Projector {
    try Projector(directory: folder.path, identity: "log", start: .zero, head: await log.head, now: clock)
}

@Suite struct IdentityTests {
    private var fleet = Fleet(seed: 3)

    private mutating func choice(_ value: String, seq: UInt64, epoch: UInt32) -> Event {
        var event = fleet.event(.preferenceSet, product: "kettle", device: "k1")
        (event.seq, event.epoch, event.value) = (seq, epoch, .symbol(fleet.word(.value, value)))
        return event
    }

    /// Up to 40 epochs of each of some devices, counters that begin again, repetitions: what the ingest lets in.
    private mutating func admitted(_ random: inout SeededGenerator) -> (Admission, EventBatch) {
        var (admission, all) = (Admission(), EventBatch())
        var highest: [UInt64: UInt64] = [:]
        var now = Fleet.start
        for _ in 0..<4_000 {
            now += Int64.random(in: 0...20_000, using: &random)
            let device = Int.random(in: 0..<5, using: &random)
            var event = fleet.event(.featureUsed, product: "p\(device % 2)", device: "d\(device)")
            event.epoch = Bool.random(using: &random) ? 0 : UInt32.random(in: 0...40, using: &random)
            let key = UInt64(device) << 32 | UInt64(event.epoch)
            let top = Int64(highest[key] ?? 0)
            event.seq = UInt64(max(1, top + Int64.random(in: -2...2, using: &random)))
            if Int.random(in: 0..<20, using: &random) == 0 { event.seq = UInt64.random(in: 1...30, using: &random) }
            highest[key] = UInt64(max(top, Int64(event.seq)))
            (event.time, event.arrival) = (Timestamp(rawValue: now), Timestamp(rawValue: now))
            if Int.random(in: 0..<10, using: &random) == 0 { event.clock = .arrival }
            if Int.random(in: 0..<10, using: &random) == 0 { (event.identity, event.epoch) = (.hash, 0) }
            if Int.random(in: 0..<15, using: &random) == 0 { event.count = 0 }
            let mark = all.mark
            all.events.append(event)
            _ = admission.admit(&all, from: mark, transport: .tcp)
        }
        return (admission, all)
    }

    @Test(arguments: 0..<6) mutating func ingestSummariesAndARebuildAgree(round: UInt64) async throws {
        let seed = 0x1d5_0000 &+ round
        var random = SeededGenerator(seed: seed)
        let (admission, batch) = admitted(&random)
        let log = ListLog(blocks: cut(batch, fleet.vocabulary.takeDefinitions(), &random, most: 200))
        var folder = try Folder()
        var projector = try await open(folder, log)
        var restarts = 0
        for block in log.blocks {
            await projector.apply(block)
            switch Int.random(in: 0..<8, using: &random) {
            case 0: try await projector.checkpoint(snapshot: true)
            case 1:
                try await projector.stop()
                projector = try await open(folder, log)
                restarts += 1
            case 2:
                folder = try folder.copyAsKilled()
                projector = try await open(folder, log)
                let written = log.blocks.filter { $0.endOffset <= block.endOffset }
                try await projector.catchUp(with: ListLog(blocks: written))
                restarts += 1
            default: break
            }
        }
        try await projector.stop()
        let restored = try await open(folder, log).memory(with: ListLog(blocks: []), ConsentPurposes()).dedupe
        var folded = DedupeTable()
        for event in batch.events { _ = folded.fold(event) }
        #expect(restored == folded, "seed \(seed)")
        #expect(admission.dedupe == folded, "seed \(seed)")
        let other = try Folder()
        _ = try await Projector.rebuild(log: log, identity: "log", into: other.path, now: clock)
        #expect(try await open(other, log).dump() == open(folder, log).dump(), "seed \(seed)")
        let reused = batch.events.count { $0.quarantine == .numberReused }
        #expect(reused > 20 && restarts > 0, "seed \(seed)")
        print("seed \(seed): \(batch.count) of 4000 events stored, \(reused) with reused numbers, \(restarts) restarts")
    }

    /// An epoch keeps its place in the order of the epochs: hearing of it again does not make its choices the latest.
    @Test(arguments: [false, true])
    mutating func anOlderEpochThatComesAgainDoesNotOverwrite(isRestarted: Bool) async throws {
        let events = [
            choice("one", seq: 5, epoch: 9), choice("two", seq: 1, epoch: 4), choice("three", seq: 1, epoch: 7),
            choice("late", seq: 6, epoch: 9), choice("late", seq: 2, epoch: 4), choice("last", seq: 2, epoch: 7),
            choice("late", seq: 7, epoch: 9),
        ]
        var blocks: [Block] = []
        for (index, event) in events.enumerated() {
            var batch = EventBatch()
            batch.events = [event]
            let names = index == 0 ? fleet.vocabulary.takeDefinitions() : Definitions()
            blocks.append(Block(firstOffset: Offset(rawValue: UInt64(index)), batch: batch, definitions: names))
        }
        let log = ListLog(blocks: blocks)
        let folder = try Folder()
        var projector = try await open(folder, log)
        for block in log.blocks {
            await projector.apply(block)
            guard isRestarted else { continue }
            try await projector.stop()
            projector = try await open(folder, log)
        }
        try await projector.checkpoint()
        let summary = try #require(try SummaryReader(path: folder.summaries).summary(product: "kettle"))
        let now = summary.aspects.first?.preference?.choices.filter { $0.devices == 1 }.map(\.value)
        #expect(now == ["last"])
    }
}
