// The daemon without threads, sockets and files: real sessions, real admission, a real fold, and a disk that fails.

import Admission
import Events
import Log
import Projection
import Transport

/// One life of the daemon, from a start to a crash.
///
/// The blocks, tickets and waiters are those of the daemon's pipeline, with its promises: blocks are stored one after
/// another, and nobody is told of a ticket before its block and all before it are durable.
final class SimulatedDaemon: Intake {
    /// Ways to break the daemon on purpose, so that the simulation can be seen to notice.
    enum Mutation: String, CaseIterable {
        case acksBeforeAppend, skipsDedupe, forgetsDedupe, storesTwice, foldsTwice, skipsFold
    }

    var filling = EventBatch()
    var vocabulary: Vocabulary
    private(set) var admission: Admission
    private(set) var isAlive = true
    private(set) var projector: SimulatedProjector
    private(set) var datagrams: SimulatedDatagramPort?
    /// Blocks that a storage failure did not let through at the first try.
    private(set) var retries = 0

    private let world: World
    private let disk: SimulatedDisk
    private let incarnation: Int
    private let mutation: Mutation?
    private var admittedEvents = 0
    private var admittedText = 0
    private var ticket: UInt64 = 1
    private var waiters: [any Acknowledged] = []
    private var gaps: [Event] = []
    private var carried = Definitions()
    private var inFlight: [InFlight] = []
    /// Closed blocks that are not stored; the first is being written.
    private var unstored: [PendingBlock] = []
    private var isWriting = false
    private var starved: [any Acknowledged] = []
    private var connections: [SimulatedConnection] = []

    private struct InFlight {
        var ticket: UInt64
        var waiters: [any Acknowledged]
        var admitted: [AdmittedCounts]
        /// False while its block is not stored.
        var isDurable: Bool
    }

    private static let mostBlocksInFlight = 2
    private static let mostBlockEvents = 8
    /// 2026-01-01, so that the times of the events are believed.
    static let epochStart: Int64 = 1_767_225_600_000

    init(world: World, disk: SimulatedDisk, incarnation: Int, mutation: Mutation?) {
        self.world = world
        self.disk = disk
        self.incarnation = incarnation
        self.mutation = mutation
        vocabulary = disk.vocabulary()
        projector = SimulatedProjector(world: world, disk: disk)
        projector.mutation = mutation
        projector.catchUp()
        admission = Admission(dedupe: mutation == .forgetsDedupe ? DedupeTable() : projector.state.dedupe)
        datagrams = SimulatedDatagramPort(reception: reception(), world: world)
    }

    private func reception() -> Reception { Reception(intake: self, settings: TransportSettings()) }

    // MARK: The world outside

    /// Takes a connection; nil when the daemon is dead.
    func accept(_ link: SimulatedLink) -> SimulatedConnection? {
        guard isAlive else { return nil }
        let connection = SimulatedConnection(link: link, reception: reception(), daemon: self)
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
        waiters = []
        starved = []
        inFlight = []
        datagrams?.die()
        datagrams = nil
    }

    /// Whether everything that was read is durable and told.
    var isDrained: Bool { inFlight.isEmpty && filling.isEmpty && waiters.isEmpty }

    func checkCounts() {
        for kind in TransportKind.allCases where !admission.counts[Int(kind.rawValue)].isBalanced {
            world.fail("the counts of \(kind.name) do not balance: \(admission.counts[Int(kind.rawValue)])")
        }
    }

    // MARK: Intake

    var now: Timestamp { Timestamp(rawValue: Self.epochStart + world.now) }

    func hasRoom() -> Bool {
        if filling.count < Self.mostBlockEvents { return true }
        guard inFlight.count < Self.mostBlocksInFlight else { return false }
        close()
        return true
    }

    func admit(_ transport: TransportKind) -> AdmissionResult {
        let table = admission.dedupe
        let result = admission.admit(&filling, from: admittedEvents, textFrom: admittedText, transport: transport)
        if mutation == .skipsDedupe { admission.dedupe = table }
        filling.events += gaps
        gaps = []
        (admittedEvents, admittedText) = (filling.count, filling.text.count)
        return result
    }

    func enlist(_ peer: any Acknowledged) -> UInt64 {
        if !waiters.contains(where: { $0 === peer }) { waiters.append(peer) }
        return ticket
    }

    func readComplete() {
        if inFlight.isEmpty, !filling.isEmpty || !waiters.isEmpty { close() }
    }

    func awaitRoom(_ peer: any Acknowledged) {
        if !starved.contains(where: { $0 === peer }) { starved.append(peer) }
    }

    func forget(_ peer: any Acknowledged) {
        waiters.removeAll { $0 === peer }
        starved.removeAll { $0 === peer }
        for index in inFlight.indices { inFlight[index].waiters.removeAll { $0 === peer } }
    }

    func refuse(_ reason: Refusal, events: Int, transport: TransportKind) {
        admission.refuse(reason, events: events, transport: transport)
    }

    func standing(of device: DeviceID) -> Standing? {
        Standing(admission.dedupe.window(of: device))
    }

    func expect(_ device: DeviceID) {}

    func closeGap(_ device: DeviceID, epoch: UInt32, below oldest: UInt64, transport: TransportKind) {
        gaps += admission.close(
            device, product: vocabulary.product(of: device), epoch: epoch, below: oldest, arrival: now,
            transport: transport)
    }

    // MARK: Blocks

    private func close() {
        carried.append(vocabulary.takeFresh())
        let isEmpty = filling.isEmpty
        inFlight.append(
            InFlight(ticket: ticket, waiters: waiters, admitted: admission.takeAdmitted(), isDurable: isEmpty))
        waiters = []
        ticket += 1
        guard !isEmpty else {
            soon { $0.tell() }
            return
        }
        unstored.append(PendingBlock(ticket: ticket - 1, batch: filling, definitions: carried))
        filling = EventBatch()
        carried = Definitions()
        (admittedEvents, admittedText) = (0, 0)
        if mutation == .acksBeforeAppend {
            inFlight[inFlight.count - 1].isDurable = true
            soon { $0.tell() }
        }
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
            soon(world.between(0, 3)) { $0.stored(block.ticket) }
            soon(world.between(0, 25)) { $0.projector.catchUp() }
            write()
        }
    }

    private func stored(_ ticket: UInt64) {
        for index in inFlight.indices where inFlight[index].ticket == ticket { inFlight[index].isDurable = true }
        tell()
    }

    /// Tells of all that is durable, in order.
    private func tell() {
        while let first = inFlight.first, first.isDurable {
            inFlight.removeFirst()
            admission.commit(first.admitted)
            for peer in first.waiters { peer.committed(through: first.ticket) }
        }
        let waiting = starved
        starved = []
        for (index, peer) in waiting.enumerated() {
            guard hasRoom() else {
                starved = waiting[index...] + starved
                return
            }
            peer.resume()
        }
        readComplete()
    }
}
