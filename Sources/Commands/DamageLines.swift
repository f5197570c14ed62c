// Damage that a reading command passes over, on standard error: one line for each place, and not too many of them.

import Foundation
import Log
import Presentation
import Synchronization

/// Prints the first places and counts the rest. Any thread.
final class DamageLines: Sendable {
    private static let limit = 100
    private let state = Mutex((places: 0, events: UInt64(0)))

    func note(_ damage: Damage) {
        let places = state.withLock { state in
            state.places += 1
            state.events += damage.events
            return state.places
        }
        if places <= Self.limit { printError("tidings: left out: \(visible(damage.line))") }
    }

    /// Says how much was left out in all.
    func finish() {
        let (places, events) = state.withLock { ($0.places, $0.events) }
        guard places > 0 else { return }
        printError(
            "tidings: \(events) events in \(places) places were left out because the log is damaged; "
                + "run `tidings log verify`, and restore the segments from a copy")
    }

    var isEmpty: Bool { state.withLock { $0.places == 0 } }
}
