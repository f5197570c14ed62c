// Blocks reach the log in order and once, whatever fails, and the one who waits for the end is told.

import Events
import Log
import Synchronization
import Testing
import TidingsTesting

@Suite struct AppenderTests {
    private final class Outcomes: Sendable {
        private let list = Mutex<[String]>([])

        func note(_ outcome: AppendOutcome) {
            switch outcome {
            case .stored(let block, let offset): list.withLock { $0.append("\(block.ticket) at \(offset.rawValue)") }
            case .failed: list.withLock { $0.append("failed") }
            }
        }

        var all: [String] { list.withLock { $0 } }
    }

    private func blocks(_ count: Int, seed: UInt64) -> [PendingBlock] {
        var samples = SampleEvents(seed: seed)
        return (1...count).map { ticket in
            let (batch, definitions) = samples.batch(10)
            return PendingBlock(ticket: UInt64(ticket), batch: batch, definitions: definitions)
        }
    }

    @Test(.timeLimit(.minutes(1))) func blocksAreStoredInOrder() async throws {
        let log = try InMemoryEventLog()
        let (appender, outcomes) = (Appender(log), Outcomes())
        let blocks = blocks(200, seed: 7)
        // Before there is anybody to tell, and while others are stored.
        for block in blocks.prefix(5) { appender.submit(block) }
        #expect(await log.head == .zero)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await appender.run(report: outcomes.note) }
            for block in blocks.dropFirst(5) { appender.submit(block) }
            appender.finish()
            await group.waitForAll()
        }
        #expect(outcomes.all == (0..<200).map { "\($0 + 1) at \($0 * 10)" })
        #expect(await log.head.rawValue == 2_000)
    }

    @Test(.timeLimit(.minutes(1))) func whatFailsIsTriedAgainBeforeWhatFollows() async throws {
        let log = try InMemoryEventLog()
        let (appender, outcomes) = (Appender(log, retryDelay: .milliseconds(5)), Outcomes())
        log.fail(with: .full("no room"))
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await appender.run(report: outcomes.note) }
            for block in blocks(3, seed: 8) { appender.submit(block) }
            while outcomes.all.count < 3 { await Task.yield() }
            log.fail(with: nil)
            appender.finish()
            await group.waitForAll()
        }
        let failures = outcomes.all.count - 3
        #expect(failures >= 3)
        #expect(outcomes.all == Array(repeating: "failed", count: failures) + ["1 at 0", "2 at 10", "3 at 20"])
    }

    @Test(.timeLimit(.minutes(1)), arguments: [false, true])
    func aCancelledAppenderEnds(isFailing: Bool) async throws {
        let log = try InMemoryEventLog()
        let appender = Appender(log, retryDelay: .seconds(3_600))
        if isFailing { log.fail(with: .full("no room")) }
        await withTaskGroup(of: Void.self) { group in
            let outcomes = Outcomes()
            group.addTask { await appender.run(report: outcomes.note) }
            for block in blocks(2, seed: 9) { appender.submit(block) }
            while outcomes.all.isEmpty { await Task.yield() }
            group.cancelAll()
            await group.waitForAll()
        }
        #expect(await log.head.rawValue == (isFailing ? 0 : 20))
    }
}
