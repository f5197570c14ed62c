// A connection that breaks is made anew with patience, and a final refusal is final.

import Events
import NIOCore
import Testing
import TidingsClient
import Wire

@Suite struct ReconnectTests {
    private func lines(_ range: ClosedRange<Int>, _ words: [Int: String] = [:]) -> String {
        range.map { line(words[$0] ?? "k-1", $0) }.joined(separator: "\n")
    }

    @Test(.timeLimit(.minutes(1))) func aLineThatClosesTheConnectionIsNotSentAgain() async throws {
        let daemon = try await StubDaemon.start()
        let listener = Listener()
        let totals = try await send(lines(1...500, [200: "final", 201: "final"]), Way.json.options(daemon), listener)
        #expect(totals.sent == 500)
        #expect(totals.acked == 498)
        #expect(totals.rejected == 2)
        #expect(listener.lines == ["200 too_big: so \"it\" is", "201 too_big: so \"it\" is"])
        #expect(daemon.accepted == 3)
        #expect(daemon.lines.filter { $0.contains("final") }.count == 2)
        await daemon.stop()
    }

    /// The same, but the connection is gone before the ack.
    @Test(.timeLimit(.minutes(1))) func evenWithoutItsAck() async throws {
        var manners = StubDaemon.Manners()
        manners.forgetsAcks = 2
        let daemon = try await StubDaemon.start(manners)
        let listener = Listener()
        let words = [20: "bad", 30: "apart", 40: "old", 50: "later"]
        var options = Way.json.options(daemon)
        options.batch = 1_000
        let totals = try await send(lines(1...60, words), options, listener)
        #expect(totals.sent == 60)
        #expect(totals.rejected == 1)
        #expect(totals.acked == 59)
        #expect(totals.quarantined == 1)
        #expect(totals.stale == 1)
        #expect(totals.retried > 0)
        #expect(
            listener.lines.map { $0.prefix { $0 != ":" } } == [
                "20 malformed_json", "30 quarantined bad_aspect", "40 stale",
            ])
        #expect(daemon.lines.filter { $0.contains("bad") }.count == 1)
        await daemon.stop()
    }

    @Test(.timeLimit(.minutes(1))) func whatIsRefusedForNowIsSentAgain() async throws {
        let daemon = try await StubDaemon.start()
        let listener = Listener()
        let totals = try await send(lines(1...30, [10: "later", 20: "later-2"]), Way.json.options(daemon), listener)
        #expect(totals.sent == 30)
        #expect(totals.acked == 30)
        #expect(totals.rejected == 0)
        #expect(listener.lines.isEmpty)
        #expect(daemon.lines.count == 32)
        #expect(daemon.accepted == 1)
        await daemon.stop()
    }

    @Test(.timeLimit(.minutes(1)), arguments: [Way.native, .json])
    func aDaemonThatClosesEveryConnectionIsLeftAlone(way: Way) async throws {
        var manners = StubDaemon.Manners()
        manners.hangsUpAtOnce = true
        let daemon = try await StubDaemon.start(manners)
        var options = way.options(daemon)
        options.stream.maxAttempts = 4
        options.stream.firstPause = .milliseconds(40)
        let sender = FleetSender(options)
        let clock = ContinuousClock()
        let start = clock.now
        var pieces = [Array((lines(1...3) + "\n").utf8)]
        await #expect(throws: SendError.self) { _ = try await sender.runLines { pieces.popLast() ?? [] } }
        // 40, 80 and 160 ms, half of which is left to chance.
        #expect(clock.now - start >= .milliseconds(140))
        #expect(daemon.accepted == 4)
        // A connection of JSON lines is taken for up before the daemon has said anything.
        #expect(sender.totals.sent == (way == .json ? 3 : 0))
        #expect(sender.totals.lost == sender.totals.sent)
        #expect(sender.totals.outstanding == 0)
        await daemon.stop()
    }

    /// Of a batch that the daemon will never take, the event that is to blame is found, told and left out.
    @Test(.timeLimit(.minutes(1))) func oneBadEventDoesNotTakeTheOthersAlong() async throws {
        let daemon = try await StubDaemon.start()
        let connection = TidingsConnection(host: "127.0.0.1", port: daemon.port)
        var events: [TidingsEvent] = []
        for number in 1...50 {
            let device = number == 17 || number == 18 || number == 50 ? "final" : "k-\(number)"
            var event = TidingsEvent(product: "kettle", device: device, kind: .feedbackText)
            event.text = "words of \(number)"
            events.append(event)
        }
        try await connection.send(Array(events[..<10]))
        try await connection.send(Array(events[10...]))
        try await connection.flush()
        let totals = await connection.totals
        #expect(totals.sent == 50)
        #expect(totals.acked == 47)
        #expect(totals.rejected == 3)
        let verdicts = await connection.takeVerdicts()
        #expect(verdicts.map(\.number) == [17, 18, 50])
        #expect(verdicts.allSatisfy { $0.outcome == .refused && $0.reason == "malformed_body" })
        #expect(Set(daemon.seenCounts.keys.map(\.device)).count == 47)
        #expect(daemon.accepted < 10)
        await connection.close()
        await daemon.stop()
    }

    @Test func pausesGrowAndAreNotAllTheSame() {
        var first: Set<Duration> = []
        for _ in 0..<20 {
            var backoff = Backoff(first: .milliseconds(50))
            first.insert(backoff.next())
            var pauses = (0..<12).map { _ in backoff.next() }
            #expect(pauses.allSatisfy { $0 >= .milliseconds(50) && $0 <= .seconds(5) })
            #expect(pauses.removeLast() >= .milliseconds(2_500))
            backoff.reset()
            #expect(backoff.next() <= .milliseconds(50))
        }
        #expect(first.count > 1)
        #expect(first.allSatisfy { $0 >= .milliseconds(25) && $0 <= .milliseconds(50) })
    }

    /// One batch of more names than the connection's table holds goes over several connections.
    @Test(.timeLimit(.minutes(1))) func aBatchOfManyNames() async throws {
        let daemon = try await StubDaemon.start()
        let long = String(repeating: "x", count: 200)
        let text = (1...600).map {
            line("k-\($0)", 1, #""type":"preference.set","aspect":"a","value":"\#(long)\#($0)""#)
        }
        var options = Way.native.options(daemon)
        options.batch = 1_000
        let totals = try await send(text.joined(separator: "\n"), options)
        #expect(totals.acked == 600)
        #expect(daemon.seenCounts.count == 600)
        await daemon.stop()
    }
}

@Suite struct TallyTests {
    /// A link with so many lines, and what it makes of answers.
    private func tally(_ count: Int, _ answers: [String]) -> (SendTotals, [SendVerdict], StreamLink) {
        let book = VerdictBook()
        let link = StreamLink(book: book)
        let lines = Array(String(repeating: "{}\n", count: count).utf8)
        link.keep(Parcel(content: .lines(lines), count: count, firstSeq: 1))
        var reader = StreamAnswers(link: link, generation: link.connecting(), isNative: false)
        let bytes = Array(answers.map { $0 + "\n" }.joined().utf8)
        #expect(reader.take(bytes.span) == bytes.count)
        return (link.totals, book.take(), link)
    }

    @Test func whatIsOnlyCountedIsCounted() {
        let (totals, verdicts, _) = tally(
            100,
            [
                #"{"error":{"line":3,"code":4012,"reason":"no_product","text":"t"}}"#, #"{"error":{"more":7}}"#,
                #"{"quarantined":{"line":20,"code":4222,"reason":"bad_aspect"}}"#, #"{"quarantined":{"more":4}}"#,
                #"{"stale":{"line":40,"code":4240,"text":"t"}}"#, #"{"stale":{"more":2}}"#, #"{"ack":100}"#,
            ])
        #expect(verdicts.map(\.number) == [3, 20, 40])
        #expect(totals.rejected == 8)
        #expect(totals.acked == 92)
        #expect(totals.quarantined == 5)
        #expect(totals.stale == 3)
    }

    /// Until they are acknowledged the lines of a verdict count as nothing: the connection may break before.
    @Test func aVerdictCountsWithItsAck() {
        let (totals, _, link) = tally(
            10,
            [
                #"{"error":{"line":8,"code":4005}}"#, #"{"quarantined":{"line":2,"code":4222}}"#,
                #"{"ack":5}"#,
            ])
        #expect(totals.acked == 5)
        #expect(totals.quarantined == 1)
        #expect(totals.rejected == 0)
        // On the next connection line 8 is not sent again; what is left is lines 6, 7, 9 and 10.
        _ = link.connecting()
        #expect(link.totals.rejected == 1)
        #expect(link.outstanding == 4)
    }

    @Test(arguments: [
        "{}", "{\"ack\":}", "{\"ack\":-1}", "{\"error\":{\"line\":99999999999999999999,\"code\":4005}}", "{\"error\":{",
        "{\"stale\":{\"line\":0}}", "{\"quarantined\":{\"line\":4,\"text\":\"\\ud800\\udc\"}}", "{\"note\":{}}x",
        "\u{0}",
        "{\"error\":{\"line\":11,\"code\":4005}}",
    ])
    func nonsenseHarmsNobody(answer: String) {
        let (totals, _, link) = tally(10, [answer, "{\"ack\":10}"])
        #expect(totals.acked == 10)
        #expect(link.outstanding == 0)
    }

    /// Whatever a daemon says, and whenever the connection breaks: every line is acked, rejected or outstanding.
    @Test func randomAnswersKeepTheBalance() {
        let seed = UInt64.random(in: 1...UInt64.max)
        var state = seed
        func dice(_ sides: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) % sides
        }
        for _ in 0..<2_000 {
            let link = StreamLink()
            var seq: UInt64 = 1
            var reader = StreamAnswers(link: link, generation: link.connecting(), isNative: false)
            for _ in 0..<(5 + dice(30)) {
                let (kind, line, count) = (dice(8), dice(12), dice(9))
                if kind == 0 {
                    let lines = Array(String(repeating: "{}\n", count: Int(count) + 1).utf8)
                    link.keep(Parcel(content: .lines(lines), count: Int(count) + 1, firstSeq: seq))
                    seq += count + 1
                } else if kind == 1, dice(3) == 0 {
                    reader = StreamAnswers(link: link, generation: link.connecting(), isNative: false)
                }
                let word = ["ack", "error", "quarantined", "stale"][Int(dice(4))]
                let code = [4_005, 4_130, 4_222, 4_240, 4_292][Int(dice(5))]
                let answer =
                    switch kind {
                    case 2, 3: #"{"ack":\#(line)}"#
                    case 4: #"{"\#(word)":{"more":\#(count)}}"#
                    default: #"{"\#(word)":{"line":\#(line),"code":\#(code)}}"#
                    }
                let bytes = Array((answer + "\n").utf8)
                _ = reader.take(bytes.span)
                let totals = link.totals
                #expect(totals.sent == seq - 1)
                #expect(
                    totals.sent == totals.acked + totals.rejected + UInt64(link.outstanding), "seed \(seed), \(answer)")
                #expect(totals.quarantined + totals.stale <= totals.acked, "seed \(seed), \(answer)")
            }
        }
    }

    /// The ack of a datagram that another one's ack has covered still says what was wrong with its events.
    @Test func aLateAckOfADatagramIsHeard() {
        let link = DatagramLink(options: DatagramOptions())
        for (counter, seq) in [(UInt32(1), UInt64(1)), (2, 2)] {
            link.launch(
                DatagramLink.Flight(
                    device: 1, epoch: 1, firstSeq: seq, lastSeq: seq, events: 1, bytes: ByteBuffer(),
                    due: .distantFuture, pause: .seconds(1)), counter: counter)
        }
        func take(_ counter: UInt32, _ ack: Ack) {
            var bytes: [UInt8] = []
            DatagramHeader(type: .ack, epoch: 1, counter: counter).write(body: ack.encode().span, into: &bytes)
            link.take(bytes.span)
        }
        take(2, Ack(durable: 2))
        #expect(link.totals.acked == 2)
        var late = Ack(durable: 2)
        late.quarantined = 1
        late.rejects = [Reject(seq: 1, code: 4_226, text: "")]
        take(1, late)
        take(1, late)
        #expect(link.totals.acked == 2)
        #expect(link.totals.quarantined == 1)
        #expect(link.totals.outstanding == 0)
    }
}
