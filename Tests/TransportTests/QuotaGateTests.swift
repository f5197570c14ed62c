// Sessions under quotas, without sockets: what is read, what waits, what is refused.

import Admission
import Events
import Testing
import Transport
import Wire

private let second: Uptime = 1_000_000_000

private func line(_ seq: Int, device: String = "k-1") -> String {
    #"{"product":"kettle","device":"\#(device)","id":"1-\#(seq)","type":"feature.used","aspect":"lid"}"# + "\n"
}

/// A clock that stands still until it is told.
private final class Clock {
    var now = 100 * second
}

private func bench(_ clock: Clock, _ change: (inout QuotaSettings) -> Void) -> Bench {
    var settings = TransportSettings()
    settings.quotas.burstSeconds = 1
    change(&settings.quotas)
    let bench = Bench(settings: settings)
    bench.ingest.uptime = { clock.now }
    bench.ingest.sender = SenderAddress(ipv4: 0xc000_0201)
    return bench
}

private func frame(_ type: FrameType, _ body: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    writeFrame(type, body: body.span, into: &bytes)
    return bytes
}

private func batch(_ writer: inout BatchWriter, from seq: UInt64, count: Int) -> [UInt8] {
    let aspect = writer.reference("lid")
    writer.begin(firstSeq: seq, time: Timestamp(rawValue: 1_795_132_800_000))
    for _ in 0..<count {
        var event = OutgoingEvent(kind: .featureUsed)
        event.aspect = aspect
        writer.put(event)
    }
    var body: [UInt8] = []
    writer.finish(into: &body)
    return frame(.batch, body)
}

private func hello(_ source: String) -> [UInt8] {
    var hello = Hello()
    hello.source = Array(source.utf8)
    return streamMagic + frame(.hello, hello.encode())
}

@Suite struct StreamQuotaTests {
    @Test func linesBeyondTheShareWaitAndNoneIsLost() {
        let clock = Clock()
        let bench = bench(clock) { $0.deviceEventsPerSecond = 256 }
        bench.feed(Array((1...600).map { line($0) }.joined().utf8))
        // Two runs of 256: the first used up the share, the second overdrew it.
        #expect(bench.intake.events.count == 512)
        #expect(bench.last == .needsTime(clock.now + second))
        bench.feed([])
        #expect(bench.intake.events.count == 512)
        clock.now += second
        bench.feed([])
        #expect(bench.intake.events.count == 600)
        #expect(bench.intake.refusals.isEmpty)
        bench.commit()
        #expect(bench.takeText() == "{\"ack\":600}\n")
    }

    @Test func framesBeyondTheShareWait() throws {
        let clock = Clock()
        let bench = bench(clock) { $0.deviceEventsPerSecond = 10 }
        var writer = BatchWriter()
        bench.feed(hello("kettle/k-1") + batch(&writer, from: 1, count: 30) + batch(&writer, from: 31, count: 5))
        #expect(bench.intake.events.count == 30)
        #expect(bench.last == .needsTime(clock.now + 2 * second))
        clock.now += 2 * second
        bench.feed([])
        #expect(bench.intake.events.count == 35)
        bench.commit()
        #expect(try bench.takeAcks().map(\.durable) == [35])
    }

    /// A device that opens another connection has not got another share.
    @Test func anotherConnectionOfTheDeviceWaitsToo() {
        let clock = Clock()
        let bench = bench(clock) { $0.deviceEventsPerSecond = 10 }
        var writer = BatchWriter()
        bench.feed(hello("kettle/k-1") + batch(&writer, from: 1, count: 100))
        bench.session = TCPSession()
        bench.tail = []
        writer = BatchWriter()
        bench.feed(hello("kettle/k-1") + batch(&writer, from: 101, count: 1))
        #expect(bench.intake.events.count == 100)
        #expect(bench.last == .needsTime(clock.now + 9 * second))
        bench.session = TCPSession()
        bench.tail = []
        writer = BatchWriter()
        bench.feed(hello("kettle/k-2") + batch(&writer, from: 1, count: 1))
        #expect(bench.intake.events.count == 101)
    }

    @Test func rubbishCountsForItsAddress() {
        let clock = Clock()
        let bench = bench(clock) { $0.addressEventsPerSecond = 100 }
        bench.feed(Array((String(repeating: "{}\n", count: 300) + line(1)).utf8))
        #expect(bench.last == .needsTime(clock.now + 156 * second / 100))
        #expect(bench.intake.events.isEmpty)
        let other = SenderAddress(ipv4: 0xc000_0202)
        bench.ingest.sender = other
        bench.session = TCPSession()
        bench.tail = []
        bench.feed(Array(line(1).utf8))
        #expect(bench.intake.events.count == 1)
    }

    @Test func newNamesBeyondTheShareAreRefusedAndKnownOnesServed() {
        let clock = Clock()
        // kettle, lid, and two devices.
        let bench = bench(clock) { $0.newNamesPerMinute = 4 }
        let names = ["k-1", "k-2", "k-3", "k-1", "k-4"]
        bench.feed(Array(names.map { line(1, device: $0) }.joined().utf8))
        #expect(bench.intake.refusals == [.tooManyNewNames, .tooManyNewNames])
        #expect(bench.intake.vocabulary.deviceCount == 2)
        #expect(bench.takeText().contains("\"line\":3,\"code\":4292,\"reason\":\"too_many_new_names\""))
        clock.now += 15 * second
        bench.feed(Array((line(1, device: "k-3") + line(1, device: "k-4")).utf8))
        #expect(bench.intake.refusals.count == 3)
        #expect(bench.intake.vocabulary.deviceCount == 3)
        let isBalanced = bench.intake.admission.counts.allSatisfy(\.isBalanced)
        #expect(isBalanced)
        #expect(bench.intake.vocabulary.newNames == .max)
    }

    @Test func withoutQuotasNothingWaits() {
        let clock = Clock()
        let bench = bench(clock) {
            $0.newNamesPerMinute = 0
            $0.connectionsPerAddress = 0
        }
        #expect(bench.ingest.quotas == nil)
        bench.feed(Array((1...2_000).map { line($0) }.joined().utf8))
        #expect(bench.intake.events.count == 2_000)
    }
}

@Suite struct DatagramQuotaTests {
    private func datagram(seq: UInt64, count: Int = 1) -> [UInt8] {
        var writer = BatchWriter()
        let source = writer.reference("kettle/k-1")
        writer.begin(epoch: 3, firstSeq: seq, time: Timestamp(rawValue: 1_795_132_800_000), device: source)
        for _ in 0..<count {
            var event = OutgoingEvent(kind: .featureUsed)
            event.aspect = writer.reference("lid")
            writer.put(event)
        }
        var body: [UInt8] = []
        writer.finish(into: &body)
        var bytes: [UInt8] = []
        DatagramHeader(type: .batch, epoch: 3, counter: 5).write(body: body.span, into: &bytes)
        return bytes
    }

    private func receive(_ bytes: [UInt8], _ bench: Bench) throws -> Refusal? {
        var session = UDPSession(settings: TransportSettings())
        var output: [UInt8] = []
        let outcome = session.receive(bytes.span, in: bench.ingest, as: bench.peer, output: &output)
        guard case .answer = outcome else { return nil }
        #expect(output.count <= bytes.count)
        return try Reject(decoding: output.span.extracting(DatagramHeader.body(count: output.count))).refusal
    }

    @Test(arguments: [true, false]) func beyondTheShareDatagramsAreRefusedAndMayComeAgain(ofAddress: Bool) throws {
        let clock = Clock()
        let bench = bench(clock) {
            if ofAddress { $0.addressEventsPerSecond = 10 } else { $0.deviceEventsPerSecond = 10 }
        }
        #expect(try receive(datagram(seq: 1, count: 20), bench) == nil)
        #expect(try receive(datagram(seq: 21, count: 3), bench) == .overQuota)
        #expect(Refusal.overQuota.isRetryable && !Refusal.overQuota.closesConnection)
        #expect(bench.intake.events.count == 20)
        let counts = bench.intake.admission.counts[Int(TransportKind.udp.rawValue)]
        // Whose datagram is turned away unread counts as one.
        #expect(counts.received == (ofAddress ? 21 : 23))
        #expect(counts.isBalanced)
        clock.now += second
        #expect(try receive(datagram(seq: 21, count: 3), bench) == nil)
        #expect(bench.intake.events.count == 23)
    }

    @Test func jsonDatagramsBeyondTheShareLeaveNothingBehind() throws {
        let clock = Clock()
        let bench = bench(clock) { $0.deviceEventsPerSecond = 2 }
        var session = UDPSession(settings: TransportSettings())
        for seqs in [1...4, 5...8] {
            var output: [UInt8] = []
            let text = seqs.map { line($0) }.joined()
            let outcome = session.receive(
                Array(text.utf8).span, in: bench.ingest, as: bench.peer, output: &output)
            if case .answerWhenDurable = outcome {
                #expect(seqs.lowerBound == 1)
            } else {
                #expect(seqs.lowerBound == 5)
            }
            #expect(String(decoding: output, as: UTF8.self).contains("4291") == (seqs.lowerBound == 5))
        }
        #expect(bench.intake.events.count == 4)
        let isBalanced = bench.intake.admission.counts.allSatisfy(\.isBalanced)
        #expect(isBalanced)
    }
}
