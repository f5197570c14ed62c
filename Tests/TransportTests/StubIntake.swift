// An intake without a log: blocks become durable when the test says so.

import Admission
import Events
import NIOCore
import Testing
import Transport
import Wire

/// Admits with the real `Admission`, and keeps everything that was "committed".
final class StubIntake: Intake {
    var filling = EventBatch()
    var vocabulary = Vocabulary()
    var now = Timestamp(rawValue: 1_795_132_800_000)
    var admission = Admission()
    /// Whether blocks become durable by themselves at the end of a read.
    var commitsAtOnce = false
    var isFull = false
    var committed: [Event] = []
    var refusals: [Refusal] = []
    var gaps: [Event] = []
    var ticket: UInt64 = 1
    private var admittedEvents = 0
    private var waiters: [ObjectIdentifier: any Acknowledged] = [:]
    private var starved: [any Acknowledged] = []
    var eventLoop: (any EventLoop)?

    func hasRoom() -> Bool { !isFull }

    func admit(_ transport: TransportKind) -> AdmissionResult {
        let result = admission.admit(&filling, from: admittedEvents, textFrom: 0, transport: transport)
        admittedEvents = filling.count
        return result
    }

    func enlist(_ peer: any Acknowledged) -> UInt64 {
        waiters[ObjectIdentifier(peer)] = peer
        return ticket
    }

    func readComplete() {
        if commitsAtOnce { commit() }
    }

    func awaitRoom(_ peer: any Acknowledged) { starved.append(peer) }

    func forget(_ peer: any Acknowledged) { waiters[ObjectIdentifier(peer)] = nil }

    func refuse(_ reason: Refusal, events: Int, transport: TransportKind) {
        refusals.append(reason)
        admission.refuse(reason, events: events, transport: transport)
    }

    func standing(of device: DeviceID) -> Standing? {
        Standing(admission.dedupe.window(of: device))
    }

    func closeGap(_ device: DeviceID, epoch: UInt32, below oldest: UInt64, transport: TransportKind) {
        gaps += admission.close(
            device, product: vocabulary.product(of: device), epoch: epoch, below: oldest, arrival: now,
            transport: transport)
    }

    func expect(_ device: DeviceID) {}

    /// Makes the filling block durable and tells everybody who waits for it.
    func commit() {
        committed += filling.events + gaps
        gaps = []
        filling.removeAll()
        admittedEvents = 0
        let told = waiters
        waiters = [:]
        ticket += 1
        for peer in told.values { peer.committed(through: ticket - 1) }
    }

    func makeRoom() {
        isFull = false
        let told = starved
        starved = []
        for peer in told { peer.resume() }
    }

    var events: [Event] { committed + filling.events }
}

/// A peer without a socket, for sessions.
final class StubPeer: Acknowledged {
    var tickets: [UInt64] = []
    func committed(through ticket: UInt64) { tickets.append(ticket) }
    func resume() {}
}

extension BatchWriter {
    /// Adds an event that must fit.
    mutating func put(_ event: OutgoingEvent, skipping: UInt32 = 0) {
        let fits = add(event, skipping: skipping)
        #expect(fits)
    }
}
