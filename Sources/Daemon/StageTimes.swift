// Where the time goes behind the ingest loop: summed per stage, printed when the daemon stops.

import Synchronization

/// Wall time of each stage; a block or a checkpoint at a time, so that measuring costs nothing.
final class StageTimes: Sendable {
    private let sums = Mutex<[String: Duration]>([:])

    /// The sums so far.
    var times: [String: Duration] { sums.withLock { $0 } }

    /// Adds what has passed since `start`.
    func add(_ stage: String, since start: ContinuousClock.Instant) {
        let passed = start.duration(to: .now)
        sums.withLock { $0[stage, default: .zero] += passed }
    }
}
