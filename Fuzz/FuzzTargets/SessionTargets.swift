// Whole connections and datagrams without their sockets: from the bytes to the filling batch, and to the answers.

import Admission
import Events
import Transport
import Wire

/// Who may send, in three modes: the device `kettle/k-1` by key 7, and the holder of a token.
func ingest(_ intake: FuzzIntake, mode: UInt8) -> IngestContext {
    var settings = TransportSettings()
    settings.authMode = [.off, .warn, .require][Int(mode % 3)]
    let ingest = IngestContext(intake: intake, settings: settings)
    ingest.isPrivate = mode >= 128
    ingest.change(access: FuzzAccess.list)
    return ingest
}

enum FuzzAccess {
    static let masters = MasterKeys(Array(repeating: 1, count: MasterKeys.keyBytes))
    static let scope = Scope.device(product: Array("kettle".utf8), name: Array("k-1".utf8))
    static let list = AccessList(masters: masters, keys: [KeyEntry(id: 7, scope: scope)], tokens: [])
}

/// Takes everything; blocks are durable when `commit` is called.
final class FuzzIntake: Intake {
    var filling = EventBatch()
    var vocabulary = Vocabulary()
    var isOptedOut: Bool {
        get { admission.consent.isOptedOut }
        set { admission.consent.isOptedOut = newValue }
    }
    let now = Timestamp(rawValue: 1_795_132_805_000)
    private var admission = Admission()
    private var admitted = EventBatch.Mark()
    private var ticket: UInt64 = 1

    let isStorageFailing = false

    func hasRoom() -> Bool { true }

    func admit(_ transport: TransportKind) -> AdmissionResult {
        let result = admission.admit(&filling, from: admitted, transport: transport)
        if result.needsGate {
            admission.gate(&filling, admitted.events..<filling.count, vocabulary, transport: transport)
        }
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

    func highestEpoch(refusing epoch: UInt32, of device: DeviceID) -> UInt32? {
        admission.dedupe.highestEpoch(refusing: epoch, of: device, at: now)
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

/// The first byte says where the stream is cut into two reads, and who may send; that must not change what is taken.
///
/// - Parameter commitsBetween: whether what was taken becomes durable between the reads.
func readConnection(
    _ input: [UInt8], commitsBetween: Bool = true, _ makeSession: () -> some StreamSession
) {
    let bytes = Array(input[1...])
    let cut = Int(input[0]) * bytes.count / 256
    let mode = input[0]
    func taken(of reads: [ArraySlice<UInt8>]) -> TakenEvents {
        events(of: reads, mode, commitsBetween: commitsBetween, makeSession())
    }
    precondition(taken(of: [bytes[...]]) == taken(of: [bytes[..<cut], bytes[cut...]]))
}

private func events(
    of reads: [ArraySlice<UInt8>], _ mode: UInt8, commitsBetween: Bool, _ session: some StreamSession
) -> TakenEvents {
    let intake = FuzzIntake()
    let ingest = ingest(intake, mode: mode)
    let peer = FuzzPeer()
    var session = session
    var tail: [UInt8] = []
    var output: [UInt8] = []
    for (index, read) in reads.enumerated() {
        tail += read
        let given = tail
        let progress = session.receive(
            given.span, isEnd: index == reads.count - 1, in: ingest, as: peer, output: &output)
        precondition(progress.consumed <= given.count)
        tail.removeFirst(progress.consumed)
        if commitsBetween { session.committed(through: intake.commit(), output: &output) }
        if progress.next == .ends { break }
    }
    session.committed(through: intake.commit(), output: &output)
    precondition(session.isAcknowledged)
    // Whoever speaks by a credential sends for its device alone; whoever has none sends nothing where one is required.
    if case .holder = ingest.principal, let scope = ingest.principal.sends {
        let names = intake.vocabulary
        for event in intake.filling.events {
            let product = names.text(.product, names.product(of: event.device))
            precondition(scope.contains(product: product.span, name: names.name(of: event.device).span))
        }
    } else {
        precondition(mode % 3 != 2 || intake.filling.isEmpty)
    }
    return TakenEvents(intake.filling, intake.vocabulary)
}

/// Events with their names instead of numbers, which follow the order in which names are first heard: in a read of its
/// own a message is named before a subscription that comes behind it, and otherwise after that.
private struct TakenEvents: Equatable {
    /// Without names, and without what an event has said that was dropped beside these: nothing points to that.
    var events = EventBatch()
    var names: [ArraySlice<UInt8>] = []

    init(_ batch: EventBatch, _ vocabulary: Vocabulary) {
        for var event in batch.events {
            names += [
                vocabulary.text(.product, event.product), vocabulary.name(of: event.device),
                vocabulary.name(of: event.customer), vocabulary.text(.aspect, event.aspect),
                vocabulary.text(.unit, event.unit), vocabulary.text(.language, event.language),
                vocabulary.text(.type, event.type),
            ]
            if case .symbol(let word) = event.value {
                names.append(vocabulary.text(.value, word))
                event.value = .symbol(.none)
            }
            (event.product, event.device, event.customer) = (.none, .none, .none)
            (event.aspect, event.unit, event.language, event.type) = (.none, .none, .none, .none)
            events.append(event, of: batch)
        }
    }
}

/// What a datagram is answered with is never longer than the datagram.
///
/// As it came, and signed with a key: whoever has none is not answered where one is required.
func answerDatagram(_ input: [UInt8]) {
    for mode in 0...2 as ClosedRange<UInt8> { answerDatagram(input, mode, isSigned: false) }
    guard input.count >= DatagramHeader.headerBytes + DatagramHeader.trailerBytes,
        let signer = FuzzAccess.masters?.keys(id: 7, generation: 0).first?.signer
    else { return }
    var signed = input
    signed.replaceSubrange(2..<6, with: [0, 0, 0, 7])
    signer.sign(&signed, from: 0)
    for mode in 0...2 as ClosedRange<UInt8> { answerDatagram(signed, mode, isSigned: true) }
}

private func answerDatagram(_ input: [UInt8], _ mode: UInt8, isSigned: Bool) {
    let intake = FuzzIntake()
    let ingest = ingest(intake, mode: mode)
    ingest.waiting = WaitingCounts(Array(repeating: 3, count: 8))
    var session = UDPSession(settings: TransportSettings())
    var output: [UInt8] = []
    _ = session.receive(input.span, in: ingest, as: FuzzPeer(), output: &output)
    precondition(output.count <= input.count)
    // A way back is opened by a signature alone, and is no wider than the datagram pays for.
    if let contact = ingest.contact {
        precondition(isSigned && contact.received.count <= WireLimits.receivedIDs)
        precondition(contact.allowance + output.count <= min(3 * input.count, TransportLimits.datagramAnswerBytes))
    }
    precondition(ingest.acknowledged == nil || isSigned)
    precondition(!ingest.principal.isKnown)
    if mode == 2, !isSigned { precondition(output.isEmpty && intake.filling.isEmpty) }
}
