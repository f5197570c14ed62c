// The log and its summaries, opened together.

package import Admission
package import Events
package import Ingest
package import Log
import Logging
package import Projection
import ServiceLifecycle
import Synchronization

/// What retention has dropped since the daemon started.
package final class RetentionCount: Sendable {
    private let count = Mutex((segments: 0, events: UInt64(0), bytes: 0))

    package init() {}

    package var segments: Int { count.withLock { $0.segments } }
    package var events: UInt64 { count.withLock { $0.events } }
    package var bytes: Int { count.withLock { $0.bytes } }

    package func add(_ dropped: Dropped) {
        count.withLock {
            $0.segments += dropped.segments
            $0.bytes += dropped.bytes
            $0.events += dropped.offsets.upperBound.rawValue - dropped.offsets.lowerBound.rawValue
        }
    }
}

/// What the ingest starts with: every name, what has been taken from whom, and who has consented to what.
package struct StartState: Sendable {
    package var vocabulary: Vocabulary
    package var dedupe: DedupeTable
    package var consents = ConsentTable()
}

/// A log, open for writing, and its summaries, on any engine. The engine is a parameter and no existential, so that
/// what a block meets on its way to it is compiled for the one that is used.
package struct Storage<Engine: EventLog>: Sendable {
    package let log: Engine
    package let projector: Projector
    let feed: ProjectionFeed
    let pool = BatchPool()
    let stages = StageTimes()
    package let retention = RetentionCount()
    let projection = ProjectionHealth()
    let lastArrival = LastArrival()
    let scrub = ScrubNotes()
    /// Bytes of the log when the daemon started.
    let bytesAtStart: Int
    private let start: Offset

    /// Opens the summaries of a log, and reads what must be known before the first event is taken. The state of the
    /// summaries is not part of it: `ProjectorService` reads that while events already come in.
    ///
    /// - Parameters:
    ///   - log: open for writing; `close` closes it.
    ///   - directory: the data folder, in which the summaries are.
    ///   - group: a group that may read the summaries.
    /// - Throws: `LogError`, `ProjectionError`.
    package static func open(
        on log: Engine, in directory: String, group: UInt32? = nil, events: InternalEvents
    ) async throws -> (storage: Storage, start: StartState) {
        let head = await log.head
        let summaries = directory + "/" + Projector.fileName
        if let counted = try? SummaryReader(path: summaries).position().offset, counted > head {
            events.logIsShorter(than: counted, head: head)
        }
        let projector = try Projector(
            directory: directory, identity: log.logIdentity, start: await log.start, head: head, group: group,
            isLoading: false, now: wallClock)
        let behind = head.rawValue - min(head.rawValue, await projector.offset.rawValue)
        if behind > 0 { events.logger.info("summaries catch up", metadata: ["events": "\(behind)"]) }
        for damage in log.openingDamages { events.damaged(damage) }
        let vocabulary = try await log.vocabulary()
        let (dedupe, consents) = try await projector.memory(with: log, ConsentPurposes(vocabulary))
        let state = StartState(vocabulary: vocabulary, dedupe: dedupe, consents: consents)
        let storage = Storage(
            log: log, projector: projector, feed: ProjectionFeed(head: head), bytesAtStart: log.bytes, start: head)
        storage.lastArrival.value = await log.lastArrival
        return (storage, state)
    }

    /// The daemon's clock, never behind the last arrival: what has expired by that stays so when the clock goes back.
    var now: Timestamp { max(wallClock(), lastArrival.value ?? Timestamp(rawValue: 0)) }

    /// The offset that the next event will get, as far as the projector has been told.
    package var head: Offset { feed.head }

    /// The offset up to which summaries.sqlite counts: what readers see.
    package var projected: Offset { get async { await projector.checkpointOffset } }

    /// The offset that the first event since the daemon's start has got.
    var headAtStart: Offset { start }

    /// Events stored since the daemon started.
    var eventsThisRun: UInt64 { head.rawValue - start.rawValue }

    /// Has the summaries written, with everything that was stored before the call if that is folded in a while.
    func checkpointNow() async throws {
        let (head, limit) = (head, ContinuousClock.now + DaemonLimits.checkpointTimeout)
        while await projector.offset < head, projection.isGood, ContinuousClock.now < limit {
            try await Task.sleep(for: .milliseconds(2))
        }
        try await projector.checkpoint()
        projection.worked(await projector.checkpointOffset)
    }

    /// Leaves the log at rest. To be called when all services have ended; the projector closes the summaries itself.
    package func close() async throws(LogError) { try await log.close() }
}

extension Storage {
    /// What runs behind the appender: the projector, and what the engine can do for its log. It is asked here, once.
    func services(
        _ configuration: DaemonConfiguration, keeps: Replaceable<RetentionKeeps>, events: InternalEvents,
        outbox: OutboxQueue
    ) -> [any Service] {
        var services: [any Service] = [ProjectorService(storage: self, events: events, outbox: outbox)]
        if let log = log as? any RetainingLog {
            services.append(
                RetentionService(log: log, projector: projector, keeps: keeps, dropped: retention, events: events))
        } else if !keeps.value.isEverything {
            events.remark("log.retention_days and log.retention_bytes: this log cannot drop anything and keeps it all")
        }
        if let log = log as? any ScrubbingLog {
            services.append(
                ScrubService(
                    scrub: log.makeScrub(), notes: scrub, events: events, interval: configuration.scrubInterval))
        }
        return services
    }
}
