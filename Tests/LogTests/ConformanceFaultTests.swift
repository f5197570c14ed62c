// The conformance suite can fail: each of its younger checks finds an engine that breaks what it is about.

import Log
import Testing
import TidingsTesting

@Suite struct ConformanceFaultTests {
    private func fixture(_ fault: Fault?) -> LogFixture {
        let store = InMemoryStore()
        return LogFixture(
            capabilities: [.retention, .scrubbing],
            open: {
                do throws(LogError) {
                    return BrokenLog(try InMemoryEventLog(in: store, blocksPerSegment: 30), fault)
                } catch {
                    guard fault == .twoWriters else { throw error }
                    return try InMemoryEventLog(blocksPerSegment: 30)
                }
            }, damage: { store.damage($0) })
    }

    @Test(.timeLimit(.minutes(1)), arguments: Fault.allCases)
    func aFaultIsFound(_ fault: Fault) async throws {
        let check = try #require(EventLogConformance.checks.first { $0.name.hasPrefix(fault.check) })
        await #expect(throws: (any Error).self) { try await check.run(fixture(fault)) }
    }

    @Test(.timeLimit(.minutes(1)), arguments: EventLogConformance.checks)
    func withoutAFaultTheSameEnginePasses(_ check: EventLogConformance) async throws {
        try await check.run(fixture(nil))
    }

    /// An engine that says of itself what it is not, or is what it does not say, is no engine either.
    @Test func capabilitiesAreHeldAgainstTheEngine() async throws {
        for (capability, name) in [(LogFixture.Capability.retention, "retention by age"), (.scrubbing, "a scrub")] {
            var fixture = fixture(nil)
            fixture.capabilities.remove(capability)
            let check = try #require(EventLogConformance.checks.first { $0.name.hasPrefix(name) })
            await #expect(throws: ConformanceFailure.self) { try await check.run(fixture) }
        }
    }
}
