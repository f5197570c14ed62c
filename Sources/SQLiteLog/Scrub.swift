// Reading sealed segments before somebody asks for them: one at a time, in turn, as `log verify` does.

package import Events
package import Log
import Synchronization

/// The rounds of a check through the sealed segments of a log that is open for writing. Any thread.
///
/// Segments are checked in order, each as a continuation of the one before. The first one is chosen at random, so that
/// all have their turn however often the daemon starts anew.
package final class Scrub: Sendable {
    private let log: SQLiteEventLog
    private let state: Mutex<State>

    private struct State {
        /// The round under way.
        var verification: Verification?
        /// From where on the next segment is looked for; nil before the first.
        var next: Offset?
    }

    /// One segment that was checked.
    package struct Step: Sendable, Equatable {
        package var segment: Offset
        package var damages: [Damage]
    }

    package init(_ log: SQLiteEventLog) {
        self.log = log
        state = Mutex(State())
    }

    /// Checks the next segment; nil when none is sealed. Blocks for as long as it takes to read a segment, on a
    /// connection of its own; nobody else waits for it.
    ///
    /// - Parameter pause: called after every few blocks.
    package func step(pause: () -> Void) -> Step? {
        let segments = log.segments
        guard segments.count > 1 else { return nil }
        return state.withLock { state in
            let sealed = segments.dropLast()
            let wanted = state.next ?? sealed.randomElement() ?? .zero
            let index = sealed.firstIndex { $0 >= wanted } ?? 0
            if index == 0 || sealed[index] != state.next { state.verification = nil }
            var verification =
                state.verification ?? Verification(folder: log.folder, head: segments[index + 1], claim: nil)
            verification.check(sealed[index], following: segments[index + 1], pause: pause)
            state.next = segments[index + 1]
            let damages = verification.takeDamages()
            state.verification = verification
            // Retention may have dropped it meanwhile.
            let isThere = Files.isThere(log.folder + "/" + Segment.file(sealed[index]))
            return Step(segment: sealed[index], damages: isThere ? damages : [])
        }
    }
}

extension SQLiteEventLog {
    /// The size of all segments, with what is not in the files yet.
    package var bytes: Int {
        segments.reduce(0) { sum, first in
            let path = folder + "/" + Segment.file(first)
            return sum + Files.size(path) + Files.size(path + "-wal")
        }
    }

    /// When the last event arrived that is stored and can be read; nil when there is none.
    package var lastArrival: Timestamp? {
        get async {
            let found = try? await run(on: readerQueue) { () throws(LogError) -> Timestamp? in
                for first in self.segments.reversed() {
                    guard let reader = try? SegmentReader(folder: self.folder, first: first) else { continue }
                    defer { reader.close() }
                    if let row = reader.lastRow() { return row.block.arrivals.upperBound }
                }
                return nil
            }
            return found ?? nil
        }
    }
}
