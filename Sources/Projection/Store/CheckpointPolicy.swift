// When the summaries are written to disk.

/// When to write: soon when it is cheap, rarely when it is expensive, and best when nothing is coming in.
package struct CheckpointPolicy: Sendable {
    /// How long the last checkpoint took.
    package private(set) var last = Duration.zero
    private var dirtySince: ContinuousClock.Instant?
    private var lastEnd: ContinuousClock.Instant?
    private var lastEvent: ContinuousClock.Instant?
    private var snapshotEnd = ContinuousClock.now
    private var sinceSnapshot = 0
    private var sinceNoticed = 0
    /// What a row cost in the last checkpoint that was large enough to tell.
    private var costPerRow = Duration.microseconds(3)

    package init() {}

    /// A change is written when no event has come for this long,
    package static let quietDelay = Duration.milliseconds(200)
    /// or, while events come, this long after it, at least and at most.
    package static let minInterval = Duration.seconds(1)
    package static let maxInterval = Duration.seconds(10)
    /// Between two checkpoints lie so many times the duration of one: they take a twentieth of the time.
    package static let restFactor = 20
    /// From so many rows on, the cost of a row is more than the cost of the transaction.
    package static let tellingRows = 1_000
    /// The state is written when so many events, or so much time, lie behind the last snapshot: what a restart after
    /// a crash has to fold again, at some millions of events a second.
    static let snapshotEvents = 16_000_000
    static let snapshotInterval = Duration.seconds(60)

    package mutating func applied(_ events: Int) {
        sinceSnapshot += events
        sinceNoticed += events
    }

    /// Something waits to be written.
    package mutating func noticed(at instant: ContinuousClock.Instant) {
        if dirtySince == nil { dirtySince = instant }
        if sinceNoticed > 0 { lastEvent = instant }
        sinceNoticed = 0
    }

    /// - Parameters:
    ///   - rows: the rows that wait.
    ///   - isBusy: whether more blocks are known to wait.
    package func isDue(at instant: ContinuousClock.Instant, rows: Int, isBusy: Bool) -> Bool {
        guard let dirtySince else { return false }
        let waited = dirtySince.duration(to: instant)
        if waited >= Self.maxInterval { return true }
        let rested = lastEnd.map { $0.duration(to: instant) >= last * Self.restFactor } ?? true
        guard rested else { return false }
        let quiet = lastEvent.map { $0.duration(to: instant) } ?? waited
        if !isBusy, quiet >= Self.quietDelay { return true }
        return waited >= max(Self.minInterval, costPerRow * rows * Self.restFactor)
    }

    package func isSnapshotDue(at instant: ContinuousClock.Instant) -> Bool {
        sinceSnapshot >= Self.snapshotEvents
            || sinceSnapshot > 0 && snapshotEnd.duration(to: instant) >= Self.snapshotInterval
    }

    package mutating func wrote(
        rows: Int, from start: ContinuousClock.Instant, to end: ContinuousClock.Instant, snapshot: Bool
    ) {
        last = start.duration(to: end)
        lastEnd = end
        dirtySince = nil
        if snapshot {
            snapshotEnd = end
            sinceSnapshot = 0
        } else if rows >= Self.tellingRows {
            costPerRow = last / rows
        }
    }
}
