// From the sockets to the appender: group commit on the ingest event loop.

package import Admission
package import Events
package import Log
package import NIOCore
package import Transport

/// The `Intake` of the daemon: the shell around `GroupCommit`, which decides. This one has the event loop, its clock
/// and its timers, and tells the rest of the daemon. Confined to the ingest event loop; nothing in it is locked.
package final class Pipeline: Intake {
    /// Bounds of the pipeline.
    package struct Settings: Sendable {
        package var groupCommit = GroupCommit.Settings()
        /// What is done about new names with an @ in them.
        package var emails = EmailPolicy.warn
        /// Names of the aspects whose values say something about one person.
        package var personalAspects: Set<[UInt8]> = []
        /// Which products need which consents.
        package var consent = ConsentPolicy()

        package init() {}
    }

    /// How long to wait for the projector before looking again whether to wait.
    private static let lookAgainAfter = TimeAmount.milliseconds(100)

    var group: GroupCommit
    /// Events that were stored without the customer who was forgotten.
    package internal(set) var forgottenEvents: UInt64 = 0
    /// Called with the names of customers who have consented after they were forgotten.
    package var onReadmission: ([UInt8], Timestamp) -> Void = { _, _ in }
    /// New names with an @ in them.
    package private(set) var emailNames: UInt64 = 0
    /// What is done about new names with an @ in them.
    package var emails: EmailPolicy {
        didSet { vocabulary.refusesEmails = emails == .refuse }
    }
    /// Names of the aspects whose values say something about one person: these are no words of the vocabulary.
    package var personalAspects: Set<[UInt8]> {
        didSet { vocabulary.setPersonalAspects(personalAspects) }
    }
    let eventLoop: any EventLoop
    private let events: InternalEvents
    private let submit: (PendingBlock) -> Void
    private let shouldWait: () -> Bool
    private var timer: Scheduled<Void>?
    /// Looks again whether the projector has to be waited for.
    private var lookAgain: Scheduled<Void>?
    private var drained: EventLoopPromise<Void>?
    /// Calls of `admit` since the last small one that was timed.
    private var untimed = 0
    /// Time spent in `admit`, for the stage timings.
    package private(set) var admitTime: Duration = .zero

    /// - Parameters:
    ///   - submit: hands a closed block to the appender; called on the event loop, must not block.
    ///   - shouldWait: whether the projector is behind and will soon be less so; then no block is begun, and
    ///     `projectorCaughtUp` is to be called when it is.
    package init(
        vocabulary: Vocabulary, dedupe: DedupeTable, consents: ConsentTable = ConsentTable(), settings: Settings,
        eventLoop: any EventLoop, events: InternalEvents, pool: BatchPool, shouldWait: @escaping () -> Bool,
        submit: @escaping (PendingBlock) -> Void
    ) {
        let capacity = settings.groupCommit.blockMaxEvents
        group = GroupCommit(
            dedupe: dedupe, consents: consents, settings: settings.groupCommit,
            newBatch: { pool.take(capacity: capacity) })
        group.admission.consent.policy = settings.consent
        filling = pool.take(capacity: capacity)
        self.vocabulary = vocabulary
        self.vocabulary.refusesEmails = settings.emails == .refuse
        emails = settings.emails
        personalAspects = settings.personalAspects
        self.vocabulary.setPersonalAspects(settings.personalAspects)
        self.eventLoop = eventLoop
        self.events = events
        self.submit = submit
        self.shouldWait = shouldWait
    }

    /// Which products need which consents.
    package var consentPolicy: ConsentPolicy {
        get { group.admission.consent.policy }
        set { group.admission.consent.policy = newValue }
    }

    package var isOptedOut: Bool {
        get { group.admission.consent.isOptedOut }
        set { group.admission.consent.isOptedOut = newValue }
    }

    package var admission: Admission { group.admission }
    /// What is known of the messages that events may name.
    package var messages: KnownMessages {
        get { group.admission.messages }
        _modify { yield &group.admission.messages }
    }
    /// The customers that the log knows; those whose names are withheld are none of them.
    package var customerCount: Int { vocabulary.customerCount - group.withheldNames }
    package var health: StorageHealth { group.health }
    package var isStorageFailing: Bool { group.health != .good }
    var uptime: Uptime { NIODeadline.now().uptimeNanoseconds }

    // MARK: Intake

    package var filling: EventBatch
    package var vocabulary: Vocabulary

    package var now: Timestamp { wallClock() }

    package func hasRoom() -> Bool {
        if group.isOpen(events: filling.count, textBytes: filling.text.count) { return true }
        switch group.room(&filling, &vocabulary, isProjectorBehind: shouldWait) {
        case .open: return true
        case .openBehind(let block):
            store(block)
            return true
        case .full: return false
        case .awaitsProjector:
            lookAgainSoon()
            return false
        }
    }

    private func lookAgainSoon() {
        guard lookAgain == nil else { return }
        let pipeline = NIOLoopBound(self, eventLoop: eventLoop)
        lookAgain = eventLoop.scheduleTask(in: Self.lookAgainAfter) { pipeline.value.projectorCaughtUp() }
    }

    /// The projector has become less behind, or it is time to look whether it has.
    package func projectorCaughtUp() {
        lookAgain?.cancel()
        lookAgain = nil
        resumeWaiting()
    }

    package func admit(_ transport: TransportKind) -> AdmissionResult {
        let weight = timingWeight()
        let start: ContinuousClock.Instant? = weight > 0 ? .now : nil
        defer { if let start { admitTime += start.duration(to: .now) * weight } }
        let first = filling.count - group.unadmitted(events: filling.count)
        if vocabulary.forgotten.list != nil { group.admission.forgottenDevices = vocabulary.forgotten.devices }
        let result = group.admit(&filling, transport, at: uptime)
        // Before consents are looked at: who has come back must be known there under the number that the log has.
        if vocabulary.forgotten.hasHeard { leaveOutForgotten(from: first) }
        if result.needsGate { group.gate(&filling, vocabulary, transport) }
        if result.quarantined > 0 { events.quarantined(result, transport: transport) }
        if result.stale > 0 { events.stale(result.stale, transport: transport) }
        return result
    }

    /// For how many calls of `admit` the time of this one counts; 0 when it is not taken. To read the clock twice costs
    /// as much as to admit one event, so of small units only some are timed.
    private func timingWeight() -> Int {
        if group.unadmitted(events: filling.count) >= 64 { return 1 }
        let (calls, every) = (untimed + 1, 16)
        untimed = calls % every
        return untimed == 0 ? every : 0
    }

    package func notifyOnCommit(_ peer: any CommitListener) -> UInt64 { group.notifyOnCommit(peer) }
    package func readComplete() { perform(group.readComplete(&filling, &vocabulary, at: uptime)) }
    package func awaitRoom(_ peer: any CommitListener) { group.awaitRoom(peer) }
    package func remove(_ peer: any CommitListener) { group.remove(peer) }

    package func refuse(_ reason: Refusal, events count: Int, transport: TransportKind) {
        group.refuse(reason, events: count, transport: transport)
        events.refused(reason, events: count, transport: transport)
    }

    package func noteSharedClientID(_ first: SenderAddress?, _ second: SenderAddress?) {
        events.sharedClientID(first?.description ?? "unknown", second?.description ?? "unknown")
    }

    package func ackState(of device: DeviceID, epoch: UInt32?) -> AckState? {
        group.ackState(of: device, epoch: epoch)
    }

    package func closeGap(_ device: DeviceID, epoch: UInt32, below oldest: UInt64, transport: TransportKind) {
        group.closeGap(
            device, of: vocabulary.product(of: device), epoch: epoch, below: oldest, arrival: now,
            transport: transport)
    }

    package func highestEpoch(refusing epoch: UInt32, of device: DeviceID) -> UInt32? {
        group.highestEpoch(refusing: epoch, of: device, at: now)
    }

    package func prefetch(_ device: DeviceID) { group.prefetch(device) }

    /// Counts what is certainly lost.
    package func drop(_ reason: Drop, events count: UInt64, transport: TransportKind) {
        group.drop(reason, events: count, transport: transport)
    }

    // MARK: Actions

    private func perform(_ actions: [GroupCommit.Action]) {
        for action in actions {
            switch action {
            case .store(let block): store(block)
            case .tell(let peer, let ticket): peer.committed(through: ticket)
            case .commitLater(let ticket):
                let pipeline = NIOLoopBound(self, eventLoop: eventLoop)
                eventLoop.execute { pipeline.value.committed(through: ticket) }
            case .setTimer(let due): setTimer(due)
            case .drained:
                drained?.succeed(())
                drained = nil
            }
        }
    }

    private func setTimer(_ due: Uptime?) {
        timer?.cancel()
        timer = nil
        guard let due else { return }
        let pipeline = NIOLoopBound(self, eventLoop: eventLoop)
        timer = eventLoop.scheduleTask(deadline: .uptimeNanoseconds(due)) { pipeline.value.timerFired() }
    }

    private func timerFired() {
        timer = nil
        perform(group.timerFired(&filling, &vocabulary, at: uptime))
    }

    private func store(_ block: PendingBlock) {
        let names = block.definitions
        if !names.devices.isEmpty || !names.customers.isEmpty { lookForEmails(in: names) }
        submit(block)
    }

    /// Every block up to `ticket` is durable.
    package func committed(through ticket: UInt64) {
        perform(group.committed(through: ticket))
        resumeWaiting()
        perform(group.continueFilling(&filling, &vocabulary, at: uptime))
    }

    /// The appender could not store a block and will try again; nothing is acknowledged meanwhile.
    package func storageFailed(_ message: String) { group.storageFailed(message) }

    /// Lets those go on that have waited longest, while there is room: nobody is passed over.
    private func resumeWaiting() {
        for _ in 0..<group.waitingForRoomCount {
            guard group.hasWaiting, hasRoom(), let peer = group.takeWaiting() else { return }
            peer.resume()
        }
    }

    /// Stores what is filling and succeeds when everything that was read is durable.
    package func drain() -> EventLoopFuture<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        drained = promise
        perform(group.drain(&filling, &vocabulary))
        return promise.futureResult
    }

    /// Ends the wait for `drain`: what is not durable by now has no ack, and is sent again.
    package func giveUp() { perform(group.giveUp()) }

    // MARK: What is told of it

    private func lookForEmails(in names: Definitions) {
        guard emails == .warn, names.haveNames(with: Vocabulary.at) else { return }
        let isFirst = emailNames == 0
        for device in names.devices where names.name(of: device).contains(Vocabulary.at) { emailNames += 1 }
        for customer in names.customers where names.name(of: customer).contains(Vocabulary.at) { emailNames += 1 }
        if isFirst, emailNames > 0 { events.emailNames() }
    }

    /// The devices that most of the stale events are of, by name.
    package var staleDevices: [(product: String, device: String, events: UInt64)] {
        group.admission.staleDevices.map { device, events in
            let product = vocabulary.text(.product, vocabulary.product(of: device))
            return (
                String(decoding: product, as: UTF8.self),
                String(decoding: vocabulary.name(of: device), as: UTF8.self), events
            )
        }
    }
}
