// Copies of the summaries have no texts; what the log still has comes back at a restore.

import Admission
import Events
import Foundation
import Log
import Projection
import Testing

private let clock: @Sendable () -> Timestamp = { Timestamp(rawValue: Fleet.start) }

@Suite struct CopiedTextsTests {
    private static func holds(_ text: String, _ folder: Folder) throws -> Bool {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).contains { name in
            let content = FileManager.default.contents(atPath: folder.path + "/" + name)
            return content?.range(of: Data(text.utf8)) != nil
        }
    }

    private static func texts(_ folder: Folder) throws -> [Offset: String?] {
        let texts = try SummaryReader(path: folder.summaries).summary(product: "p")?.texts ?? []
        return Dictionary(uniqueKeysWithValues: texts.map { ($0.offset, $0.text) })
    }

    /// Six texts of two persons, in blocks of one event; the second person is forgotten at the end.
    private static func blocks() -> [Block] {
        var fleet = Fleet(seed: 5)
        var blocks: [Block] = []
        let padding = String(repeating: "long ", count: 4_000)
        for number in 0..<6 {
            var event = fleet.event(.feedbackText, product: "p", device: "d")
            event.customer = fleet.customer(number % 2 == 0 ? "anna" : "berta")
            var batch = EventBatch()
            batch.setText(Array("PLANTED-\(number) \(padding)".utf8).span, of: &event)
            batch.events.append(event)
            let offset = Offset(rawValue: UInt64(number))
            blocks.append(Block(firstOffset: offset, batch: batch, definitions: fleet.vocabulary.takeDefinitions()))
        }
        var erased = EventBatch()
        var event = Event()
        (event.kind, event.customer) = (.customerErased, fleet.customer("berta"))
        (event.time, event.arrival, event.clock) = (clock(), clock(), .arrival)
        erased.events = [event]
        blocks.append(Block(firstOffset: Offset(rawValue: 6), batch: erased, definitions: Definitions()))
        return blocks
    }

    @Test func aCopyHasNoTextsAndGetsBackWhatTheLogHas() async throws {
        let folder = try Folder()
        let blocks = Self.blocks()
        let projector = try Projector(
            directory: folder.path, identity: "log", start: .zero, head: Offset(rawValue: 7), now: clock)
        for block in blocks { await projector.apply(block) }
        try await projector.checkpoint(snapshot: true)
        try await projector.stop()
        #expect(try Self.holds("PLANTED-4", folder))
        try SummaryStore.removeTexts(of: folder.summaries)
        #expect(try !Self.holds("PLANTED", folder))
        let without = try Self.texts(folder)
        #expect(without.count == 6 && without.values.allSatisfy { $0 == nil })
        // The first two blocks were dropped. What the log still says of somebody who was forgotten is not shown again,
        // though it can be read.
        let log = ListLog(blocks: Array(blocks.dropFirst(2)))
        #expect(try await Projector.refillTexts(from: log, in: folder.path) == 2)
        let filled = try Self.texts(folder)
        let back = filled.compactMap { offset, text in text.map { (offset.rawValue, $0.prefix(9)) } }.sorted { $0 < $1 }
        #expect(back.map(\.0) == [2, 4] && back.map(\.1) == ["PLANTED-2", "PLANTED-4"], "\(filled.keys)")
        let again = try Projector(
            directory: folder.path, identity: "log", start: Offset(rawValue: 2), head: Offset(rawValue: 7), now: clock)
        #expect(await again.offset == Offset(rawValue: 7))
        try await again.stop()
    }

    @Test func aFolderWithoutSummariesNeedsNothing() async throws {
        let folder = try Folder()
        #expect(try await Projector.refillTexts(from: ListLog(blocks: Self.blocks()), in: folder.path) == 0)
        #expect(!FileManager.default.fileExists(atPath: folder.summaries))
    }
}
