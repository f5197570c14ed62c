// The summaries at rest, while somebody reads them, and where they cannot be written: what readers see is what is said.

import Events
import Foundation
import GRDB
import Log
import Projection
import Testing

private let clock: @Sendable () -> Timestamp = { Timestamp(rawValue: Fleet.start) }

@Suite struct AtRestTests {
    private func open(_ folder: Folder, head: Offset, group: UInt32? = nil) throws -> Projector {
        try Projector(directory: folder.path, identity: "log", start: .zero, head: head, group: group, now: clock)
    }

    private func block(_ fleet: inout Fleet, _ count: Int, at offset: UInt64 = 0) -> Block {
        let batch = fleet.batch(count: count)
        return Block(
            firstOffset: Offset(rawValue: offset), batch: batch, definitions: fleet.vocabulary.takeDefinitions())
    }

    @Test func whatIsSaidToBeCountedIsWhatReadersSee() async throws {
        let folder = try Folder()
        var fleet = Fleet(seed: 1)
        let projector = try open(folder, head: Offset(rawValue: 1_000))
        let block = block(&fleet, 500)
        await projector.apply(block)
        #expect(await projector.offset == block.endOffset)
        #expect(await projector.checkpointOffset == .zero, "folded, and not to be seen yet")
        #expect(try SummaryReader(path: folder.summaries).position().offset == .zero)
        try await projector.checkpoint()
        #expect(await projector.checkpointOffset == block.endOffset)
        #expect(try SummaryReader(path: folder.summaries).position().offset == block.endOffset)
        try await projector.stop()
    }

    @Test func theFileStandsAloneAtRest() async throws {
        let folder = try Folder()
        var fleet = Fleet(seed: 2)
        let projector = try open(folder, head: Offset(rawValue: 500))
        await projector.apply(block(&fleet, 500))
        try await projector.stop()
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["summaries.sqlite"])
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder.summaries))[19] == 1)
        let again = try open(folder, head: Offset(rawValue: 500))
        #expect(await again.checkpointOffset.rawValue == 500)
        try await again.stop()
    }

    /// A long query that began while the daemon was stopped keeps what it reads; the daemon starts all the same.
    @Test func aLongQueryHindersNoStart() async throws {
        let folder = try Folder()
        var fleet = Fleet(seed: 3)
        let first = try open(folder, head: Offset(rawValue: 1_000))
        await first.apply(block(&fleet, 500))
        try await first.stop()
        var configuration = Configuration()
        configuration.readonly = true
        configuration.allowsUnsafeTransactions = true
        let query = try DatabaseQueue(path: folder.summaries, configuration: configuration)
        try query.inDatabase { db in try db.execute(sql: "BEGIN; SELECT count(*) FROM meta") }
        let next = try open(folder, head: Offset(rawValue: 1_000))
        await next.apply(block(&fleet, 500, at: 500))
        try await next.checkpoint()
        #expect(try SummaryReader(path: folder.summaries).position().offset.rawValue == 1_000)
        let seen = try query.inDatabase { db in
            try String.fetchOne(db, sql: "SELECT value FROM meta WHERE key = 'offset'")
        }
        #expect(seen == "500")
        try query.close()
        try await next.stop()
    }

    @Test func theGroupMayReadTheFileAndNobodyElse() async throws {
        let folder = try Folder()
        var fleet = Fleet(seed: 4)
        let projector = try open(folder, head: Offset(rawValue: 500), group: UInt32(getegid()))
        await projector.apply(block(&fleet, 500))
        try await projector.checkpoint()
        for suffix in ["", "-wal", "-shm"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: folder.summaries + suffix)
            #expect(attributes[.posixPermissions] as? NSNumber == 0o640, "\(suffix)")
        }
        try await projector.stop()
        // A rebuild keeps what was given.
        _ = try await Projector.rebuild(log: ListLog(blocks: []), identity: "log", into: folder.path, now: clock)
        let attributes = try FileManager.default.attributesOfItem(atPath: folder.summaries)
        #expect(attributes[.posixPermissions] as? NSNumber == 0o640)
    }

    @Test func aFileThatIsNotThereAndOneThatCannotBeHadAreTwoThings() throws {
        let folder = try Folder()
        #expect(throws: ProjectionError.missing(folder.summaries)) { try SummaryReader(path: folder.summaries) }
    }
}
