// Lets the oldest segments go, when the configuration says so and the summaries no longer need them.

import Events
import Foundation
package import Ingest
package import Log
package import Projection
import ServiceLifecycle

/// What the configuration wants to be kept; nil stands for everything.
package struct RetentionKeeps: Sendable, Equatable {
    package var age: Duration?
    package var bytes: Int?

    package init(age: Duration? = nil, bytes: Int? = nil) {
        self.age = age
        self.bytes = bytes
    }

    var isEverything: Bool { age == nil && bytes == nil }
}

/// Looks now and then whether segments are due, and drops them.
package struct RetentionService: NamedService {
    package static var name: StaticString { "RetentionService" }
    private let log: any RetainingLog
    private let projector: Projector
    private let keeps: Replaceable<RetentionKeeps>
    private let dropped: RetentionCount
    private let events: InternalEvents
    private let interval: Duration

    /// - Parameters:
    ///   - keeps: asked each time.
    ///   - dropped: counts what goes.
    ///   - interval: how often it looks.
    package init(
        log: any RetainingLog, projector: Projector, keeps: Replaceable<RetentionKeeps>, dropped: RetentionCount,
        events: InternalEvents,
        interval: Duration = .seconds(5)
    ) {
        self.log = log
        self.projector = projector
        self.keeps = keeps
        self.dropped = dropped
        self.events = events
        self.interval = interval
    }

    package func run() async throws {
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            let keeps = keeps.value
            if !keeps.isEverything {
                do { try await dropDue(keeps) } catch { events.retentionFailed("\(error)") }
            }
            do { try await Task.sleepUnlessShuttingDown(for: interval) } catch { break }
        }
        try await gracefulShutdown()
    }

    /// First the snapshot, durably; then the segments that it covers.
    private func dropDue(_ keeps: RetentionKeeps) async throws {
        let before = keeps.age.map { Timestamp(rawValue: wallClock().rawValue - $0.components.seconds * 1_000) }
        let due = try await log.droppable(Retention(arrivedBefore: before, bytes: keeps.bytes))
        guard due > (await log.start) else { return }
        try await projector.cover(due)
        // The projector lags, or a checkpoint must first pass what readers have seen: the next look finds it done.
        guard await projector.snapshotOffset >= due else { return }
        let dropped = try await log.drop(before: due)
        guard dropped.segments > 0 else { return }
        self.dropped.add(dropped)
        events.dropped(dropped)
    }
}
