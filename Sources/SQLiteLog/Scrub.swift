// Reading sealed segments before somebody asks for them: one at a time, in turn, as `log verify` does.

import Events
package import Log
import Synchronization

/// The rounds of a check through the sealed segments of a log that is open for writing. See `LogScrub`.
///
/// Each segment is checked as a continuation of the one before, on a connection of its own.
final class Scrub: LogScrub {
    private let log: SQLiteEventLog
    private let state: Mutex<State>

    private struct State {
        /// The round under way.
        var verification: Verification?
        /// From where on the next segment is looked for; nil before the first.
        var next: Offset?
    }

    init(_ log: SQLiteEventLog) {
        self.log = log
        state = Mutex(State())
    }

    func step(pause: () -> Void) -> ScrubStep? {
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
            return ScrubStep(segment: sealed[index], damages: isThere ? damages : [])
        }
    }
}

extension SQLiteEventLog: ScrubbingLog {
    package func makeScrub() -> any LogScrub { Scrub(self) }
}
