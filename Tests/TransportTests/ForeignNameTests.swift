// A good credential names nothing that is not its own: devices that it is not for get no number, on no protocol.

import Admission
import Events
import Testing
import Transport
import Wire

private let foreign = 10_000

/// A frame's body with one event of a device; its aspect and its customer are as new as the device is.
private func foreignBatch(_ source: String, epoch: UInt32 = 0, seq: UInt64 = 1) -> [UInt8] {
    var writer = BatchWriter()
    let device = writer.reference(source)
    writer.begin(epoch: epoch, firstSeq: seq, time: StubIntake().now, device: device)
    var event = OutgoingEvent(kind: .featureUsed)
    event.aspect = writer.reference(source.lowercased().replacing("/", with: ".").replacing("-", with: "_"))
    event.customer = writer.reference("customer of \(source)")
    writer.put(event)
    var body: [UInt8] = []
    writer.finish(into: &body)
    return body
}

private func foreignLine(_ number: Int) -> String {
    #"{"product":"oven\#(number)","device":"o-\#(number)","customer":"c\#(number)","type":"feature.used","#
        + #""aspect":"a\#(number)","seq":\#(number)}"# + "\n"
}

private func expectNoNames(_ intake: StubIntake, _ refusals: Int = foreign) {
    let vocabulary = intake.vocabulary
    #expect(vocabulary.deviceCount == 0 && vocabulary.customerCount == 0)
    for kind in SymbolKind.allCases { #expect(vocabulary.count(kind) == 0, "\(kind)") }
    let told = intake.vocabulary.takeDefinitions()
    #expect(told.isEmpty)
    #expect(intake.refusals.filter { $0 == .forbidden }.count == refusals)
    #expect(intake.filling.isEmpty)
}

@Suite struct ForeignNameTests {
    /// On a connection that has shown key 9, a gateway's for `kettle/`. It is closed at the first refusal, so each has
    /// one of its own.
    private func feed(_ bytes: (Int) -> [UInt8]) -> StubIntake {
        let bench = Bench()
        let credential = Credential(.key(9, generation: 0), .prefix(Array("kettle/".utf8)), .send)
        for number in 1...foreign {
            let next = Bench(on: bench.intake)
            next.ingest.principal = .holder(credential)
            next.feed(bytes(number))
            next.ingest.principal = .anybody
        }
        return bench.intake
    }

    @Test func onConnectionsOfFrames() {
        expectNoNames(
            feed { number in
                var bytes = streamMagic
                writeFrame(.batch, body: foreignBatch("oven/o-\(number)").span, into: &bytes)
                return bytes
            })
    }

    @Test func inGreetings() {
        expectNoNames(
            feed { number in
                var (hello, bytes) = (Hello(), streamMagic)
                hello.source = Array("oven/o-\(number)".utf8)
                writeFrame(.hello, body: hello.encode().span, into: &bytes)
                return bytes
            })
    }

    @Test func onConnectionsOfLines() { expectNoNames(feed { Array(foreignLine($0).utf8) }) }

    @Test func escapedNames() {
        expectNoNames(
            feed { Array((#"{"source":"oven%2F\#($0)/o","type":"feature.used","aspect":"a","seq":1}"# + "\n").utf8) })
    }

    @Test func inSignedDatagrams() {
        let intake = StubIntake()
        let ingest = IngestContext(intake: intake, settings: .auth(.require))
        ingest.change(access: TestKeys.list())
        var session = UDPSession(settings: TransportSettings())
        let signer = TestKeys.key(9).signer
        let epoch = UInt32((intake.now.rawValue - Limits.earliestTime.rawValue) / 1_000)
        for number in 1...foreign {
            var (bytes, output): ([UInt8], [UInt8]) = ([], [])
            DatagramHeader(type: .batch, keyID: 9, epoch: epoch, counter: 1)
                .write(body: foreignBatch("oven/o-\(number)", epoch: epoch).span, into: &bytes)
            signer.sign(&bytes, from: 0)
            #expect(session.receive(bytes.span, in: ingest, as: StubPeer(), output: &output) == .answer)
        }
        expectNoNames(intake)
        #expect(ingest.faults.all.map(\.fault) == [.scope])
        #expect(intake.vocabulary.scope == nil)
    }

    @Test func overHTTP() throws {
        let bench = HTTPBench(settings: .auth(.require))
        bench.ingest.change(access: TestKeys.list())
        for start in stride(from: 1, through: foreign, by: 100) {
            let body = (start..<(start + 100)).map { foreignLine($0) }.joined()
            let answer = try bench.exchange("application/x-ndjson", body, ["Authorization": "Bearer tdg_kettle"])
            #expect(answer.status == 403)
        }
        expectNoNames(bench.intake)
        #expect(bench.intake.vocabulary.scope == nil)
    }

    /// A token that may only read names nothing at all.
    @Test func whoMayNotSendNamesNothing() {
        let bench = Bench()
        bench.ingest.principal = .holder(Credential(.token(1), .everything, .read))
        bench.feed(Array(foreignLine(1).utf8))
        expectNoNames(bench.intake, 1)
    }

    /// Foreign devices that are known get nothing new either, and are refused alike.
    @Test func knownDevicesAreRefusedToo() {
        let bench = Bench()
        bench.feed(Array(foreignLine(1).utf8))
        bench.commit()
        _ = bench.intake.vocabulary.takeDefinitions()
        let next = Bench(on: bench.intake)
        next.ingest.principal = .holder(Credential(.key(7, generation: 0), TestKeys.device("kettle", "k-1"), .send))
        next.feed(Array(foreignLine(1).replacing(#""a1""#, with: #""b1""#).utf8))
        #expect(bench.intake.refusals == [.forbidden])
        let told = bench.intake.vocabulary.takeDefinitions()
        #expect(told.isEmpty)
    }
}
