// The network: streams that are cut anywhere and break, and the server's ends of streams and datagrams.

import Admission
import Events
import Transport

/// The daemon's end of a connection, as the network sees it.
protocol SimulatedServer: AnyObject {
    func take(_ bytes: [UInt8])
    /// The device has closed its side.
    func takeEnd()
    /// The connection is gone, without a word.
    func die()
}

/// One connection, as the network sees it. Bytes keep their order; where they are cut and when they come is chance.
final class SimulatedLink {
    private let world: World
    /// `.tcp` or `.http`: which of the daemon's ports it leads to.
    let transport: TransportKind
    private var connection: (any SimulatedServer)?
    private var receive: (([UInt8]) -> Void)?
    private var lost: (() -> Void)?
    private var isServerGone = false
    private var upAt: Int64 = 0
    private var downAt: Int64 = 0

    init(world: World, transport: TransportKind) {
        self.world = world
        self.transport = transport
    }

    /// - Parameters: what the device does with what comes, and when the connection is gone.
    func open(to daemon: SimulatedDaemon?, receive: @escaping ([UInt8]) -> Void, lost: @escaping () -> Void) {
        self.receive = receive
        self.lost = lost
        connection = daemon?.accept(self)
        if connection == nil { breakDown() }
    }

    /// Sends bytes to the daemon, in pieces.
    func send(_ bytes: [UInt8]) {
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + (world.chance(3) ? world.between(1, 9) : world.between(10, 400)))
            let piece = Array(bytes[start..<end])
            upAt = max(upAt, world.now + Int64(world.below(6)))
            world.after(Int(upAt - world.now)) { self.connection?.take(piece) }
            start = end
        }
    }

    /// The device closes its side; everything it has sent still arrives.
    ///
    /// - Parameter isHearing: whether it still waits for answers.
    func finish(isHearing: Bool = false) {
        if !isHearing { (receive, lost) = (nil, nil) }
        world.after(Int(max(upAt - world.now, 0))) { self.connection?.takeEnd() }
    }

    /// The connection breaks: what is under way may or may not arrive, and the device hears nothing any more.
    func breakDown() {
        let lost = lost
        (receive, self.lost) = (nil, nil)
        let delay = world.below(8)
        world.after(delay) {
            self.connection?.die()
            self.connection = nil
        }
        if let lost { world.after(world.between(1, 5)) { lost() } }
    }

    /// From the daemon.
    func answer(_ bytes: [UInt8]) {
        downAt = max(downAt, world.now + Int64(world.below(6)))
        world.after(Int(downAt - world.now)) { self.receive?(bytes) }
    }

    /// The daemon has closed the connection, or is dead.
    func serverLeaves() {
        guard !isServerGone else { return }
        isServerGone = true
        connection = nil
        world.after(Int(max(downAt - world.now, 0))) { self.breakDown() }
    }
}

/// The daemon's end of a connection: what the handler does around the real session.
final class SimulatedConnection: CommitListener, SimulatedServer {
    private var session = TCPSession()
    private let link: SimulatedLink
    private let ingest: IngestContext
    private weak var daemon: SimulatedDaemon?
    private var tail: [UInt8] = []
    private var isInputClosed = false
    private var awaitsRoom = false
    private var isDraining = false
    private var isClosed = false

    init(link: SimulatedLink, ingest: IngestContext, daemon: SimulatedDaemon) {
        self.link = link
        self.ingest = ingest
        self.daemon = daemon
    }

    func take(_ bytes: [UInt8]) {
        guard !isClosed, !isDraining, !isInputClosed else { return }
        tail += bytes
        receive()
        daemon?.readComplete()
    }

    func takeEnd() {
        guard !isClosed, !isDraining else { return }
        isInputClosed = true
        receive()
        daemon?.readComplete()
    }

    func committed(through ticket: UInt64) {
        guard !isClosed else { return }
        session.committed(through: ticket, output: &ingest.output)
        finishTurn()
    }

    func resume() {
        guard awaitsRoom, !isClosed else { return }
        awaitsRoom = false
        receive()
    }

    func die() {
        guard !isClosed else { return }
        isClosed = true
        daemon?.remove(self)
        daemon?.outbox?.unregister(self)
        link.serverLeaves()
    }

    private func receive() {
        guard !awaitsRoom else { return }
        let bytes = tail
        defer { noteDevice() }
        let progress = session.receive(
            bytes.span, isEnd: isInputClosed, in: ingest, as: self, output: &ingest.output)
        tail.removeFirst(progress.consumed)
        switch progress.next {
        // The simulated daemon has no quotas, so nobody ever needs time.
        case .needsMore, .needsTime: break
        case .needsRoom:
            awaitsRoom = true
            daemon?.awaitRoom(self)
        case .ends: isDraining = true
        }
        finishTurn()
    }

    /// The session has found out which device is at the other end.
    private func noteDevice() {
        let device = ingest.device
        ingest.device = .none
        guard device != .none, !isClosed else { return }
        daemon?.outbox?.register(self, as: device)
    }

    /// Sends a message to the device.
    func push(_ message: DownEnvelope) -> Bool {
        guard !isClosed, !isDraining, session.push(message, in: ingest, output: &ingest.output) else { return false }
        finishTurn()
        return true
    }

    private func finishTurn() {
        if !ingest.output.isEmpty {
            link.answer(ingest.output)
            ingest.output = []
        }
        if isDraining, session.isAcknowledged { die() }
    }
}

/// The daemon's datagram socket: what the handler does around the real session.
final class SimulatedDatagramPort: CommitListener {
    private struct Waiting {
        var ticket: UInt64
        var bytes: [UInt8]
        var answer: ([UInt8]) -> Void
    }
    private struct Held {
        var bytes: [UInt8]
        var answer: ([UInt8]) -> Void
    }

    private var session: UDPSession
    private let ingest: IngestContext
    private let world: World
    private var waiting: [Waiting] = []
    private var held: [Held] = []
    private var isClosed = false

    init(ingest: IngestContext, world: World) {
        self.ingest = ingest
        self.world = world
        session = UDPSession(settings: ingest.settings)
    }

    func die() {
        isClosed = true
        (waiting, held) = ([], [])
    }

    func take(_ bytes: [UInt8], answer: @escaping ([UInt8]) -> Void) {
        guard !isClosed else { return }
        guard held.isEmpty, ingest.intake.hasRoom() else {
            if world.chance(3) {
                let outcome = session.refuse(.busy, bytes.span, in: ingest, output: &ingest.output)
                if case .answer = outcome { send(answer) }
            } else {
                held.append(Held(bytes: bytes, answer: answer))
                ingest.intake.awaitRoom(self)
            }
            return
        }
        receive(bytes, answer)
        ingest.intake.readComplete()
    }

    func committed(through ticket: UInt64) {
        while let first = waiting.first, first.ticket <= ticket {
            waiting.removeFirst()
            first.answer(first.bytes)
        }
    }

    func resume() {
        let resumed = held
        held = []
        for (index, one) in resumed.enumerated() {
            guard ingest.intake.hasRoom() else {
                held = Array(resumed[index...])
                ingest.intake.awaitRoom(self)
                return
            }
            receive(one.bytes, one.answer)
        }
    }

    private func receive(_ bytes: [UInt8], _ answer: @escaping ([UInt8]) -> Void) {
        switch session.receive(bytes.span, in: ingest, as: self, output: &ingest.output) {
        case .silence: ingest.output = []
        case .answer: send(answer)
        case .answerWhenDurable(let ticket):
            waiting.append(Waiting(ticket: ticket, bytes: ingest.output, answer: answer))
            ingest.output = []
        }
    }

    private func send(_ answer: ([UInt8]) -> Void) {
        guard !ingest.output.isEmpty else { return }
        let bytes = ingest.output
        ingest.output = []
        answer(bytes)
    }
}
