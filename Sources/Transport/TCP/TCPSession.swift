// One TCP connection without its socket: told apart by the first bytes, then native frames or JSON lines.

package import Admission
package import Events
import Wire

/// The state machine of a connection. Bytes in, answers out; the handler owns the socket.
package struct TCPSession: Sendable {
    /// The session of the language that is spoken, each in a place of its own: a session that is changed within an
    /// enumeration is copied out of it and back for every frame. Neither while it cannot be told.
    private var native: NativeSession?
    private var lines: LineSession?
    /// Refused at the first bytes.
    private var isRefused = false

    package init() {}

    /// Which counters the connection belongs to.
    package var transport: TransportKind {
        native != nil ? .tcp : .tcpLines
    }

    /// Whether everything that was admitted has been acknowledged.
    package var isSettled: Bool {
        native?.isSettled ?? lines?.isSettled ?? true
    }

    /// Deals with as many whole units as there are in `bytes`, and appends the answers to `output`.
    ///
    /// - Parameter isEnd: whether the peer will send nothing more.
    /// - Parameter peer: whom the intake is to tell when the events are durable, or when there is room.
    package mutating func receive(
        _ bytes: Span<UInt8>, isEnd: Bool, at reception: Reception, as peer: any Acknowledged,
        output: inout [UInt8]
    ) -> Progress {
        reception.grantNames()
        defer { reception.settleNames() }
        var start = 0
        if native == nil, lines == nil, !isRefused {
            guard let skipped = identify(bytes, isEnd: isEnd, at: reception) else {
                return Progress(consumed: 0, next: isEnd ? .ends : .needsMore)
            }
            start = skipped
        }
        if let progress = native?.receive(
            bytes, from: start, isEnd: isEnd, at: reception, as: peer, output: &output)
        {
            return progress
        }
        if let progress = lines?.receive(
            bytes, from: start, isEnd: isEnd, at: reception, as: peer, output: &output)
        {
            return progress
        }
        guard isRefused else { return Progress(consumed: start, next: .needsMore) }
        reception.intake.refuse(.badMagic, events: 1, transport: .tcpLines)
        writeLineError(.badMagic, line: 0, into: &output)
        return Progress(consumed: bytes.count, next: .ends)
    }

    /// Everything up to `ticket` is durable: appends the acks that this makes due to `output`.
    package mutating func committed(through ticket: UInt64, output: inout [UInt8]) {
        native?.committed(through: ticket, output: &output)
        lines?.committed(through: ticket, output: &output)
    }

    /// Appends what tells the peer that the daemon closes the connection for `reason`.
    package func writeFarewell(_ reason: Refusal, into output: inout [UInt8]) {
        if native != nil {
            NativeSession.writeError(reason, seq: 0, into: &output)
        } else {
            writeLineError(reason, line: 0, into: &output)
        }
    }

    /// Decides the language by the first bytes.
    ///
    /// - Returns: the bytes of the magic, which are done with; nil while it cannot be told.
    private mutating func identify(_ bytes: Span<UInt8>, isEnd: Bool, at reception: Reception) -> Int? {
        guard bytes.count > 0 else { return nil }
        if bytes[0] == streamMagic[0] {
            for index in 0..<min(bytes.count, streamMagic.count) where bytes[index] != streamMagic[index] {
                isRefused = true
                return 0
            }
            if bytes.count < streamMagic.count {
                guard isEnd else { return nil }
                isRefused = true
                return 0
            }
            native = NativeSession(settings: reception.settings)
            return streamMagic.count
        }
        for index in bytes.indices where !isBlank(bytes[index]) {
            if bytes[index] == UInt8(ascii: "{") { lines = LineSession() } else { isRefused = true }
            return 0
        }
        guard bytes.count <= Limits.jsonEventBytes else {
            isRefused = true
            return 0
        }
        return nil
    }

    private func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d }
}
