// Lets the oldest segments go, when the configuration says so and the summaries no longer need them.

import Events
import Foundation
import Log
import Projection
import SQLiteLog
import ServiceLifecycle

/// Looks now and then whether segments are due, and drops them.
struct RetentionService: NamedService {
    let storage: Storage
    let events: InternalEvents
    /// Nil keeps everything.
    let age: Duration?
    let bytes: Int?
    /// How often it looks.
    private static let interval: Duration = .seconds(5)

    func run() async throws {
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            if age != nil || bytes != nil {
                do { try await dropDue() } catch { events.retentionFailed("\(error)") }
            }
            do { try await Task.sleepUnlessShuttingDown(for: Self.interval) } catch { break }
        }
        try await gracefulShutdown()
    }

    /// First the snapshot, durably; then the segments that it covers.
    private func dropDue() async throws {
        let before = age.map { Timestamp(rawValue: wallClock().rawValue - $0.components.seconds * 1_000) }
        let due = try await storage.log.droppable(Retention(arrivedBefore: before, bytes: bytes))
        guard due > (await storage.log.start) else { return }
        try await storage.projector.cover(due)
        // The projector lags, or a checkpoint must first pass what readers have seen: the next look finds it done.
        guard await storage.projector.snapshotOffset >= due else { return }
        let dropped = try await storage.log.drop(before: due)
        guard dropped.segments > 0 else { return }
        storage.retention.add(dropped)
        events.dropped(dropped)
    }
}
