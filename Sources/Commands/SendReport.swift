// What `tidings send` says on standard error while it sends: verdicts line by line, a count of the rest, progress.

import Daemon
package import Fleet
import Ingest
import Synchronization
package import TidingsClient

/// Verdicts come from several threads; lines are printed one after the other.
package final class SendReport: Sendable {
    private struct State {
        /// How many verdicts of each outcome were printed.
        var printed: [SendVerdict.Outcome: UInt64] = [:]
        var notes: UInt64 = 0
        /// What was printed of a simulated fleet, once each.
        var texts: Set<String> = []
        /// The totals as they were told last.
        var totals = SendTotals()
    }

    /// So many verdicts are printed one by one.
    package static let limit = 20

    private let state = Mutex(State())
    private let areLinesNumbered: Bool
    private let print: @Sendable (_ line: String) -> Void

    /// - Parameters:
    ///   - areLinesNumbered: whether what is sent comes from lines of input.
    ///   - print: where the lines go, one after the other.
    package init(
        areLinesNumbered: Bool, print: @escaping @Sendable (_ line: String) -> Void = { printError($0) }
    ) {
        self.areLinesNumbered = areLinesNumbered
        self.print = print
    }

    /// What a sender is to call.
    package var observer: FleetObserver {
        var observer = FleetObserver()
        observer.progress = { totals in self.progress(totals) }
        observer.verdict = { verdict in self.tell(verdict) }
        observer.clock = { wallClock() }
        observer.hint = { text in self.print("tidings: \(text)") }
        return observer
    }

    private func tell(_ verdict: SendVerdict) {
        state.withLock { state in
            if verdict.outcome == .note { state.notes += 1 }
            guard state.printed.values.reduce(0, +) < Self.limit else { return }
            if areLinesNumbered {
                let line = verdict.number > 0 ? "line \(verdict.number)" : "a line"
                print("\(line): \(verdict)")
            } else {
                // A simulated event has no line, and thousands share what is wrong with them.
                guard state.texts.insert(verdict.description).inserted else { return }
                print("an event: \(verdict)")
            }
            state.printed[verdict.outcome, default: 0] += 1
        }
    }

    private func progress(_ totals: SendTotals) {
        state.withLock { $0.totals = totals }
        ProgressLine.shared.show("sent \(totals.sent)  acked \(totals.acked)  retried \(totals.retried) ")
    }

    /// What stands when the command is interrupted.
    package var standing: String {
        let totals = state.withLock { $0.totals }
        return
            "send stopped: \(totals.acked) of \(totals.sent) events were acknowledged when last looked at, and "
            + "are stored; the others may be, and can be sent again: events with an id are stored once"
    }

    /// The end: how many verdicts were not printed, and what to do about stale events.
    package func finish(_ totals: SendTotals) {
        state.withLock { state in
            let counts: [(SendVerdict.Outcome, String, UInt64)] = [
                (.refused, "refused", totals.rejected), (.quarantined, "quarantined", totals.quarantined),
                (.stale, "stale", totals.stale), (.note, "of unknown keys", state.notes),
            ]
            let rest = counts.compactMap { outcome, name, count -> (String, UInt64)? in
                let printed = state.printed[outcome] ?? 0
                return count > printed ? (name, count - printed) : nil
            }
            let sum = rest.reduce(0) { $0 + $1.1 }
            if sum > 0 {
                let parts = rest.map { "\($0.1) \($0.0)" }.joined(separator: ", ")
                print(state.printed.isEmpty ? parts : "and \(sum) more: \(parts)")
            }
            if totals.stale > 0 {
                print(
                    "\(totals.stale) stale: not stored, for their numbers lie below all that the daemon remembers of "
                        + "their devices; if they were not sent before, the numbers have begun anew: send an `epoch`, "
                        + "any number that differs at each start of the device")
            }
            ProgressLine.shared.leave()
        }
    }
}
