// The in-memory engine keeps the log's promises.

import Events
import Log
import Testing
import TidingsTesting

struct InMemoryConformanceTests {
    @Test(.timeLimit(.minutes(1)), arguments: EventLogConformance.checks)
    func conforms(_ check: EventLogConformance) async throws {
        let store = InMemoryStore()
        let fixture = LogFixture(
            capabilities: [.retention, .scrubbing],
            open: { try InMemoryEventLog(in: store, blocksPerSegment: 30) }, damage: { store.damage($0) })
        try await check.run(fixture)
        let log = try InMemoryEventLog(in: store)
        #expect(try await log.verify().isClean != check.leavesDamage)
    }

    @Test func failuresAreRetried() async throws {
        let log = try InMemoryEventLog()
        var samples = SampleEvents(seed: 1)
        let (batch, definitions) = samples.batch(20)
        log.fail(with: .full("a test"))
        await #expect(throws: LogError.full("a test")) { try await log.append(batch, defining: definitions) }
        log.fail(with: nil)
        #expect(try await log.append(batch, defining: definitions).rawValue == 0)
        #expect(await log.head.rawValue == 20)
    }
}
