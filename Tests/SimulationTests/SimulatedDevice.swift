// Simulated devices: what they make, what they still hold, and what they were told is stored.

import Events
import Wire

/// An event as a device knows it.
struct MadeEvent {
    var epoch: UInt32
    var seq: UInt64
    /// Set when the device names its events itself, in JSON.
    var id: String?
    var kind: EventKind
    var aspect: String
    /// Nil for a use, which only counts, and for a text.
    var value: Int64?
    var count: UInt32
    var time: Timestamp
    var customer: String
    var text: String
}

/// A device in the field: makes some events, sends each until it is told that it is stored, and has little memory.
class SimulatedDevice {
    enum State { case held, acked, givenUp }

    let world: World
    let product: String
    let name: String
    private(set) var made: [MadeEvent] = []
    private(set) var states: [State] = []
    /// Where the daemon is now; nil while there is none.
    var daemon: () -> SimulatedDaemon?
    /// Looks into the log whether an event is there that the device was told is stored.
    var wasAcked: (SimulatedDevice, Int) -> Void = { _, _ in }
    /// What the device is reading, for the messages.
    var hears = "an ack"
    private let total: Int
    /// A device that holds more gives up the oldest; 0 when it has room for all.
    let memory: Int
    private let namesEvents: Bool
    private let rebootsAt: Int

    /// Whether every event comes to the log in the order in which it was made.
    var keepsOrder: Bool { false }
    /// Whether it names the oldest number that it still holds. If not, an event that it gave up may come late, on an
    /// earlier connection.
    var saysWhatItLost: Bool { true }

    init(world: World, number: Int, numbersOnly: Bool, daemon: @escaping () -> SimulatedDaemon?) {
        self.world = world
        self.daemon = daemon
        product = ["kettle", "oven"][world.below(2)]
        name = "device-\(number)"
        total = world.between(4, 16)
        namesEvents = !numbersOnly && world.chance(2)
        memory = numbersOnly && world.chance(3) ? world.between(2, 6) : 0
        rebootsAt = world.chance(3) ? world.below(total) : .max
        live()
    }

    var isDone: Bool { made.count == total && !states.contains(.held) }
    var hasGivenUp: Bool { states.contains(.givenUp) }
    var held: [Int] { made.indices.filter { states[$0] == .held } }

    /// The number below which the device has nothing of an epoch; 0 when it never loses anything.
    func oldest(_ epoch: UInt32) -> UInt64 {
        guard memory > 0 else { return 0 }
        return held.first { made[$0].epoch == epoch }.map { made[$0].seq } ?? 0
    }

    /// Makes an event from time to time.
    private func live() {
        world.after(world.between(0, 40)) { [self] in
            make()
            newEvents()
            if made.count < total { live() }
        }
    }

    private func make() {
        let last = made.last
        let reboots = made.count == rebootsAt
        let kind = [EventKind.preferenceSet, .ratingGiven, .featureUsed, .feedbackText, .faultSeen][world.below(5)]
        let epoch = (last?.epoch ?? 1) + (reboots ? 1 : 0)
        let seq = reboots ? 1 : (last?.seq ?? 0) + 1
        made.append(
            MadeEvent(
                epoch: epoch, seq: seq, id: namesEvents ? "\(name)/\(epoch).\(seq)" : nil, kind: kind,
                aspect: ["door.sound", "fan"][world.below(2)],
                value: [.featureUsed, .feedbackText].contains(kind) ? nil : Int64(world.between(1, 6)),
                count: UInt32(world.between(1, 3)),
                time: Timestamp(rawValue: SimulatedDaemon.epochStart + world.now - Int64(world.below(1_000))),
                customer: world.chance(2) ? "customer-\(world.below(3))" : "",
                text: kind == .feedbackText ? String(repeating: "words ", count: world.between(1, 120)) : ""))
        states.append(.held)
        guard memory > 0 else { return }
        for index in held.dropLast(memory) { states[index] = .givenUp }
    }

    /// Something is there to be sent.
    func newEvents() {}

    func acked(_ index: Int) {
        guard states[index] == .held else { return }
        states[index] = .acked
        wasAcked(self, index)
    }

    /// Everything of an epoch up to a number is stored, the daemon says.
    func acked(_ epoch: UInt32, through seq: UInt64) {
        for index in made.indices where made[index].epoch == epoch && made[index].seq <= seq { acked(index) }
    }

    /// The next few held events of one epoch without a hole between, starting at or behind an index.
    func run(from start: Int, atMost count: Int) -> [Int] {
        var run: [Int] = []
        for index in made.indices.dropFirst(start) where run.count < count {
            guard states[index] == .held else {
                if run.isEmpty { continue }
                break
            }
            if let last = run.last, made[last].epoch != made[index].epoch { break }
            run.append(index)
        }
        return run
    }
}

// MARK: What devices write

extension SimulatedDevice {
    /// The body of a batch with some events of one epoch.
    func body(_ run: [Int], writer: inout BatchWriter, namesDevice: Bool) -> [UInt8] {
        let first = made[run[0]]
        let device = namesDevice ? writer.reference("\(product)/\(name)") : 0
        writer.begin(
            epoch: first.epoch, firstSeq: first.seq, time: first.time, oldest: oldest(first.epoch), device: device)
        for index in run {
            let event = made[index]
            var outgoing = OutgoingEvent(kind: event.kind)
            outgoing.aspect = writer.reference(event.aspect)
            outgoing.time = event.time
            outgoing.count = event.count
            if !event.customer.isEmpty { outgoing.customer = writer.reference(event.customer) }
            if let value = event.value { outgoing.value = .whole(value) }
            outgoing.text = Array(event.text.utf8)[...]
            if !writer.add(outgoing) { world.fail("a batch of \(run.count) events is full") }
        }
        var body: [UInt8] = []
        writer.finish(into: &body)
        return body
    }

    /// An event as a JSON line with its newline.
    func line(_ index: Int) -> [UInt8] {
        let event = made[index]
        let id = event.id ?? "\(event.epoch)-\(event.seq)"
        var text = "{\"product\":\"\(product)\",\"device\":\"\(name)\",\"id\":\"\(id)\""
        text += ",\"type\":\"\(event.kind.name)\",\"time\":\(event.time.rawValue),\"aspect\":\"\(event.aspect)\""
        if !event.customer.isEmpty { text += ",\"customer\":\"\(event.customer)\"" }
        if event.count != 1 { text += ",\"count\":\(event.count)" }
        if let value = event.value { text += ",\"value\":\(value)" }
        if !event.text.isEmpty { text += ",\"text\":\"\(event.text)\"" }
        return Array((text + "}\n").utf8)
    }
}
