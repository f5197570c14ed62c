// Group commit as a pure value: which events make a block, who waits for it, and when there is room for more.

package import Admission
package import Events
package import Log
package import Transport

/// What the ingest loop is told of the log's state.
package enum StorageHealth: Sendable, Equatable {
    case good
    /// One line: the cause and the remedy.
    case failing(String)
}

/// The state machine between the sessions and the log: blocks, tickets, waiters, back-pressure, drain and failure.
///
/// It has no threads, timers, clocks or sockets: time comes in as a number of nanoseconds that counts up, and what is
/// to be done comes out as actions, to be carried out in their order. Whoever owns one (the daemon's `Pipeline`, the
/// simulated daemon, the tests of the sessions) is a thin shell around it.
///
/// Events are decoded straight into the filling block. That block and the vocabulary belong to the shell, so that a
/// decoder may write to both at once, and are lent to each call that may close the block: always the same two, changed
/// by nobody else but for what decoders append. A block is closed when nothing is on its way to the log, or when it is
/// full or old enough: so blocks grow with the load, and an idle daemon commits at once. Blocks are numbered by
/// *tickets* that count up; a waiter is told of a ticket when that block and all before it are durable.
///
/// Not copyable: a copy would cost each event a dozen reference counts, and two of them would tell peers twice.
package struct GroupCommit: ~Copyable {
    package struct Settings: Sendable {
        package var blockMaxEvents = Limits.blockEvents
        /// How long a block may fill under load, nanoseconds.
        package var blockMaxDelay: Uptime = IngestLimits.blockDelay
        /// Blocks closed and not yet durable; when there are as many, sockets are not read.
        package var maxBlocksInFlight = IngestLimits.blocksInFlight
        /// A block smaller than this is followed by one that is closed at once: the load is light.
        package var lightBlockEvents = IngestLimits.lightBlockEvents
        /// Room that one more unit may need: a block with less is full.
        package var unitEvents = Limits.batchEvents
        package var unitTextBytes = Limits.unitTextBytes

        package init() {}
    }

    /// What is to be done by whoever owns the value.
    package enum Action {
        /// Hand the block to the log; `committed` or `storageFailed` must follow.
        case store(PendingBlock)
        /// Call `committed(through:)` with this ticket soon, but not from within the call at hand: nothing had to be
        /// stored.
        case commitLater(UInt64)
        /// Tell a waiter that everything up to the ticket is durable.
        case tell(any CommitListener, UInt64)
        /// Call `timerFired` at this time; nil: not at all any more.
        case setTimer(Uptime?)
        /// Everything that was read is durable, or has been given up.
        case drained
    }

    /// Whether one more unit may be read.
    package enum Room {
        case open
        /// As `open`, once this block is handed to the log.
        case openBehind(PendingBlock)
        /// As many blocks are on their way as may be.
        case full
        /// The projector is behind, and it is worth waiting for it.
        case awaitsProjector
    }

    package var admission: Admission
    package private(set) var health = StorageHealth.good

    private let settings: Settings
    /// Gives an empty batch for the next block.
    private let newBatch: () -> EventBatch
    /// Start of what `admit` has not yet looked at.
    private var admitted = EventBatch.Mark()
    private var ticket: UInt64 = 1
    private var waiters = Waiters()
    /// Gaps that the unit being read has told of; they follow its events into the block.
    private var gaps: [Event] = []
    /// Names given out since the last block that had events.
    var pendingNames = Definitions()
    /// Names of customers that no event in the log has.
    var withheld = WithheldNames()
    /// The events that `admit` has left to `gate`.
    private var ungated = 0..<0
    private var inFlight: [InFlight] = []
    private var lastBlockEvents = 0
    private var firstEventAt: Uptime?
    private var hasTimer = false
    /// Peers that are not read until there is room, in the order in which they came.
    private var waitingForRoom: [any CommitListener] = []
    private var isDraining = false
    private var isGivenUp = false

    /// What a block on its way to the log leaves behind here.
    private struct InFlight {
        var ticket: UInt64
        var waiters: Waiters
        var admitted: [AdmittedCounts]
    }

    /// Peers to be told of one block, each once, in the order in which they came.
    private struct Waiters {
        private var last: ObjectIdentifier?
        private var indices: [ObjectIdentifier: Int] = [:]
        private var peers: [(any CommitListener)?] = []

        var isEmpty: Bool { indices.isEmpty }

        mutating func add(_ peer: any CommitListener) {
            let id = ObjectIdentifier(peer)
            if last == id { return }
            last = id
            guard indices[id] == nil else { return }
            indices[id] = peers.count
            peers.append(peer)
        }

        mutating func remove(_ peer: any CommitListener) {
            guard let index = indices.removeValue(forKey: ObjectIdentifier(peer)) else { return }
            peers[index] = nil
            last = nil
        }

        var all: [any CommitListener] { peers.compactMap(\.self) }
    }

    /// - Parameter newBatch: gives an empty batch each time.
    package init(
        dedupe: DedupeTable, consents: ConsentTable = ConsentTable(), settings: Settings,
        newBatch: @escaping () -> EventBatch = { EventBatch() }
    ) {
        self.admission = Admission(dedupe: dedupe, consents: consents)
        self.settings = settings
        self.newBatch = newBatch
    }

    // MARK: Reading

    /// Whether another unit fits into a block that has this much: asked for every frame, datagram and line. When it is
    /// false, `room` says what to do. It changes nothing; `mutating` spares the copy of the whole value that the
    /// compiler would otherwise make for the call.
    package mutating func isOpen(events: Int, textBytes: Int) -> Bool {
        events > 0 && events + settings.unitEvents <= settings.blockMaxEvents
            && textBytes + settings.unitTextBytes <= Limits.blockTextBytes
    }

    /// Whether another unit fits, and what has to be done before.
    ///
    /// - Parameter isProjectorBehind: is asked only where a block would be begun.
    package mutating func room(
        _ filling: inout EventBatch, _ vocabulary: inout Vocabulary, isProjectorBehind: () -> Bool
    ) -> Room {
        // A new block is begun, and a full one closed, only when the projector need not be waited for.
        if filling.isEmpty { return isProjectorBehind() ? .awaitsProjector : .open }
        if isOpen(events: filling.count, textBytes: filling.text.count) { return .open }
        guard inFlight.count < settings.maxBlocksInFlight else { return .full }
        return isProjectorBehind() ? .awaitsProjector : .openBehind(closeFull(&filling, &vocabulary))
    }

    /// Judges the events that were appended to `filling` since the last call. When the result says so, `gate` must
    /// follow at once.
    package mutating func admit(
        _ filling: inout EventBatch, _ transport: TransportKind, at now: @autoclosure () -> Uptime
    ) -> AdmissionResult {
        if firstEventAt == nil, !filling.isEmpty { firstEventAt = now() }
        let result = admission.admit(&filling, from: admitted, transport: transport)
        if result.needsGate { ungated = admitted.events..<filling.count }
        if !gaps.isEmpty || admission.dedupe.hasAnnouncements {
            filling.events += gaps
            admission.dedupe.foldClosed(gaps)
            gaps.removeAll(keepingCapacity: true)
        }
        markAdmitted(filling)
        return result
    }

    /// Takes from the events of the last `admit` what may not be stored without a consent.
    package mutating func gate(
        _ filling: inout EventBatch, _ vocabulary: borrowing Vocabulary, _ transport: TransportKind
    ) {
        admission.gate(&filling, ungated, vocabulary, transport: transport)
        ungated = 0..<0
    }

    /// How many names of customers are known that are nowhere but in memory.
    package var withheldNames: Int { withheld.count }

    /// At how many of the filling block's events `admit` has not yet looked; `mutating` as `isOpen` is.
    package mutating func unadmitted(events: Int) -> Int { events - admitted.events }

    /// Appends events that the daemon itself has made: they are true by definition, and no repetition. They are durable
    /// with the ticket that `notifyOnCommit` names; must not be called between the decoding of a unit and its `admit`.
    package mutating func append(own events: [Event], to filling: inout EventBatch, at now: Uptime) {
        precondition(unadmitted(events: filling.count) == 0, "events of a sender are not yet admitted")
        if firstEventAt == nil { firstEventAt = now }
        let before = filling.count
        filling.events += events
        admission.admit(own: filling.count - before)
        markAdmitted(filling)
    }

    /// The same, for events that say more than fits into a row.
    package mutating func append(own batch: borrowing EventBatch, to filling: inout EventBatch, at now: Uptime) {
        precondition(unadmitted(events: filling.count) == 0, "events of a sender are not yet admitted")
        if firstEventAt == nil { firstEventAt = now }
        for event in batch.events { filling.append(event, of: batch) }
        admission.admit(own: batch.count)
        markAdmitted(filling)
    }

    /// Names that are being forgotten, and that no event of the filling block uses, do not go to the log any more.
    package mutating func forget(_ pseudonyms: [Pseudonym]) { pendingNames.remove(pseudonyms) }

    /// - Returns: the ticket that the peer will be told of.
    package mutating func notifyOnCommit(_ peer: any CommitListener) -> UInt64 {
        waiters.add(peer)
        return ticket
    }

    package mutating func awaitRoom(_ peer: any CommitListener) {
        if !waitingForRoom.contains(where: { $0 === peer }) { waitingForRoom.append(peer) }
    }

    /// Takes a peer out of all lists.
    package mutating func remove(_ peer: any CommitListener) {
        waiters.remove(peer)
        waitingForRoom.removeAll { $0 === peer }
        for index in inFlight.indices { inFlight[index].waiters.remove(peer) }
    }

    package mutating func refuse(_ reason: Refusal, events: Int, transport: TransportKind) {
        admission.refuse(reason, events: events, transport: transport)
    }

    package mutating func drop(_ reason: Drop, events: UInt64, transport: TransportKind) {
        admission.drop(reason, events: events, transport: transport)
    }

    package mutating func closeGap(
        _ device: DeviceID, of product: SymbolID, epoch: UInt32, below oldest: UInt64, arrival: Timestamp,
        transport: TransportKind
    ) {
        gaps += admission.close(
            device, product: product, epoch: epoch, below: oldest, arrival: arrival, transport: transport)
    }

    package func ackState(of device: DeviceID, epoch: UInt32?) -> AckState? {
        guard let epoch else { return AckState(admission.dedupe.window(of: device)) }
        return admission.dedupe.window(of: device, epoch: epoch).flatMap { AckState($0) }
    }

    package func highestEpoch(refusing epoch: UInt32, of device: DeviceID, at now: Timestamp) -> UInt32? {
        admission.dedupe.highestEpoch(refusing: epoch, of: device, at: now)
    }

    package func prefetch(_ device: DeviceID) { admission.dedupe.prefetch(device) }

    /// All units of one read are in: when nothing is on its way, the block goes now, or as soon as it is old enough.
    package mutating func readComplete(
        _ filling: inout EventBatch, _ vocabulary: inout Vocabulary, at now: Uptime
    ) -> [Action] {
        guard inFlight.isEmpty, !filling.isEmpty || !waiters.isEmpty else { return [] }
        return closeWhenDue(&filling, &vocabulary, at: now)
    }

    package mutating func timerFired(
        _ filling: inout EventBatch, _ vocabulary: inout Vocabulary, at now: Uptime
    ) -> [Action] {
        hasTimer = false
        return readComplete(&filling, &vocabulary, at: now)
    }

    // MARK: Blocks

    /// Closes the filling block now, or sets the timer that will.
    private mutating func closeWhenDue(
        _ filling: inout EventBatch, _ vocabulary: inout Vocabulary, at now: Uptime
    ) -> [Action] {
        guard !filling.isEmpty, lastBlockEvents >= settings.lightBlockEvents, !isDraining else {
            return close(&filling, &vocabulary)
        }
        let due = (firstEventAt ?? now) + settings.blockMaxDelay
        guard due > now else { return close(&filling, &vocabulary) }
        guard !hasTimer else { return [] }
        hasTimer = true
        return [.setTimer(due)]
    }

    private mutating func close(_ filling: inout EventBatch, _ vocabulary: inout Vocabulary) -> [Action] {
        var actions: [Action] = []
        if hasTimer {
            hasTimer = false
            actions.append(.setTimer(nil))
        }
        // Only duplicates were received: everything they repeat is durable, or in a block before this one.
        if filling.isEmpty { return actions + [.commitLater(beginNext())] }
        return actions + [.store(closeFull(&filling, &vocabulary))]
    }

    /// Closes a block that has events. A timer that is set fires in vain: the next block is not due by then.
    private mutating func closeFull(_ filling: inout EventBatch, _ vocabulary: inout Vocabulary) -> PendingBlock {
        lastBlockEvents = filling.count
        let batch = filling
        filling = newBatch()
        pendingNames.append(vocabulary.takeDefinitions())
        var names = pendingNames
        pendingNames = Definitions()
        if admission.consent.withholdsNames { withheld.sift(&names, usedBy: batch) }
        markAdmitted(filling)
        return PendingBlock(ticket: beginNext(), batch: batch, definitions: names)
    }

    /// Moves waiters and counts to the list of what is on its way.
    ///
    /// - Returns: the ticket of the block that ended.
    private mutating func beginNext() -> UInt64 {
        let ended = ticket
        inFlight.append(InFlight(ticket: ended, waiters: waiters, admitted: admission.takeAdmitted()))
        waiters = Waiters()
        ticket += 1
        firstEventAt = nil
        return ended
    }

    private mutating func markAdmitted(_ filling: borrowing EventBatch) {
        admitted = filling.mark
    }

    /// Every block up to `ticket` is durable: counts and tells. Room may have become free for those who wait for it;
    /// `continueFilling` must follow.
    package mutating func committed(through ticket: UInt64) -> [Action] {
        health = .good
        var actions: [Action] = []
        while let first = inFlight.first, first.ticket <= ticket {
            inFlight.removeFirst()
            admission.commit(first.admitted)
            for peer in first.waiters.all { actions.append(.tell(peer, first.ticket)) }
        }
        return actions
    }

    /// To be called once the actions of `committed` are carried out, and those who waited for room have been let on:
    /// closes what has come meanwhile, or ends the drain.
    package mutating func continueFilling(
        _ filling: inout EventBatch, _ vocabulary: inout Vocabulary, at now: Uptime
    ) -> [Action] {
        guard inFlight.isEmpty else { return [] }
        if !filling.isEmpty || !waiters.isEmpty { return closeWhenDue(&filling, &vocabulary, at: now) }
        guard isDraining else { return [] }
        isDraining = false
        return [.drained]
    }

    /// The log could not store a block and will try again; nothing is acknowledged meanwhile.
    package mutating func storageFailed(_ message: String) { health = .failing(message) }

    // MARK: Who waits for room

    /// The ticket of the block that is being filled.
    package var currentTicket: UInt64 { ticket }

    /// How many wait now: so many may be let on, one after another while there is room; who then waits again has his
    /// turn the next time.
    package var waitingForRoomCount: Int { waitingForRoom.count }
    package var hasWaiting: Bool { !waitingForRoom.isEmpty }

    /// The one that has waited longest, when there is `room`: nobody is passed over.
    package mutating func takeWaiting() -> (any CommitListener)? {
        waitingForRoom.isEmpty ? nil : waitingForRoom.removeFirst()
    }

    // MARK: The end

    /// Whether everything that was read is durable and told.
    package func isIdle(_ filling: borrowing EventBatch) -> Bool {
        inFlight.isEmpty && filling.isEmpty && waiters.isEmpty
    }

    /// Stores what is filling; `drained` follows when everything that was read is durable.
    package mutating func drain(_ filling: inout EventBatch, _ vocabulary: inout Vocabulary) -> [Action] {
        if isGivenUp || isIdle(filling) { return [.drained] }
        isDraining = true
        return inFlight.isEmpty ? close(&filling, &vocabulary) : []
    }

    /// Ends the wait for `drain`: what is not durable by now has no ack, and is sent again.
    package mutating func giveUp() -> [Action] {
        isGivenUp = true
        guard isDraining else { return [] }
        isDraining = false
        return [.drained]
    }
}
