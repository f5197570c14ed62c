// Finds damage in the log before somebody asks for what is damaged: reads a sealed segment now and then.

package import Events
import Foundation
import Ingest
package import Log
package import Presentation
import ServiceLifecycle
import Synchronization

/// What the checks have found since the daemon started.
package final class ScrubNotes: Sendable {
    private struct Found {
        var segments = 0
        /// Damaged places, by segment, of its latest check.
        var damages: [Offset: Int] = [:]
        var last: Timestamp?
    }
    private let found = Mutex(Found())

    package init() {}

    package func note(_ step: ScrubStep, at time: Timestamp) {
        found.withLock { found in
            found.segments += 1
            found.damages[step.segment] = step.damages.count
            found.last = time
        }
    }

    /// - Parameter start: the first offset of the log; damage before it is gone.
    package func status(from start: Offset) -> ScrubStatus {
        found.withLock { found in
            var status = ScrubStatus()
            status.segments = found.segments
            status.damages = found.damages.filter { $0.key >= start }.values.reduce(0, +)
            status.last = found.last.map(rfc3339)
            return status
        }
    }
}

/// Checks one segment each time, on a thread that gives way to all others.
struct ScrubService: NamedService {
    static var name: StaticString { "ScrubService" }
    let scrub: any LogScrub
    let notes: ScrubNotes
    let events: InternalEvents
    /// Nil: nothing is checked.
    let interval: Duration?

    func run() async throws {
        while let interval, !Task.isShuttingDownGracefully, !Task.isCancelled {
            do { try await Task.sleepUnlessShuttingDown(for: interval) } catch { break }
            guard let step = await cancelWhenGracefulShutdown({ await checkNext(scrub) }) else { continue }
            notes.note(step, at: wallClock())
            for damage in step.damages { events.scrubbed(damage) }
        }
        try await gracefulShutdown()
    }
}

/// Checks the next segment on a thread of its own, of the lowest priority, with a rest after every few blocks. Returns
/// nil when there is none, or when the task is cancelled; the thread then ends by itself.
package func checkNext(_ scrub: any LogScrub) async -> ScrubStep? {
    let (steps, reports) = AsyncStream.makeStream(of: ScrubStep?.self)
    let thread = Thread {
        #if os(Linux)
            // There, it holds for the calling thread alone.
            setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19)
        #endif
        reports.yield(scrub.step { Thread.sleep(forTimeInterval: 0.01) })
        reports.finish()
    }
    thread.name = "scrub"
    thread.start()
    for await step in steps { return step }
    return nil
}
