// What a daemon answers is not believed: a wrong one must not end the client.

import Events
import NIOCore
import Testing
import TidingsClient
import Wire

@Suite struct AnswerTests {
    @Test func moreLinesRefusedThanWereSent() {
        let window = StreamSendWindow()
        window.track(InFlightBatch(content: .lines(Array("a\nb\nc\nd\ne\n".utf8)), count: 5, firstSeq: 1))
        var answers = StreamAnswers(window: window, generation: window.connecting(), isNative: false)
        let bytes = Array(String(repeating: #"{"error":{"more":5000000000000000000}}"# + "\n", count: 4).utf8)
        #expect(answers.take(bytes.span) == bytes.count)
        let ack = Array("{\"ack\":5}\n".utf8)
        #expect(answers.take(ack.span) == ack.count)
        #expect(window.totals.rejected == 5)
        #expect(window.totals.outstanding == 0)
    }

    @Test func anAckOfNumbersBeyondTheLast() {
        let window = DatagramSendWindow(options: DatagramOptions())
        for (counter, seqs) in [(UInt64.max - 3)...(.max), 1...2].enumerated() {
            window.track(
                InFlightDatagram(
                    device: 1, epoch: 1, seqs: seqs, events: seqs.count, bytes: ByteBuffer(), sent: .now(),
                    pause: .hours(1)), counter: UInt32(counter))
        }
        var ack = Ack(durable: .max - 1)
        ack.ranges = [.init(missing: 4, present: 5)]
        var bytes: [UInt8] = []
        DatagramHeader(type: .ack, epoch: 1, counter: 1).write(body: ack.encode().span, into: &bytes)
        window.take(bytes.span)
        // The one that it answers; the other one ends behind what it says.
        #expect(window.totals.acked == 2)
        #expect(window.totals.outstanding == 4)
    }

    /// The daemon answers the second of two datagrams, or nothing; the first one's tries are counted.
    @Test(arguments: [(isAnswered: false, tries: 8), (isAnswered: true, tries: 32)])
    func patienceWithADaemonThatAnswers(isAnswered: Bool, tries: Int) {
        let window = DatagramSendWindow(options: DatagramOptions())
        var now = NIODeadline.now()
        send(counter: 1, on: window, at: now)
        var sent = 1
        while window.totals.lost == 0, sent < 100 {
            now = now + .seconds(5)
            if isAnswered {
                send(counter: 100 + UInt32(sent), on: window, at: now)
                answer(.ack, counter: 100 + UInt32(sent), Ack().encode(), on: window, at: now)
            }
            sent += window.due(now).count
        }
        #expect(sent == tries)
        #expect(window.totals.lost == 1)
    }

    @Test func aDaemonThatAsksForPatienceIsNotGivenUp() {
        let window = DatagramSendWindow(options: DatagramOptions())
        var now = NIODeadline.now()
        send(counter: 1, on: window, at: now)
        for _ in 0..<100 {
            answer(
                .error, counter: 1, Reject(seq: 1, code: UInt32(Refusal.busy.rawValue), text: "busy").encode(),
                on: window, at: now)
            now = now + .seconds(5)
            #expect(window.due(now).count == 1)
        }
        #expect(window.totals.lost == 0)
        #expect(window.totals.outstanding == 1)
    }

    private func send(counter: UInt32, on window: DatagramSendWindow, at now: NIODeadline) {
        window.track(
            InFlightDatagram(
                device: counter, epoch: 1, seqs: 1...1, events: 1, bytes: ByteBuffer(), sent: now,
                pause: .milliseconds(200)), counter: counter)
    }

    private func answer(
        _ type: FrameType, counter: UInt32, _ body: [UInt8], on window: DatagramSendWindow, at now: NIODeadline
    ) {
        var bytes: [UInt8] = []
        DatagramHeader(type: type, epoch: 1, counter: counter).write(body: body.span, into: &bytes)
        window.take(bytes.span, now: now)
    }
}
