// What becomes of lines and datagrams is counted as the daemon acknowledges them, whatever it says besides.

import Events
import NIOCore
import Testing
import TidingsClient
import Wire

@Suite struct TallyTests {
    /// A link with so many lines, and what it makes of answers.
    private func tally(_ count: Int, _ answers: [String]) -> (SendTotals, [SendVerdict], StreamSendWindow) {
        let queue = VerdictQueue()
        let window = StreamSendWindow(verdicts: queue)
        let lines = Array(String(repeating: "{}\n", count: count).utf8)
        window.track(InFlightBatch(content: .lines(lines), count: count, firstSeq: 1))
        var reader = StreamAnswers(window: window, generation: window.connecting(), isNative: false)
        let bytes = Array(answers.map { $0 + "\n" }.joined().utf8)
        #expect(reader.take(bytes.span) == bytes.count)
        return (window.totals, queue.take(), window)
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
        let (totals, _, window) = tally(
            10,
            [
                #"{"error":{"line":8,"code":4005}}"#, #"{"quarantined":{"line":2,"code":4222}}"#,
                #"{"ack":5}"#,
            ])
        #expect(totals.acked == 5)
        #expect(totals.quarantined == 1)
        #expect(totals.rejected == 0)
        // On the next connection line 8 is not sent again; what is left is lines 6, 7, 9 and 10.
        _ = window.connecting()
        #expect(window.totals.rejected == 1)
        #expect(window.outstanding == 4)
    }

    @Test(arguments: [
        "{}", "{\"ack\":}", "{\"ack\":-1}", "{\"error\":{\"line\":99999999999999999999,\"code\":4005}}", "{\"error\":{",
        "{\"stale\":{\"line\":0}}", "{\"quarantined\":{\"line\":4,\"text\":\"\\ud800\\udc\"}}", "{\"note\":{}}x",
        "\u{0}",
        "{\"error\":{\"line\":11,\"code\":4005}}",
    ])
    func nonsenseHarmsNobody(answer: String) {
        let (totals, _, window) = tally(10, [answer, "{\"ack\":10}"])
        #expect(totals.acked == 10)
        #expect(window.outstanding == 0)
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
            let window = StreamSendWindow()
            var seq: UInt64 = 1
            var reader = StreamAnswers(window: window, generation: window.connecting(), isNative: false)
            for _ in 0..<(5 + dice(30)) {
                let (kind, line, count) = (dice(8), dice(12), dice(9))
                if kind == 0 {
                    let lines = Array(String(repeating: "{}\n", count: Int(count) + 1).utf8)
                    window.track(InFlightBatch(content: .lines(lines), count: Int(count) + 1, firstSeq: seq))
                    seq += count + 1
                } else if kind == 1, dice(3) == 0 {
                    reader = StreamAnswers(window: window, generation: window.connecting(), isNative: false)
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
                let totals = window.totals
                #expect(totals.sent == seq - 1)
                #expect(
                    totals.sent == totals.acked + totals.rejected + UInt64(window.outstanding),
                    "seed \(seed), \(answer)")
                #expect(totals.quarantined + totals.stale <= totals.acked, "seed \(seed), \(answer)")
            }
        }
    }

    /// The ack of a datagram that another one's ack has covered still says what was wrong with its events.
    @Test func aLateAckOfADatagramIsHeard() {
        let window = DatagramSendWindow(options: DatagramOptions())
        for (counter, seq) in [(UInt32(1), UInt64(1)), (2, 2)] {
            window.track(
                InFlightDatagram(
                    device: 1, epoch: 1, seqs: seq...seq, events: 1, bytes: ByteBuffer(), sent: .now(),
                    pause: .hours(1)), counter: counter)
        }
        func take(_ counter: UInt32, _ ack: Ack) {
            var bytes: [UInt8] = []
            DatagramHeader(type: .ack, epoch: 1, counter: counter).write(body: ack.encode().span, into: &bytes)
            window.take(bytes.span)
        }
        take(2, Ack(durable: 2))
        #expect(window.totals.acked == 2)
        var late = Ack(durable: 2)
        late.quarantined = 1
        late.rejects = [Reject(seq: 1, code: 4_226, text: "")]
        take(1, late)
        take(1, late)
        #expect(window.totals.acked == 2)
        #expect(window.totals.quarantined == 1)
        #expect(window.totals.outstanding == 0)
    }
}
