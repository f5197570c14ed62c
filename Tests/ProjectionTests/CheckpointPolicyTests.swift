// When checkpoints are written, against made-up clocks.

import Projection
import Testing

/// When a checkpoint is due: judged by made-up instants, no clock runs.
struct CheckpointPolicyTests {
    private let start = ContinuousClock.now
    private let cheap = 100
    private let expensive = 300_000

    private func policy(_ events: Int) -> CheckpointPolicy {
        var policy = CheckpointPolicy()
        policy.applied(events)
        policy.noticed(at: start)
        return policy
    }

    @Test("nothing waits: nothing is due")
    func nothingWaits() {
        #expect(!CheckpointPolicy().isDue(at: start + .seconds(60), rows: 0, isBusy: false))
    }

    @Test("when no more events come, a checkpoint follows at once, however expensive it is", arguments: [100, 300_000])
    func quiet(rows: Int) {
        let policy = policy(1)
        let delay = CheckpointPolicy.quietDelay
        #expect(!policy.isDue(at: start + delay - .milliseconds(1), rows: rows, isBusy: false))
        #expect(policy.isDue(at: start + delay, rows: rows, isBusy: false))
    }

    @Test("while events come, it waits for a second, or for so long that it takes a twentieth of the time only")
    func busy() {
        var policy = policy(1)
        var instant = start
        while instant < start + CheckpointPolicy.minInterval {
            #expect(!policy.isDue(at: instant, rows: cheap, isBusy: false))
            instant += .milliseconds(50)
            policy.applied(1)
            policy.noticed(at: instant)
        }
        #expect(policy.isDue(at: instant, rows: cheap, isBusy: false))
        #expect(!policy.isDue(at: instant, rows: expensive, isBusy: true))
        #expect(policy.isDue(at: start + CheckpointPolicy.maxInterval, rows: expensive, isBusy: true))
    }

    @Test("after a checkpoint it rests for as long as its duration demands, and knows better what a row costs")
    func rests() {
        var policy = policy(1)
        let end = start + .milliseconds(100)
        policy.wrote(rows: 100_000, from: start, to: end, snapshot: false)
        #expect(policy.last == .milliseconds(100))
        policy.applied(1)
        policy.noticed(at: end)
        let rest = policy.last * CheckpointPolicy.restFactor
        #expect(!policy.isDue(at: end + rest - .milliseconds(1), rows: 1, isBusy: false))
        #expect(policy.isDue(at: end + rest, rows: 1, isBusy: false))
        // A microsecond a row now: 100,000 rows wait two seconds while events come.
        #expect(!policy.isDue(at: end + rest - .milliseconds(1), rows: 100_000, isBusy: true))
        #expect(policy.isDue(at: end + rest, rows: 100_000, isBusy: true))
    }
}
