// Devices with connections; of these the ones on TCP: native frames, and JSON lines.

import Admission
import Events
import Wire

/// What both have: a connection that breaks, and is made again.
class StreamDevice: SimulatedDevice {
    private(set) var link: SimulatedLink?
    /// What has come and is not yet read.
    private var received: [UInt8] = []
    /// Counts the connections: what is heard of an earlier one is of no interest.
    private var generation = 0

    /// Which of the daemon's ports it connects to.
    var transport: TransportKind { .tcp }
    override var keepsOrder: Bool { true }

    override func newEvents() {
        if link == nil { connect() } else { send() }
    }

    func connect() {
        let link = SimulatedLink(world: world, transport: transport)
        self.link = link
        received = []
        generation += 1
        let generation = generation
        began()
        link.open(to: daemon()) { [unowned self] in
            if self.generation == generation { take($0) }
        } lost: { [unowned self] in
            if self.generation == generation { reconnect(after: world.between(1, 60)) }
        }
        greet()
    }

    /// Breaks the connection now and then, and always when an answer has not come for long.
    func reconnect(after delay: Int) {
        let old = link
        link = nil
        generation += 1
        if world.chance(2) { old?.finish() } else { old?.breakDown() }
        world.after(delay) { [unowned self] in
            if link == nil, !isDone { connect() }
        }
    }

    func sent() {
        if world.chance(12) { return reconnect(after: world.between(1, 30)) }
        guard let watched = link else { return }
        world.after(400) { [unowned self] in
            if link === watched, !held.isEmpty { reconnect(after: world.between(1, 30)) }
        }
    }

    private func take(_ bytes: [UInt8]) {
        received += bytes
        let (count, read) = (generation, read(received))
        // Reading may have led to another connection.
        if count == generation { received.removeFirst(read) }
    }

    // What differs.

    func began() {}
    func greet() {}
    func send() {}
    /// - Returns: how many bytes were dealt with.
    func read(_ bytes: [UInt8]) -> Int { bytes.count }
}

/// HELLO, batches in order, cumulative acks.
final class NativeStreamDevice: StreamDevice {
    private var writer = BatchWriter()
    /// The first event that has not been sent on this connection.
    private var next = 0
    private var isWelcome = false
    private var waitsForWelcome = false

    override func began() {
        writer = BatchWriter()
        next = 0
        isWelcome = false
        waitsForWelcome = world.chance(2)
    }

    override func greet() {
        var hello = Hello()
        hello.source = Array("\(product)/\(name)".utf8)
        hello.epoch = made.last?.epoch ?? 1
        var bytes = streamMagic
        writeFrame(.hello, body: hello.encode().span, into: &bytes)
        link?.send(bytes)
        send()
    }

    override func send() {
        guard isWelcome || !waitsForWelcome else { return }
        while link != nil {
            let run = run(from: next, atMost: world.between(1, 5))
            guard let last = run.last else { return }
            next = last + 1
            var bytes: [UInt8] = []
            let body = body(run, writer: &writer, namesDevice: false)
            writeFrame(.batch, body: body.span, deflate: true, into: &bytes)
            link?.send(bytes)
            sent()
        }
    }

    override func read(_ bytes: [UInt8]) -> Int {
        var at = 0
        do throws(Refusal) {
            while let frame = try readFrame(bytes.span, at: at) {
                at = frame.end
                try take(frame.type, bytes.span.extracting(frame.body))
            }
        } catch {
            world.fail("\(name) cannot read an answer: \(error.name)")
        }
        return at
    }

    private func take(_ type: FrameType, _ body: Span<UInt8>) throws(Refusal) {
        switch type {
        case .welcome:
            isWelcome = true
            let welcome = try Welcome(decoding: body)
            hears = "WELCOME"
            acked(welcome.epoch, through: welcome.durable)
            hears = "an ack"
            send()
        case .ack:
            let ack = try Ack(decoding: body)
            acked(ack.epoch, through: ack.durable)
        case .error:
            let reject = try Reject(decoding: body)
            // Half a frame before the end of a stream is refused, as it must be.
            if reject.refusal != .truncated { world.fail("\(name) is refused: \(reject)") }
        default: world.fail("\(name) gets a frame of type \(type)")
        }
    }
}

/// JSON lines, answered by counting them.
final class LineStreamDevice: StreamDevice {
    /// The event of each line of this connection.
    private var lines: [Int] = []

    override func began() { lines = [] }
    override func greet() { send() }

    override func send() {
        for index in held where index > (lines.last ?? -1) {
            guard link != nil else { return }
            lines.append(index)
            link?.send(line(index))
            sent()
        }
    }

    override func read(_ bytes: [UInt8]) -> Int {
        var at = 0
        while let end = bytes[at...].firstIndex(of: 0x0a) {
            let text = String(decoding: bytes[at..<end], as: UTF8.self)
            at = end + 1
            if let count = ackedLines(text), count <= lines.count {
                for index in lines.prefix(count) { acked(index) }
            } else if !text.hasPrefix("{\"quarantined\"") {
                world.fail("\(name) does not understand \(text)")
            }
        }
        return at
    }
}

/// The number in `{"ack":12}`.
func ackedLines(_ text: String) -> Int? {
    guard text.hasPrefix("{\"ack\":"), text.hasSuffix("}") else { return nil }
    return Int(text.dropFirst(7).dropLast())
}
