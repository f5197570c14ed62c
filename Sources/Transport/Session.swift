// What a protocol is: bytes in, actions out. The handlers own the sockets, a session decides.

package import Admission
package import Events

/// The state machine of one connection.
///
/// A protocol over streams is a type that conforms to this, and one row in the daemon's list of listeners
/// (`ListenerSpecification`). It has no socket, no clock and no thread, and can be tested by giving it bytes; all calls
/// are made on the ingest event loop.
package protocol StreamSession {
    /// Which counters what it reads belongs to.
    var transport: TransportKind { get }
    /// Whether everything that was admitted has been acknowledged.
    var isAcknowledged: Bool { get }

    /// Deals with as many whole units as there are in `bytes`, and appends the answers to `output`.
    ///
    /// - Parameters:
    ///   - bytes: what was read and not dealt with, from the first byte of a unit on. Valid during the call.
    ///   - isEnd: whether the peer will send nothing more.
    ///   - peer: whom the intake is to tell when the events are durable, or when there is room.
    mutating func receive(
        _ bytes: Span<UInt8>, isEnd: Bool, in ingest: IngestContext, as peer: any CommitListener, output: inout [UInt8]
    ) -> Progress

    /// Everything up to `ticket` is durable: appends the acks that this makes due to `output`.
    mutating func committed(through ticket: UInt64, output: inout [UInt8])

    /// How long the peer may be silent, seconds; nil for as long as the settings say. Default: nil.
    var idleTimeoutSeconds: Int64? { get }

    /// Appends what tells the peer that the daemon closes the connection for `reason`.
    mutating func writeCloseReason(_ reason: Refusal, into output: inout [UInt8])

    /// Appends a message to the device at the other end to `output`.
    ///
    /// - Returns: whether the protocol can carry it now. Default: never.
    mutating func push(_ message: DownEnvelope, in ingest: IngestContext, output: inout [UInt8]) -> Bool

    /// Tells how a device at the other end is to stand, if that is not known there.
    ///
    /// - Returns: false when it is to be told later. Default: nobody has asked.
    mutating func push(_ state: StateEnvelope, in ingest: IngestContext, output: inout [UInt8]) -> Bool

    /// The quotas are others now: a session that has noted until when its sender must wait forgets it, for what is owed
    /// stands in the quotas too. Default: it has noted nothing.
    mutating func quotasChanged()

    /// The connection has ended, however that came. Default: nothing is to be done.
    mutating func ends(in ingest: IngestContext, as peer: any CommitListener)
}

extension StreamSession {
    package var idleTimeoutSeconds: Int64? { nil }
    package mutating func ends(in ingest: IngestContext, as peer: any CommitListener) {}
    package mutating func push(
        _ message: DownEnvelope, in ingest: IngestContext, output: inout [UInt8]
    ) -> Bool {
        false
    }

    package mutating func push(
        _ state: StateEnvelope, in ingest: IngestContext, output: inout [UInt8]
    ) -> Bool {
        true
    }

    package mutating func quotasChanged() {}
}

/// How far a session got with the bytes that it was given.
package struct Progress: Hashable, Sendable {
    /// Bytes that have been dealt with; the rest must be given again, with more behind it.
    package var consumed: Int
    package var next: Next

    package enum Next: Hashable, Sendable {
        /// The rest is incomplete.
        case needsMore
        /// The intake is full: the same bytes must be given again after `resume`.
        case needsRoom
        /// The sender is over its quota: the same bytes must be given again when the context's clock is there.
        case needsTime(Uptime)
        /// The session has said its last word; once its acks are out the connection is to be closed.
        case ends
    }

    package init(consumed: Int, next: Next) {
        self.consumed = consumed
        self.next = next
    }
}

/// The state machine of one datagram socket: each datagram stands for itself. The rules of `StreamSession` hold.
package protocol DatagramSession {
    /// Deals with one datagram, and appends what it is answered with to `output`. The intake must have room.
    ///
    /// - Parameter number: which of the expected datagrams this is; nil when it was not expected.
    mutating func receive(
        _ bytes: Span<UInt8>, announced number: Int?, in ingest: IngestContext, as peer: any CommitListener,
        output: inout [UInt8]
    ) -> DatagramOutcome

    /// Turns a datagram away unread, and tells the sender if that can be told in no more bytes than it sent.
    mutating func refuse(
        _ reason: Refusal, _ bytes: Span<UInt8>, in ingest: IngestContext, output: inout [UInt8]
    ) -> DatagramOutcome

    // What many datagrams of one read need can be asked for together, before the first of them is dealt with. By
    // default nothing is.

    /// Takes note of a datagram that is going to be received. It is not trusted yet: nothing may change by it.
    mutating func announce(_ bytes: Span<UInt8>, in ingest: IngestContext)
    /// All of them are noted.
    mutating func prefetchAnnounced(in ingest: IngestContext)
    /// Forgets what is expected.
    mutating func clearAnnounced()
}

extension DatagramSession {
    package mutating func announce(_ bytes: Span<UInt8>, in ingest: IngestContext) {}
    package mutating func prefetchAnnounced(in ingest: IngestContext) {}
    package mutating func clearAnnounced() {}
}

/// What is to be done about a datagram.
package enum DatagramOutcome: Hashable, Sendable {
    /// Nothing: what cannot be trusted is not answered.
    case silence
    /// Send what has been put into `output`.
    case answer
    /// Send what has been put into `output` when the ticket is committed; the events are in the filling block.
    case answerWhenDurable(UInt64)
}
