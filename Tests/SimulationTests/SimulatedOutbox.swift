// The way back of a simulated daemon: what `OutboxService` does, around the real decider and the real deliveries.

import Admission
import Daemon
import Events
import Projection
import Transport
import Wire

/// A message as an operator of the simulation sends it.
struct SentMessage {
    var kind = EventKind.notice
    var product = "kettle"
    var terms = MessageTerms()
    /// The device's name; nil for the whole product.
    var device: String?
    var aspect = ""
    var value: Value = .none
    var collapse = ""
    /// Milliseconds until it is over; 0 for never.
    var life: Int64 = 0

    var payload: [UInt8] {
        guard case .whole(let number) = value else { return Array(#"{"text":"x"}"#.utf8) }
        return Array(#"{"aspect":"\#(aspect)","policy":"\#(terms.policy.name)","value":\#(number)}"#.utf8)
    }
}

/// Serves one thing after another; what is not in the log is gone with the daemon.
final class SimulatedOutbox: CommitListener {
    /// Ways to break it on purpose, so that the simulation can be seen to notice.
    enum Mutation: String, CaseIterable {
        /// A message leaves before it is stored.
        case sendsAtOnce
        /// What waits is asked once a connection, and not again.
        case asksOnce
        /// All that waits is sent at once.
        case noWindow
        /// A device is never served again once it was told of one message.
        case forgetsDevices
        /// Nothing is ever given up.
        case neverGivesUp
    }

    private enum Job {
        case tick
        case contact(DeviceID)
        case heard([DeviceID])
        case send(SentMessage)
        case cancel(UInt32)
    }

    private unowned let daemon: SimulatedDaemon
    private let world: World
    private let mutation: Mutation?
    private(set) var deliveries = Deliveries()
    private(set) var connections: [DeviceID: SimulatedConnection] = [:]
    private var older: [DeviceID: [SimulatedConnection]] = [:]
    private var jobs: [Job] = []
    /// What is done once the events that were appended are folded.
    private var then: (() -> Void)?
    private var isCommitted = false
    private var awaited = Offset.zero
    private var given: UInt32 = 0
    /// Time as the outbox has it: it never goes back, whatever the daemon's clock does.
    private var lastArrival: Timestamp
    private var asked: [DeviceID: WaitingDevice] = [:]
    private var served: Set<DeviceID> = []
    private var ticks = 0
    private var isStopped = false
    /// Called with each message that is given to a connection.
    var pushed: (Outgoing, DeviceID, Timestamp) -> Void = { _, _, _ in }
    /// Called with each device that is served.
    var connected: (DeviceID) -> Void = { _ in }

    init(daemon: SimulatedDaemon, world: World, mutation: Mutation?, notBefore: Timestamp) {
        (self.daemon, self.world, self.mutation, lastArrival) = (daemon, world, mutation, notBefore)
        daemon.know(all: daemon.projector.state.knownMessages(questions: 100).map { .init($0.id, $0.product, nil) })
        tickSoon()
    }

    private var state: SummaryState { daemon.projector.state }
    var now: Timestamp {
        lastArrival = max(lastArrival, daemon.now)
        return lastArrival
    }

    // MARK: What comes

    func register(_ connection: SimulatedConnection, as device: DeviceID) {
        if let other = connections.updateValue(connection, forKey: device), other !== connection {
            older[device, default: []].append(other)
        }
        connected(device)
        asked[device] = nil
        add(.contact(device))
        tickSoon()
    }

    func unregister(_ connection: SimulatedConnection) {
        for device in older.keys { older[device]?.removeAll { $0 === connection } }
        for (device, known) in connections where known === connection {
            connections[device] = nil
            // As the table of the real ones does.
            if let other = older[device]?.popLast() { register(other, as: device) }
        }
    }

    func send(_ message: SentMessage) { add(.send(message)) }
    func cancel(_ number: UInt32) { add(.cancel(number)) }

    /// Ticks are a second apart while somebody is connected, and rarer otherwise, for the sake of the run's time.
    private func tickSoon() {
        guard !isStopped else { return }
        ticks += 1
        let this = ticks
        world.after(connections.isEmpty ? 3_600_000 : world.between(1_000, 3_000)) { [weak self] in
            guard let self, self.daemon.isAlive, self.ticks == this else { return }
            self.add(.tick)
            self.tickSoon()
        }
    }

    /// Nothing more is done by itself.
    func stop() { isStopped = true }

    private func add(_ job: Job) {
        jobs.append(job)
        serve()
    }

    private func serve() {
        while then == nil, !jobs.isEmpty { serve(jobs.removeFirst()) }
    }

    private func serve(_ job: Job) {
        switch job {
        case .tick: settle { [unowned self] in round() }
        case .contact(let device):
            deliveries.begin(device, at: world.now)
            offer([device], isContact: true)
        case .heard(let devices): offer(devices)
        case .send(let message): store(message)
        case .cancel(let number):
            guard let standing = state.standing(ofMessage: number), standing.closing == nil else { return }
            var batch = EventBatch()
            batch.append(closed: standing.id, product: standing.product, .cancelled, at: now)
            tell(batch) {}
        }
    }

    // MARK: The log

    private func tell(_ batch: EventBatch, then next: @escaping () -> Void) {
        isCommitted = false
        then = next
        append(batch)
    }

    private func append(_ batch: EventBatch) {
        guard !daemon.append(own: batch, for: self) else { return }
        world.after(5) { [weak self] in
            if let self, self.daemon.isAlive { self.append(batch) }
        }
    }

    func committed(through ticket: UInt64) {
        guard then != nil, !isCommitted else { return }
        isCommitted = true
        awaited = daemon.head
        goOn()
    }

    func resume() {}

    /// The fold has come on.
    func folded(_ heard: [DeviceID]) {
        goOn()
        if !heard.isEmpty { add(.heard(heard)) }
    }

    private func goOn() {
        guard let next = then, isCommitted, state.offset >= awaited else { return }
        then = nil
        next()
        serve()
    }

    private func settle(then next: @escaping () -> Void) {
        let decided = state.decide(at: now)
        if decided.isEmpty { return next() }
        tell(decided) { [unowned self] in settle(then: next) }
    }

    private func store(_ message: SentMessage) {
        var words = daemon.vocabulary
        defer { daemon.vocabulary = words }
        guard let product = words.find(.product, Array(message.product.utf8).span) else { return }
        given = max(given, state.lastMessage) + 1
        let id = MessageID(number: given, tag: UInt32(world.below(Int(UInt32.max))))
        var (event, details, batch) = (Event(), EventDetails(), EventBatch())
        (event.kind, event.product, event.time, event.arrival) = (message.kind, product, now, now)
        event.clock = .arrival
        message.terms.write(to: &event)
        if let name = message.device {
            guard let device = words.find(device: Array(name.utf8).span, of: product) else { return }
            event.device = device
        }
        if !message.aspect.isEmpty { event.aspect = words.ownSymbol(.aspect, message.aspect) ?? .none }
        event.value = message.value
        details.message = id
        if !message.collapse.isEmpty { details.collapse = words.ownSymbol(.value, message.collapse) ?? .none }
        if message.life > 0 { details.expiry = Timestamp(rawValue: now.rawValue + message.life) }
        let payload = message.payload
        batch.append(event, details, payload)
        if event.device != .none {
            batch.append(addressed: [event.device.rawValue], of: id, product: product, asOf: nil, at: now)
        }
        daemon.know(.init(id, product, nil))
        if mutation == .sendsAtOnce {
            let early = Outgoing(
                id: id, kind: message.kind, terms: message.terms, accepted: now, expires: nil, attempts: 0, seen: nil,
                payload: payload)
            for device in connections.keys.sorted() { push(early, to: device) }
        }
        tell(batch) { [unowned self] in settle { [unowned self] in round() } }
    }

    // MARK: Down

    private func round() {
        offer(connections.keys.sorted())
        let notes = deliveries.takeNotes(at: world.now)
        var batch = EventBatch()
        for note in notes {
            guard let message = state.standing(ofMessage: note.number) else { continue }
            if mutation == .neverGivesUp, note.isFailed { continue }
            batch.append(
                receipt: note.isFailed ? .failed : .sent, of: message.id, note.device, product: message.product,
                attempt: UInt32(note.attempt), at: now)
        }
        if !batch.isEmpty { tell(batch) {} }
    }

    private func offer(_ devices: [DeviceID], isContact: Bool = false) {
        var waiting = state.outgoing(among: devices, at: now, most: 100, isContact: isContact)
        if mutation == .asksOnce {
            waiting = devices.compactMap { device in
                let found = asked[device] ?? waiting.first { $0.device == device }
                asked[device] = found
                return found
            }
        }
        for device in devices where !waiting.contains(where: { $0.device == device }) { deliveries.end(device) }
        for one in waiting where connections[one.device] != nil {
            if mutation == .forgetsDevices, !served.insert(one.device).inserted { continue }
            var due = deliveries.take(one, at: world.now)
            if mutation == .noWindow { due = one.messages }
            for message in due where !push(message, to: one.device) {
                deliveries.fail(message.id.number, for: one.device, at: world.now)
            }
        }
    }

    @discardableResult
    private func push(_ message: Outgoing, to device: DeviceID) -> Bool {
        guard let connection = connections[device] else { return false }
        let product = Array(daemon.vocabulary.text(.product, daemon.vocabulary.product(of: device)))
        let name = Array(daemon.vocabulary.name(of: device))
        var json: [UInt8] = []
        DownMessage(
            message.id, message.kind, priority: message.terms.priority, time: message.accepted,
            expires: message.expires, seen: message.seen, more: 0, payload: message.payload
        ).write(product: product.span, device: name.span, to: &json)
        let envelope = DownEnvelope(message.id, message.kind, expires: message.expires, json: json)
        guard connection.push(envelope) else { return false }
        pushed(message, device, now)
        return true
    }
}
