// One TCP connection without its socket: told apart by the first bytes, then native frames or JSON lines.

package import Admission
package import Events
import Wire

/// The state machine of a connection to the TCP port.
package struct TCPSession: StreamSession, Sendable {
    /// The session of the language that is spoken, each in a place of its own: a session that is changed within an
    /// enumeration is copied out of it and back for every frame. Neither while it cannot be told.
    private var native: NativeSession?
    private var lines: LineSession?
    /// Refused at the first bytes.
    private var isRefused = false
    /// Whether anything has been dealt with; a byte order mark may stand only before that.
    private var hasBegun = false
    /// Lines without anything in them, before the language could be told.
    private var blankLines: UInt64 = 0

    package init() {}

    package var transport: TransportKind {
        native != nil ? .tcp : .tcpLines
    }

    package var isAcknowledged: Bool {
        native?.isAcknowledged ?? lines?.isAcknowledged ?? true
    }

    package mutating func receive(
        _ bytes: Span<UInt8>, isEnd: Bool, in ingest: IngestContext, as peer: any CommitListener,
        output: inout [UInt8]
    ) -> Progress {
        ingest.grantNames()
        defer { ingest.chargeNames() }
        var start = 0
        if native == nil, lines == nil, !isRefused {
            start = identify(bytes, isEnd: isEnd, in: ingest)
            if native == nil, lines == nil, !isRefused {
                return Progress(consumed: start, next: isEnd ? .ends : .needsMore)
            }
        }
        if let progress = native?.receive(
            bytes, from: start, isEnd: isEnd, in: ingest, as: peer, output: &output)
        {
            return progress
        }
        if let progress = lines?.receive(
            bytes, from: start, isEnd: isEnd, in: ingest, as: peer, output: &output)
        {
            return progress
        }
        guard isRefused else { return Progress(consumed: start, next: .needsMore) }
        ingest.intake.refuse(.badMagic, events: 1, transport: .tcpLines)
        writeLineVerdict(
            .refused(.badMagic), line: 0,
            text: explanation(of: .badMagic, line: bytes.extracting(start..<bytes.count)), into: &output)
        return Progress(consumed: bytes.count, next: .ends)
    }

    package mutating func committed(through ticket: UInt64, output: inout [UInt8]) {
        native?.committed(through: ticket, output: &output)
        lines?.committed(through: ticket, output: &output)
    }

    package func writeCloseReason(_ reason: Refusal, into output: inout [UInt8]) {
        if native != nil {
            NativeSession.writeError(reason, seq: 0, into: &output)
        } else {
            writeError(reason, into: &output)
        }
    }

    package mutating func push(
        _ message: DownEnvelope, in ingest: IngestContext, output: inout [UInt8]
    ) -> Bool {
        native?.push(message.json.span, into: &output) ?? lines?.push(message.json.span, into: &output) ?? false
    }

    package mutating func quotasChanged() {
        native?.quotasChanged()
        lines?.quotasChanged()
    }

    /// Decides the language by the first bytes, if that can be done.
    ///
    /// - Returns: the bytes that are done with: a magic, a byte order mark, blank lines.
    private mutating func identify(_ bytes: Span<UInt8>, isEnd: Bool, in ingest: IngestContext) -> Int {
        guard bytes.count > 0 else { return 0 }
        if !hasBegun, bytes[0] == streamMagic[0] {
            return identifyNative(bytes, isEnd: isEnd, in: ingest)
        }
        var index = 0
        if !hasBegun, beginsAsMark(bytes) {
            let length = min(bytes.count, byteOrderMark.count)
            if length < byteOrderMark.count, !isEnd { return 0 }
            index = length
        }
        hasBegun = true
        while index < bytes.count, isBlank(bytes[index]) {
            if bytes[index] == UInt8(ascii: "\n") { blankLines += 1 }
            index += 1
        }
        guard index < bytes.count else { return index }
        if bytes[index] == UInt8(ascii: "{") { lines = LineSession(after: blankLines) } else { isRefused = true }
        return index
    }

    private mutating func identifyNative(_ bytes: Span<UInt8>, isEnd: Bool, in ingest: IngestContext) -> Int {
        for index in 0..<min(bytes.count, streamMagic.count) where bytes[index] != streamMagic[index] {
            isRefused = true
            return 0
        }
        if bytes.count < streamMagic.count {
            isRefused = isEnd
            return 0
        }
        native = NativeSession(settings: ingest.settings)
        return streamMagic.count
    }
}
