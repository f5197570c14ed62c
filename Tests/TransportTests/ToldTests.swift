// What a sender hears of events that are not simply stored: over JSON lines, frames and datagrams.

import Admission
import Events
import Testing
import Transport
import Wire

private func use(_ seq: Int, _ keys: String = "") -> String {
    #"{"product":"k","device":"d","id":\#(seq),"type":"feature.used","aspect":"a"\#(keys)}"# + "\n"
}

@Suite struct LinesAreToldTests {
    @Test func everyStaleLineIsTold() {
        let bench = Bench()
        bench.feed(Array((use(1_000) + use(5) + use(6)).utf8))
        let answers = bench.takeText().split(separator: "\n")
        #expect(answers.count == 2)
        #expect(answers[0].hasPrefix(#"{"stale":{"line":2,"code":4240,"text":"the number 5 is too far below"#))
        #expect(answers[1].hasPrefix(#"{"stale":{"line":3,"code":4240,"text":"#))
        bench.commit()
        #expect(bench.takeText() == "{\"ack\":3}\n")
        #expect(bench.intake.committed.map(\.seq) == [1_000])
    }

    @Test func manyVerdictsAreSummedUp() {
        let bench = Bench()
        let bad = (1...200).map { use(10_000 + $0, #","count":0"#) }.joined()
        bench.feed(Array(bad.utf8))
        let answers = bench.takeText().split(separator: "\n")
        #expect(answers.count == 65)
        #expect(answers.last == #"{"quarantined":{"more":136}}"#)
        bench.commit()
        _ = bench.takeText()
        bench.feed(Array((use(50_000) + (1...100).map { use($0) }.joined()).utf8))
        #expect(bench.takeText().split(separator: "\n").last == #"{"stale":{"more":36}}"#)
    }

    @Test func aVerdictHasItsWords() {
        let bench = Bench()
        bench.feed(Array((use(1) + use(2).replacing(#""a""#, with: #""Door Sound""#)).utf8))
        #expect(
            bench.takeText()
                == #"{"quarantined":{"line":2,"code":4222,"reason":"bad_aspect","text":"#
                + #""an aspect is words of a-z 0-9 _ joined by dots; try door_sound"}}"# + "\n")
    }

    @Test func textOfTheSendersIsEscaped() {
        let bench = Bench()
        bench.feed(Array("{\"product\":\"k\",\"device\":\"d\",\"type\":\"a\\\"\\u001b[2J\"}\n".utf8))
        let answer = bench.takeText()
        #expect(answer.contains(#"a\"\u001b[2J is no kind"#), "\(answer)")
    }

    @Test func aKeyThatNobodyKnowsIsToldOnce() {
        let bench = Bench()
        let line = use(1, #","timestamp":1767225600000"#)
        bench.feed(Array((line + use(2, #","timestamp":1"#)).utf8))
        #expect(
            bench.takeText()
                == #"{"note":{"line":1,"key":"timestamp","text":"#
                + #""the key timestamp is not known and is left out; did you mean time?"}}"# + "\n")
        bench.feed(Array((use(3, #","timestamp":1,"colour":"red""#) + use(4, #","colour":2"#)).utf8))
        let answers = bench.takeText().split(separator: "\n")
        #expect(answers.count == 1 && answers[0].hasPrefix(#"{"note":{"line":3,"key":"colour","#))
    }

    @Test func notesAreBounded() {
        let bench = Bench()
        for number in 1...500 { bench.feed(Array(use(number, ",\"k\(number)\":1").utf8)) }
        #expect(bench.takeText().split(separator: "\n").count == TransportLimits.keysTold)
    }

    @Test func blankLinesAreNothing() {
        let bench = Bench()
        bench.feed(Array(("\u{feff}\r\n \t\n" + use(1) + "\t\n \r\n\u{0}\n" + use(2) + "\u{0}").utf8))
        #expect(bench.output.isEmpty)
        bench.commit()
        #expect(bench.takeText() == "{\"ack\":7}\n")
        #expect(bench.intake.committed.map(\.seq) == [1, 2])
        #expect(bench.intake.refusals.isEmpty)
    }

    /// Newlines that keep a connection open leave nothing behind that would have to be ended in time.
    @Test(arguments: ["\n", "\r\n", " ", "\t", "\u{feff}\n"])
    func whatIsBlankBeginsNoLine(_ blank: String) {
        let bench = Bench()
        bench.feed(Array(blank.utf8))
        #expect(bench.tail.isEmpty, "at the start")
        bench.feed(Array(use(1).utf8))
        bench.feed(Array(blank.replacing("\u{feff}", with: "").utf8))
        #expect(bench.tail.isEmpty, "after a line")
        bench.feed(Array(" {".utf8))
        #expect(bench.tail.count == 1)
    }
}

@Suite struct FramesAreToldTests {
    private func frame(_ seqs: ClosedRange<UInt64>, severity: UInt8 = 0) -> [UInt8] {
        var writer = BatchWriter()
        let device = writer.reference("kettle/k-1")
        writer.begin(epoch: 1, firstSeq: seqs.lowerBound, time: nil, device: device)
        for _ in seqs {
            var event = OutgoingEvent(kind: .faultSeen)
            event.aspect = writer.reference("lid")
            event.severity = severity
            writer.put(event)
        }
        var body: [UInt8] = []
        writer.finish(into: &body)
        var bytes: [UInt8] = []
        writeFrame(.batch, body: body.span, into: &bytes)
        return bytes
    }

    @Test func anAckCountsAndNamesWhatIsStale() throws {
        let bench = Bench()
        bench.feed(streamMagic + frame(1_000...1_000) + frame(1...100))
        bench.commit()
        let all = try bench.takeAcks()
        #expect(all.map(\.stale).reduce(0, +) == 100)
        #expect(all.map(\.quarantined).reduce(0, +) == 0)
        let rejects = all.flatMap(\.rejects)
        #expect(rejects.count == TransportLimits.verdictsPerAck)
        #expect(rejects.allSatisfy { $0.code == 4240 && $0.text.contains("epoch") })
        #expect(rejects.prefix(3).map(\.number) == [1, 2, 3])
    }

    @Test func anAckCountsAndNamesWhatIsQuarantined() throws {
        let bench = Bench()
        bench.feed(streamMagic + frame(1...2) + frame(3...102, severity: 30))
        bench.commit()
        let all = try bench.takeAcks()
        #expect(all.map(\.quarantined).reduce(0, +) == 100)
        let first = try #require(all.flatMap(\.rejects).first)
        #expect(first == Reject(seq: 3, code: 4226, text: "severity is 30; send 1 to 24", number: 3))
        #expect(all.last?.durable == 102)
    }
}

@Suite struct DatagramsAreToldTests {
    private let intake = StubIntake()
    private let peer = StubPeer()
    private let ingest: IngestContext

    init() { ingest = IngestContext(intake: intake, settings: TransportSettings()) }

    /// Everything that a datagram is answered with, in the end.
    private func answer(_ bytes: [UInt8]) -> String {
        var session = UDPSession(settings: TransportSettings())
        var output: [UInt8] = []
        _ = session.receive(bytes.span, in: ingest, as: peer, output: &output)
        #expect(output.count <= bytes.count, "an answer is longer than its question")
        return String(decoding: output, as: UTF8.self)
    }

    private func answer(_ text: String) -> String { answer(Array(text.utf8)) }

    @Test func blankLinesAreNothing() {
        #expect(answer(use(1) + "\n") == "{\"ack\":1}\n")
        #expect(answer(use(2) + "\r\n\r\n") == "{\"ack\":1}\n")
        #expect(answer(use(3) + "\n" + use(4)) == "{\"ack\":3}\n")
        #expect(answer(use(5).dropLast() + " \t \u{0}\u{0}") == "{\"ack\":1}\n")
        #expect(answer("\n\u{feff}".dropLast() + use(6)) == "{\"ack\":2}\n")
        #expect(answer("\u{feff}" + use(7)) == "{\"ack\":1}\n")
        #expect(intake.filling.events.map(\.seq) == Array(1...7))
        #expect(answer("\n") == "" && answer(" \t\r\n\u{0}") == "")
        #expect(intake.refusals.isEmpty)
    }

    @Test func whatWasStoredIsAcknowledgedBesideABadLine() {
        let text = answer(use(1) + "{\"x\"\n" + use(2))
        #expect(text == "{\"ack\":3}\n" + #"{"error":{"line":2,"code":4005,"reason":"malformed_json"}}"# + "\n")
        #expect(intake.filling.events.map(\.seq) == [1, 2])
    }

    @Test func theCodeFitsWhenTheWordsDoNot() {
        let text = answer(use(1, #","count":0"#))
        #expect(text == "{\"ack\":1}\n" + #"{"quarantined":{"line":1,"code":4226,"reason":"out_of_range"}}"# + "\n")
        let short = answer(#"{"product":"k","device":"d","type":"feature.used"}"#)
        #expect(short == "{\"ack\":1}\n{\"quarantined\":{\"code\":4222}}\n")
        _ = answer(use(5_000))
        let stale = answer(use(17, #","text":"\#(String(repeating: "x", count: 300))""#))
        #expect(stale.hasPrefix("{\"ack\":1}\n" + #"{"stale":{"line":1,"code":4240,"text":"the number 17"#))
    }

    @Test func nativeDatagramsAreToldToo() throws {
        func datagram(_ seq: UInt64, text: Int = 0) -> [UInt8] {
            var writer = BatchWriter()
            let device = writer.reference("k/d")
            writer.begin(epoch: 3, firstSeq: seq, time: nil, device: device)
            var event = OutgoingEvent(kind: .featureUsed)
            if text > 0 { event.text = [UInt8](repeating: 0x78, count: text)[...] }
            writer.put(event)
            var body: [UInt8] = []
            writer.finish(into: &body)
            var bytes: [UInt8] = []
            DatagramHeader(type: .batch, epoch: 3, counter: 1).write(body: body.span, into: &bytes)
            return bytes
        }
        func ack(_ bytes: [UInt8]) throws -> Ack {
            var session = UDPSession(settings: TransportSettings())
            var output: [UInt8] = []
            let outcome = session.receive(bytes.span, in: ingest, as: peer, output: &output)
            guard case .answerWhenDurable = outcome else { throw Refusal.malformedBody }
            #expect(output.count <= bytes.count)
            return try Ack(decoding: output.span.extracting(DatagramHeader.body(count: output.count)))
        }
        _ = answer(datagram(1_000))
        let short = try ack(datagram(7))
        #expect(short.stale == 1 && short.rejects.map(\.code) == [4240] && short.rejects[0].text.isEmpty)
        let long = try ack(datagram(8, text: 400))
        #expect(long.rejects.map(\.code) == [4240] && !long.rejects[0].text.isEmpty)
    }
}
