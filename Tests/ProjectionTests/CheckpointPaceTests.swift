// The pace of checkpoints, against made-up clocks.

import Projection
import Testing

/// When a checkpoint is due: judged by made-up instants, no clock runs.
struct CheckpointPaceTests {
    private let start = ContinuousClock.now
    private let cheap = 100
    private let dear = 300_000

    private func pace(_ events: Int) -> CheckpointPace {
        var pace = CheckpointPace()
        pace.applied(events)
        pace.noticed(at: start)
        return pace
    }

    @Test("nothing waits: nothing is due")
    func nothingWaits() {
        #expect(!CheckpointPace().isDue(at: start + .seconds(60), rows: 0, isBusy: false))
    }

    @Test("when no more events come, a checkpoint follows at once, however dear it is", arguments: [100, 300_000])
    func quiet(rows: Int) {
        let pace = pace(1)
        let patience = CheckpointPace.patience
        #expect(!pace.isDue(at: start + patience - .milliseconds(1), rows: rows, isBusy: false))
        #expect(pace.isDue(at: start + patience, rows: rows, isBusy: false))
    }

    @Test("while events come, it waits for a second, or for so long that it takes its share of the time only")
    func busy() {
        var pace = pace(1)
        var instant = start
        while instant < start + CheckpointPace.patienceBusy {
            #expect(!pace.isDue(at: instant, rows: cheap, isBusy: false))
            instant += .milliseconds(50)
            pace.applied(1)
            pace.noticed(at: instant)
        }
        #expect(pace.isDue(at: instant, rows: cheap, isBusy: false))
        #expect(!pace.isDue(at: instant, rows: dear, isBusy: true))
        #expect(pace.isDue(at: start + CheckpointPace.limit, rows: dear, isBusy: true))
    }

    @Test("after a checkpoint it rests for as long as its share demands, and knows better what a row costs")
    func rests() {
        var pace = pace(1)
        let end = start + .milliseconds(100)
        pace.wrote(rows: 100_000, from: start, to: end, snapshot: false)
        #expect(pace.last == .milliseconds(100))
        pace.applied(1)
        pace.noticed(at: end)
        let rest = pace.last * CheckpointPace.share
        #expect(!pace.isDue(at: end + rest - .milliseconds(1), rows: 1, isBusy: false))
        #expect(pace.isDue(at: end + rest, rows: 1, isBusy: false))
        // A microsecond a row now: 100,000 rows wait two seconds while events come.
        #expect(!pace.isDue(at: end + rest - .milliseconds(1), rows: 100_000, isBusy: true))
        #expect(pace.isDue(at: end + rest, rows: 100_000, isBusy: true))
    }
}
