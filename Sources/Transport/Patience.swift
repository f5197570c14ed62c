// How long a connection is waited for, without its socket.

package import NIOCore

/// What has been heard from a peer, and when: tells whether it has taken too long for its first byte, for the rest of a
/// unit (a frame or a line) that it has begun, or for anything at all.
package struct Patience: Sendable {
    package enum Verdict: Sendable, Hashable {
        /// Nothing has ever come.
        case noFirstByte
        /// A unit was begun and is not whole.
        case unfinished
        case idle
    }

    /// Whether a byte has come.
    package private(set) var hasSpoken = false
    private var lastHeard: NIODeadline
    private var unitBegan: NIODeadline?

    package init(since now: NIODeadline) { lastHeard = now }

    /// Bytes have come.
    package mutating func heard(at now: NIODeadline) {
        hasSpoken = true
        lastHeard = now
    }

    /// What had come was dealt with.
    ///
    /// - Parameter consumed: bytes of whole units; 0 when the unit at hand is the same as before.
    /// - Parameter rest: bytes of a unit that is not whole.
    package mutating func dealt(consumed: Int, rest: Int, at now: NIODeadline) {
        if rest == 0 {
            unitBegan = nil
        } else if consumed > 0 || unitBegan == nil {
            unitBegan = now
        }
    }

    /// The peer was not read for a while, which is not its fault: all time begins anew.
    package mutating func resumed(at now: NIODeadline) {
        lastHeard = now
        if unitBegan != nil { unitBegan = now }
    }

    /// - Parameter awaitsAck: whether the peer may be silent because it waits for us.
    package func verdict(at now: NIODeadline, _ settings: TransportSettings, awaitsAck: Bool) -> Verdict? {
        if let unitBegan, now - unitBegan > .seconds(settings.frameTimeoutSeconds) { return .unfinished }
        if awaitsAck { return nil }
        if !hasSpoken, now - lastHeard > .seconds(settings.firstByteTimeoutSeconds) { return .noFirstByte }
        return now - lastHeard > .seconds(settings.idleTimeoutSeconds) ? .idle : nil
    }
}
