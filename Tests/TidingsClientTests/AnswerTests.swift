// What a daemon answers is not believed: a wrong one must not end the client.

import NIOCore
import Testing
import TidingsClient
import Wire

@Suite struct AnswerTests {
    @Test func moreLinesRefusedThanWereSent() {
        let link = StreamLink()
        link.keep(Parcel(content: .lines([]), count: 5, firstSeq: 1))
        var answers = StreamAnswers(link: link, generation: link.connecting(), isNative: false)
        link.startLines(after: 0)
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
}
