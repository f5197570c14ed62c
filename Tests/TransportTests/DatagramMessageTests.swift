// Messages over datagrams: to whom, how much, and what ends one.

import Admission
import Events
import NIOCore
import Testing
import Transport
import Wire

private let now = StubIntake().now
/// Seconds since 2000.
private let today = UInt32((now.rawValue - Limits.earliestTime.rawValue) / 1_000)
private let device = DeviceID(rawValue: 1)
private let message = MessageID(number: 17, tag: 0x9f31_c2aa)

private func signed(_ type: FrameType, key: UInt32, epoch: UInt32, counter: UInt32, _ body: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    DatagramHeader(type: type, keyID: key, epoch: epoch, counter: counter).write(body: body.span, into: &bytes)
    if key != 0 { TestKeys.key(key).signer.sign(&bytes, from: 0) }
    return bytes
}

/// A datagram of `kettle/k-1` with some events.
private func datagram(
    key: UInt32 = 7, epoch: UInt32 = today, counter: UInt32 = 5, seq: UInt64 = 1, events: Int = 1,
    received: [MessageID] = [], paddedBytes: Int = 0
) -> [UInt8] {
    var writer = BatchWriter(maxBodyBytes: 1_178)
    let source = writer.reference("kettle/k-1")
    writer.begin(firstSeq: events == 0 ? 0 : seq, time: now, device: source)
    for _ in 0..<events {
        var event = OutgoingEvent(kind: .featureUsed)
        event.aspect = writer.reference("lid")
        writer.put(event)
    }
    (writer.received, writer.paddedBytes) = (received, max(paddedBytes - 22, 0))
    var body: [UInt8] = []
    writer.finish(into: &body)
    return signed(.batch, key: key, epoch: epoch, counter: counter, body)
}

private func ack(key: UInt32 = 7, counter: UInt32 = 5, _ ids: [MessageID]) -> [UInt8] {
    var ack = Ack()
    ack.received = ids
    return signed(.ack, key: key, epoch: today, counter: counter, ack.encode())
}

private final class Port {
    let intake = StubIntake()
    let ingest: IngestContext
    private var session = UDPSession(settings: TransportSettings())

    init(_ mode: AuthMode = .off, waiting: [UInt8] = [0, 3]) {
        ingest = IngestContext(intake: intake, settings: .auth(mode))
        ingest.change(access: TestKeys.list())
        ingest.waiting = WaitingCounts(waiting)
    }

    /// What is answered, and the way back that was opened.
    func receive(_ bytes: [UInt8]) -> (answer: [UInt8], contact: DatagramContact?) {
        var output: [UInt8] = []
        _ = session.receive(bytes.span, in: ingest, as: StubPeer(), output: &output)
        #expect(output.count <= bytes.count)
        defer { ingest.contact = nil }
        return (output, ingest.contact)
    }
}

private func pending(_ answer: [UInt8]) throws -> UInt32? {
    try Ack(decoding: answer.span.extracting(DatagramHeader.body(count: answer.count))).pending
}

@Suite struct DatagramMessageTests {
    @Test func aSignatureOpensAWayOfThreeTimesItsBytes() throws {
        let port = Port(.require)
        for events in [1, 8] {
            let bytes = datagram(counter: UInt32(events), seq: UInt64(events * 10), events: events)
            let (answer, contact) = port.receive(bytes)
            #expect(try pending(answer) == 3)
            let way = try #require(contact)
            #expect(way.device == device && way.request.counter == UInt32(events))
            #expect(way.allowance + answer.count == 3 * bytes.count)
        }
        // A poll is filled up to buy room, and no more than one datagram comes back.
        let poll = datagram(counter: 20, events: 0, paddedBytes: 420)
        #expect(poll.count == 420)
        let (answer, contact) = port.receive(poll)
        #expect(try pending(answer) == 3)
        #expect(try #require(contact).allowance + answer.count == 1_200)
    }

    @Test func withoutASignatureOnlyTheNumberIsTold() throws {
        let port = Port()
        for padded in [0, 420] {
            let (answer, contact) = port.receive(datagram(key: 0, paddedBytes: padded))
            #expect(contact == nil)
            #expect(try pending(answer) == 3)
        }
        _ = port.receive(ack(key: 0, [message]))
        #expect(port.ingest.acknowledged == nil && port.intake.refusals == [.malformedFrame])
    }

    @Test func aBadSignatureIsNotAnswered() {
        let port = Port()
        for bytes in [datagram(received: [message]), ack([message])] {
            for index in bytes.indices.dropFirst(2) {
                var forged = bytes
                forged[index] ^= 1
                let (answer, contact) = port.receive(forged)
                #expect(answer.isEmpty && contact == nil && port.ingest.acknowledged == nil)
            }
        }
        #expect(port.ingest.takeReceipts().isEmpty)
    }

    @Test func whereNothingWaitsNoWayIsOpened() throws {
        for (waiting, told) in [([], nil), ([0, 0], 0)] as [([UInt8], UInt32?)] {
            let (answer, contact) = Port(waiting: waiting).receive(datagram())
            #expect(contact == nil)
            #expect(try pending(answer) == told)
        }
    }

    @Test func whatADeviceHasComesInABatchOrAnAck() throws {
        let port = Port(waiting: [])
        let (_, contact) = port.receive(datagram(events: 0, received: [message]))
        #expect(try #require(contact).received == [message])
        let (answer, none) = port.receive(ack([message]))
        #expect(answer.isEmpty && none == nil)
        let told = try #require(port.ingest.acknowledged)
        #expect(told.request.counter == 5 && told.received == [message])
        port.ingest.acknowledged = nil
        _ = port.receive(ack([]))
        _ = port.receive(ack((1...65).map { MessageID(number: $0, tag: 0) }))
        #expect(port.ingest.acknowledged == nil && port.intake.refusals == [.malformedBody, .malformedBody])
    }

    /// A poll has no event by whose number a repetition would be known.
    @Test func aPollOfAnEpochThatIsOverOpensNoWay() throws {
        let port = Port()
        _ = port.receive(datagram())
        #expect(port.receive(datagram(epoch: today - 100, counter: 90, events: 0)).contact == nil)
        #expect(port.receive(datagram(counter: 90, events: 0)).contact != nil)
    }
}

@Suite struct DatagramContactTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    private let socket = ObjectIdentifier(StubPeer.self)

    private func contact(
        _ device: UInt32 = 1, counter: UInt32, epoch: UInt32 = today, allowance: Int = 500,
        received: [MessageID] = []
    ) -> DatagramContact {
        let request = DatagramHeader(type: .batch, keyID: 7, epoch: epoch, counter: counter)
        var contact = DatagramContact(
            device: DeviceID(rawValue: device), request: request, signer: TestKeys.key(7).signer, allowance: allowance)
        contact.received = received
        return contact
    }

    private func envelope(_ number: UInt32, _ kind: EventKind = .setting, bytes: Int = 100) -> DownEnvelope {
        DownEnvelope(MessageID(number: number, tag: 1), kind, json: Array(repeating: 32, count: bytes))
    }

    private func note(
        _ contacts: inout DatagramContacts, _ contact: DatagramContact, isPrivate: Bool = false, after: Int64 = 0
    ) -> Bool {
        contacts.note(
            contact, at: DatagramAddress(), from: nil, by: socket, isPrivate: isPrivate, now: start + .seconds(after))
    }

    @Test func oneMessageIsUnderWayAndItsReceiptEndsIt() throws {
        var contacts = DatagramContacts()
        #expect(contacts.push(envelope(1), to: device, now: start) == nil)
        #expect(note(&contacts, contact(counter: 1)))
        let first = contacts.push(envelope(1), to: device, now: start)
        let sent = try #require(first).push.bytes
        let header = try DatagramHeader.read(sent.span)
        #expect(header == DatagramHeader(type: .push, keyID: 7, epoch: today, counter: 1))
        #expect(TestKeys.key(7).signer.hasSigned(sent) && sent.count == 122)
        #expect(contacts.push(envelope(2), to: device, now: start) == nil)
        // Another message is none of ours; this one is.
        let request = contact(counter: 1).request
        #expect(contacts.acknowledged([MessageID(number: 9, tag: 1)], for: request) == device)
        #expect(contacts.push(envelope(2), to: device, now: start) == nil)
        #expect(contacts.acknowledged([MessageID(number: 1, tag: 1)], for: request) == device)
        #expect(contacts.push(envelope(2), to: device, now: start) != nil)
        #expect(contacts.acknowledged([], for: contact(counter: 2).request) == nil)
        // In the next batch: what waits is offered when the log has been told.
        #expect(!note(&contacts, contact(counter: 2, received: [MessageID(number: 2, tag: 1)])))
        #expect(contacts.push(envelope(3), to: device, now: start) != nil)
    }

    @Test func noMoreGoesThanCame() {
        var contacts = DatagramContacts()
        _ = note(&contacts, contact(counter: 1, allowance: 121))
        #expect(contacts.push(envelope(1), to: device, now: start) == nil)
        #expect(contacts.push(envelope(2, bytes: 99), to: device, now: start) != nil)
        _ = contacts.acknowledged([MessageID(number: 2, tag: 1)], for: contact(counter: 1).request)
        #expect(contacts.push(envelope(3, bytes: 1), to: device, now: start) == nil)
    }

    @Test func whatPeopleReadGoesOnlyWhereNobodyElseCan() {
        for isPrivate in [false, true] {
            var contacts = DatagramContacts()
            _ = note(&contacts, contact(counter: 1), isPrivate: isPrivate)
            #expect((contacts.push(envelope(1, .notice), to: device, now: start) != nil) == isPrivate)
        }
    }

    @Test func aWayIsOpenForTenSeconds() {
        var contacts = DatagramContacts()
        _ = note(&contacts, contact(counter: 1))
        #expect(contacts.push(envelope(1), to: device, now: start + .seconds(10)) == nil)
        #expect(contacts.push(envelope(1), to: device, now: start + .seconds(9)) != nil)
    }

    /// What somebody has recorded and sends from elsewhere.
    @Test func onlyANewerDatagramOpensAWay() {
        var contacts = DatagramContacts()
        #expect(note(&contacts, contact(counter: .max)))
        #expect(!note(&contacts, contact(counter: .max)))
        #expect(!note(&contacts, contact(counter: .max - 1)))
        #expect(!note(&contacts, contact(counter: 7, epoch: today - 1)))
        #expect(note(&contacts, contact(counter: 0)))
        #expect(note(&contacts, contact(counter: 0, epoch: today + 1)))
        contacts.forget(device)
        #expect(contacts.count == 0 && note(&contacts, contact(counter: 0)))
    }

    /// A device that does not answer is not asked at each of its datagrams, but after 10 s, 20 s, 40 s.
    @Test func silenceIsAskedAgainEverMoreRarely() {
        var contacts = DatagramContacts()
        var offers: [Int64] = []
        for second in 0..<100 where note(&contacts, contact(counter: UInt32(second)), after: Int64(second)) {
            #expect(contacts.push(envelope(1), to: device, now: start + .seconds(Int64(second))) != nil)
            offers.append(Int64(second))
        }
        #expect(offers == [0, 10, 30, 70])
    }

    @Test func theTableIsBounded() {
        var contacts = DatagramContacts()
        let most = UInt32(TransportLimits.datagramContacts)
        for number in 1...most { #expect(note(&contacts, contact(number, counter: 1))) }
        #expect(!note(&contacts, contact(most + 1, counter: 1)) && contacts.count == Int(most))
        // Known ones go on; and the others' ways are closed after a while.
        #expect(note(&contacts, contact(5, counter: 2)))
        #expect(note(&contacts, contact(most + 1, counter: 1), after: 10) && contacts.count == 1)
    }
}
