// Messages over native frames: who is sent them, what a device says that it has, how many wait.

import Admission
import Events
import Testing
import Transport
import Wire

private func frame(_ type: FrameType, _ body: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    writeFrame(type, body: body.span, into: &bytes)
    return bytes
}

private func hello(_ source: String, _ features: Hello.Features = []) -> [UInt8] {
    var hello = Hello()
    hello.source = Array(source.utf8)
    hello.features = features
    return streamMagic + frame(.hello, hello.encode())
}

/// A batch with an event of each source; without a device of its own when there are several.
private func batch(_ sources: [String], from seq: UInt64 = 1, received: [MessageID] = []) -> [UInt8] {
    var writer = BatchWriter()
    let devices = sources.map { writer.reference($0) }
    writer.begin(epoch: 3, firstSeq: seq, time: nil, device: Set(sources).count == 1 ? devices[0] : 0)
    for device in devices {
        var event = OutgoingEvent(kind: .feedbackText)
        event.text = Array("so".utf8)[...]
        event.device = Set(sources).count == 1 ? 0 : device
        writer.put(event)
    }
    writer.received = received
    var body: [UInt8] = []
    writer.finish(into: &body)
    return frame(.batch, body)
}

private func ack(_ ids: [MessageID]) -> [UInt8] {
    var ack = Ack()
    ack.received = ids
    return frame(.ack, ack.encode())
}

private let first = DeviceID(rawValue: 1)
private let ids = [MessageID(number: 17, tag: 0x9f31_c2aa), MessageID(number: 18, tag: 5)]

@Suite struct NativeMessageTests {
    private func isSent(_ bench: Bench) -> Bool {
        var output: [UInt8] = []
        let message = DownEnvelope(ids[0], .setting, json: Array("{}".utf8))
        guard bench.session.push(message, in: bench.ingest, output: &output) else { return false }
        #expect(output == frame(.push, Array("{}".utf8)))
        return true
    }

    @Test func whoSpeaksForSeveralIsSentNothingUnlessItAsks() {
        let single = Bench()
        single.feed(streamMagic + batch(["kettle/k-1", "kettle/k-1"]))
        #expect(isSent(single) && single.ingest.device == first)
        let many = Bench()
        many.feed(hello("hall/gateway") + batch(["kettle/k-1", "kettle/k-2"]))
        #expect(!isSent(many))
        let other = Bench()
        other.feed(hello("hall/gateway"))
        #expect(isSent(other))
        other.feed(batch(["hall/gateway", "kettle/k-2"]))
        #expect(!isSent(other))
        let asking = Bench()
        asking.feed(hello("hall/gateway", [.messages]) + batch(["kettle/k-1", "kettle/k-2"]))
        #expect(isSent(asking))
    }

    /// What the daemon has of a device that it knows is told when that is durable; a client hears nobody before.
    @Test func messagesComeBehindTheWelcome() throws {
        let earlier = Bench()
        earlier.feed(hello("kettle/k-1") + batch(["kettle/k-1"]))
        earlier.commit()
        let bench = Bench(beside: earlier)
        bench.feed(hello("kettle/k-1"))
        let message = DownEnvelope(ids[0], .setting, json: Array("{}".utf8))
        #expect(bench.session.push(message, in: bench.ingest, output: &bench.output) && bench.output.isEmpty)
        bench.commit()
        #expect(try bench.takeFrames().map(\.0) == [.welcome, .push])
        #expect(bench.session.push(message, in: bench.ingest, output: &bench.output))
        #expect(try bench.takeFrames().map(\.0) == [.push])
    }

    @Test func whatADeviceHasIsNoted() {
        let wanted = ids.map { TransportReceipt(first, $0) }
        let greeted = Bench()
        greeted.feed(hello("kettle/k-1") + ack(ids))
        #expect(greeted.ingest.takeReceipts() == wanted)
        #expect(greeted.last == .needsMore && greeted.intake.refusals.isEmpty)
        greeted.feed(ack(Array(ids.prefix(1))) + ack([]))
        #expect(greeted.ingest.takeReceipts() == Array(wanted.prefix(1)))
        // Beside events, and by a device that is known by its batches alone.
        let named = Bench()
        named.feed(streamMagic + batch(["kettle/k-1"], received: ids) + ack(ids))
        #expect(named.ingest.takeReceipts() == wanted + wanted)
    }

    @Test func whatNobodyCanHaveIsRefused() throws {
        let nobody = Bench()
        nobody.feed(streamMagic + ack(ids))
        #expect(try nobody.takeErrors() == [.noDevice])
        #expect(nobody.ingest.takeReceipts().isEmpty)
        let many = Bench()
        many.feed(hello("kettle/k-1") + ack((1...65).map { MessageID(number: $0, tag: 1) }))
        #expect(try many.takeErrors() == [.malformedBody])
        #expect(many.last == .ends && many.ingest.takeReceipts().isEmpty)
        let long = Bench()
        long.feed(hello("kettle/k-1") + frame(.ack, Array(repeating: 0, count: TransportLimits.receivedBytes + 1)))
        #expect(try long.takeErrors() == [.malformedFrame])
        // A batch with too many is not taken at all.
        let beside = Bench()
        beside.feed(streamMagic + batch(["kettle/k-1"], received: (1...65).map { MessageID(number: $0, tag: 1) }))
        #expect(beside.intake.filling.isEmpty && beside.ingest.takeReceipts().isEmpty)
    }

    /// Before it has proved its key nobody says what it has.
    @Test func whoHasProvedNothingSaysNothing() throws {
        let bench = Bench(settings: .auth(.require))
        bench.ingest.change(access: TestKeys.list())
        var hello = Hello()
        hello.source = Array("kettle/k-1".utf8)
        (hello.keyID, hello.nonce) = (7, Array(repeating: 5, count: 16))
        bench.feed(streamMagic + frame(.hello, hello.encode()) + ack(ids))
        #expect(try bench.takeErrors() == [.unauthorized])
        #expect(bench.ingest.takeReceipts().isEmpty)
        let silent = Bench(settings: .auth(.require))
        silent.feed(streamMagic + ack(ids))
        #expect(silent.ingest.takeReceipts().isEmpty)
    }

    @Test func anAckSaysHowManyWait() throws {
        let bench = Bench()
        bench.feed(streamMagic + batch(["kettle/k-1"]))
        bench.commit()
        #expect(try bench.takeAcks().map(\.pending) == [nil])
        bench.ingest.waiting = WaitingCounts([0, 3])
        bench.feed(batch(["kettle/k-1"], from: 2))
        bench.commit()
        #expect(try bench.takeAcks().map(\.pending) == [3])
        bench.ingest.waiting.set([(first, 0), (DeviceID(rawValue: 9), 4)])
        bench.feed(batch(["kettle/k-1"], from: 3) + batch(["kettle/k-1"], from: 4))
        bench.commit()
        #expect(try bench.takeAcks().map(\.pending) == [0])
        #expect(bench.ingest.waiting[DeviceID(rawValue: 9)] == nil)
    }
}
