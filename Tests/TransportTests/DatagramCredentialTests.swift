// Signed datagrams: whose they are, that none counts twice, and that nobody else is answered.

import Admission
import Events
import Testing
import Transport
import Wire

private let now = StubIntake().now
/// Seconds since 2000.
private let today = UInt32((now.rawValue - Limits.earliestTime.rawValue) / 1_000)

private func datagram(
    _ device: String = "kettle/k-1", key: UInt32 = 7, signedBy secret: UInt32? = nil, epoch: UInt32 = today,
    seq: UInt64 = 1, oldest: UInt64 = 0, generation: UInt32 = 0, id: String = ""
) -> [UInt8] {
    var writer = BatchWriter()
    let source = writer.reference(device)
    writer.begin(epoch: epoch, firstSeq: seq, time: now, oldest: oldest, device: source)
    var event = OutgoingEvent(kind: .featureUsed)
    event.aspect = writer.reference("lid")
    if !id.isEmpty {
        var rare = OutgoingRare()
        rare.id = Array(id.utf8)
        event.rare = rare
    }
    writer.put(event)
    var body: [UInt8] = []
    writer.finish(into: &body)
    var bytes: [UInt8] = []
    DatagramHeader(type: .batch, keyID: key, epoch: epoch, counter: 5).write(body: body.span, into: &bytes)
    if key != 0 { TestKeys.key(secret ?? key, generation: generation).signer.sign(&bytes, from: 0) }
    return bytes
}

/// A daemon's datagram socket, which can be started anew on what is in its log.
private final class Port {
    let intake = StubIntake()
    private(set) var ingest: IngestContext
    private var session = UDPSession(settings: TransportSettings())

    init(_ mode: AuthMode = .require, _ access: AccessList = TestKeys.list()) {
        ingest = IngestContext(intake: intake, settings: .auth(mode))
        ingest.change(access: access)
    }

    func receive(_ bytes: [UInt8]) -> (DatagramOutcome, [UInt8]) {
        var output: [UInt8] = []
        let outcome = session.receive(bytes.span, in: ingest, as: StubPeer(), output: &output)
        #expect(output.count <= bytes.count)
        #expect(!ingest.principal.isKnown)
        return (outcome, output)
    }

    /// The refusal that is told; nil when nothing is said, or an ack.
    func error(_ bytes: [UInt8]) throws -> Reject? {
        let output = receive(bytes).1
        guard !output.isEmpty else { return nil }
        let header = try DatagramHeader.read(output.span)
        #expect(TestKeys.key(header.keyID).signer.hasSigned(output))
        guard header.type == .error else { return nil }
        return try Reject(decoding: output.span.extracting(DatagramHeader.body(count: output.count)))
    }
}

@Suite struct DatagramCredentialTests {
    @Test func aSignedDatagramIsAnsweredWithASignature() throws {
        let port = Port()
        let (outcome, output) = port.receive(datagram())
        guard case .answerWhenDurable = outcome else {
            Issue.record("not taken")
            return
        }
        let header = try DatagramHeader.read(output.span)
        #expect(header == DatagramHeader(type: .ack, keyID: 7, epoch: today, counter: 5))
        #expect(TestKeys.key(7).signer.hasSigned(output))
        #expect(!TestKeys.key(8).signer.hasSigned(output))
        #expect(port.intake.events.count == 1)
    }

    /// Whatever byte of it is changed.
    @Test func aForgedSignatureIsNotAnswered() {
        let right = datagram()
        for mode in AuthMode.allCases {
            let port = Port(mode)
            for index in right.indices where index > 1 {
                var forged = right
                forged[index] ^= 1
                #expect(port.receive(forged).0 == .silence)
            }
            #expect(port.intake.events.isEmpty)
            #expect(Set(port.intake.refusals) == [.unauthorized])
        }
    }

    @Test func whoHasNoGoodKeyHearsNothing() {
        let cases: [(AccessList, [UInt8])] = [
            (TestKeys.list(), datagram(key: 0)), (TestKeys.list(), datagram(key: 99)),
            (TestKeys.list(), datagram(signedBy: 8)), (TestKeys.list(without: 7), datagram()),
            (TestKeys.list(generation: 1), datagram()),
            (TestKeys.list(), Array(#"{"product":"kettle","device":"k-1","type":"feature.used","aspect":"lid"}"#.utf8)),
        ]
        for (access, bytes) in cases {
            let port = Port(.require, access)
            let (outcome, output) = port.receive(bytes)
            #expect(outcome == .silence)
            #expect(output.isEmpty)
            #expect(port.intake.events.isEmpty)
            #expect(port.intake.refusals == [.unauthorized])
        }
    }

    @Test func warnTakesAndListsThem() {
        let port = Port(.warn)
        _ = port.receive(datagram(key: 0))
        _ = port.receive(Array(#"{"product":"kettle","device":"k-2","type":"feature.used","aspect":"lid"}"#.utf8))
        #expect(port.intake.events.count == 2)
        #expect(port.ingest.faults.all.count == 2)
    }

    @Test func aRevokedKeyIsForgottenAtOnce() {
        let port = Port()
        _ = port.receive(datagram())
        port.ingest.change(access: TestKeys.list(without: 7))
        #expect(port.receive(datagram(seq: 2)).0 == .silence)
        #expect(port.intake.events.count == 1)
    }

    @Test func anotherDevicesEventsAreRefused() throws {
        let port = Port()
        #expect(try port.error(datagram("kettle/k-2"))?.refusal == .forbidden)
        #expect(port.intake.events.isEmpty)
        #expect(try port.error(datagram("kettle/k-2", key: 9)) == nil)
        #expect(port.intake.events.count == 1)
        #expect(try port.error(datagram("oven/k-2", key: 9))?.refusal == .forbidden)
    }

    @Test func whoIsBusyAnswersOnlyThoseWithAKey() {
        let port = Port()
        let session = UDPSession(settings: TransportSettings())
        for (bytes, isAnswered) in [(datagram(), true), (datagram(signedBy: 8), false), (datagram(key: 0), false)] {
            var output: [UInt8] = []
            let outcome = session.refuse(.busy, bytes.span, in: port.ingest, output: &output)
            #expect((outcome == .answer) == isAnswered)
        }
    }
}

@Suite struct RisingEpochTests {
    @Test func aDatagramIsNotTakenTwice() {
        let port = Port()
        for _ in 0..<3 { _ = port.receive(datagram()) }
        #expect(port.intake.events.count == 1)
    }

    @Test func anEpochHasToRise() throws {
        let port = Port()
        _ = port.receive(datagram(epoch: today))
        let refused = try #require(try port.error(datagram(epoch: today - 1)))
        #expect(refused.refusal == .badIdentity)
        #expect(refused.number == UInt64(today))
        #expect(try port.error(datagram(epoch: today + 1)) == nil)
        #expect(try port.error(datagram(epoch: today, seq: 2)) == nil)
        #expect(port.intake.events.count == 3)
    }

    @Test func noneIsMoreThanADayAhead() throws {
        let port = Port()
        let refused = try #require(try port.error(datagram(epoch: today + 90_000)))
        #expect(refused.refusal == .badIdentity)
        #expect(try port.error(datagram(epoch: today + 80_000)) == nil)
    }

    /// Random epochs, as connections have them, do not lock a device out.
    @Test func epochsOfConnectionsDoNotCount() throws {
        let port = Port(.off)
        _ = port.receive(datagram(key: 0, epoch: 4_000_000_000))
        #expect(try port.error(datagram(epoch: today)) == nil)
        #expect(port.intake.events.count == 2)
    }

    @Test func ofAGatewayEachDeviceHasItsOwn() throws {
        let port = Port()
        _ = port.receive(datagram("kettle/a", key: 9, epoch: today))
        #expect(try port.error(datagram("kettle/b", key: 9, epoch: today - 5)) == nil)
        #expect(try port.error(datagram("kettle/a", key: 9, epoch: today - 5))?.refusal == .badIdentity)
    }

    @Test func anEventWithoutANumberIsRefused() throws {
        let port = Port()
        #expect(try port.error(datagram(seq: 0))?.refusal == .badIdentity)
        #expect(try port.error(datagram(id: "abc")) == nil)
        #expect(port.intake.events.count == 1)
    }

    @Test func aGapIsNoWayAround() throws {
        let port = Port()
        _ = port.receive(datagram(epoch: today))
        #expect(try port.error(datagram(epoch: today - 1, seq: 9, oldest: 9, id: "abc"))?.refusal == .badIdentity)
        #expect(port.intake.gaps.isEmpty)
    }
}
