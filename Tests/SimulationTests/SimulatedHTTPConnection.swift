// The daemon's end of a connection over HTTP: what the handler does around the real session, behind a small parser.

import Admission
import Events
import Transport

/// Requests with `Content-Length`, as the simulated devices write them. Parts of bodies are given on as they come.
private struct RequestParser {
    enum Part {
        case head(HTTPHead)
        case body([UInt8])
        case end
    }

    private var buffer: [UInt8] = []
    /// What is missing of the body at hand; nil between two requests.
    private var missing: Int?

    mutating func read(_ bytes: [UInt8]) -> [Part] {
        buffer += bytes
        var parts: [Part] = []
        while true {
            if missing == nil {
                guard let head = takeHead() else { return parts }
                missing = head.contentLength ?? 0
                parts.append(.head(head))
            }
            guard let open = missing else { return parts }
            let count = min(open, buffer.count)
            if count > 0 { parts.append(.body(Array(buffer.prefix(count)))) }
            buffer.removeFirst(count)
            missing = open - count
            guard count == open else { return parts }
            parts.append(.end)
            missing = nil
        }
    }

    private mutating func takeHead() -> HTTPHead? {
        guard let end = endOfHead(buffer) else { return nil }
        let lines = String(decoding: buffer[..<end], as: UTF8.self).split(separator: "\r\n")
        buffer.removeFirst(end)
        let words = lines[0].split(separator: " ").map(String.init)
        return HTTPHead(
            method: words[0], target: words[1], minorVersion: 1,
            fields: lines.dropFirst().map { line in
                let colon = line.firstIndex(of: ":") ?? line.endIndex
                return (name: String(line[..<colon]), value: String(line[colon...].dropFirst(2)))
            })
    }
}

/// Where the empty line behind a head ends.
func endOfHead(_ bytes: [UInt8]) -> Int? {
    let mark = Array("\r\n\r\n".utf8)
    guard bytes.count >= mark.count else { return nil }
    return (mark.count...bytes.count).first { bytes[($0 - mark.count)..<$0].elementsEqual(mark) }
}

final class SimulatedHTTPConnection: CommitListener, SimulatedServer {
    private var session = HTTPSession(HTTPRoutes())
    private let link: SimulatedLink
    private let ingest: IngestContext
    private weak var daemon: SimulatedDaemon?
    private let world: World
    private let answersAtOnce: Bool
    private var parser = RequestParser()
    /// What has come while the session does not take it.
    private var parts: [RequestParser.Part] = []
    private var next = HTTPSession.Next.reads
    private var isInputClosed = false
    private var isDraining = false
    private var isClosed = false
    /// Counts requests and waits for room: whose deadline it is.
    private var requests = 0
    private var waits = 0
    /// After so long a request that was begun and not ended is given up, milliseconds.
    private static let deadline = 250

    init(
        link: SimulatedLink, ingest: IngestContext, daemon: SimulatedDaemon, world: World, answersAtOnce: Bool
    ) {
        (self.link, self.ingest, self.daemon) = (link, ingest, daemon)
        (self.world, self.answersAtOnce) = (world, answersAtOnce)
    }

    private var isOpen: Bool { !isClosed && !isDraining }

    func take(_ bytes: [UInt8]) {
        guard isOpen, !isInputClosed else { return }
        parts += parser.read(bytes)
        takeParts()
        daemon?.readComplete()
    }

    func takeEnd() {
        guard isOpen else { return }
        isInputClosed = true
        endInput()
        daemon?.readComplete()
    }

    func committed(through ticket: UInt64) {
        guard !isClosed else { return }
        session.committed(through: ticket, in: ingest, output: &ingest.output)
        goOn()
    }

    func resume() {
        guard isOpen, next == .needsRoom || next == .needsTurn else { return }
        next = session.resume(in: ingest, as: self, output: &ingest.output)
        settle()
        goOn()
        daemon?.readComplete()
    }

    func die() {
        guard !isClosed else { return }
        if isOpen, session.isInRequest, let daemon, daemon.isAlive {
            session.fail(.brokenOff, in: ingest, output: &ingest.output)
            ingest.output = []
            daemon.readComplete()
        }
        isClosed = true
        daemon?.remove(self)
        link.serverLeaves()
    }

    // MARK: Parts

    private func goOn() {
        finish()
        guard isOpen else { return }
        if next == .awaitsAnswers {
            next = session.next
            settle()
        }
        takeParts()
    }

    private func takeParts() {
        while isOpen, next == .reads, !parts.isEmpty {
            take(parts.removeFirst())
            settle()
            finish()
        }
        if isInputClosed { endInput() }
    }

    private func take(_ part: RequestParser.Part) {
        switch part {
        case .head(let head):
            requests += 1
            let number = requests
            next = session.begin(head, in: ingest, as: self, output: &ingest.output)
            world.after(Self.deadline) { [weak self] in
                if let self, isOpen, requests == number, session.isInRequest, next == .reads { stop(.tooSlow) }
            }
        case .body(let bytes):
            next = session.receive(bytes.span, in: ingest, as: self, output: &ingest.output)
        case .end:
            next = session.finish(in: ingest, as: self, output: &ingest.output)
            if answersAtOnce { session.committed(through: .max, in: ingest, output: &ingest.output) }
        }
    }

    private func settle() {
        guard isOpen else { return }
        switch next {
        // The simulated daemon has no quotas, so nobody ever needs time.
        case .reads, .awaitsAnswers, .needsTime: break
        case .needsTurn: world.after(1) { [weak self] in self?.resume() }
        case .needsRoom:
            waits += 1
            let number = waits
            daemon?.awaitRoom(self)
            // Some run out of patience, as after the two seconds that the handler waits.
            guard world.chance(3) else { return }
            world.after(world.between(1, 20)) { [weak self] in
                if let self, isOpen, waits == number, next == .needsRoom { stop(.busy) }
            }
        case .ends:
            isDraining = true
            parts = []
        }
    }

    // MARK: The end

    private func endInput() {
        guard isOpen, parts.isEmpty else { return finish() }
        if session.isInRequest {
            if next == .reads { stop(.brokenOff) }
            return
        }
        isDraining = true
        finish()
    }

    private func stop(_ fault: HTTPFault) {
        session.fail(fault, in: ingest, output: &ingest.output)
        isDraining = true
        parts = []
        finish()
        daemon?.readComplete()
    }

    private func finish() {
        if !ingest.output.isEmpty {
            link.answer(ingest.output)
            ingest.output = []
        }
        if isDraining, session.isAnswered { die() }
    }
}
