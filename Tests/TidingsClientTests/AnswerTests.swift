// What a daemon answers is not believed: a wrong one must not end the client.

import Events
import NIOCore
import Testing
import TidingsClient
import Wire

@Suite struct AnswerTests {
    @Test func moreLinesRefusedThanWereSent() {
        let link = StreamLink()
        link.keep(Parcel(content: .lines(Array("a\nb\nc\nd\ne\n".utf8)), count: 5, firstSeq: 1))
        var answers = StreamAnswers(link: link, generation: link.connecting(), isNative: false)
        let bytes = Array(String(repeating: #"{"error":{"more":5000000000000000000}}"# + "\n", count: 4).utf8)
        #expect(answers.take(bytes.span) == bytes.count)
        let ack = Array("{\"ack\":5}\n".utf8)
        #expect(answers.take(ack.span) == ack.count)
        #expect(link.totals.rejected == 5)
        #expect(link.totals.outstanding == 0)
    }

    @Test func anAckOfNumbersBeyondTheLast() {
        let link = DatagramLink(options: DatagramOptions())
        for (counter, seqs) in [(UInt64.max - 3)...(.max), 1...2].enumerated() {
            link.launch(
                DatagramLink.Flight(
                    device: 1, epoch: 1, firstSeq: seqs.lowerBound, lastSeq: seqs.upperBound, events: seqs.count,
                    bytes: ByteBuffer(), due: .distantFuture, pause: .seconds(1)), counter: UInt32(counter))
        }
        var ack = Ack(durable: .max - 1)
        ack.ranges = [.init(missing: 4, present: 5)]
        var bytes: [UInt8] = []
        DatagramHeader(type: .ack, epoch: 1, counter: 1).write(body: ack.encode().span, into: &bytes)
        link.take(bytes.span)
        // The one that it answers; the other one ends behind what it says.
        #expect(link.totals.acked == 2)
        #expect(link.totals.outstanding == 4)
    }

    /// The daemon answers the second of two datagrams, or nothing; the first one's tries are counted.
    @Test(arguments: [(isAnswered: false, tries: 8), (isAnswered: true, tries: 32)])
    func patienceWithADaemonThatAnswers(isAnswered: Bool, tries: Int) {
        let link = DatagramLink(options: DatagramOptions())
        var now = NIODeadline.now()
        launch(counter: 1, on: link, at: now)
        var sent = 1
        while link.totals.lost == 0, sent < 100 {
            now = now + .seconds(5)
            if isAnswered {
                launch(counter: 100 + UInt32(sent), on: link, at: now)
                answer(.ack, counter: 100 + UInt32(sent), Ack().encode(), on: link, at: now)
            }
            sent += link.due(now).count
        }
        #expect(sent == tries)
        #expect(link.totals.lost == 1)
    }

    @Test func aDaemonThatAsksForPatienceIsNotGivenUp() {
        let link = DatagramLink(options: DatagramOptions())
        var now = NIODeadline.now()
        launch(counter: 1, on: link, at: now)
        for _ in 0..<100 {
            answer(
                .error, counter: 1, Reject(seq: 1, code: UInt32(Refusal.busy.rawValue), text: "busy").encode(),
                on: link, at: now)
            now = now + .seconds(5)
            #expect(link.due(now).count == 1)
        }
        #expect(link.totals.lost == 0)
        #expect(link.totals.outstanding == 1)
    }

    private func launch(counter: UInt32, on link: DatagramLink, at now: NIODeadline) {
        link.launch(
            DatagramLink.Flight(
                device: counter, epoch: 1, firstSeq: 1, lastSeq: 1, events: 1, bytes: ByteBuffer(),
                due: now + .milliseconds(200), pause: .milliseconds(200)), counter: counter)
    }

    private func answer(
        _ type: FrameType, counter: UInt32, _ body: [UInt8], on link: DatagramLink, at now: NIODeadline
    ) {
        var bytes: [UInt8] = []
        DatagramHeader(type: type, epoch: 1, counter: counter).write(body: body.span, into: &bytes)
        link.take(bytes.span, now: now)
    }
}
