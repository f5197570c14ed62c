// Which messages a device has, and how many wait for it: in ACK frames, and beside events.

import Events
import SwiftProtobuf
import Testing
import TidingsTesting
import Wire

struct ReceivedTests {
    private let ids = [
        MessageID(number: 17, tag: 0x9f31_c2aa), MessageID(number: .max, tag: .max), MessageID(number: 1, tag: 0),
    ]

    private func read(_ body: [UInt8], _ field: ReceivedField) throws(Refusal) -> [MessageID] {
        try readReceived(body.span, field)
    }

    private func body(_ ids: [MessageID]) throws -> [UInt8] {
        var message = Tidings_Wire_V1_Batch()
        message.received = ids.map(\.rawValue)
        return try message.serializedBytes()
    }

    @Test func anIDIsOneNumber() {
        #expect(ids[0].rawValue == 17 << 32 | 0x9f31_c2aa)
        for id in ids { #expect(MessageID(rawValue: id.rawValue) == id) }
    }

    @Test func anAckSaysWhatADeviceHasAndWhatWaits() throws {
        var ack = Ack(durable: 7)
        for (received, pending) in [([], nil), (ids, nil), ([], 0), ([], 200), (ids, 3)] as [([MessageID], UInt32?)] {
            (ack.received, ack.pending, ack.rejects) = (received, pending, [])
            let plain = ack.encode()
            let again = try Ack(decoding: plain.span)
            #expect(again == ack)
            #expect(try read(plain, .ofAck) == received)
            // With a reject, generated code writes it.
            ack.rejects = [Reject(code: 4224, text: "")]
            let whole = try Ack(decoding: ack.encode().span)
            #expect(whole == ack)
        }
        // Without either, an ack is what it always was.
        #expect(Ack(durable: 7).encode() == [8, 7])
    }

    @Test func aBatchSaysItBesideItsEvents() throws {
        var reading = Reading()
        var writer = BatchWriter()
        for count in [0, 2] {
            let device = writer.reference("kettle/k-1")
            writer.begin(epoch: 3, firstSeq: count == 0 ? 0 : 1, time: nil, device: device)
            for _ in 0..<count { _ = writer.add(OutgoingEvent(kind: .feedbackText)) }
            writer.received = ids
            var body: [UInt8] = []
            writer.finish(into: &body)
            let header = try reading.read(body)
            #expect(header.hasReceived && header.count == count && header.device == DeviceID(rawValue: 1))
            #expect(try read(body, .ofBatch) == ids)
            #expect(try Tidings_Wire_V1_Batch(serializedBytes: body).received == ids.map(\.rawValue))
            // The next one says it no more.
            writer.begin(epoch: 3, firstSeq: 0, time: nil, device: device)
            var next: [UInt8] = []
            writer.finish(into: &next)
            #expect(try !reading.read(next).hasReceived)
        }
    }

    @Test func aBatchIsFilledUpToBuyRoom() throws {
        var writer = BatchWriter(maxBodyBytes: 1_178)
        for bytes in [200, 400, 1_178, 5_000] {
            writer.reset()
            let device = writer.reference("kettle/k-1")
            writer.begin(epoch: 3, firstSeq: 0, time: nil, device: device)
            (writer.received, writer.paddedBytes) = (ids, bytes)
            var body: [UInt8] = []
            writer.finish(into: &body)
            #expect(body.count == min(bytes, 1_178))
            var reading = Reading()
            #expect(try reading.read(body).hasReceived)
        }
    }

    /// Packed or one by one, as Protobuf allows both.
    @Test func bothWaysOfWritingAreRead() throws {
        let unpacked: [UInt8] = [0x50, 1, 0x08, 9, 0x50, 2]
        #expect(try read(unpacked, .ofBatch) == [MessageID(rawValue: 1), MessageID(rawValue: 2)])
        var reading = Reading()
        #expect(try reading.read([0x22, 3] + bytes("k/1") + [0x28, 1] + unpacked).hasReceived)
        #expect(try read([0x38, 1, 0x3a, 2, 2, 3], .ofAck).map(\.rawValue) == [1, 2, 3])
    }

    @Test func moreThan64OrHalfOfOneAreRefused() throws {
        let most = (1...64).map { MessageID(number: $0, tag: 1) }
        let tooMany = try body(most + ids.prefix(1))
        #expect(try read(try body(most), .ofBatch) == most)
        #expect(throws: Refusal.malformedBody) { try read(tooMany, .ofBatch) }
        var reading = Reading()
        #expect(throws: Refusal.malformedBody) { try reading.read(tooMany) }
        #expect(throws: Refusal.malformedBody) { try read([0x3a, 2, 1], .ofAck) }
        #expect(throws: Refusal.malformedBody) { try read([0x3a, 1, 0x80, 1], .ofAck) }
        #expect(throws: Refusal.malformedBody) { try read([0x38], .ofAck) }
    }

    /// Whatever is changed in it, it is read within its bounds or refused.
    @Test func damageIsReadWithinItsBounds() throws {
        let whole = try body(ids)
        for index in whole.indices {
            for value in UInt8.min...UInt8.max {
                var damaged = whole
                damaged[index] = value
                let found = try? read(damaged, .ofBatch)
                #expect(found?.count ?? 0 <= whole.count)
            }
            _ = try? read(Array(whole[..<index]), .ofBatch)
        }
    }
}
