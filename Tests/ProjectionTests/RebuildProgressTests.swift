// A rebuild tells how far it is, and one that is given up leaves the old summaries.

import Events
import Log
import Projection
import Synchronization
import Testing
import TidingsTesting

@Suite struct RebuildProgressTests {
    private static let clock: @Sendable () -> Timestamp = { Timestamp(rawValue: Fleet.start) }

    private static func log(_ count: Int) -> ListLog {
        var fleet = Fleet(seed: 5)
        var random = SeededGenerator(seed: 5)
        let batch = fleet.batch(count: count)
        return ListLog(blocks: cut(batch, fleet.vocabulary.takeDefinitions(), &random, most: 40))
    }

    @Test func itTellsHowManyEventsAreFolded() async throws {
        let folder = try Folder()
        let told = Mutex<[(done: UInt64, total: UInt64)]>([])
        _ = try await Projector.rebuild(log: Self.log(4_000), identity: "log", into: folder.path, now: Self.clock) {
            (done, total) in told.withLock { $0.append((done, total)) }
        }
        let list = told.withLock { $0 }
        #expect(list.count > 5)
        #expect(list.first?.done == 0)
        #expect(zip(list, list.dropFirst()).allSatisfy { $0.done < $1.done })
        #expect(list.allSatisfy { $0.total == 4_000 })
        #expect(list.last?.done == 4_000)
        #expect(Projector.standing(in: folder.path) == "the new summaries are in place")
    }

    @Test func whatIsGivenUpChangesNothing() async throws {
        let folder = try Folder()
        let before = try await Projector.rebuild(
            log: Self.log(500), identity: "log", into: folder.path, now: Self.clock)
        let path = folder.path
        let result = await withTaskGroup(of: Result<UInt64, any Error>.self) { group in
            group.cancelAll()
            group.addTask {
                do {
                    return .success(
                        try await Projector.rebuild(
                            log: Self.log(4_000), identity: "log", into: path, now: Self.clock))
                } catch {
                    return .failure(error)
                }
            }
            return await group.next()
        }
        #expect(throws: ProjectionError.self) { try result?.get() }
        #expect(Projector.standing(in: folder.path) == "the old summaries stand")
        Projector.removeDraft(in: folder.path)
        #expect(try SummaryReader(path: folder.summaries).position().offset == Offset(rawValue: before))
    }
}
