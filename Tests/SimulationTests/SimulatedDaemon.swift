// The daemon without threads, sockets and files: real sessions, real admission, a real fold, and a disk that fails.

import Admission
import Events
import Ingest
import Log
import Projection
import Transport

/// One life of the daemon, from a start to a crash.
///
/// A thin shell around the daemon's own `GroupCommit`, as `Pipeline` is: it decides on blocks, tickets and waiters.
/// Here are the log's thread, which stores blocks one after another, and the ways to break what the two make of it.
final class SimulatedDaemon: Intake {
    /// Ways to break the daemon on purpose, so that the simulation can be seen to notice.
    enum Mutation: String, CaseIterable {
        case acksBeforeAppend, commitsOneTooMany, skipsDedupe, forgetsDedupe, storesTwice, foldsTwice, skipsFold
        /// An answer over HTTP leaves when its request is read.
        case answersAtOnce
    }

    private var group: GroupCommit
    private(set) var isAlive = true
    private(set) var projector: SimulatedProjector
    private(set) var datagrams: SimulatedDatagramPort?
    /// Blocks that a storage failure did not let through at the first try.
    private(set) var retries = 0

    private let world: World
    private let disk: SimulatedDisk
    private let incarnation: Int
    private let mutation: Mutation?
    /// Closed blocks that are not stored; the first is being written.
    private var unstored: [PendingBlock] = []
    private var isWriting = false
    private var connections: [any SimulatedServer] = []
    /// What sends messages down; nil in runs without them.
    var outbox: SimulatedOutbox?
    /// How far the clock is off.
    var clockOffset: Int64 = 0

    /// In one world of three there is seldom room, so that every session has to wait for it.
    private static func settings(_ world: World) -> GroupCommit.Settings {
        let isNarrow = world.seed % 3 == 0
        var settings = GroupCommit.Settings()
        (settings.blockMaxEvents, settings.maxBlocksInFlight) = isNarrow ? (2, 1) : (8, 2)
        (settings.unitEvents, settings.unitTextBytes, settings.lightBlockEvents) = (1, 0, isNarrow ? 1 : 4)
        settings.blockMaxDelay = 3_000_000
        return settings
    }
    /// 2026-01-01, so that the times of the events are believed.
    static let epochStart: Int64 = 1_767_225_600_000

    init(world: World, disk: SimulatedDisk, incarnation: Int, mutation: Mutation?) {
        self.world = world
        self.disk = disk
        self.incarnation = incarnation
        self.mutation = mutation
        projector = SimulatedProjector(world: world, disk: disk)
        projector.mutation = mutation
        projector.catchUp()
        vocabulary = disk.vocabulary()
        group = GroupCommit(
            dedupe: mutation == .forgetsDedupe ? DedupeTable() : projector.state.dedupe,
            consents: projector.state.consents, settings: Self.settings(world))
        datagrams = SimulatedDatagramPort(ingest: ingest(), world: world)
    }

    private func ingest() -> IngestContext { IngestContext(intake: self, settings: TransportSettings()) }

    var isStorageFailing: Bool { group.health != .good }

    // MARK: The world outside

    /// Takes a connection; nil when the daemon is dead.
    func accept(_ link: SimulatedLink) -> (any SimulatedServer)? {
        guard isAlive else { return nil }
        let connection: any SimulatedServer =
            link.transport == .http
            ? SimulatedHTTPConnection(
                link: link, ingest: ingest(), daemon: self, world: world, answersAtOnce: mutation == .answersAtOnce)
            : SimulatedConnection(link: link, ingest: ingest(), daemon: self)
        connections.append(connection)
        return connection
    }

    /// The end, at once: what is not on the disk is gone.
    func crash() {
        isAlive = false
        if isWriting, let first = unstored.first { disk.interrupt(first, mark: mark(first)) }
        checkCounts()
        for connection in connections { connection.die() }
        connections = []
        datagrams?.die()
        datagrams = nil
        outbox = nil
        // Those who wait hold the daemon, and it them.
        group = GroupCommit(dedupe: DedupeTable(), settings: Self.settings(world))
    }

    /// Whether everything that was read is durable and told.
    var isDrained: Bool { group.isIdle(filling) }

    /// Where the log ends.
    var head: Offset { disk.head }

    func checkCounts() {
        for kind in TransportKind.allCases where !admission.counts[Int(kind.rawValue)].isBalanced {
            world.fail("the counts of \(kind.name) do not balance: \(admission.counts[Int(kind.rawValue)])")
        }
    }

    // MARK: Intake

    var filling = EventBatch()
    var vocabulary: Vocabulary
    var isOptedOut: Bool {
        get { group.admission.consent.isOptedOut }
        set { group.admission.consent.isOptedOut = newValue }
    }

    var admission: Admission { group.admission }

    var now: Timestamp { Timestamp(rawValue: Self.epochStart + world.now + clockOffset) }

    /// Nanoseconds, as the daemon's clock counts.
    private var uptime: Uptime { Uptime(world.now) * 1_000_000 }

    func hasRoom() -> Bool {
        switch group.room(&filling, &vocabulary, isProjectorBehind: { false }) {
        case .open: return true
        case .openBehind(let block):
            store(block)
            return true
        case .full, .awaitsProjector: return false
        }
    }

    func admit(_ transport: TransportKind) -> AdmissionResult {
        let table = admission.dedupe
        let result = group.admit(&filling, transport, at: uptime)
        if result.needsGate { group.gate(&filling, vocabulary, transport) }
        if mutation == .skipsDedupe { group.admission.dedupe = table }
        return result
    }

    func notifyOnCommit(_ peer: any CommitListener) -> UInt64 { group.notifyOnCommit(peer) }
    func readComplete() { perform(group.readComplete(&filling, &vocabulary, at: uptime)) }
    func awaitRoom(_ peer: any CommitListener) { group.awaitRoom(peer) }
    func remove(_ peer: any CommitListener) { group.remove(peer) }

    func refuse(_ reason: Refusal, events: Int, transport: TransportKind) {
        group.refuse(reason, events: events, transport: transport)
    }

    func ackState(of device: DeviceID, epoch: UInt32?) -> AckState? {
        group.ackState(of: device, epoch: epoch)
    }

    func highestEpoch(refusing epoch: UInt32, of device: DeviceID) -> UInt32? {
        group.highestEpoch(refusing: epoch, of: device, at: now)
    }

    func prefetch(_ device: DeviceID) {}

    func closeGap(_ device: DeviceID, epoch: UInt32, below oldest: UInt64, transport: TransportKind) {
        group.closeGap(
            device, of: vocabulary.product(of: device), epoch: epoch, below: oldest, arrival: now,
            transport: transport)
    }

    // MARK: Blocks

    private func perform(_ actions: [GroupCommit.Action]) {
        for action in actions {
            switch action {
            case .store(let block): store(block)
            case .commitLater(let ticket): soon { $0.committed(through: ticket) }
            case .tell(let peer, let ticket): peer.committed(through: ticket)
            case .setTimer(let due?):
                let milliseconds = (due - uptime + 999_999) / 1_000_000
                soon(Int(milliseconds)) { $0.perform($0.group.timerFired(&$0.filling, &$0.vocabulary, at: $0.uptime)) }
            // A timer that fires in vain does no harm.
            case .setTimer(nil), .drained: break
            }
        }
    }

    /// Takes a block for the log's thread.
    private func store(_ block: PendingBlock) {
        unstored.append(block)
        if mutation == .acksBeforeAppend { soon { $0.committed(through: block.ticket) } }
        write()
    }

    private func soon(_ delay: Int = 0, _ action: @escaping (SimulatedDaemon) -> Void) {
        world.after(delay) { if self.isAlive { action(self) } }
    }

    private func mark(_ block: PendingBlock) -> SimulatedDisk.Mark {
        .init(incarnation: incarnation, ticket: block.ticket)
    }

    private func write() {
        guard !isWriting, let block = unstored.first else { return }
        isWriting = true
        disk.keepIdentities(block.definitions)
        soon(world.between(1, 12)) { $0.finishWrite(block) }
    }

    private func finishWrite(_ block: PendingBlock) {
        switch disk.append(block, mark: mark(block)) {
        case .failed, .doubtful:
            retries += 1
            soon(world.between(5, 40)) { $0.finishWrite(block) }
        case .stored:
            if mutation == .storesTwice, world.chance(6) {
                _ = disk.append(block, mark: .init(incarnation: -1, ticket: block.ticket))
            }
            isWriting = false
            unstored.removeFirst()
            let ticket = mutation == .commitsOneTooMany ? block.ticket + 1 : block.ticket
            soon(world.between(0, 3)) { $0.committed(through: ticket) }
            soon(world.between(0, 25)) { $0.fold() }
            write()
        }
    }

    private func fold() {
        projector.catchUp()
        outbox?.folded(projector.takeHeard())
    }

    /// Appends events of the daemon's own; the peer is told when they are durable. False when there is no room now.
    func append(own batch: EventBatch, for peer: any CommitListener) -> Bool {
        guard hasRoom() else { return false }
        group.append(own: batch, to: &filling, at: uptime)
        _ = notifyOnCommit(peer)
        readComplete()
        return true
    }

    /// Tells admission of a message that is being stored, or of all.
    func know(_ message: KnownMessages.Known) { group.admission.messages.add(message) }
    func know(all messages: [KnownMessages.Known]) { group.admission.messages.replace(with: messages) }

    /// Everything up to the ticket is durable.
    private func committed(through ticket: UInt64) {
        perform(group.committed(through: ticket))
        for _ in 0..<group.waitingForRoomCount {
            guard group.hasWaiting, hasRoom() else { break }
            group.takeWaiting()?.resume()
        }
        perform(group.continueFilling(&filling, &vocabulary, at: uptime))
    }
}
