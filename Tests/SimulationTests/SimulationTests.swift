// The promises under simulated crashes, faults and networks: 200 seeds here, any number with scripts/simulate.

import Foundation
import Synchronization
import Testing

/// Gives out seeds to whoever is free.
final class NextSeed: Sendable {
    private let next: Atomic<UInt64>
    init(_ first: UInt64) { next = Atomic(first) }
    func take() -> UInt64 { next.add(1, ordering: .relaxed).oldValue }
}

@Suite struct SimulationTests {
    /// What scripts/simulate asks for: how many seeds, and the first.
    private static let environment = ProcessInfo.processInfo.environment
    static let isAsked = environment["TIDINGS_SIMULATION_SEEDS"] != nil
    static let count = environment["TIDINGS_SIMULATION_SEEDS"].flatMap { UInt64($0) } ?? 200
    static let first = environment["TIDINGS_SIMULATION_FROM"].flatMap { UInt64($0) } ?? 1
    static let mutation = environment["TIDINGS_SIMULATION_MUTATION"].flatMap(SimulatedDaemon.Mutation.init)

    @Test func promisesHoldForEverySeed() async throws {
        let results = try await run(Self.first..<(Self.first + Self.count), mutation: Self.mutation)
        for result in results where !result.failures.isEmpty {
            let replay = "scripts/simulate --seeds 1 --from \(result.seed)"
            Issue.record("seed \(result.seed): \(result.failures.joined(separator: "; ")); replay it with \(replay)")
        }
        let failed = results.filter { !$0.failures.isEmpty }.count
        let sum = { (count: (RunResult) -> Int) in results.reduce(0) { $0 + count($1) } }
        print(
            "simulation: \(results.count) seeds from \(Self.first): \(sum(\.made)) events, \(sum(\.stored)) stored,",
            "\(sum(\.crashes)) crashes, \(sum(\.retries)) failed appends, \(sum(\.gaps)) numbers given up,",
            "\(sum(\.cutOff)) requests cut off, \(sum(\.putOff)) put off;",
            "\(failed) seeds broke a promise")
        // A simulation in which nothing goes wrong proves nothing.
        if Self.count >= 100 { #expect(sum(\.crashes) > 50 && sum(\.retries) > 50 && sum(\.gaps) > 5) }
        if Self.count >= 100 { #expect(sum(\.cutOff) > 10 && sum(\.putOff) > 0) }
    }

    @Test func sameSeedGivesTheSameRun() async throws {
        let seeds: Range<UInt64> = 1..<20
        let (once, again) = (try await run(seeds), try await run(seeds))
        for (one, other) in zip(once, again) {
            #expect(one.made == other.made && one.stored == other.stored && one.crashes == other.crashes)
            #expect(one.failures == other.failures && one.retries == other.retries && one.gaps == other.gaps)
        }
    }

    /// A check that cannot fail is worth nothing: each of these breaks a promise, and seeds must find it.
    @Test(arguments: SimulatedDaemon.Mutation.allCases)
    func brokenDaemonIsFound(_ mutation: SimulatedDaemon.Mutation) async throws {
        let seeds: Range<UInt64> = 1..<120
        let whole = try await run(seeds).filter(\.failures.isEmpty).map(\.seed)
        let found = try await run(seeds, mutation: mutation).filter { !$0.failures.isEmpty && whole.contains($0.seed) }
        print("simulation: \(mutation): \(found.count) of \(whole.count) seeds find it")
        #expect(!found.isEmpty, "no seed notices \(mutation)")
    }

    /// Runs seeds on all processors; each run is the work of one thread.
    private func run(
        _ seeds: Range<UInt64>, mutation: SimulatedDaemon.Mutation? = nil
    ) async throws -> [RunResult] {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let next = NextSeed(seeds.lowerBound)
        return await withTaskGroup(of: [RunResult].self) { group in
            for _ in 0..<ProcessInfo.processInfo.activeProcessorCount {
                group.addTask {
                    var results: [RunResult] = []
                    while true {
                        let seed = next.take()
                        guard seed < seeds.upperBound else { return results }
                        results.append(Simulation(seed: seed, folder: folder.path(), mutation: mutation).run())
                        for suffix in ["", "-wal", "-shm"] {
                            try? FileManager.default.removeItem(atPath: folder.path() + "/\(seed).sqlite" + suffix)
                        }
                    }
                }
            }
            var all: [RunResult] = []
            for await results in group { all += results }
            return all.sorted { $0.seed < $1.seed }
        }
    }

    /// In memory where the system has such a place: the files need not outlive the machine.
    private func temporaryFolder() throws -> URL {
        let memory = URL(filePath: "/dev/shm")
        let isThere = FileManager.default.isWritableFile(atPath: memory.path())
        let folder = (isThere ? memory : FileManager.default.temporaryDirectory)
            .appending(path: "tidings-simulation-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }
}
