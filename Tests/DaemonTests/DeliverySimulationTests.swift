// Deliveries under a seeded world: connections that break, devices that sleep, kills of the daemon, cancelled messages.

import Daemon
import Events
import Log
import Projection
import Testing
import TidingsTesting

/// One product, some devices, a log, the fold of it, and what is under way.
private struct DownWorld {
    var random: SeededGenerator
    var log = EventBatch()
    var names = Definitions()
    var state = SummaryState()
    var deliveries = Deliveries()
    var now: Int64 = 0
    var folded = 0
    var lastMessage: UInt32 = 0
    var messages: [MessageID] = []
    let product: SymbolID
    var devices: [Device] = []
    /// Events that devices have sent and that are not committed.
    var arriving: [(device: Int, event: Event, details: EventDetails)] = []
    var faults: [String] = []
    var pushes = 0

    struct Device {
        var id: DeviceID
        var isConnected = false
        var seq: UInt64 = 0
        /// The last ids that it has acted on.
        var ring: [UInt64] = []
        var acts: [UInt64: Int] = [:]
        /// What it has sent and not been told of as stored.
        var unacked: [(Event, EventDetails)] = []
    }

    init(seed: UInt64, devices count: Int) {
        random = SeededGenerator(seed: seed)
        var vocabulary = Vocabulary()
        product = vocabulary.ownSymbol(.product, "kettle") ?? .none
        for index in 0..<count {
            let id = vocabulary.device(product: product, name: Array("k\(index)".utf8).span) ?? .none
            devices.append(Device(id: id))
        }
        names = vocabulary.takeDefinitions()
        for index in devices.indices { say(index, .featureUsed) }
        for index in devices.indices {
            for (event, details) in devices[index].unacked { log.append(event, details, []) }
            devices[index].unacked = []
        }
        commit()
    }

    mutating func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &random) == 0 }
    var time: Timestamp { Timestamp(rawValue: 1_767_225_600_000 + now) }

    mutating func say(_ index: Int, _ kind: EventKind, _ details: EventDetails = EventDetails(), stage: UInt8 = 0) {
        var event = Event()
        (event.kind, event.product, event.device) = (kind, product, devices[index].id)
        devices[index].seq += 1
        (event.identity, event.epoch, event.seq) = (.sequence, 1, devices[index].seq)
        (event.time, event.arrival, event.scale) = (time, time, stage)
        devices[index].unacked.append((event, details))
    }

    /// Everything in the log is durable, and folded.
    mutating func commit() {
        var part = EventBatch()
        for event in log.events[folded...] { part.append(event, of: log) }
        state.apply(
            Block(
                firstOffset: Offset(rawValue: UInt64(folded)), batch: part,
                definitions: folded == 0 ? names : Definitions()))
        folded = log.count
    }

    mutating func settle() {
        while true {
            let decided = state.decide(at: time)
            guard !decided.isEmpty else { return }
            for event in decided.events { log.append(event, of: decided) }
            commit()
        }
    }

    mutating func send() {
        lastMessage += 1
        let id = MessageID(number: lastMessage, tag: UInt32.random(in: 0...UInt32.max, using: &random))
        messages.append(id)
        var terms = MessageTerms()
        (terms.basis, terms.priority) = (.contract, MessagePriority.allCases[Int.random(in: 0..<4, using: &random)])
        var event = Event()
        (event.kind, event.product, event.time, event.arrival) = (.notice, product, time, time)
        terms.write(to: &event)
        var details = EventDetails()
        details.message = id
        if chance(3) {
            details.expiry = Timestamp(rawValue: time.rawValue + Int64.random(in: 1...400, using: &random) * 1_000)
        }
        log.append(event, details, Array("{\"text\":\"x\"}".utf8))
        commit()
        settle()
    }

    mutating func cancel() {
        guard let id = messages.randomElement(using: &random) else { return }
        log.append(closed: id, product: product, .cancelled, at: time)
        commit()
    }

    /// The daemon is killed: what is not in the log is gone, what is in it comes back.
    mutating func kill() {
        deliveries = Deliveries()
        arriving = []
        for index in devices.indices { devices[index].isConnected = false }
        var again = SummaryState()
        let cut = Int.random(in: 0...log.count, using: &random)
        for range in [0..<cut, cut..<log.count] where !range.isEmpty {
            var part = EventBatch()
            for event in log.events[range] { part.append(event, of: log) }
            again.apply(
                Block(
                    firstOffset: Offset(rawValue: UInt64(range.lowerBound)), batch: part,
                    definitions: range.lowerBound == 0 ? names : Definitions()))
        }
        for id in messages where again.deliveries(ofMessage: id.number) != state.deliveries(ofMessage: id.number) {
            faults.append("m\(id.number) is another one after a rebuild")
        }
        state = again
    }

    mutating func connect(_ index: Int) {
        devices[index].isConnected = true
        deliveries.begin(devices[index].id, at: now)
        // What it has not been told of as stored it sends again.
        for (event, details) in devices[index].unacked { arriving.append((index, event, details)) }
    }

    mutating func disconnect(_ index: Int) {
        devices[index].isConnected = false
        arriving.removeAll { $0.device == index }
    }

    /// One round of the delivery; `loss`: one of so many messages does not arrive, since its connection breaks.
    mutating func round(loss: Int) {
        settle()
        let connected = devices.indices.filter { devices[$0].isConnected }
        let waiting = state.outgoing(among: connected.map { devices[$0].id }, at: time, most: 100)
        for index in connected {
            let own = waiting.first { $0.device == devices[index].id }
            let due = deliveries.take(own ?? WaitingDevice(devices[index].id, epoch: 1, []), at: now)
            if deliveries.underWay(to: devices[index].id) > MessageLimits.underWay {
                faults.append("too many under way")
            }
            for message in due where devices[index].isConnected {
                pushes += 1
                if let expires = message.expires, expires <= time { faults.append("m\(message.id.number) is over") }
                if state.standing(ofMessage: message.id.number)?.closing != nil { faults.append("closed") }
                if loss > 0, chance(loss) { disconnect(index) } else { receive(message, index) }
            }
        }
        let notes = deliveries.takeNotes(at: now)
        for note in notes {
            guard let id = messages.first(where: { $0.number == note.number }) else { continue }
            log.append(
                receipt: note.isFailed ? .failed : .sent, of: id, note.device, product: product,
                attempt: UInt32(note.attempt), at: time)
        }
        if !notes.isEmpty { commit() }
    }

    private mutating func receive(_ message: Outgoing, _ index: Int) {
        if !devices[index].ring.contains(message.id.rawValue) {
            devices[index].acts[message.id.rawValue, default: 0] += 1
            devices[index].ring.append(message.id.rawValue)
            if devices[index].ring.count > 16 { devices[index].ring.removeFirst() }
        }
        var details = EventDetails()
        details.message = message.id
        say(index, .receipt, details, stage: ReceiptStage.received.rawValue)
        if let last = devices[index].unacked.last { arriving.append((index, last.0, last.1)) }
    }

    /// What has arrived becomes durable, and its senders are told.
    mutating func store() {
        for (device, event, details) in arriving {
            log.append(event, details, [])
            devices[device].unacked.removeAll { $0.0.seq == event.seq }
        }
        arriving = []
        commit()
    }

    mutating func step() {
        now += Int64.random(in: 50...6_000, using: &random)
        switch Int.random(in: 0..<20, using: &random) {
        case 0, 1: send()
        case 2: if chance(3) { cancel() }
        case 3: if chance(4) { kill() }
        case 4...7:
            let index = Int.random(in: devices.indices, using: &random)
            if devices[index].isConnected { disconnect(index) } else { connect(index) }
        case 8...12: store()
        default: round(loss: 4)
        }
    }
}

@Suite struct DeliverySimulationTests {
    @Test(arguments: 1...150 as ClosedRange<UInt64>) func everyMessageArrivesAndIsActedOnOnce(seed: UInt64) {
        var world = DownWorld(seed: seed, devices: 5)
        for _ in 0..<250 { world.step() }
        // From here on all devices stay, and nothing is lost.
        for index in world.devices.indices where !world.devices[index].isConnected { world.connect(index) }
        for _ in 0..<60 {
            world.now += 12_000
            world.round(loss: 0)
            world.store()
        }
        #expect(world.faults.isEmpty, "seed \(seed): \(world.faults)")
        for id in world.messages {
            guard let standing = world.state.standing(ofMessage: id.number) else {
                Issue.record("seed \(seed): m\(id.number) is gone")
                continue
            }
            #expect(standing.addressed == world.devices.count, "seed \(seed), m\(id.number): \(standing.counts)")
            let waiting = standing.count(.queued) + standing.count(.sent)
            #expect(waiting == 0, "seed \(seed), m\(id.number): \(standing.counts)")
        }
        for device in world.devices {
            #expect(device.acts.values.allSatisfy { $0 == 1 }, "seed \(seed): \(device.acts)")
        }
        #expect(world.pushes > 0, "seed \(seed)")
    }
}
