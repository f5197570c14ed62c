// Group commit without a daemon: blocks, tickets, who is told and when, back-pressure, failure and the end.

import Admission
import Events
import Ingest
import Log
import Testing
import Transport

/// A waiter that notes what it is told.
private final class Peer: CommitListener {
    private(set) var tickets: [UInt64] = []
    private(set) var resumed = 0
    func committed(through ticket: UInt64) { tickets.append(ticket) }
    func resume() { resumed += 1 }
}

/// A group commit whose actions are carried out as the daemon does, on a log that stores when it is told to.
private final class Shell {
    var group: GroupCommit
    var filling = EventBatch()
    var vocabulary = Vocabulary()
    var now: Uptime = 1_000
    var isProjectorBehind = false
    private(set) var blocks: [PendingBlock] = []
    private(set) var timer: Uptime?
    private(set) var drains = 0
    /// Tickets of blocks without events.
    private(set) var empty: [UInt64] = []
    private(set) var told: [ObjectIdentifier] = []

    init(_ change: (inout GroupCommit.Settings) -> Void = { _ in }) {
        var settings = GroupCommit.Settings()
        (settings.blockMaxEvents, settings.unitEvents, settings.unitTextBytes) = (10, 2, 0)
        (settings.maxBlocksInFlight, settings.lightBlockEvents, settings.blockMaxDelay) = (2, 4, 500)
        change(&settings)
        group = GroupCommit(dedupe: DedupeTable(), settings: settings)
    }

    func perform(_ actions: [GroupCommit.Action]) {
        for action in actions {
            switch action {
            case .store(let block): blocks.append(block)
            case .commitLater(let ticket): empty.append(ticket)
            case .tell(let peer, let ticket):
                told.append(ObjectIdentifier(peer))
                peer.committed(through: ticket)
            case .setTimer(let due): timer = due
            case .drained: drains += 1
            }
        }
    }

    func hasRoom() -> Bool {
        switch group.room(&filling, &vocabulary, isProjectorBehind: { isProjectorBehind }) {
        case .open: return true
        case .openBehind(let block):
            blocks.append(block)
            return true
        case .full, .awaitsProjector: return false
        }
    }

    /// Reads so many events, which the peer wants to hear of.
    func read(_ count: Int, for peer: Peer, from seq: UInt64) -> UInt64 {
        for number in 0..<count {
            var event = Event()
            (event.device, event.kind, event.aspect) = (DeviceID(rawValue: 1), .featureUsed, SymbolID(rawValue: 1))
            (event.identity, event.seq) = (.sequence, seq + UInt64(number))
            event.time = Timestamp(rawValue: 1_795_132_800_000)
            event.arrival = event.time
            filling.events.append(event)
        }
        _ = group.admit(&filling, .tcp, at: now)
        return group.notifyOnCommit(peer)
    }

    func fireTimer() { perform(group.timerFired(&filling, &vocabulary, at: now)) }
    func drain() { perform(group.drain(&filling, &vocabulary)) }

    func readComplete() { perform(group.readComplete(&filling, &vocabulary, at: now)) }

    func store(through ticket: UInt64) {
        perform(group.committed(through: ticket))
        for _ in 0..<group.waitingForRoomCount {
            guard group.hasWaiting, hasRoom() else { break }
            group.takeWaiting()?.resume()
        }
        perform(group.continueFilling(&filling, &vocabulary, at: now))
    }

    var counts: TransportCounts { group.admission.counts[Int(TransportKind.tcp.rawValue)] }
}

@Suite struct GroupCommitTests {
    private let peer = Peer()

    @Test func anIdleLogIsGivenABlockAtOnce() {
        let shell = Shell()
        let ticket = shell.read(1, for: peer, from: 1)
        shell.readComplete()
        #expect(shell.blocks.map(\.ticket) == [ticket])
        #expect(peer.tickets.isEmpty, "nothing is acknowledged before it is durable")
        shell.store(through: ticket)
        #expect(peer.tickets == [ticket])
        #expect(shell.counts.committed == 1 && shell.counts.inFlight == 0 && shell.counts.isBalanced)
    }

    @Test func whatComesMeanwhileIsOneBlock() {
        let shell = Shell()
        _ = shell.read(1, for: peer, from: 1)
        shell.readComplete()
        for seq in 2...5 as ClosedRange<UInt64> {
            _ = shell.read(1, for: peer, from: seq)
            shell.readComplete()
        }
        #expect(shell.blocks.count == 1)
        shell.store(through: 1)
        #expect(shell.blocks.map(\.batch.count) == [1, 4])
        shell.store(through: 2)
        #expect(peer.tickets == [1, 2], "each block is told once")
    }

    @Test func aBusyLogWaitsForItsBlockToFill() {
        let shell = Shell()
        _ = shell.read(5, for: peer, from: 1)
        shell.readComplete()
        shell.store(through: 1)
        _ = shell.read(1, for: peer, from: 6)
        shell.readComplete()
        #expect(shell.blocks.count == 1 && shell.timer == 1_500, "the last block was no small one")
        shell.now = 1_499
        shell.fireTimer()
        #expect(shell.blocks.count == 1 && shell.timer == 1_500, "too early")
        shell.now = 1_500
        shell.fireTimer()
        #expect(shell.blocks.map(\.batch.count) == [5, 1])
    }

    @Test func aFullBlockGoesWithoutATimerAndTooManyStopTheReading() {
        let shell = Shell()
        var seq: UInt64 = 1
        var stored = 0
        while shell.hasRoom() {
            _ = shell.read(2, for: peer, from: seq)
            seq += 2
            stored += 2
        }
        #expect(shell.blocks.map(\.batch.count) == [10, 10])
        #expect(stored == 30, "one block fills beyond those that are on their way")
        let waiting = Peer()
        shell.group.awaitRoom(waiting)
        shell.group.awaitRoom(waiting)
        shell.store(through: 1)
        #expect(waiting.resumed == 1)
        #expect(shell.blocks.map(\.batch.count) == [10, 10, 10])
        #expect(peer.tickets == [1])
    }

    @Test func whoWaitsLongestGoesOnFirstAndNobodyIsPassedOver() {
        let shell = Shell { $0.maxBlocksInFlight = 1 }
        let waiting = [Peer(), Peer(), Peer()]
        _ = shell.read(10, for: peer, from: 1)
        #expect(shell.hasRoom())
        _ = shell.read(10, for: peer, from: 11)
        #expect(!shell.hasRoom())
        for one in waiting { shell.group.awaitRoom(one) }
        shell.group.remove(waiting[1])
        shell.isProjectorBehind = true
        shell.store(through: 1)
        #expect(waiting.map(\.resumed) == [0, 0, 0], "there is no room yet")
        shell.isProjectorBehind = false
        shell.store(through: 2)
        #expect(waiting.map(\.resumed) == [1, 0, 1])
    }

    @Test func aFailedAppendTellsNobodyUntilItHasWorked() {
        let shell = Shell()
        let ticket = shell.read(1, for: peer, from: 1)
        shell.readComplete()
        shell.group.storageFailed("no room")
        #expect(shell.group.health == .failing("no room"))
        _ = shell.read(1, for: peer, from: 2)
        shell.readComplete()
        #expect(peer.tickets.isEmpty && shell.blocks.count == 1)
        shell.store(through: ticket)
        #expect(shell.group.health == .good && peer.tickets == [1])
    }

    @Test func waitersAreToldInTheOrderInWhichTheyCame() {
        let shell = Shell()
        let peers = (0..<20).map { _ in Peer() }
        for (number, one) in peers.enumerated() { _ = shell.read(1, for: one, from: UInt64(number + 1)) }
        for one in peers { _ = shell.group.notifyOnCommit(one) }
        shell.group.remove(peers[3])
        shell.readComplete()
        shell.store(through: 1)
        #expect(shell.told == peers.enumerated().filter { $0.offset != 3 }.map { ObjectIdentifier($0.element) })
    }

    @Test func aRepetitionIsToldWhenWhatItRepeatsIsDurable() {
        let shell = Shell()
        _ = shell.read(1, for: peer, from: 1)
        shell.readComplete()
        let other = Peer()
        let ticket = shell.read(1, for: other, from: 1)
        shell.readComplete()
        #expect(shell.empty.isEmpty, "the first block is still on its way")
        shell.store(through: 1)
        #expect(shell.empty == [ticket] && other.tickets.isEmpty)
        shell.store(through: ticket)
        #expect(other.tickets == [ticket])
        #expect(shell.counts.duplicate == 1 && shell.counts.isBalanced)
    }

    @Test func noBlockIsBegunWhileTheProjectorIsAwaited() {
        let shell = Shell()
        shell.isProjectorBehind = true
        #expect(!shell.hasRoom())
        shell.isProjectorBehind = false
        #expect(shell.hasRoom())
        _ = shell.read(2, for: peer, from: 1)
        shell.isProjectorBehind = true
        #expect(shell.hasRoom(), "a block that is begun is filled")
    }

    @Test func drainStoresWhatIsFillingAndEndsWhenAllIsDurable() {
        let shell = Shell()
        shell.drain()
        #expect(shell.drains == 1, "nothing in flight")
        _ = shell.read(5, for: peer, from: 1)
        shell.readComplete()
        _ = shell.read(1, for: peer, from: 6)
        shell.drain()
        #expect(shell.drains == 1)
        shell.store(through: 1)
        #expect(shell.blocks.map(\.batch.count) == [5, 1], "nothing waits for its block to fill any more")
        shell.store(through: 2)
        #expect(shell.drains == 2 && peer.tickets == [1, 2])
    }

    @Test func aDrainThatMakesNoProgressCanBeGivenUp() {
        let shell = Shell()
        _ = shell.read(1, for: peer, from: 1)
        shell.readComplete()
        shell.drain()
        shell.perform(shell.group.giveUp())
        #expect(shell.drains == 1 && peer.tickets.isEmpty)
        shell.perform(shell.group.giveUp())
        #expect(shell.drains == 1, "once")
        shell.drain()
        #expect(shell.drains == 2, "what is given up is not waited for")
    }

    @Test func eventsOfTheDaemonsOwnGoTheSameWay() {
        let shell = Shell()
        _ = shell.read(1, for: peer, from: 1)
        var own = Event()
        (own.kind, own.count) = (.gap, 3)
        shell.group.append(own: [own, own], to: &shell.filling, at: shell.now)
        let ticket = shell.group.notifyOnCommit(peer)
        shell.readComplete()
        #expect(shell.blocks.map(\.batch.count) == [3])
        shell.store(through: ticket)
        let counts = shell.group.admission.counts[Int(TransportKind.daemon.rawValue)]
        #expect(counts.received == 2 && counts.committed == 2 && counts.isBalanced)
        #expect(shell.counts.committed == 1 && shell.counts.isBalanced)
    }
}
