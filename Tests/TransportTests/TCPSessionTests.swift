// The state machine of a TCP connection, fed byte by byte and all at once, without sockets.

import Admission
import Bytes
import Events
import Testing
import Transport
import Wire

/// A native sender of `kettle/k-1`.
private struct Sender {
    var writer = BatchWriter()

    func hello(source: String = "kettle/k-1", epoch: UInt32 = 7) -> [UInt8] {
        var hello = Hello()
        hello.source = Array(source.utf8)
        hello.epoch = epoch
        return frame(.hello, hello.encode())
    }

    mutating func batch(
        from seq: UInt64, count: Int = 1, value: Int64 = 4, oldest: UInt64 = 0, deflate: Bool = false
    ) -> [UInt8] {
        let aspect = writer.reference("door.sound")
        writer.begin(firstSeq: seq, time: Timestamp(rawValue: 1_795_132_800_000), oldest: oldest)
        for _ in 0..<count {
            var event = OutgoingEvent(kind: .ratingGiven)
            event.aspect = aspect
            event.value = .whole(value)
            writer.put(event)
        }
        var body: [UInt8] = []
        writer.finish(into: &body)
        var bytes: [UInt8] = []
        writeFrame(.batch, body: body.span, deflate: deflate, into: &bytes)
        return bytes
    }
}

private func frame(_ type: FrameType, _ body: [UInt8] = []) -> [UInt8] {
    var bytes: [UInt8] = []
    writeFrame(type, body: body.span, into: &bytes)
    return bytes
}

@Suite struct NativeSessionTests {
    @Test func greetsAndAcknowledgesOnlyWhatIsCommitted() throws {
        let bench = Bench()
        var sender = Sender()
        bench.feed(streamMagic + sender.hello())
        let welcome = try bench.takeFrames()
        #expect(welcome.map(\.0) == [.welcome])
        let body = welcome[0].1
        #expect(try Welcome(decoding: body.span).maxBatchEvents == UInt32(Limits.batchEvents))
        bench.feed(sender.batch(from: 1, count: 3))
        bench.feed(sender.batch(from: 4, count: 2))
        #expect(bench.takeOutput().isEmpty)
        #expect(!bench.session.isAcknowledged)
        bench.commit()
        let acks = try bench.takeAcks()
        #expect(acks.map(\.durable) == [5])
        #expect(acks.map(\.epoch) == [7])
        #expect(bench.session.isAcknowledged)
        #expect(bench.intake.committed.map(\.seq) == [1, 2, 3, 4, 5])
    }

    @Test func splitAtEveryByteGivesTheSame() throws {
        var sender = Sender()
        let bytes =
            streamMagic + sender.hello() + sender.batch(from: 1, count: 2) + frame(.ping, [9])
            + sender.batch(from: 3, count: 80, deflate: true)
        let whole = Bench()
        whole.feed(bytes)
        whole.commit()
        for size in [1, 2, 3, 7, 64] {
            let bench = Bench()
            bench.feed(bytes, by: size)
            bench.commit()
            #expect(bench.intake.committed == whole.intake.committed, "pieces of \(size)")
            #expect(bench.output == whole.output, "pieces of \(size)")
        }
        for cut in 1..<bytes.count {
            let bench = Bench()
            bench.feed(Array(bytes[..<cut]))
            bench.feed(Array(bytes[cut...]))
            bench.commit()
            #expect(bench.output == whole.output, "cut at \(cut)")
        }
        #expect(try whole.takeFrames().map(\.0) == [.welcome, .pong, .ack])
        #expect(whole.intake.committed.count == 82)
    }

    @Test func welcomeSaysWhatIsDurable() throws {
        let first = Bench()
        var sender = Sender()
        first.feed(streamMagic + sender.hello() + sender.batch(from: 1, count: 9))
        first.commit()
        first.session = TCPSession()
        _ = first.takeOutput()
        first.feed(streamMagic + sender.hello())
        first.commit()
        let body = try first.takeFrames()[0].1
        let welcome = try Welcome(decoding: body.span)
        #expect(welcome.durable == 9)
        #expect(welcome.epoch == 7)
    }

    @Test func byeEndsAfterTheAcks() throws {
        let bench = Bench()
        var sender = Sender()
        bench.feed(streamMagic + sender.hello() + sender.batch(from: 1) + frame(.bye) + [1, 2, 3])
        #expect(bench.last == .ends)
        #expect(!bench.session.isAcknowledged)
        bench.commit()
        #expect(try bench.takeAcks().map(\.durable) == [1])
        #expect(bench.session.isAcknowledged)
    }

    @Test func duplicatesAreAcknowledgedAgain() throws {
        let bench = Bench()
        var sender = Sender()
        bench.feed(streamMagic + sender.hello() + sender.batch(from: 1, count: 3))
        bench.commit()
        _ = bench.takeOutput()
        bench.feed(sender.batch(from: 1, count: 3))
        bench.commit()
        #expect(try bench.takeAcks().map(\.durable) == [3])
        #expect(bench.intake.committed.count == 3)
    }

    @Test func nothingIsTakenBehindARefusedBatch() throws {
        let bench = Bench()
        var sender = Sender()
        bench.feed(streamMagic + sender.hello() + sender.batch(from: 1, count: 2))
        var stranger = BatchWriter()
        _ = stranger.reference("door.sound")
        let known = stranger.reference("door.light")
        stranger.begin(firstSeq: 3, time: nil)
        var event = OutgoingEvent(kind: .featureUsed)
        event.aspect = known + 5
        stranger.put(event)
        var body: [UInt8] = []
        stranger.finish(into: &body)
        bench.feed(frame(.batch, body) + sender.batch(from: 4, count: 70))
        #expect(bench.last == .needsMore)
        #expect(try bench.takeErrors() == [.unknownReference])
        bench.commit()
        #expect(try bench.takeAcks().map(\.durable) == [2])
        bench.feed(sender.batch(from: 3) + sender.batch(from: 4, count: 70))
        bench.commit()
        #expect(try bench.takeAcks().map(\.durable) == [73])
        #expect(bench.intake.committed.map(\.seq) == Array(1...73))
    }

    @Test func aRefusedFirstBatchHoldsToo() throws {
        let bench = Bench()
        var sender = Sender()
        bench.feed(streamMagic + sender.hello())
        _ = bench.takeOutput()
        // seq 5, one event with an aspect that was never defined
        bench.feed(frame(.batch, [0x10, 5, 0x3a, 4, 0x08, 3, 0x20, 9]))
        bench.feed(sender.batch(from: 6, count: 2))
        #expect(try bench.takeErrors() == [.unknownReference])
        bench.commit()
        #expect(bench.intake.committed.isEmpty)
        bench.feed(sender.batch(from: 5, count: 3))
        bench.commit()
        #expect(bench.intake.committed.map(\.seq) == [5, 6, 7])
    }

    @Test func oldestClosesGaps() throws {
        let bench = Bench()
        var sender = Sender()
        bench.feed(streamMagic + sender.hello() + sender.batch(from: 1, count: 3))
        bench.feed(sender.batch(from: 8, count: 1, oldest: 8))
        bench.commit()
        #expect(try bench.takeAcks().map(\.durable) == [8])
        let gap = bench.intake.committed.filter { $0.kind == .gap }
        #expect(gap.map(\.seq) == [7])
        #expect(gap.map(\.count) == [4])
    }

    @Test func quarantinedEventsAreNamedInTheAck() throws {
        let bench = Bench()
        var sender = Sender()
        bench.feed(streamMagic + sender.hello() + sender.batch(from: 1, count: 100, value: 9))
        bench.commit()
        let ack = try #require(try bench.takeAcks().first)
        #expect(ack.durable == 100)
        #expect(ack.rejects.count == 64)
        #expect(ack.rejects.first?.code == 4226)
        #expect(ack.rejects.first?.seq == 1)
    }

    struct Malformed: Sendable, CustomTestStringConvertible {
        var name: String
        var bytes: [UInt8]
        var refusal: Refusal
        var testDescription: String { name }
    }

    static let malformed: [Malformed] = {
        var sender = Sender()
        var damaged = sender.batch(from: 1)
        damaged[damaged.count - 1] ^= 0x40
        var bomb: [UInt8] = []
        writeFrame(.batch, body: [UInt8](repeating: 0, count: 1 << 20).span, deflate: true, into: &bomb)
        return [
            Malformed(name: "unknown type", bytes: [0x0f, 0, 0, 0, 0, 0], refusal: .malformedFrame),
            Malformed(name: "reserved flag", bytes: [0x23, 0, 0, 0, 0, 0], refusal: .malformedFrame),
            Malformed(name: "columns", bytes: frame(.columns, [1]), refusal: .malformedFrame),
            Malformed(name: "push from a client", bytes: frame(.push, [8, 1]), refusal: .malformedFrame),
            Malformed(name: "big ping", bytes: frame(.ping, .init(repeating: 1, count: 65)), refusal: .malformedFrame),
            Malformed(name: "second hello", bytes: Sender().hello() + Sender().hello(), refusal: .malformedFrame),
            Malformed(name: "checksum", bytes: damaged, refusal: .badChecksum),
            Malformed(name: "too big", bytes: [3, 0xff, 0xff, 0x7f], refusal: .tooBig),
            Malformed(name: "body", bytes: frame(.batch, [0x3a, 0x7f, 1]), refusal: .malformedBody),
            Malformed(name: "inflate", bytes: deflatedFrame([1, 2, 3, 4, 5]), refusal: .badInflate),
            Malformed(name: "cut", bytes: Array(frame(.batch, [8, 1]).dropLast()), refusal: .truncated),
        ]
    }()

    private static func deflatedFrame(_ body: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = [0x13, UInt8(body.count)] + body
        let sum = crc32(bytes.span)
        for shift: UInt32 in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: sum >> shift)) }
        return bytes
    }

    @Test(arguments: malformed) func malformedInputIsAnsweredAndEnds(_ input: Malformed) throws {
        let bench = Bench()
        bench.feed(streamMagic + input.bytes, isEnd: true)
        #expect(bench.last == .ends)
        #expect(try bench.takeErrors() == [input.refusal])
        #expect(bench.intake.refusals == [input.refusal])
        #expect(bench.intake.filling.isEmpty)
    }

    @Test func anInflatedBombIsRefused() throws {
        let bench = Bench()
        let zeros = [UInt8](repeating: 0, count: (1 << 20) + 1)
        guard let small = deflated(zeros.span) else {
            Issue.record("zeros do not deflate")
            return
        }
        bench.feed(streamMagic + Self.deflatedBig(small))
        #expect(try bench.takeErrors() == [.inflatesTooBig])
    }

    private static func deflatedBig(_ body: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = [0x13, UInt8(body.count & 0x7f) | 0x80, UInt8(body.count >> 7)] + body
        let sum = crc32(bytes.span)
        for shift: UInt32 in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: sum >> shift)) }
        return bytes
    }

    @Test func waitsForRoomBetweenFrames() throws {
        let bench = Bench()
        var sender = Sender()
        bench.intake.isFull = true
        bench.feed(streamMagic + sender.hello() + sender.batch(from: 1) + sender.batch(from: 2))
        #expect(bench.last == .needsRoom)
        #expect(bench.intake.filling.isEmpty)
        bench.intake.isFull = false
        bench.feed([])
        #expect(bench.last == .needsMore)
        #expect(bench.intake.filling.events.map(\.seq) == [1, 2])
    }

    @Test func oneNumberingForOneConnection() throws {
        let bench = Bench()
        var writer = BatchWriter()
        var bytes = streamMagic
        for name in ["kettle/a", "kettle/b"] {
            let device = writer.reference(name)
            writer.begin(firstSeq: 1, time: nil, device: device)
            var event = OutgoingEvent(kind: .featureUsed)
            event.aspect = writer.reference("lid")
            writer.put(event)
            var body: [UInt8] = []
            writer.finish(into: &body)
            bytes += frame(.batch, body)
        }
        bench.feed(bytes)
        #expect(try bench.takeErrors() == [.badIdentity])
        #expect(bench.intake.filling.count == 1)
    }
}
