// An intake without a log: the daemon's group commit, whose blocks become durable when the test says so.

import Admission
import Events
import Ingest
import Log
import NIOCore
import Testing
import Transport
import Wire

/// A thin shell around the real `GroupCommit`, which keeps everything that was committed.
final class StubIntake: Intake {
    private var group: GroupCommit
    var now = Timestamp(rawValue: 1_795_132_800_000)
    /// Whether blocks become durable by themselves at the end of a read.
    var commitsAtOnce = false
    var isFull = false
    var isStorageFailing = false
    private(set) var committed: [Event] = []
    private(set) var refusals: [Refusal] = []
    private(set) var sharedClientIDs = 0

    init() {
        var settings = GroupCommit.Settings()
        settings.blockMaxDelay = 0
        group = GroupCommit(dedupe: DedupeTable(), settings: settings)
    }

    var filling = EventBatch()
    var vocabulary = Vocabulary()
    var isOptedOut: Bool {
        get { group.admission.consent.isOptedOut }
        set { group.admission.consent.isOptedOut = newValue }
    }

    var admission: Admission { group.admission }
    var ticket: UInt64 { group.currentTicket }

    func hasRoom() -> Bool {
        guard !isFull else { return false }
        switch group.room(&filling, &vocabulary, isProjectorBehind: { false }) {
        case .open: return true
        case .openBehind(let block):
            store(block)
            return true
        case .full, .awaitsProjector: return false
        }
    }

    func admit(_ transport: TransportKind) -> AdmissionResult {
        let result = group.admit(&filling, transport, at: 0)
        if result.needsGate { group.gate(&filling, vocabulary, transport) }
        return result
    }
    func notifyOnCommit(_ peer: any CommitListener) -> UInt64 { group.notifyOnCommit(peer) }

    func readComplete() {
        if commitsAtOnce { commit() }
    }

    func awaitRoom(_ peer: any CommitListener) { group.awaitRoom(peer) }
    func remove(_ peer: any CommitListener) { group.remove(peer) }

    func refuse(_ reason: Refusal, events: Int, transport: TransportKind) {
        refusals.append(reason)
        group.refuse(reason, events: events, transport: transport)
    }

    func noteSharedClientID(_ first: SenderAddress?, _ second: SenderAddress?) { sharedClientIDs += 1 }

    func ackState(of device: DeviceID, epoch: UInt32?) -> AckState? { group.ackState(of: device, epoch: epoch) }

    func closeGap(_ device: DeviceID, epoch: UInt32, below oldest: UInt64, transport: TransportKind) {
        group.closeGap(
            device, of: vocabulary.product(of: device), epoch: epoch, below: oldest, arrival: now,
            transport: transport)
    }

    func highestEpoch(refusing epoch: UInt32, of device: DeviceID) -> UInt32? {
        group.highestEpoch(refusing: epoch, of: device, at: now)
    }

    func prefetch(_ device: DeviceID) {}

    /// Makes the filling block durable and tells everybody who waits for it.
    func commit() { perform(group.readComplete(&filling, &vocabulary, at: 0)) }

    private func perform(_ actions: [GroupCommit.Action]) {
        for action in actions {
            switch action {
            case .store(let block): store(block)
            case .commitLater(let ticket): perform(group.committed(through: ticket))
            case .tell(let peer, let ticket): peer.committed(through: ticket)
            case .setTimer, .drained: break
            }
        }
    }

    private func store(_ block: PendingBlock) {
        committed += block.batch.events
        perform(group.committed(through: block.ticket))
    }

    func projectorCaughtUp() {
        isFull = false
        for _ in 0..<group.waitingForRoomCount { group.takeWaiting()?.resume() }
    }

    var events: [Event] { committed + filling.events }
    var gaps: [Event] { events.filter { $0.kind == .gap } }
}

/// A peer without a socket, for sessions.
final class StubPeer: CommitListener {
    var tickets: [UInt64] = []
    func committed(through ticket: UInt64) { tickets.append(ticket) }
    func resume() {}
    private(set) var displacements = 0
    func displace() { displacements += 1 }
}

extension BatchWriter {
    /// Adds an event that must fit.
    mutating func put(_ event: OutgoingEvent, skipping: UInt32 = 0) {
        let fits = add(event, skipping: skipping)
        #expect(fits)
    }
}
