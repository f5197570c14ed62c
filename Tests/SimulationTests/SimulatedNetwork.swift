// The network: streams that are cut anywhere and break, and the server's ends of streams and datagrams.

import Events
import Transport

/// One TCP connection, as the network sees it. Bytes keep their order; where they are cut and when they come is chance.
final class SimulatedLink {
    private let world: World
    private var connection: SimulatedConnection?
    private var receive: (([UInt8]) -> Void)?
    private var lost: (() -> Void)?
    private var isServerGone = false
    private var upAt: Int64 = 0
    private var downAt: Int64 = 0

    init(world: World) { self.world = world }

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
    func finish() {
        (receive, lost) = (nil, nil)
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
final class SimulatedConnection: Acknowledged {
    private var session = TCPSession()
    private let link: SimulatedLink
    private let reception: Reception
    private weak var daemon: SimulatedDaemon?
    private var tail: [UInt8] = []
    private var isInputClosed = false
    private var awaitsRoom = false
    private var isSettling = false
    private var isClosed = false

    init(link: SimulatedLink, reception: Reception, daemon: SimulatedDaemon) {
        self.link = link
        self.reception = reception
        self.daemon = daemon
    }

    func take(_ bytes: [UInt8]) {
        guard !isClosed, !isSettling, !isInputClosed else { return }
        tail += bytes
        receive()
        daemon?.readComplete()
    }

    func takeEnd() {
        guard !isClosed, !isSettling else { return }
        isInputClosed = true
        receive()
        daemon?.readComplete()
    }

    func committed(through ticket: UInt64) {
        guard !isClosed else { return }
        session.committed(through: ticket, output: &reception.output)
        finishTurn()
    }

    func resume() {
        guard awaitsRoom, !isClosed else { return }
        awaitsRoom = false
        receive()
    }

    /// The connection is gone, without a word.
    func die() {
        guard !isClosed else { return }
        isClosed = true
        daemon?.forget(self)
        link.serverLeaves()
    }

    private func receive() {
        guard !awaitsRoom else { return }
        let bytes = tail
        let progress = session.receive(
            bytes.span, isEnd: isInputClosed, at: reception, as: self, output: &reception.output)
        tail.removeFirst(progress.consumed)
        switch progress.next {
        // The simulated daemon has no quotas, so nobody ever needs time.
        case .needsMore, .needsTime: break
        case .needsRoom:
            awaitsRoom = true
            daemon?.awaitRoom(self)
        case .ends: isSettling = true
        }
        finishTurn()
    }

    private func finishTurn() {
        if !reception.output.isEmpty {
            link.answer(reception.output)
            reception.output = []
        }
        if isSettling, session.isSettled { die() }
    }
}

/// The daemon's datagram socket: what the handler does around the real session.
final class SimulatedDatagramPort: Acknowledged {
    private struct Waiting {
        var receipt: DatagramReceipt
        var answer: ([UInt8]) -> Void
    }
    private struct Held {
        var bytes: [UInt8]
        var answer: ([UInt8]) -> Void
    }

    private var session: DatagramSession
    private let reception: Reception
    private let world: World
    private var waiting: [Waiting] = []
    private var held: [Held] = []
    private var isClosed = false

    init(reception: Reception, world: World) {
        self.reception = reception
        self.world = world
        session = DatagramSession(settings: reception.settings)
    }

    func die() {
        isClosed = true
        (waiting, held) = ([], [])
    }

    func take(_ bytes: [UInt8], answer: @escaping ([UInt8]) -> Void) {
        guard !isClosed else { return }
        guard held.isEmpty, reception.intake.hasRoom() else {
            if world.chance(3) {
                let outcome = session.refuse(.busy, bytes.span, at: reception, output: &reception.output)
                if case .answer = outcome { send(answer) }
            } else {
                held.append(Held(bytes: bytes, answer: answer))
                reception.intake.awaitRoom(self)
            }
            return
        }
        receive(bytes, answer)
        reception.intake.readComplete()
    }

    func committed(through ticket: UInt64) {
        while let first = waiting.first, first.receipt.ticket <= ticket {
            waiting.removeFirst()
            first.receipt.write(into: &reception.output)
            send(first.answer)
        }
    }

    func resume() {
        let resumed = held
        held = []
        for (index, one) in resumed.enumerated() {
            guard reception.intake.hasRoom() else {
                held = Array(resumed[index...])
                reception.intake.awaitRoom(self)
                return
            }
            receive(one.bytes, one.answer)
        }
    }

    private func receive(_ bytes: [UInt8], _ answer: @escaping ([UInt8]) -> Void) {
        switch session.receive(bytes.span, at: reception, as: self, output: &reception.output) {
        case .silence: reception.output = []
        case .answer: send(answer)
        case .receipt(let receipt):
            send(answer)
            waiting.append(Waiting(receipt: receipt, answer: answer))
        }
    }

    private func send(_ answer: ([UInt8]) -> Void) {
        guard !reception.output.isEmpty else { return }
        let bytes = reception.output
        reception.output = []
        answer(bytes)
    }
}
