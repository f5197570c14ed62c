// The block codec: what goes in comes out, the bytes are what the schema says, and damage is noticed.

import Bytes
import Events
import Log
import SwiftProtobuf
import Testing
import TidingsTesting

struct BlockCodecTests {
    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
    func roundTrip(seed: UInt64) throws {
        var samples = SampleEvents(seed: seed)
        var generator = SeededGenerator(seed: seed)
        var encoder = try BlockEncoder()
        var decoder = try BlockDecoder()
        for _ in 0..<20 {
            let batch = samples.batch(Int.random(in: 1...1_500, using: &generator)).batch
            let block = try encoder.encode(batch)
            var decoded = EventBatch()
            let fault = decoder.decode(block, into: &decoded)
            #expect(fault == nil, "seed \(seed)")
            let wrong = zip(batch.events, decoded.events).first { $0 != $1 }
            #expect(wrong?.0 == wrong?.1, "seed \(seed)")
            #expect(decoded.text == batch.text, "seed \(seed)")
            #expect(decoded.details == batch.details, "seed \(seed)")
            #expect(decoder.state.entries == encoder.state.entries, "seed \(seed)")
            #expect(batch.events.allSatisfy { block.times.contains($0.time) && block.arrivals.contains($0.arrival) })
            #expect(block.stored.crc32 == crc32(block.stored.body.span))
        }
    }

    @Test func largestBlock() throws {
        var batch = SampleEvents(seed: 9).with { $0.batch(Limits.blockEvents).batch }
        var encoder = try BlockEncoder()
        let block = try encoder.encode(batch)
        var decoder = try BlockDecoder()
        var decoded = EventBatch()
        #expect(decoder.decode(block, into: &decoded) == nil)
        #expect(decoded == batch)
        batch.events.append(Event())
        #expect(throws: LogError.self) { try encoder.encode(batch) }
        #expect(throws: LogError.self) { try encoder.encode(EventBatch()) }
    }

    /// A column in which every byte is about as frequent as every other is stored as it is; others are not.
    @Test(arguments: [(span: UInt32(1 << 16), isPlain: true), (span: 100, isPlain: false)])
    func columnsWithoutPatternsAreNotCompressed(span: UInt32, isPlain: Bool) throws {
        var generator = SeededGenerator(seed: 71)
        var batch = EventBatch()
        for _ in 0..<4_000 {
            var event = Event()
            event.device.rawValue = UInt32.random(in: 1..<span, using: &generator)
            batch.events.append(event)
        }
        var encoder = try BlockEncoder()
        let block = try encoder.encode(batch)
        var decoder = try BlockDecoder()
        var decoded = EventBatch()
        #expect(decoder.decode(block, into: &decoded) == nil)
        #expect(decoded == batch)
        let plane = batch.events.prefix(64).map { UInt8(truncatingIfNeeded: $0.device.rawValue) }
        let body = block.stored.body
        let isThere = body.indices.dropLast(plane.count).contains { body[$0...].starts(with: plane) }
        #expect(isThere == isPlain)
    }

    /// Bytes in the arena that no event points to, as dedupe leaves them, are not stored.
    @Test func unusedTextIsDropped() throws {
        var batch = EventBatch()
        for text in ["dropped", "kept"] {
            var event = Event()
            let bytes = Array(text.utf8)
            batch.setText(bytes.span, of: &event)
            batch.events.append(event)
        }
        batch.events.removeFirst()
        var encoder = try BlockEncoder()
        let block = try encoder.encode(batch)
        var decoder = try BlockDecoder()
        var decoded = EventBatch()
        #expect(decoder.decode(block, into: &decoded) == nil)
        #expect(decoded.text == Array("kept".utf8))
        #expect(Array(decoded.text(of: decoded.events[0])) == Array("kept".utf8))
    }

    /// The split into blocks does not change the events.
    @Test(arguments: [11, 12, 13] as [UInt64])
    func anySplit(seed: UInt64) throws {
        let whole = SampleEvents(seed: seed).with { $0.batch(3_000).batch }
        var generator = SeededGenerator(seed: seed)
        var encoder = try BlockEncoder()
        var decoder = try BlockDecoder()
        var decoded = EventBatch()
        var start = 0
        while start < whole.count {
            let end = min(whole.count, start + Int.random(in: 1...400, using: &generator))
            var part = EventBatch()
            part.events = Array(whole.events[start..<end])
            part.text = whole.text
            part.details = whole.details
            let block = try encoder.encode(part)
            #expect(decoder.decode(block, into: &decoded) == nil, "seed \(seed)")
            start = end
        }
        #expect(decoded == whole, "seed \(seed)")
    }

    @Test func rollback() throws {
        var samples = SampleEvents(seed: 21)
        var encoder = try BlockEncoder()
        _ = try encoder.encode(samples.batch(500).batch)
        var reference = encoder.state.entries
        _ = try encoder.encode(samples.batch(500).batch)
        #expect(encoder.state.entries != reference)
        encoder.rollback()
        reference += Array(repeating: .init(), count: encoder.state.count - reference.count)
        #expect(encoder.state.entries == reference)
    }

    @Test func keyframe() throws {
        var samples = SampleEvents(seed: 22)
        var encoder = try BlockEncoder()
        _ = try encoder.encode(samples.batch(2_000).batch)
        let keyframe = try encoder.state.keyframe(at: Offset(rawValue: 2_000))
        let restored = try #require(try DevicePrediction(keyframe: keyframe, at: Offset(rawValue: 2_000)))
        // One that was made for another offset says something else than it should.
        #expect(try DevicePrediction(keyframe: keyframe, at: Offset(rawValue: 1_999)) == nil)
        #expect(restored.entries == encoder.state.entries)
        let batch = samples.batch(300).batch
        let block = try encoder.encode(batch)
        var decoder = try BlockDecoder()
        decoder.restart(after: restored)
        var decoded = EventBatch()
        #expect(decoder.decode(block, into: &decoded) == nil)
        #expect(decoded == batch)
        var damaged = keyframe
        damaged.body[damaged.body.count / 2] ^= 1
        #expect(try DevicePrediction(keyframe: damaged, at: Offset(rawValue: 2_000)) == nil)
    }

    /// SwiftProtobuf reads the body, and the columns add up.
    @Test(arguments: [31, 32, 33] as [UInt64])
    func agreesWithTheSchema(seed: UInt64) throws {
        let batch = SampleEvents(seed: seed).with { $0.batch(700).batch }
        var encoder = try BlockEncoder()
        let block = try encoder.encode(batch)
        let message = try Tidings_Log_V1_Block(serializedBytes: encoder.raw)
        #expect(message.count == 700, "seed \(seed)")
        #expect(message.unknownFields.data.isEmpty)
        let shapes = message.shape.values(700)
        #expect(shapes.allSatisfy { $0 < UInt64(message.shapes.count) }, "seed \(seed)")
        #expect(message.device.values(700) == batch.events.map { UInt64($0.device.rawValue) }, "seed \(seed)")
        let used = shapes.map { message.shapes[Int($0)] }
        #expect(used.map(\.kind) == batch.events.map { UInt32($0.kind.rawValue) }, "seed \(seed)")
        let aspects = batch.events.filter { $0.aspect != .none }.map { UInt64($0.aspect.rawValue) }
        #expect(used.filter { $0.fields & 1 << 7 != 0 }.count == aspects.count, "seed \(seed)")
        #expect(message.aspect.values(aspects.count) == aspects, "seed \(seed)")
        let reals = zip(used, batch.events).filter { $0.0.valueKind == 2 && $0.0.decimals == 15 }.map(\.1.valueBits)
        #expect(message.real.values(reals.count) == reals, "seed \(seed)")
        // The texts are apart from the body, and nothing but the stream of their bytes.
        #expect(message.text.isEmpty, "seed \(seed)")
        var texts: [UInt8] = []
        let text = try #require(block.text)
        #expect(try Inflater().inflate(text.stored.body.span, size: text.stored.rawSize, into: &texts))
        #expect(texts == batch.text, "seed \(seed)")
        let parts = used.filter { $0.fields & 1 << 18 != 0 }.count
        let total = Int(message.partCount.values(parts).reduce(0, +))
        let lengths = message.partLength.values(total)
        #expect(parts > 0 && message.part.values(total).allSatisfy { $0 & 15 < 5 }, "seed \(seed)")
        #expect(lengths.allSatisfy { $0 > 0 }, "seed \(seed)")
        // What SwiftProtobuf writes, in its own order, is read back as the same events.
        let rewritten: [UInt8] = try message.serializedBytes()
        var body: [UInt8] = []
        let section = Deflater.Section(end: rewritten.count, strategy: .matches)
        try Deflater(level: 6).deflate(rewritten.span, [section], into: &body)
        var decoder = try BlockDecoder()
        var decoded = EventBatch()
        let stored = EncodedBody(body: body, rawSize: rewritten.count, crc32: crc32(body.span))
        #expect(decoder.decode(stored, text: block.text, count: 700, into: &decoded) == nil, "seed \(seed)")
        #expect(decoded == batch, "seed \(seed)")
    }

    /// Two flipped bits anywhere in the stored body are found by the checksum.
    @Test func flippedBits() throws {
        let batch = SampleEvents(seed: 41).with { $0.batch(40).batch }
        var encoder = try BlockEncoder()
        let block = try encoder.encode(batch)
        for index in block.stored.body.indices {
            var decoder = try BlockDecoder()
            var damaged = block.stored
            damaged.body[index] ^= UInt8(1 << (index % 8))
            damaged.body[(index + 17) % damaged.body.count] ^= UInt8(1 << (index % 7))
            var decoded = EventBatch()
            let fault = decoder.decode(damaged, text: block.text, count: 40, into: &decoded)
            let isEmpty = decoded.isEmpty && !decoder.isCertain
            #expect(fault == "bad checksum" && isEmpty, "bytes \(index) and \((index + 17) % damaged.body.count)")
        }
    }

    /// Bytes that pass the checksum but are nonsense end in an error or in events, never in a crash.
    @Test(arguments: [51, 52, 53, 54] as [UInt64])
    func nonsenseThatPassesTheChecksum(seed: UInt64) throws {
        let batch = SampleEvents(seed: seed).with { $0.batch(60).batch }
        var generator = SeededGenerator(seed: seed)
        var encoder = try BlockEncoder()
        let text = try encoder.encode(batch).text
        let raw = encoder.raw
        let deflater = try Deflater(level: 1)
        var faults = 0
        for _ in 0..<2_000 {
            var damaged = raw
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let place = Int.random(in: 0..<damaged.count, using: &generator)
                damaged[place] = UInt8.random(in: 0...255, using: &generator)
            }
            if Bool.random(using: &generator) {
                damaged.removeLast(Int.random(in: 0..<damaged.count, using: &generator))
            }
            var body: [UInt8] = []
            try deflater.deflate(damaged.span, [Deflater.Section(end: damaged.count, strategy: .matches)], into: &body)
            let stored = EncodedBody(body: body, rawSize: damaged.count, crc32: crc32(body.span))
            var decoder = try BlockDecoder()
            var decoded = EventBatch()
            if decoder.decode(stored, text: text, count: 60, into: &decoded) != nil {
                faults += 1
                #expect(decoded.isEmpty && decoded.text.isEmpty, "seed \(seed)")
            } else {
                #expect(decoded.count == 60, "seed \(seed)")
            }
        }
        #expect(faults > 200, "seed \(seed): \(faults)")
    }

    @Test func aBombIsRefused() throws {
        let raw = Array(repeating: UInt8(0), count: LogLimits.blockBytes + 1)
        var body: [UInt8] = []
        try Deflater(level: 1).deflate(raw.span, [Deflater.Section(end: raw.count, strategy: .runs)], into: &body)
        var decoder = try BlockDecoder()
        var decoded = EventBatch()
        let honest = EncodedBody(body: body, rawSize: raw.count, crc32: crc32(body.span))
        #expect(decoder.decode(honest, count: 1, into: &decoded) == "impossible size")
        let lying = EncodedBody(body: body, rawSize: 100, crc32: crc32(body.span))
        #expect(decoder.decode(lying, count: 1, into: &decoded) == "bad compression")
    }

    @Test func chainDependsOnEverything() throws {
        let block = try SampleEvents(seed: 61).with { samples in
            var encoder = try BlockEncoder()
            return try encoder.encode(samples.batch(10).batch)
        }
        let one = Chain().adding(block, words: [], at: .zero)
        var other = block
        other.stored.body[0] ^= 1
        #expect(Chain().adding(other, words: [], at: .zero) != one)
        #expect(Chain().adding(block, words: [], at: Offset(rawValue: 1)) != one)
        #expect(one.adding(block, words: [], at: .zero) != one)
        other = block
        other.text?.digest[31] ^= 1
        #expect(Chain().adding(other, words: [], at: .zero) != one)
        other.text = nil
        #expect(Chain().adding(other, words: [], at: .zero) != one)
        other = block
        other.relay = RelayPosition(sequence: 1, writer: Array(repeating: 0, count: 16), number: 1)
        #expect(Chain().adding(other, words: [], at: .zero) != one)
        // The texts themselves may go: their digest stands for them.
        other = block
        other.text?.stored.body = []
        #expect(Chain().adding(other, words: [], at: .zero) == one)
        #expect(Chain(bytes: one.bytes) == one)
        #expect(one.description.utf8.count == 64)
    }
}

extension BlockDecoder {
    /// Decodes a body on which nothing but the test depends.
    mutating func decode(
        _ stored: EncodedBody, text: EncodedText? = nil, count: Int, into batch: inout EventBatch
    ) -> String? {
        let nothing = Timestamp(rawValue: 0)...Timestamp(rawValue: 0)
        let block = EncodedBlock(stored: stored, text: text, count: count, times: nothing, arrivals: nothing)
        return decode(block, into: &batch)
    }
}

extension SampleEvents {
    /// Lets a constant be used once.
    fileprivate func with<Result>(_ body: (inout SampleEvents) throws -> Result) rethrows -> Result {
        var copy = self
        return try body(&copy)
    }
}

extension Tidings_Log_V1_Column {
    /// The column's values, by the words of the schema.
    fileprivate func values(_ count: Int) -> [UInt64] {
        let planes = [plane0, plane1, plane2, plane3, plane4, plane5, plane6, plane7].map(Array.init)
        return (0..<count).map { index in
            var value: UInt64 = 0
            for (number, plane) in planes.enumerated() where !plane.isEmpty {
                value |= UInt64(plane[index]) << UInt64(8 * number)
            }
            return value
        }
    }
}
