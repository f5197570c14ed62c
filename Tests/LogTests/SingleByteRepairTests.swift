// One changed byte in a block's body, found by its checksum.

import Bytes
import Events
import Log
import Testing
import TidingsTesting

@Suite struct SingleByteRepairTests {
    @Test(arguments: [1, 2, 77, 4_096, 70_000])
    func findsTheChangedByte(count: Int) {
        var generator = SeededGenerator(seed: UInt64(count))
        for _ in 0..<20 {
            var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let wanted = crc32(bytes.span)
            let index = Int.random(in: 0..<count, using: &generator)
            let bits = UInt8.random(in: 1...255, using: &generator)
            bytes[index] ^= bits
            let changes = SingleByteRepair().changes(count: count, found: crc32(bytes.span), wanted: wanted)
            #expect(changes.contains { $0.index == index && $0.bits == bits }, "seed \(count), index \(index)")
            #expect(changes.count <= 2, "seed \(count)")
        }
    }

    @Test func findsNothingWhereNothingChanged() {
        #expect(SingleByteRepair().changes(count: 100, found: 7, wanted: 7).isEmpty)
    }

    /// Every byte of a stored body, changed, gives the same events; two changed bytes give none.
    @Test func aBlockWithOneChangedByteReadsAsBefore() throws {
        var encoder = try BlockEncoder()
        var batch = EventBatch()
        batch.events = (1...300 as ClosedRange<UInt64>).map { seq in
            var event = Event()
            (event.kind, event.device, event.product) = (.featureUsed, DeviceID(rawValue: 3), SymbolID(rawValue: 1))
            (event.identity, event.seq, event.count) = (.sequence, seq, UInt32(seq % 7 + 1))
            (event.time, event.arrival) = (Timestamp(rawValue: Int64(seq * 977)), Timestamp(rawValue: Int64(seq * 983)))
            return event
        }
        let sound = try encoder.encode(batch)
        for index in sound.stored.body.indices {
            var stored = sound.stored
            stored.body[index] ^= UInt8(truncatingIfNeeded: index * 37 | 1)
            let read = try decoded(stored, count: 300)
            #expect(read == batch.events, "byte \(index)")
        }
        var stored = sound.stored
        stored.body[10] ^= 1
        stored.body[60] ^= 1
        let read = try decoded(stored, count: 300)
        #expect(read == nil)
    }

    private func decoded(_ stored: EncodedBody, count: Int) throws -> [Event]? {
        var decoder = try BlockDecoder()
        var batch = EventBatch()
        return decoder.decode(stored, count: count, into: &batch) == nil ? batch.events : nil
    }
}
