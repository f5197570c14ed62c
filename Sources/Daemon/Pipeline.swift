// From the sockets to the appender: the block that fills, the blocks on their way to the disk, and who waits for them.

package import Admission
package import Events
package import Log
package import NIOCore
package import Transport

/// What the ingest loop is told of the log's state.
package enum StorageHealth: Sendable, Equatable {
    case good
    /// One line: the cause and the remedy.
    case failing(String)
}

/// The `Intake` of the daemon. Confined to the ingest event loop; nothing in it is locked.
///
/// Events are decoded straight into `filling`. When the appender is idle, or the block is full or old enough, it is
/// closed and handed on; so blocks grow with the load and an idle daemon commits at once. Group commit needs no timer
/// except the short one that lets a busy log fill its blocks.
package final class Pipeline: Intake {
    /// Bounds of the pipeline.
    package struct Settings: Sendable {
        package var blockMaxEvents = Limits.blockEvents
        package var blockMaxDelay: Duration = .milliseconds(5)
        /// Blocks closed and not yet durable; when there are as many, sockets are not read.
        package var maxBlocksInFlight = 8
        /// A block smaller than this is followed by one that is closed at once: the load is light.
        package var lightBlockEvents = 64
        /// What is done about new names with an @ in them.
        package var emails = EmailPolicy.warn

        package init() {}
    }

    /// How long to wait for the projector before looking again whether to wait.
    private static let lookAgainAfter = TimeAmount.milliseconds(100)

    package var filling: EventBatch
    package var vocabulary: Vocabulary
    private(set) var admission: Admission
    private(set) var health = StorageHealth.good
    /// New names with an @ in them.
    private(set) var emailNames: UInt64 = 0
    private let settings: Settings
    private let eventLoop: any EventLoop
    private let events: InternalEvents
    private let pool: BatchPool
    private let submit: (PendingBlock) -> Void
    private let isWorthWaiting: () -> Bool

    /// Start of what `admit` has not yet looked at.
    private var admittedEvents = 0
    private var admittedText = 0
    private var ticket: UInt64 = 1
    private var waiters = Waiters()
    /// Gaps that the unit being read has told of; they follow its events into the block.
    private var gaps: [Event] = []
    /// Names given out since the last block that had events.
    private var carried = Definitions()
    private var inFlight: [InFlight] = []
    private var lastBlockEvents = 0
    private var firstEventAt: NIODeadline?
    private var timer: Scheduled<Void>?
    /// Looks again whether the projector has to be waited for.
    private var lookAgain: Scheduled<Void>?
    /// Peers that are not read until there is room, in the order in which they came.
    private var starved: [any Acknowledged] = []
    private var isGivenUp = false
    private var drained: EventLoopPromise<Void>?
    /// Calls of `admit` since the last small one that was timed.
    private var untimed = 0
    /// Time spent in `admit`, for the stage timings.
    private(set) var admitTime: Duration = .zero

    /// What a block in flight leaves behind on the ingest loop.
    private struct InFlight {
        var ticket: UInt64
        var waiters: Waiters
        var admitted: [AdmittedCounts]
    }

    /// Peers to be told of one block, each once.
    private struct Waiters {
        private var last: ObjectIdentifier?
        private var peers: [ObjectIdentifier: any Acknowledged] = [:]

        var isEmpty: Bool { peers.isEmpty }

        mutating func add(_ peer: any Acknowledged) {
            let id = ObjectIdentifier(peer)
            if last == id { return }
            last = id
            peers[id] = peer
        }

        mutating func remove(_ peer: any Acknowledged) {
            peers[ObjectIdentifier(peer)] = nil
            last = nil
        }

        func tell(_ ticket: UInt64) {
            for peer in peers.values { peer.committed(through: ticket) }
        }
    }

    /// - Parameters:
    ///   - submit: hands a closed block to the appender; called on the event loop, must not block.
    ///   - isWorthWaiting: whether the projector is behind and will soon be less so; then no block is begun, and
    ///     `makeRoom` is to be called when it is.
    package init(
        vocabulary: Vocabulary, dedupe: DedupeTable, settings: Settings, eventLoop: any EventLoop,
        events: InternalEvents, pool: BatchPool, isWorthWaiting: @escaping () -> Bool,
        submit: @escaping (PendingBlock) -> Void
    ) {
        self.vocabulary = vocabulary
        self.vocabulary.refusesEmails = settings.emails == .refuse
        self.admission = Admission(dedupe: dedupe)
        self.settings = settings
        self.eventLoop = eventLoop
        self.events = events
        self.submit = submit
        self.isWorthWaiting = isWorthWaiting
        self.pool = pool
        self.filling = pool.take(capacity: settings.blockMaxEvents)
    }

    // MARK: Intake

    package var now: Timestamp { wallClock() }

    package func hasRoom() -> Bool {
        // A new block is begun, and a full one closed, only when the projector need not be waited for.
        if filling.isEmpty { return !mustWait() }
        if fits { return true }
        guard inFlight.count < settings.maxBlocksInFlight, !mustWait() else { return false }
        close()
        return true
    }

    private func mustWait() -> Bool {
        guard isWorthWaiting() else { return false }
        if lookAgain == nil {
            let pipeline = NIOLoopBound(self, eventLoop: eventLoop)
            lookAgain = eventLoop.scheduleTask(in: Self.lookAgainAfter) { pipeline.value.makeRoom() }
        }
        return true
    }

    /// The projector has become less behind, or it is time to look whether it has.
    package func makeRoom() {
        lookAgain?.cancel()
        lookAgain = nil
        resumeStarved()
    }

    private var fits: Bool {
        filling.count + Limits.batchEvents <= settings.blockMaxEvents
            && filling.text.count + Limits.frameBytes <= Limits.blockTextBytes
    }

    package func admit(_ transport: TransportKind) -> AdmissionResult {
        let weight = timingWeight()
        let start: ContinuousClock.Instant? = weight > 0 ? .now : nil
        defer { if let start { admitTime += start.duration(to: .now) * weight } }
        if firstEventAt == nil, !filling.isEmpty { firstEventAt = .now() }
        let result = admission.admit(&filling, from: admittedEvents, textFrom: admittedText, transport: transport)
        if !gaps.isEmpty {
            filling.events += gaps
            gaps.removeAll(keepingCapacity: true)
        }
        markAdmitted()
        if result.quarantined > 0 { events.quarantined(result, transport: transport) }
        if result.stale > 0 { events.stale(result.stale, transport: transport) }
        return result
    }

    /// For how many calls of `admit` the time of this one counts; 0 when it is not taken. To read the clock twice costs
    /// as much as to admit one event, so of small units only some are timed.
    private func timingWeight() -> Int {
        if filling.count - admittedEvents >= 64 { return 1 }
        let (calls, every) = (untimed + 1, 16)
        untimed = calls % every
        return untimed == 0 ? every : 0
    }

    package func enlist(_ peer: any Acknowledged) -> UInt64 {
        waiters.add(peer)
        return ticket
    }

    package func readComplete() {
        guard inFlight.isEmpty, !filling.isEmpty || !waiters.isEmpty else { return }
        closeWhenDue()
    }

    package func awaitRoom(_ peer: any Acknowledged) {
        if !starved.contains(where: { $0 === peer }) { starved.append(peer) }
    }

    package func forget(_ peer: any Acknowledged) {
        waiters.remove(peer)
        starved.removeAll { $0 === peer }
        for index in inFlight.indices { inFlight[index].waiters.remove(peer) }
    }

    package func refuse(_ reason: Refusal, events count: Int, transport: TransportKind) {
        admission.refuse(reason, events: count, transport: transport)
        events.refused(reason, events: count, transport: transport)
    }

    package func standing(of device: DeviceID) -> Standing? {
        Standing(admission.dedupe.window(of: device))
    }

    package func closeGap(_ device: DeviceID, epoch: UInt32, below oldest: UInt64, transport: TransportKind) {
        gaps += admission.close(
            device, product: vocabulary.product(of: device), epoch: epoch, below: oldest, arrival: now,
            transport: transport)
    }

    package func expect(_ device: DeviceID) { admission.dedupe.prefetch(device) }

    /// Counts what is certainly lost.
    func drop(_ reason: Drop, events count: UInt64, transport: TransportKind) {
        admission.drop(reason, events: count, transport: transport)
    }

    // MARK: Blocks

    /// Closes the filling block now, or sets the timer that will.
    private func closeWhenDue() {
        guard !filling.isEmpty, lastBlockEvents >= settings.lightBlockEvents, drained == nil else {
            close()
            return
        }
        let due = (firstEventAt ?? .now()) + TimeAmount(settings.blockMaxDelay)
        guard due > .now() else {
            close()
            return
        }
        if timer == nil {
            let pipeline = NIOLoopBound(self, eventLoop: eventLoop)
            timer = eventLoop.scheduleTask(deadline: due) { pipeline.value.timerFired() }
        }
    }

    private func timerFired() {
        timer = nil
        readComplete()
    }

    private func close() {
        timer?.cancel()
        timer = nil
        let fresh = vocabulary.takeFresh()
        if !fresh.devices.isEmpty || !fresh.customers.isEmpty { lookForEmails(in: fresh) }
        carried.append(fresh)
        let closing = InFlight(ticket: ticket, waiters: waiters, admitted: admission.takeAdmitted())
        inFlight.append(closing)
        waiters = Waiters()
        ticket += 1
        firstEventAt = nil
        guard !filling.isEmpty else {
            // Only duplicates were received: everything they repeat is durable, or in a block before this one.
            let (pipeline, ticket) = (NIOLoopBound(self, eventLoop: eventLoop), closing.ticket)
            eventLoop.execute { pipeline.value.committed(through: ticket) }
            return
        }
        lastBlockEvents = filling.count
        let block = PendingBlock(ticket: closing.ticket, batch: filling, definitions: carried)
        filling = pool.take(capacity: settings.blockMaxEvents)
        carried = Definitions()
        markAdmitted()
        submit(block)
    }

    private func lookForEmails(in names: Definitions) {
        guard settings.emails == .warn, names.haveNames(with: Vocabulary.at) else { return }
        let isFirst = emailNames == 0
        for device in names.devices where names.name(of: device).contains(Vocabulary.at) { emailNames += 1 }
        for customer in names.customers where names.name(of: customer).contains(Vocabulary.at) { emailNames += 1 }
        if isFirst, emailNames > 0 { events.emailNames() }
    }

    /// The devices that most of the stale events are of, by name.
    var staleDevices: [DaemonStatus.StaleDevice] {
        admission.staleDevices.map { device, events in
            let product = vocabulary.text(.product, vocabulary.product(of: device))
            return DaemonStatus.StaleDevice(
                product: String(decoding: product, as: UTF8.self),
                device: String(decoding: vocabulary.name(of: device), as: UTF8.self), events: events)
        }
    }

    private func markAdmitted() {
        admittedEvents = filling.count
        admittedText = filling.text.count
    }

    /// Every block up to `ticket` is durable: count, acknowledge, and let the next block go.
    func committed(through ticket: UInt64) {
        health = .good
        while let first = inFlight.first, first.ticket <= ticket {
            inFlight.removeFirst()
            admission.commit(first.admitted)
            first.waiters.tell(first.ticket)
        }
        resumeStarved()
        if inFlight.isEmpty {
            if !filling.isEmpty || !waiters.isEmpty {
                closeWhenDue()
            } else {
                drained?.succeed(())
                drained = nil
            }
        }
    }

    /// The appender could not store a block and will try again; nothing is acknowledged meanwhile.
    func storageFailed(_ message: String) { health = .failing(message) }

    /// Lets those go on that have waited longest, while there is room: nobody is passed over.
    private func resumeStarved() {
        let waiting = starved
        starved = []
        for (index, peer) in waiting.enumerated() {
            guard hasRoom() else {
                starved = waiting[index...] + starved
                return
            }
            peer.resume()
        }
    }

    /// Stores what is filling and succeeds when everything that was read is durable.
    func drain() -> EventLoopFuture<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        if isGivenUp || inFlight.isEmpty && filling.isEmpty && waiters.isEmpty {
            promise.succeed(())
        } else {
            drained = promise
            if inFlight.isEmpty { close() }
        }
        return promise.futureResult
    }

    /// Ends the wait for `drain`: what is not durable by now has no ack, and is sent again.
    func giveUp() {
        isGivenUp = true
        drained?.succeed(())
        drained = nil
    }
}
