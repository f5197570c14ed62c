// Devices on UDP: datagrams are lost, doubled, damaged, late, and come in any order.

import Events
import Wire

/// What both have: a network without promises.
class DatagramDevice: SimulatedDevice {
    private var isWaiting = false

    override func newEvents() { wake(0) }

    /// Sends a datagram, or loses it; its answer comes as unsurely.
    func send(_ bytes: [UInt8], answer: @escaping ([UInt8]) -> Void) {
        carry(bytes) { [unowned self] arrived in
            daemon()?.datagrams?.take(arrived) { [unowned self] reply in
                carry(reply) { answer($0) }
            }
        }
    }

    private func carry(_ bytes: [UInt8], to receive: @escaping ([UInt8]) -> Void) {
        for _ in 0..<(world.chance(6) ? 2 : 1) where !world.chance(5) {
            var bytes = bytes
            if isChecked, world.chance(20) { bytes[world.below(bytes.count)] ^= UInt8(1 << world.below(8)) }
            let arrived = bytes
            world.after(world.chance(8) ? world.between(20, 400) : world.between(1, 10)) { receive(arrived) }
        }
    }

    /// Sends in a while, and again until nothing is held.
    private func wake(_ delay: Int) {
        guard !isWaiting else { return }
        isWaiting = true
        world.after(delay) { [unowned self] in
            isWaiting = false
            guard !held.isEmpty else { return }
            transmit()
            wake(world.between(20, 60))
        }
    }

    /// Whether damage is found by a checksum; without one, it is not simulated.
    var isChecked: Bool { false }
    func transmit() {}
}

/// Many datagrams at a time, each with a counter.
final class NativeDatagramDevice: DatagramDevice {
    private struct Flight {
        var epoch: UInt32
        var events: [Int]
    }
    private var flights: [UInt32: Flight] = [:]
    private var counter: UInt32 = 0

    override var isChecked: Bool { true }

    override func transmit() {
        var next = 0
        while true {
            let run = run(from: next, atMost: world.between(1, 4))
            guard let first = run.first, let last = run.last else { return }
            next = last + 1
            counter += 1
            flights[counter] = Flight(epoch: made[first].epoch, events: run)
            var writer = BatchWriter()
            let body = body(run, writer: &writer, namesDevice: true)
            var bytes: [UInt8] = []
            DatagramHeader(type: .batch, epoch: made[first].epoch, counter: counter).write(
                body: body.span, into: &bytes)
            send(bytes) { [unowned self] in read($0) }
        }
    }

    private func read(_ bytes: [UInt8]) {
        guard let header = try? DatagramHeader.read(bytes.span) else { return }
        let body = bytes.span.extracting(DatagramHeader.body(count: bytes.count))
        guard header.type == .ack else {
            let reject = try? Reject(decoding: body)
            if reject?.refusal != .busy { world.fail("\(name) is refused: \(String(describing: reject))") }
            return
        }
        guard let ack = try? Ack(decoding: body), let flight = flights[header.counter] else {
            return world.fail("\(name) cannot read an ack")
        }
        for index in flight.events { acked(index) }
        acked(flight.epoch, through: ack.durable)
        var next = ack.durable + 1
        for range in ack.ranges {
            let first = next + UInt64(range.missing)
            next = first + UInt64(range.present)
            for index in made.indices where made[index].epoch == flight.epoch {
                if made[index].seq >= first, made[index].seq < next { acked(index) }
            }
        }
    }
}

/// One datagram of JSON lines at a time, each from a port of its own, so that no late answer is taken for another's.
final class LineDatagramDevice: DatagramDevice {
    private var flight: [Int] = []

    override var keepsOrder: Bool { true }

    override func transmit() {
        if !flight.contains(where: { states[$0] == .held }) { flight = Array(held.prefix(world.between(1, 3))) }
        let sent = flight
        send(sent.flatMap { line($0) }) { [unowned self] bytes in
            // The ack is the first line; what it is followed by is told to people.
            let text = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
            guard ackedLines(text) == sent.count else { return world.fail("\(name) does not understand \(text)") }
            for index in sent { acked(index) }
        }
    }
}
