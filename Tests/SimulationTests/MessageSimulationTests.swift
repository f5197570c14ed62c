// The promises of messages to devices under simulated crashes, faults, sleep and customers: 24 seeds here, any number
// with scripts/simulate --messages.

import Foundation
import Synchronization
import Testing

@Suite struct MessageSimulationTests {
    static let count = SimulationTests.isAsked ? SimulationTests.count : 24
    static let mutation = ProcessInfo.processInfo.environment["TIDINGS_SIMULATION_MUTATION"]
        .flatMap(SimulatedOutbox.Mutation.init)

    @Test func promisesHoldForEverySeedOfMessages() async {
        let first = SimulationTests.first
        let results = await run(first..<(first + Self.count), mutation: Self.mutation)
        for result in results where !result.failures.isEmpty {
            let replay = "scripts/simulate --messages --seeds 1 --from \(result.seed)"
            Issue.record("seed \(result.seed): \(result.failures.joined(separator: "; ")); replay it with \(replay)")
        }
        let sum = { (count: (MessageRunResult) -> Int) in results.reduce(0) { $0 + count($1) } }
        print(
            "messages: \(results.count) seeds from \(first): \(sum(\.messages)) messages, \(sum(\.pushes)) offers,",
            "\(sum(\.again)) of them again, \(sum(\.reached)) arrived, \(sum(\.overridden)) overridden,",
            "\(sum(\.givenUp)) given up, \(sum(\.crashes)) kills, \(sum(\.resets)) devices broke down;",
            "\(results.count { !$0.failures.isEmpty }) seeds broke a promise")
        // A simulation in which nothing goes wrong proves nothing.
        guard Self.count >= 100, Self.mutation == nil else { return }
        #expect(sum(\.again) > 100 && sum(\.crashes) > 100 && sum(\.resets) > 50)
        #expect(sum(\.givenUp) > 10 && sum(\.overridden) > 10)
    }

    @Test func sameSeedGivesTheSameRunOfMessages() async {
        let seeds: Range<UInt64> = 1..<5
        let (once, again) = (await run(seeds), await run(seeds))
        for (one, other) in zip(once, again) {
            #expect(one.failures == other.failures && one.pushes == other.pushes && one.reached == other.reached)
        }
    }

    /// A check that cannot fail is worth nothing: each of these breaks a promise, and seeds must find it.
    @Test(arguments: SimulatedOutbox.Mutation.allCases)
    func brokenOutboxIsFound(_ mutation: SimulatedOutbox.Mutation) async {
        let seeds: Range<UInt64> = 1..<9
        let found = await run(seeds, mutation: mutation).filter { !$0.failures.isEmpty }
        print("messages: \(mutation): \(found.count) of \(seeds.count) seeds find it")
        #expect(!found.isEmpty, "no seed notices \(mutation)")
    }

    private func run(_ seeds: Range<UInt64>, mutation: SimulatedOutbox.Mutation? = nil) async -> [MessageRunResult] {
        let next = NextSeed(seeds.lowerBound)
        return await withTaskGroup(of: [MessageRunResult].self) { group in
            for _ in 0..<ProcessInfo.processInfo.activeProcessorCount {
                group.addTask {
                    var results: [MessageRunResult] = []
                    while true {
                        let seed = next.take()
                        guard seed < seeds.upperBound else { return results }
                        results.append(MessageSimulation(seed: seed, mutation: mutation).run())
                    }
                }
            }
            var all: [MessageRunResult] = []
            for await results in group { all += results }
            return all.sorted { $0.seed < $1.seed }
        }
    }
}
