// What the daemon, or the client in its place, said about one event: which one, what is wrong, and what to do.

import Events
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

    /// `malformed_json: …`, `quarantined bad_aspect: …`, `stale: …` or `unknown key timestamp: …`, on one line.
    public var description: String {
        let what =
            switch outcome {
            case .refused: reason
            case .quarantined: "quarantined \(reason)"
            case .stale: "stale"
            case .note: "unknown key \(reason)"
            }
        return text.isEmpty ? what : "\(what): \(text)"
    }
}

extension SendVerdict {
    /// The code under which a stale event is told.
    static let staleCode = 4_240
    /// Codes of quarantined events: this and the number of the reason, which is up to 63.
    static let quarantineBase = 4_220

    /// A line that is refused here, as the daemon would refuse it.
    init(refusing line: Span<UInt8>, _ refusal: Refusal, number: UInt64) {
        self.init(
            .refused, number: number, code: Int(refusal.rawValue), reason: refusal.name.description,
            text: explanation(of: refusal, line: line))
    }

    /// What a native answer says of one event.
    init(_ reject: Reject, number: UInt64) {
        let code = Int(reject.code)
        let reason = UInt8(exactly: code - Self.quarantineBase).flatMap(QuarantineReason.init(rawValue:))
        if code == Self.staleCode {
            self.init(.stale, number: number, code: code, reason: "stale", text: reject.text)
        } else if let reason, reason != .none {
            self.init(.quarantined, number: number, code: code, reason: reason.name.description, text: reject.text)
        } else if (Self.quarantineBase + 1...Self.quarantineBase + 63).contains(code), reject.refusal == nil {
            // A reason that a newer daemon knows.
            self.init(.quarantined, number: number, code: code, reason: "\(code)", text: reject.text)
        } else {
            let name = reject.refusal?.name.description ?? "\(code)"
            self.init(.refused, number: number, code: code, reason: name, text: reject.text)
        }
    }
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
package final class VerdictBook: Sendable {
    private struct State {
        var held: [SendVerdict] = []
        var dropped: UInt64 = 0
    }

    /// Verdicts that are kept until they are asked for; beyond it the oldest are dropped, and counted.
    package static let limit = 1_024

    private let state = Mutex(State())
    private let observer: (@Sendable (SendVerdict) -> Void)?

    /// - Parameter observer: called for each verdict, on the thread that has read it; nothing is kept then.
    package init(observer: (@Sendable (SendVerdict) -> Void)? = nil) { self.observer = observer }

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
