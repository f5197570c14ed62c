// How long a client may take for a head, for a body and between requests, without its socket.

package import NIOCore

/// What a connection waits for, and since when.
package struct HTTPTimeouts: Sendable {
    private enum Stage: Sendable {
        case idle, head
        /// So many bytes of it have come.
        case body(Int)
    }

    /// Whether a byte has come.
    package private(set) var hasReceived = false
    private var stage = Stage.idle
    private var since: NIODeadline
    private var pausedSince: NIODeadline?

    package init(since now: NIODeadline) { since = now }

    /// Bytes have come that are no whole head: one has begun, if none was read.
    package mutating func receivedOfHead(at now: NIODeadline) {
        hasReceived = true
        guard case .idle = stage else { return }
        (stage, since) = (.head, now)
    }

    /// A head is whole; its body begins.
    package mutating func begins(at now: NIODeadline) {
        hasReceived = true
        (stage, since) = (.body(0), now)
    }

    package mutating func received(_ count: Int) {
        if case .body(let before) = stage { stage = .body(before + count) }
    }

    /// A request is whole, or an answer has left.
    package mutating func rests(at now: NIODeadline) { (stage, since) = (.idle, now) }

    /// An answer has left: from now on the next request is waited for.
    package mutating func answered(at now: NIODeadline) {
        if case .idle = stage { since = now }
    }

    /// The client is not read for a while, which is not its fault.
    package mutating func pauses(at now: NIODeadline) {
        if pausedSince == nil { pausedSince = now }
    }

    package mutating func resumes(at now: NIODeadline) {
        guard let pausedSince else { return }
        since = since + (now - pausedSince)
        self.pausedSince = nil
    }

    /// - Parameter awaitsAnswer: whether the client may be silent because it waits for us.
    package func expired(at now: NIODeadline, _ settings: TransportSettings, awaitsAnswer: Bool) -> ConnectionExpiry? {
        guard pausedSince == nil else { return nil }
        let passed = now - since
        switch stage {
        case .head: return passed > .seconds(settings.frameTimeoutSeconds) ? .unfinished : nil
        case .body(let count):
            let allowed = settings.frameTimeoutSeconds + Int64(count / HTTPLimits.bodyBytesPerSecond)
            return passed > .seconds(allowed) ? .unfinished : nil
        case .idle:
            if awaitsAnswer { return nil }
            if !hasReceived, passed > .seconds(settings.firstByteTimeoutSeconds) { return .noFirstByte }
            let idle = min(settings.idleTimeoutSeconds, HTTPLimits.idleSeconds)
            return passed > .seconds(idle) ? .idle : nil
        }
    }
}
