// The log and its summaries, opened together.

import Admission
import Events
import Log
import Logging
import Projection
import SQLiteLog
import SQLiteRows
import ServiceLifecycle
import Synchronization

/// What retention has dropped since the daemon started.
final class RetentionCount: Sendable {
    private let count = Mutex((segments: 0, events: UInt64(0), bytes: 0))

    var segments: Int { count.withLock { $0.segments } }
    var events: UInt64 { count.withLock { $0.events } }
    var bytes: Int { count.withLock { $0.bytes } }

    func add(_ dropped: Dropped) {
        count.withLock {
            $0.segments += dropped.segments
            $0.bytes += dropped.bytes
            $0.events += dropped.offsets.upperBound.rawValue - dropped.offsets.lowerBound.rawValue
        }
    }
}

/// The data folder, open for writing.
struct Storage: Sendable {
    let log: SQLiteEventLog
    let projector: Projector
    let feed: ProjectionFeed
    let pool = BatchPool()
    let stages = StageTimes()
    let retention = RetentionCount()
    let projection = ProjectionHealth()
    let lastArrival = LastArrival()
    let scrub = ScrubNotes()
    /// Bytes of the log when the daemon started.
    let bytesAtStart: Int
    private let start: Offset

    /// What the ingest starts with: every name, and what has been taken from whom.
    struct Known: Sendable {
        var vocabulary: Vocabulary
        var dedupe: DedupeTable
    }

    /// Opens the log and the summaries, and reads what must be known before the first event is taken. The state of the
    /// summaries is not part of it: `ProjectorService` reads that while events already come in.
    ///
    /// - Throws: `LogError`, `ProjectionError`.
    static func open(
        _ configuration: DaemonConfiguration, events: InternalEvents
    ) async throws -> (storage: Storage, known: Known) {
        var limits = SegmentLimits()
        limits.bytes = configuration.segmentMaxBytes
        limits.ageMilliseconds = configuration.segmentMaxAge.components.seconds * 1_000
        let access = DataFolder.secure(
            configuration.dataDirectory, sharing: Projector.fileName, with: configuration.dataGroup)
        if access.narrowed > 0 { events.narrowed(access.narrowed, in: configuration.dataDirectory) }
        for line in access.refused { events.accessRefused(line) }
        let log = try SQLiteEventLog(directory: configuration.dataDirectory, readOnly: false, limits: limits)
        let head = await log.head
        let summaries = configuration.dataDirectory + "/" + Projector.fileName
        if let counted = try? SummaryReader(path: summaries).position().offset, counted > head {
            events.logIsShorter(than: counted, head: head)
        }
        let projector = try Projector(
            directory: configuration.dataDirectory, identity: log.logIdentity, start: await log.start, head: head,
            group: configuration.dataGroup, isLoading: false, now: wallClock)
        let behind = head.rawValue - min(head.rawValue, await projector.offset.rawValue)
        if behind > 0 { events.logger.info("summaries catch up", metadata: ["events": "\(behind)"]) }
        for damage in log.openingDamages { events.damaged(damage) }
        let known = Known(vocabulary: try await log.vocabulary(), dedupe: try await projector.dedupe(with: log))
        let storage = Storage(
            log: log, projector: projector, feed: ProjectionFeed(head: head), bytesAtStart: log.bytes, start: head)
        storage.lastArrival.value = await log.lastArrival
        return (storage, known)
    }

    /// The offset that the next event will get, as far as the projector has been told.
    var head: Offset { feed.head }

    /// The offset up to which summaries.sqlite counts: what readers see.
    var projected: Offset { get async { await projector.checkpointOffset } }

    /// Events stored since the daemon started.
    var eventsThisRun: UInt64 { head.rawValue - start.rawValue }

    /// Has the summaries written, with everything that was stored before the call if that is folded in a while.
    func checkpointNow() async throws {
        let (head, limit) = (head, ContinuousClock.now + Self.patience)
        while await projector.offset < head, projection.isGood, ContinuousClock.now < limit {
            try await Task.sleep(for: .milliseconds(2))
        }
        try await projector.checkpoint()
        projection.worked(await projector.checkpointOffset)
    }

    /// How long who asks for fresh summaries waits for the projector: less than a command waits for the daemon.
    private static let patience: Duration = .seconds(5)
}

/// Folds committed blocks and writes checkpoints, until the feed ends.
struct ProjectorService: NamedService {
    let storage: Storage
    let events: InternalEvents
    /// How long it waits for a block before it looks whether a checkpoint is due.
    private static let idle: Duration = .milliseconds(50)

    func run() async throws {
        try await storage.projector.load()
        while !Task.isCancelled {
            var (blocks, head, isFinished) = storage.feed.take()
            let isIdle = blocks.isEmpty
            // The last one is the first to go, so that nothing but the pool refers to a block once it is folded.
            blocks.reverse()
            do {
                while let block = blocks.popLast() {
                    if block.firstOffset > (await storage.projector.offset) { break }
                    let start = ContinuousClock.now
                    await storage.projector.apply(block)
                    storage.stages.add("project", since: start)
                    storage.feed.projected(block.endOffset)
                    storage.pool.give(block.batch)
                    try await storage.projector.checkpointIfDue(at: .now, isBusy: true)
                }
                if await storage.projector.offset < head, storage.feed.isEmpty {
                    try await storage.projector.catchUp(
                        with: storage.log, progress: { storage.feed.projected($0) }, damaged: { events.damaged($0) })
                }
                try await storage.projector.checkpointIfDue(at: .now, isBusy: !storage.feed.isEmpty)
                storage.feed.projectorWorks(true)
                if storage.projection.worked(await storage.projected) { events.projectionRecovered() }
            } catch {
                storage.feed.projectorWorks(false)
                storage.projection.failed("\(error)", at: await storage.projector.offset)
                events.projectionFailed("\(error)")
                try await Task.sleep(for: .seconds(1))
            }
            if isFinished, await storage.projector.offset >= head { break }
            if isIdle { await storage.feed.wait(atMost: Self.idle) }
        }
        do { try await storage.projector.stop() } catch { events.projectionFailed("\(error)") }
        try await gracefulShutdown()
    }
}
