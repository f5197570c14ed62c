// The sender's side: what it writes, both readers read back.
import Events
import SwiftProtobuf
import Testing
import TidingsTesting
import Wire

struct BatchWriterTests {
    @Test func whatIsWrittenIsReadBack() throws {
        var generator = SeededGenerator(seed: 3)
        var writer = BatchWriter()
        var reading = Reading()
        let time = Timestamp(rawValue: 1_767_225_600_000)
        for round in 0..<200 {
            let device = writer.reference("kettle/k-\(round % 7)")
            writer.begin(epoch: 2, firstSeq: UInt64(1 + round * 10), time: time, oldest: 1, device: device)
            var sent: [OutgoingEvent] = []
            for _ in 0..<generator.below(8) {
                var event = OutgoingEvent(kind: .preferenceSet)
                event.aspect = writer.reference("door.a\(generator.below(9))")
                event.customer = writer.reference("cu-\(generator.below(50))")
                event.value =
                    [
                        .whole(Int64(generator.below(1_000)) - 500), .real(Double(generator.below(1_000)) / 8 + 0.0625),
                        .real(Double.random(in: 0...1, using: &generator)), .flag(generator.chance(2)), .none,
                    ][generator.below(5)]
                event.time = Timestamp(rawValue: time.rawValue + Int64(generator.below(1_000)) - 500)
                event.count = UInt32(1 + generator.below(3))
                event.text = ArraySlice("té".utf8)
                let added = writer.add(event)
                #expect(added)
                sent.append(event)
            }
            var body: [UInt8] = []
            #expect(writer.count == sent.count)
            writer.finish(into: &body)
            reading.batch.removeAll()
            let header = try reading.read(body)
            #expect(header.count == sent.count)
            #expect(try Tidings_Wire_V1_Batch(serializedBytes: body).events.count == sent.count)
            for (event, outgoing) in zip(reading.batch.events, sent) {
                #expect(event.time == outgoing.time && event.count == outgoing.count)
                switch outgoing.value {
                case .whole(let number): #expect(event.value == .whole(number))
                case .real(let number): #expect(event.number == number, "round \(round), seed 3")
                case .flag(let flag): #expect(event.value == .flag(flag))
                case .none, .reference: #expect(event.value == .none)
                }
                #expect(Array(reading.batch.text(of: event)) == bytes("té"))
            }
        }
    }

    @Test func aFullBatchSaysSo() throws {
        var writer = BatchWriter(maxEvents: 1_000, maxBodyBytes: 1_200)
        _ = writer.reference("kettle/k-1")
        writer.begin(firstSeq: 1, time: nil, device: 1)
        var event = OutgoingEvent(kind: .featureUsed)
        event.aspect = writer.reference("lid")
        while writer.add(event) {}
        let count = writer.count
        var body: [UInt8] = []
        writer.finish(into: &body)
        #expect(body.count <= 1_200 && body.count > 1_100)
        var reading = Reading()
        let header = try reading.read(body)
        #expect(header.count == count)
        var few = BatchWriter(maxEvents: 2)
        few.begin(firstSeq: 1, time: nil)
        let added = [few.add(event), few.add(event), few.add(event)]
        #expect(added == [true, true, false])
    }

    @Test func aFullTableSaysSo() {
        var writer = BatchWriter(maxEntries: 2, maxStringBytes: 10)
        let references = ["a", "b", "c", "a"].map { writer.reference($0) }
        #expect(references == [1, 2, 0, 1])
        writer.reset()
        let others = ["0123456789", "x"].map { writer.reference($0) }
        #expect(others == [1, 0])
    }

    @Test func numbersMayBeLeftOut() throws {
        var writer = BatchWriter()
        var reading = Reading()
        let device = writer.reference("kettle/k-1")
        writer.begin(firstSeq: 10, time: nil, device: device)
        _ = writer.add(OutgoingEvent(kind: .receipt))
        _ = writer.add(OutgoingEvent(kind: .receipt), skipping: 3)
        var body: [UInt8] = []
        writer.finish(into: &body)
        let header = try reading.read(body)
        #expect(header.lastSeq == 14)
        #expect(reading.batch.events.map(\.seq) == [10, 14])
    }
}
