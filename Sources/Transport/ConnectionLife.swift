// How a connection ends, without its socket: what is said last, when our side is closed, when the peer's.

package import NIOCore

/// How far a connection is on its way from open to closed.
package struct ConnectionLife: Sendable {
    package enum Phase: Sendable, Hashable {
        case open
        /// Nothing more is read from the peer; what it has sent is still to be answered.
        case draining
        /// All is said and our side is closed; the peer may still read it.
        case halfClosed
        case closed
    }

    /// What is to be done with the socket, once everything there is to say was written.
    package enum Step: Sendable, Hashable {
        case stays
        /// Our side is closed; what still comes is read and dropped, or the peer's system would drop our answer.
        case halfCloses
        case closes
    }

    package private(set) var phase = Phase.open
    /// Whether the peer has closed its side.
    package private(set) var isInputClosed = false
    private var halfClosedSince = NIODeadline.distantFuture

    package init() {}

    package var isOpen: Bool { phase == .open }
    package var isClosed: Bool { phase == .closed }

    /// The peer sends nothing more.
    package mutating func inputCloses() { isInputClosed = true }

    /// Nothing more is read.
    package mutating func drain() { phase = .draining }

    package mutating func close() { phase = .closed }

    /// What there was to say was written.
    ///
    /// - Parameter isAnswered: whether nothing of what was read waits for an answer.
    package mutating func written(isAnswered: Bool, at now: @autoclosure () -> NIODeadline) -> Step {
        switch phase {
        case .draining where isAnswered:
            if isInputClosed { return .closes }
            (phase, halfClosedSince) = (.halfClosed, now())
            return .halfCloses
        case .halfClosed: return isInputClosed ? .closes : .stays
        case .open, .draining, .closed: return .stays
        }
    }

    /// Whether the peer has had its time to read the last answer and to close its side.
    package func isOver(at now: NIODeadline) -> Bool {
        phase == .halfClosed && now - halfClosedSince > .seconds(TransportLimits.halfClosedSeconds)
    }
}

/// Why a peer is waited for no longer.
package enum ConnectionExpiry: Sendable, Hashable {
    /// Nothing has ever come.
    case noFirstByte
    /// Something was begun and is not whole.
    case unfinished
    case idle
}
