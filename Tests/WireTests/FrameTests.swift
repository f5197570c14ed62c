// Frames, datagrams, deflation: what is found, and what is turned away.
import Events
import Testing
import TidingsTesting
import Wire

struct FrameTests {
    private let body = bytes("0123456789")

    private func frame(_ type: FrameType, _ body: [UInt8], deflate: Bool = false) -> [UInt8] {
        var output: [UInt8] = []
        writeFrame(type, body: body.span, deflate: deflate, into: &output)
        return output
    }

    @Test func aFrameIsFoundOnlyWhenItsLastByteIsThere() throws {
        for type in FrameType.allCases {
            for count in [0, 1, 127, 128, 20_000] {
                let sent = frame(type, Array(repeating: 7, count: count)) + [0x99]
                for cut in stride(from: 0, to: sent.count - 1, by: max(1, count / 100)) {
                    let found = try findFrame(Array(sent[..<cut]))
                    #expect(found == nil, "\(type), \(count) bytes, cut at \(cut)")
                }
                let found = try #require(try findFrame(sent, at: 0))
                #expect(found.type == type)
                #expect(found.body == (sent.count - 5 - count)..<(sent.count - 5))
                #expect(found.end == sent.count - 1)
            }
        }
    }

    @Test func framesStandOneBehindTheOther() throws {
        let stream = frame(.ping, []) + frame(.batch, body) + frame(.bye, [1])
        let first = try #require(try findFrame(stream, at: 0))
        let second = try #require(try findFrame(stream, at: first.end))
        let third = try #require(try findFrame(stream, at: second.end))
        #expect([first.type, second.type, third.type] == [.ping, .batch, .bye])
        #expect(Array(stream[second.body]) == body)
        #expect(try findFrame(stream, at: third.end) == nil)
    }

    @Test func everyFlippedBitIsNoticed() throws {
        let sent = frame(.batch, body)
        for bit in 0..<(sent.count * 8) {
            var damaged = sent
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            var found: Frame?
            do { found = try findFrame(damaged, at: 0) } catch { continue }
            // A longer length only makes the reader wait.
            #expect(found == nil && bit / 8 == 1, "bit \(bit)")
        }
    }

    @Test func malformedFramesAreRefused() {
        for start: UInt8 in [0x00, 0x0c, 0x0f, 0x23, 0x43, 0x83] {
            #expect(throws: Refusal.malformedFrame) { try findFrame([start, 0], at: 0) }
        }
        #expect(throws: Refusal.malformedFrame) { try findFrame([3, 0x80, 0x80, 0x80, 0x80, 0x80, 0], at: 0) }
        #expect(throws: Refusal.tooBig) { try findFrame([3, 0x81, 0x80, 0x40], at: 0) }
        #expect(throws: Never.self) { try findFrame([3, 0x80, 0x80, 0x40], at: 0) }
        #expect(throws: Refusal.badChecksum) { try findFrame([3, 0, 0, 0, 0, 0], at: 0) }
    }

    @Test func aBodyIsDeflatedFromTheThresholdUp() throws {
        let long = Array(repeating: UInt8(5), count: 5_000)
        let sent = frame(.batch, long, deflate: true)
        let found = try #require(try findFrame(sent, at: 0))
        #expect(found.flags == .deflated)
        #expect(sent.count < 100)
        #expect(try inflated(Array(sent[found.body]), limit: Limits.frameBytes) == long)
        let short = try #require(try findFrame(frame(.batch, Array(long.prefix(511)), deflate: true)))
        #expect(short.flags == [])
        var generator = SeededGenerator(seed: 1)
        let noise = (0..<2_000).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
        #expect(try #require(try findFrame(frame(.batch, noise, deflate: true))).flags == [])
    }

    @Test func inflationStopsAtItsLimit() throws {
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        let bomb = try #require(deflatedBytes(zeros, level: 9))
        #expect(throws: Refusal.inflatesTooBig) { try inflated(bomb, limit: (1 << 20) - 1) }
        #expect(try inflated(bomb, limit: 1 << 20) == zeros)
    }

    @Test func damagedStreamsAreRefused() throws {
        let stream = try #require(deflatedBytes(Array(repeating: UInt8(9), count: 900)))
        for cut in 0..<stream.count {
            #expect(throws: Refusal.badInflate) { try inflated(Array(stream[..<cut]), limit: 1_000) }
        }
        #expect(throws: Refusal.badInflate) { try inflated(stream + [0], limit: 1_000) }
        var damaged = stream
        damaged[stream.count - 1] ^= 1
        #expect(throws: Refusal.badInflate) { try inflated(damaged, limit: 1_000) }
    }
}

struct DatagramTests {
    private let header = DatagramHeader(type: .batch, flags: .deflated, epoch: 0x0102_0304, counter: 7)

    private func datagram(_ body: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        header.write(body: body.span, into: &output)
        return output
    }

    @Test func aDatagramIsReadBack() throws {
        let sent = datagram([1, 2, 3])
        #expect(Array(sent.prefix(14)) == [0xc1, 0x13, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 7])
        #expect(sent.count == 14 + 3 + 8)
        #expect(Array(sent.suffix(4)) == [0, 0, 0, 0])
        #expect(try readHeader(sent) == header)
        #expect(Array(sent[DatagramHeader.body(count: sent.count)]) == [1, 2, 3])
        #expect(try readHeader(datagram([])) == header)
    }

    @Test func everyFlippedBitIsNoticed() {
        let sent = datagram([1, 2, 3])
        for bit in 0..<(sent.count * 8) {
            var damaged = sent
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            // With a key's number in it the trailer is a signature, which whoever has the keys finds to be wrong.
            if let header = try? readHeader(damaged) {
                #expect((16..<48).contains(bit) && header.keyID != 0, "bit \(bit)")
            }
        }
    }

    @Test func whatIsNoDatagramIsRefused() {
        let sent = datagram([1, 2, 3])
        for count in 1..<22 {
            let part = Array(sent[..<count])
            #expect(throws: Refusal.truncated) { try readHeader(part) }
        }
        #expect(throws: Refusal.badMagic) { try readHeader([]) }
        #expect(throws: Refusal.badMagic) { try readHeader([0xc2]) }
        #expect(throws: Refusal.badChecksum) { try readHeader((sent + [0])) }
        #expect(throws: Refusal.tooBig) { try readHeader(datagram(Array(repeating: 0, count: 8_171))) }
        #expect(throws: Never.self) { try readHeader(datagram(Array(repeating: 0, count: 8_170))) }
        let keyed = DatagramHeader(type: .batch, keyID: 1)
        let nothing: [UInt8] = []
        var output: [UInt8] = []
        keyed.write(body: nothing.span, into: &output)
        #expect(throws: Never.self) { try readHeader(output) }
    }
}

struct ControlTests {
    @Test func messagesAreReadBack() throws {
        var hello = Hello()
        hello.source = bytes("kettle/k-1")
        (hello.epoch, hello.next, hello.token, hello.agent, hello.features) = (3, 1 << 40, "t", "test/1", [.messages])
        #expect(try reread(hello) == hello)
        var welcome = Welcome()
        (welcome.durable, welcome.time, welcome.epoch) = (9, Timestamp(rawValue: -5), 2)
        (welcome.maxFrameBytes, welcome.maxBatchEvents) = (1 << 20, 1_000)
        #expect(try reread(welcome) == welcome)
        var ack = Ack(durable: 1_040)
        ack.ranges = [Ack.Range(missing: 1, present: 2), Ack.Range(missing: 1, present: 1)]
        #expect(ack.encode() == hex("08 90 08 12 04 01 02 01 01"))
        (ack.epoch, ack.retryAfterMilliseconds, ack.push) = (1, 250, 8)
        #expect(try reread(ack) == ack)
        // With a reject it is encoded by generated code: the bytes before the reject must be the same.
        let plain = ack.encode()
        ack.rejects = [Reject(seq: 4, code: 4224, text: "no such reference")]
        #expect(try reread(ack) == ack)
        #expect(ack.encode().starts(with: plain.dropLast(2)))
        let reject = Reject(code: UInt32(Refusal.busy.rawValue), text: "later")
        #expect(try reread(reject) == reject)
        #expect(reject.refusal == .busy)
    }

    @Test func badMessagesAreRefused() {
        #expect(throws: Refusal.malformedBody) { try readHello([0x12, 5]) }
        #expect(throws: Refusal.malformedBody) { try readHello([0x12, 1, 0xff]) }
        #expect(throws: Refusal.unknownReference) { try readHello([0x30, 1]) }
        #expect(throws: Refusal.malformedBody) { try readAck([0x12, 1, 1]) }
        #expect(throws: Refusal.tooBig) { try readWelcome(Array(repeating: 0, count: 5_000)) }
    }
}

private func readHello(_ bytes: [UInt8]) throws(Refusal) -> Hello { try Hello(decoding: bytes.span) }
private func readWelcome(_ bytes: [UInt8]) throws(Refusal) -> Welcome { try Welcome(decoding: bytes.span) }
private func readAck(_ bytes: [UInt8]) throws(Refusal) -> Ack { try Ack(decoding: bytes.span) }
private func reread(_ hello: Hello) throws(Refusal) -> Hello { try readHello(hello.encode()) }
private func reread(_ welcome: Welcome) throws(Refusal) -> Welcome { try readWelcome(welcome.encode()) }
private func reread(_ ack: Ack) throws(Refusal) -> Ack { try readAck(ack.encode()) }
private func reread(_ reject: Reject) throws(Refusal) -> Reject {
    let bytes = reject.encode()
    return try Reject(decoding: bytes.span)
}
