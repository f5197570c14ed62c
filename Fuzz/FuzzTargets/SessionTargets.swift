// Whole connections and datagrams without their sockets: from the bytes to the filling batch, and to the answers.

import Admission
import Events
import Transport
import Wire

/// Takes everything; blocks are durable when `commit` is called.
final class FuzzIntake: Intake {
    var filling = EventBatch()
    var vocabulary = Vocabulary()
    let now = Timestamp(rawValue: 1_795_132_805_000)
    private var admission = Admission()
    private var admitted = EventBatch.Mark()
    private var ticket: UInt64 = 1

    func hasRoom() -> Bool { true }

    func admit(_ transport: TransportKind) -> AdmissionResult {
        let result = admission.admit(&filling, from: admitted, transport: transport)
        admitted = filling.mark
        return result
    }

    func notifyOnCommit(_ peer: any CommitListener) -> UInt64 { ticket }
    func readComplete() {}
    func awaitRoom(_ peer: any CommitListener) {}
    func remove(_ peer: any CommitListener) {}

    func refuse(_ reason: Refusal, events: Int, transport: TransportKind) {
        admission.refuse(reason, events: events, transport: transport)
    }

    func ackState(of device: DeviceID, epoch: UInt32?) -> AckState? {
        guard let epoch else { return AckState(admission.dedupe.window(of: device)) }
        return admission.dedupe.window(of: device, epoch: epoch).flatMap { AckState($0) }
    }

    func prefetch(_ device: DeviceID) {}

    func closeGap(_ device: DeviceID, epoch: UInt32, below oldest: UInt64, transport: TransportKind) {
        let gaps = admission.close(
            device, product: vocabulary.product(of: device), epoch: epoch, below: oldest, arrival: now,
            transport: transport)
        admission.dedupe.foldClosed(gaps)
    }

    /// - Returns: the ticket that is now durable.
    func commit() -> UInt64 {
        ticket += 1
        return ticket - 1
    }
}

final class FuzzPeer: CommitListener {
    func committed(through ticket: UInt64) {}
    func resume() {}
}

/// The first byte says where the stream is cut into two reads; that must not change what is taken.
func readConnection(_ input: [UInt8]) {
    let bytes = Array(input[1...])
    let cut = Int(input[0]) * bytes.count / 256
    precondition(events(of: [bytes[...]]) == events(of: [bytes[..<cut], bytes[cut...]]))
}

private func events(of reads: [ArraySlice<UInt8>]) -> EventBatch {
    let intake = FuzzIntake()
    let ingest = IngestContext(intake: intake, settings: TransportSettings())
    let peer = FuzzPeer()
    var session = TCPSession()
    var tail: [UInt8] = []
    var output: [UInt8] = []
    for (index, read) in reads.enumerated() {
        tail += read
        let given = tail
        let progress = session.receive(
            given.span, isEnd: index == reads.count - 1, in: ingest, as: peer, output: &output)
        precondition(progress.consumed <= given.count)
        tail.removeFirst(progress.consumed)
        session.committed(through: intake.commit(), output: &output)
        if progress.next == .ends { break }
    }
    precondition(session.isAcknowledged)
    return intake.filling
}

/// What a datagram is answered with is never longer than the datagram.
func answerDatagram(_ input: [UInt8]) {
    let intake = FuzzIntake()
    let ingest = IngestContext(intake: intake, settings: TransportSettings())
    var session = UDPSession(settings: TransportSettings())
    var output: [UInt8] = []
    _ = session.receive(input.span, in: ingest, as: FuzzPeer(), output: &output)
    precondition(output.count <= input.count)
}
