// What the daemon, or the client in its place, said about one event: which one, what is wrong, and what to do.

package import Events
import Synchronization
import Wire

/// Why an event is not stored as a good one, or a remark on one that is.
public struct SendVerdict: Hashable, Sendable, CustomStringConvertible {
    /// What became of the event.
    public enum Outcome: Hashable, Sendable {
        /// It is not stored, and would be refused again; counted in `SendTotals.rejected`.
        case refused
        /// It is stored, and kept out of the summaries; counted in `SendTotals.quarantined`.
        case quarantined
        /// It is not stored: its number lies so far below the highest of its device that the daemon can no longer tell
        /// whether it had it; counted in `SendTotals.stale`.
        case stale
        /// It is stored as it should be, but for something that nobody asked for, such as a key that is not known.
        case note
    }

    /// What became of the event.
    public var outcome: Outcome
    /// Which event: its place among all that were handed over, from 1, or the number of its line of input; 0 when the
    /// daemon did not say.
    public var number: UInt64
    /// The number of the refusal or of the reason (docs/wire.md); 0 for a note.
    public var code: Int
    /// The name of the refusal or of the reason, such as `bad_aspect`; the key that a note is about.
    public var reason: String
    /// Cause and remedy in one line; empty when the daemon had no room for it.
    public var text: String

    package init(_ outcome: Outcome, number: UInt64, code: Int, reason: String, text: String) {
        self.outcome = outcome
        self.number = number
        self.code = code
        self.reason = printable(reason)
        self.text = text == reason ? "" : printable(text)
    }

    /// `malformed_json: …`, `quarantined bad_aspect: …`, `stale: …`, or a note's text, on one line.
    public var description: String {
        let what: String
        switch outcome {
        case .refused: what = reason
        case .quarantined: what = "quarantined \(reason)"
        case .stale: what = "stale"
        case .note: return text.isEmpty ? "the key \(reason) is not known" : text
        }
        return text.isEmpty ? what : "\(what): \(text)"
    }
}

/// Where an event comes from, for what is told of it.
package struct EventOrigin: Sendable {
    /// The number by which it is told: that of its line of input, or its place among all that were handed over.
    package var number: UInt64
    /// The line that it was made of; empty when there was none.
    package var line: ArraySlice<UInt8>

    package init(number: UInt64, line: ArraySlice<UInt8> = []) {
        self.number = number
        self.line = line
    }
}

extension SendVerdict {
    /// What a native answer says of one event.
    ///
    /// The daemon has seen the event only in the native format, and may have had no room for words. Where the event is
    /// known, and the line that it was made of, they say what the daemon would say of that line.
    ///
    /// - Parameter now: this machine's clock, if it is known.
    init(_ reject: Reject, of event: Event?, _ origin: EventOrigin?, now: Timestamp?) {
        let number = origin?.number ?? 0
        guard let verdict = Verdict(code: reject.code) else {
            // Of a later release, if it is no refusal.
            let isReason = (Self.firstReason...Self.lastReason).contains(reject.code) && reject.refusal == nil
            let name = reject.refusal?.name.description ?? "\(reject.code)"
            self.init(
                isReason ? .quarantined : .refused, number: number, code: Int(reject.code), reason: name,
                text: reject.text.isEmpty ? reject.refusal?.explanation.description ?? "" : reject.text)
            return
        }
        var text = reject.text
        // Of times the daemon knows more than the line says.
        let isAboutTime = verdict == .quarantined(.absurdClock)
        if var event, text.isEmpty || !isAboutTime && origin?.line.isEmpty == false {
            event.arrival = now ?? event.arrival
            let line = origin?.line ?? []
            text = explanation(of: verdict, event, line: line.span)
        }
        self.init(
            verdict == .stale ? .stale : .quarantined, number: number, code: Int(verdict.code),
            reason: verdict.name.description, text: text)
    }

    /// The codes of quarantined events, told by the number of the reason.
    private static let firstReason: UInt32 = 4_221
    private static let lastReason: UInt32 = 4_283
}

/// The text without what would move a terminal's cursor, and of bearable length: it may quote whatever was sent.
private func printable(_ text: String) -> String {
    let longest = 1_000
    var clean = ""
    for scalar in text.unicodeScalars.prefix(longest) {
        let isControl = scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
        clean.unicodeScalars.append(isControl ? "\u{fffd}" : scalar)
    }
    return clean
}

/// Verdicts on their way to whoever sends: told at once to an observer, else kept until they are asked for.
package final class VerdictQueue: Sendable {
    private struct State {
        var held: [SendVerdict] = []
        var dropped: UInt64 = 0
    }

    /// Verdicts that are kept until they are asked for; beyond it the oldest are dropped, and counted.
    package static let limit = 1_024

    private let state = Mutex(State())
    private let observer: (@Sendable (SendVerdict) -> Void)?
    private let clock: (@Sendable () -> Timestamp)?

    /// - Parameters:
    ///   - clock: this machine's, for what is said of times.
    ///   - observer: called for each verdict, on the thread that has read it; nothing is kept then.
    package init(clock: (@Sendable () -> Timestamp)? = nil, observer: (@Sendable (SendVerdict) -> Void)? = nil) {
        self.clock = clock
        self.observer = observer
    }

    var now: Timestamp? { clock?() }

    package func add(_ verdicts: [SendVerdict]) {
        if let observer {
            for verdict in verdicts { observer(verdict) }
            return
        }
        guard !verdicts.isEmpty else { return }
        state.withLock { state in
            state.held += verdicts
            let surplus = state.held.count - Self.limit
            guard surplus > 0 else { return }
            state.held.removeFirst(surplus)
            state.dropped += UInt64(surplus)
        }
    }

    /// What has been kept since the last call, oldest first.
    package func take() -> [SendVerdict] {
        state.withLock { state in
            defer { state.held = [] }
            return state.held
        }
    }

    package var dropped: UInt64 { state.withLock { $0.dropped } }
}
