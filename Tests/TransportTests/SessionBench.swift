// A session on a bench: bytes in, answers out, no socket.

import Events
import Testing
import Transport
import Wire

/// A session that needs nothing to begin.
protocol BareSession: StreamSession {
    init()
}

extension TCPSession: BareSession {}
extension MQTTSession: BareSession {}

typealias Bench = SessionBench<TCPSession>

/// A session, its intake, and the bytes that it has not dealt with.
final class SessionBench<Session: BareSession> {
    let intake: StubIntake
    let peer = StubPeer()
    let ingest: IngestContext
    var session = Session()
    var tail: [UInt8] = []
    var output: [UInt8] = []
    var last = Progress.Next.needsMore

    init(settings: TransportSettings = TransportSettings(), on intake: StubIntake = StubIntake()) {
        self.intake = intake
        ingest = IngestContext(intake: intake, settings: settings)
    }

    /// Another connection to the same daemon.
    init(beside other: SessionBench) { (intake, ingest) = (other.intake, other.ingest) }

    /// Gives bytes, in pieces of `size`.
    func feed(_ bytes: [UInt8], by size: Int = .max, isEnd: Bool = false) {
        var at = 0
        repeat {
            let end = size < bytes.count - at ? at + size : bytes.count
            tail += bytes[at..<end]
            at = end
            let given = tail
            let progress = session.receive(
                given.span, isEnd: isEnd && at == bytes.count, in: ingest, as: peer, output: &output)
            tail.removeFirst(progress.consumed)
            last = progress.next
        } while at < bytes.count && last != .ends
    }

    func commit() {
        let ticket = intake.ticket
        intake.commit()
        session.committed(through: ticket, output: &output)
    }

    func takeOutput() -> [UInt8] {
        defer { output = [] }
        return output
    }

    func takeText() -> String { String(decoding: takeOutput(), as: UTF8.self) }

    func takeFrames() throws -> [(FrameType, [UInt8])] {
        let bytes = takeOutput()
        var frames: [(FrameType, [UInt8])] = []
        var at = 0
        while let frame = try readFrame(bytes.span, at: at) {
            frames.append((frame.type, Array(bytes[frame.body])))
            at = frame.end
        }
        #expect(at == bytes.count)
        return frames
    }

    func takeErrors() throws -> [Refusal?] {
        try takeFrames().filter { $0.0 == .error }.map { try Reject(decoding: $0.1.span).refusal }
    }

    func takeAcks() throws -> [Ack] {
        try takeFrames().filter { $0.0 == .ack }.map { try Ack(decoding: $0.1.span) }
    }
}
