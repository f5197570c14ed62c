// One datagram at a time, without sockets.

import Admission
import Events
import Testing
import Transport
import Wire

private func datagram(
    _ device: String = "kettle/k-1", seqs: [UInt64], counter: UInt32 = 5, oldest: UInt64 = 0, text: String = ""
) -> [UInt8] {
    var writer = BatchWriter()
    let source = writer.reference(device)
    writer.begin(
        epoch: 3, firstSeq: seqs[0], time: Timestamp(rawValue: 1_795_132_800_000), oldest: oldest, device: source)
    var next = seqs[0]
    for seq in seqs {
        var event = OutgoingEvent(kind: text.isEmpty ? .featureUsed : .feedbackText)
        event.aspect = writer.reference("lid")
        event.text = Array(text.utf8)[...]
        writer.put(event, skipping: UInt32(seq - next))
        next = seq + 1
    }
    var body: [UInt8] = []
    writer.finish(into: &body)
    var bytes: [UInt8] = []
    DatagramHeader(type: .batch, epoch: 3, counter: counter).write(body: body.span, into: &bytes)
    return bytes
}

@Suite struct UDPSessionTests {
    private let intake = StubIntake()
    private let peer = StubPeer()
    private let ingest: IngestContext

    init() { ingest = IngestContext(intake: intake, settings: TransportSettings()) }

    private func receive(_ bytes: [UInt8]) -> (DatagramOutcome, [UInt8]) {
        var session = UDPSession(settings: TransportSettings())
        var output: [UInt8] = []
        let outcome = session.receive(bytes.span, in: ingest, as: peer, output: &output)
        return (outcome, output)
    }

    private func ack(_ bytes: [UInt8]) throws -> (DatagramHeader, Ack)? {
        let (outcome, output) = receive(bytes)
        guard case .answerWhenDurable = outcome else { return nil }
        #expect(output.count <= bytes.count)
        let header = try DatagramHeader.read(output.span)
        return (header, try Ack(decoding: output.span.extracting(DatagramHeader.body(count: output.count))))
    }

    @Test func anAckEchoesTheCounterAndSaysWhatIsMissing() throws {
        let (header, first) = try #require(try ack(datagram(seqs: [1, 2, 3], counter: 9)))
        #expect(header.type == .ack)
        #expect(header.counter == 9)
        #expect(header.epoch == 3)
        #expect(first.durable == 3)
        let second = try #require(try ack(datagram(seqs: [5, 6, 8]))).1
        #expect(second.durable == 3)
        #expect(second.ranges == [.init(missing: 1, present: 2), .init(missing: 1, present: 1)])
        let third = try #require(try ack(datagram(seqs: [4]))).1
        #expect(third.durable == 6)
        #expect(intake.filling.count == 7)
    }

    @Test func aRepeatIsAcknowledgedAndNotStored() throws {
        _ = try ack(datagram(seqs: [1]))
        #expect(try #require(try ack(datagram(seqs: [1]))).1.durable == 1)
        #expect(intake.filling.count == 1)
    }

    @Test func oldestMovesOn() throws {
        _ = try ack(datagram(seqs: [1]))
        let moved = try #require(try ack(datagram(seqs: [6], oldest: 5))).1
        #expect(moved.durable == 4)
        #expect(moved.ranges == [.init(missing: 1, present: 1)])
        #expect(intake.gaps.map(\.count) == [3])
    }

    @Test func tableStartsEmptyInEveryDatagram() throws {
        _ = try ack(datagram("kettle/a", seqs: [1]))
        _ = try ack(datagram("kettle/b", seqs: [1]))
        #expect(intake.filling.events.map(\.device.rawValue) == [1, 2])
    }

    @Test func whatCannotBeTrustedIsNotAnswered() {
        var damaged = datagram(seqs: [1])
        damaged[20] ^= 1
        for (bytes, reason) in [
            (damaged, Refusal.badChecksum), (Array("hello".utf8), .badMagic), ([0xc1, 3], .truncated),
            ([UInt8](repeating: 0xc1, count: Limits.datagramBytes + 1), .tooBig),
        ] {
            let (outcome, output) = receive(bytes)
            if case .silence = outcome {} else { Issue.record("\(reason) was answered") }
            #expect(output.isEmpty)
            #expect(intake.refusals.last == reason)
        }
        #expect(intake.filling.isEmpty)
    }

    @Test func anErrorIsNeverLongerThanTheRequest() throws {
        var writer = BatchWriter()
        writer.begin(firstSeq: 1, time: nil)
        writer.put(OutgoingEvent(kind: .featureUsed))
        var body: [UInt8] = []
        writer.finish(into: &body)
        var bytes: [UInt8] = []
        DatagramHeader(type: .batch, counter: 77).write(body: body.span, into: &bytes)
        let (outcome, output) = receive(bytes)
        if case .answerWhenDurable = outcome { Issue.record("no device was named, and yet it was taken") }
        #expect(output.count <= bytes.count)
        #expect(intake.refusals == [.noDevice])
    }

    @Test func jsonIsTakenToo() throws {
        let text =
            #"{"product":"kettle","device":"k-1","type":"preference.set","aspect":"temperature","value":92}"# + "\n"
        let (outcome, output) = receive(Array(text.utf8))
        #expect(outcome == .answerWhenDurable(intake.ticket))
        #expect(String(decoding: output, as: UTF8.self) == "{\"ack\":1}\n")
        #expect(intake.filling.count == 1)
    }

    @Test func badJSONIsToldIfThatIsShort() {
        let text =
            #"{"device":"k-1","type":"feature.used","aspect":"a","#
            + #""text":"\#(String(repeating: "x", count: 300))"}"#
        let (outcome, output) = receive(Array(text.utf8))
        if case .answer = outcome {} else { Issue.record("not answered") }
        #expect(String(decoding: output, as: UTF8.self).contains("no_product"))
        #expect(output.count <= text.utf8.count)
    }

    @Test func busyIsTold() throws {
        let session = UDPSession(settings: TransportSettings())
        let bytes = datagram(seqs: [1], counter: 4, text: String(repeating: "x", count: 80))
        var output: [UInt8] = []
        let outcome = session.refuse(.busy, bytes.span, in: ingest, output: &output)
        if case .answer = outcome {} else { Issue.record("not answered") }
        let header = try DatagramHeader.read(output.span)
        #expect(header.type == .error)
        #expect(header.counter == 4)
        #expect(output.count <= bytes.count)
    }
}

@Test func kernelDropsAreReadFromTheTable() {
    func row(_ port: String, drops: Int) -> String {
        " 1234: 0100007F:\(port) 00000000:0000 07 00000000:00000000 00:00000000 00000000     0 "
            + "       0 29302 2 0000000000000000 \(drops)"
    }
    let title = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
    let table = [title, row("1CF3", drops: 17), row("1CF4", drops: 4)].joined(separator: "\n")
    #expect(kernelDrops(Array(table.utf8).span, port: 7_411) == 17)
    #expect(kernelDrops(Array(table.utf8).span, port: 7_412) == 4)
    #expect(kernelDrops(Array(table.utf8).span, port: 1) == 0)
}
