// What a sender hears of epochs that were heard before, and of numbers that were taken.

import Admission
import Events
import Testing
import Transport
import Wire

@Suite struct RepetitionTests {
    private func use(_ id: String, time: Int64) -> [UInt8] {
        let rest = #","type":"feature.used","aspect":"a","time":\#(time)}"#
        return Array((#"{"product":"k","device":"d","id":"# + id + rest + "\n").utf8)
    }

    private func datagram(epoch: UInt32, seq: UInt64) -> [UInt8] {
        var writer = BatchWriter()
        let source = writer.reference("kettle/k-1")
        writer.begin(epoch: epoch, firstSeq: seq, time: Timestamp(rawValue: 1_795_132_800_000), device: source)
        var event = OutgoingEvent(kind: .featureUsed)
        event.aspect = writer.reference("lid")
        writer.put(event)
        var (body, bytes): ([UInt8], [UInt8]) = ([], [])
        writer.finish(into: &body)
        DatagramHeader(type: .batch, epoch: epoch, counter: 1).write(body: body.span, into: &bytes)
        return bytes
    }

    /// The state of the epoch that a datagram is of is told, however many were heard since.
    @Test func anAckIsOfTheEpochOfItsDatagram() throws {
        let intake = StubIntake()
        let ingest = IngestContext(intake: intake, settings: TransportSettings())
        var session = UDPSession(settings: TransportSettings())
        func ack(_ bytes: [UInt8]) throws -> Ack {
            var output: [UInt8] = []
            _ = session.receive(bytes.span, in: ingest, as: StubPeer(), output: &output)
            return try Ack(decoding: output.span.extracting(DatagramHeader.body(count: output.count)))
        }
        for epoch in 1...40 as ClosedRange<UInt32> {
            for seq in 1...3 as ClosedRange<UInt64> { _ = try ack(datagram(epoch: epoch, seq: seq)) }
        }
        let again = try ack(datagram(epoch: 20, seq: 2))
        #expect((again.durable, again.stale) == (3, 0))
        let gone = try ack(datagram(epoch: 5, seq: 2))
        #expect((gone.durable, gone.stale) == (0, 1))
        #expect(gone.rejects.map(\.code) == [4240])
        #expect(intake.filling.count == 120)
    }

    @Test func aReusedNumberIsToldWithItsRemedy() {
        let bench = Bench()
        // 2026-01-01
        let start: Int64 = 1_767_225_600_000
        bench.feed(use("1", time: start) + use("1", time: start) + use("1", time: start + 60_000))
        let told = bench.takeText()
        #expect(told.hasPrefix(#"{"quarantined":{"line":3,"code":4234,"reason":"number_reused","text":"the number 1 "#))
        #expect(told.contains("let it send an epoch that differs at each of its starts"))
        bench.feed(use("1", time: start + 60_000))
        bench.commit()
        #expect(bench.takeText() == "{\"ack\":4}\n")
        #expect(bench.intake.committed.map(\.quarantine) == [.none, .numberReused])
    }

    @Test(arguments: [(7, 3), (8, 9), (99, 9)] as [(UInt32, UInt64)])
    func aClientHearsOfItsOwnEpoch(epoch: UInt32, durable: UInt64) throws {
        let bench = Bench()
        for (epoch, count) in [(7, 3), (8, 9)] as [(UInt32, UInt64)] {
            for seq in 1...count { bench.feed(use("\"\(epoch)-\(seq)\"", time: 1_767_225_600_000)) }
        }
        bench.commit()
        var hello = Hello()
        (hello.source, hello.epoch) = (Array("k/d".utf8), epoch)
        var bytes = streamMagic
        writeFrame(.hello, body: hello.encode().span, into: &bytes)
        var (session, output) = (TCPSession(), [UInt8]())
        _ = session.receive(bytes.span, isEnd: false, in: bench.ingest, as: StubPeer(), output: &output)
        let ticket = bench.intake.ticket
        bench.intake.commit()
        session.committed(through: ticket, output: &output)
        let frame = try #require(try readFrame(output.span, at: 0))
        let welcome = try Welcome(decoding: output.span.extracting(frame.body))
        #expect((welcome.durable, welcome.epoch) == (durable, epoch == 7 ? 7 : 8))
    }
}
