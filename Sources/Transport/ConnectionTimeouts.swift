// The timeouts of a connection, without its socket.

package import NIOCore

/// What has been received from a peer, and when: tells whether it has taken too long for its first byte, for the rest
/// of a unit (a frame or a line) that it has begun, or for anything at all.
package struct ConnectionTimeouts: Sendable {
    /// Whether a byte has come.
    package private(set) var hasReceived = false
    private var lastReceived: NIODeadline
    private var unitBegan: NIODeadline?

    package init(since now: NIODeadline) { lastReceived = now }

    /// Bytes have come.
    package mutating func received(at now: NIODeadline) {
        hasReceived = true
        lastReceived = now
    }

    /// What had come was processed.
    ///
    /// - Parameter consumed: bytes of whole units; 0 when the unit at hand is the same as before.
    /// - Parameter rest: bytes of a unit that is not whole.
    package mutating func processed(consumed: Int, rest: Int, at now: NIODeadline) {
        if rest == 0 {
            unitBegan = nil
        } else if consumed > 0 || unitBegan == nil {
            unitBegan = now
        }
    }

    /// The peer was not read for a while, which is not its fault: all time begins anew.
    package mutating func resumed(at now: NIODeadline) {
        lastReceived = now
        if unitBegan != nil { unitBegan = now }
    }

    /// - Parameters:
    ///   - idleSeconds: how long the peer may be silent, if not for as long as the settings say.
    ///   - awaitsAck: whether the peer may be silent because it waits for us.
    package func expired(
        at now: NIODeadline, _ settings: TransportSettings, idleSeconds: Int64? = nil, awaitsAck: Bool
    ) -> ConnectionExpiry? {
        if let unitBegan, now - unitBegan > .seconds(settings.frameTimeoutSeconds) { return .unfinished }
        if awaitsAck { return nil }
        if !hasReceived, now - lastReceived > .seconds(settings.firstByteTimeoutSeconds) { return .noFirstByte }
        return now - lastReceived > .seconds(idleSeconds ?? settings.idleTimeoutSeconds) ? .idle : nil
    }
}
