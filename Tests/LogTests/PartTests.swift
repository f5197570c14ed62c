// Parts of texts whose lengths, tags or codecs are not what they should be end in a named fault.

import Bytes
import Events
import FoundationEssentials
import Log
import SwiftProtobuf
import Testing

struct PartTests {
    /// Two events, the second with every kind of part.
    private static func batch() -> EventBatch {
        var batch = EventBatch()
        for index in 0..<2 {
            var event = Event()
            (event.kind, event.device) = (.faultSeen, DeviceID(rawValue: 1))
            batch.setText(Array("text \(index)".utf8).span, of: &event)
            var details = EventDetails()
            if index == 1 {
                details.extra = batch.append(part: Array(#"{"x":1}"#.utf8).span)
                details.raw = batch.append(part: Array("raw".utf8).span, isCut: true)
                details.payload = batch.append(part: Array("{}".utf8).span)
            }
            batch.setDetails(details, of: &event)
            batch.events.append(event)
        }
        return batch
    }

    /// Encodes the batch, lets the message be changed, and decodes it.
    private func decode(_ change: (inout Tidings_Log_V1_Block) -> Void) throws -> (fault: String?, batch: EventBatch) {
        var encoder = try BlockEncoder()
        var block = try encoder.encode(Self.batch())
        var message = try Tidings_Log_V1_Block(serializedBytes: encoder.raw)
        change(&message)
        let bytes: [UInt8] = try message.serializedBytes()
        var body: [UInt8] = []
        let section = Deflater.Section(end: bytes.count, strategy: .matches)
        try Deflater(level: 1).deflate(bytes.span, [section], into: &body)
        block.stored = EncodedBody(body: body, rawSize: bytes.count, crc32: crc32(body.span))
        var decoder = try BlockDecoder()
        var batch = EventBatch()
        let fault = decoder.decode(block, into: &batch)
        #expect(fault == nil || batch.isEmpty && batch.text.isEmpty && batch.details.isEmpty)
        return (fault, batch)
    }

    @Test func whatIsUnchangedIsRead() throws {
        let (fault, batch) = try decode { _ in }
        #expect(fault == nil && batch == Self.batch())
        let details = batch.details(of: batch.events[1])
        #expect(Array(batch.bytes(of: details.extra)) == Array(#"{"x":1}"#.utf8))
        #expect(Array(batch.bytes(of: details.raw)) == Array("raw".utf8) && details.raw.isCut)
        #expect(Array(batch.bytes(of: details.payload)) == Array("{}".utf8))
    }

    @Test(
        arguments: [
            ("a tag that nobody knows", 1, 5), ("a codec that nobody knows", 1, 2 << 4), ("a tag twice", 1, 1),
            ("a codec of three bits", 0, 7 << 4 | 1),
        ] as [(String, Int, UInt8)]) func tagsAndCodecs(_ what: String, _ index: Int, _ code: UInt8) throws
    {
        let (fault, _) = try decode { $0.part.plane0[$0.part.plane0.startIndex + index] = code }
        #expect(fault == "malformed block", "\(what)")
    }

    @Test(arguments: [0, 1, 2], [UInt8(0), 1, 200]) func lengthsThatLie(_ index: Int, _ length: UInt8) throws {
        let (fault, _) = try decode { $0.partLength.plane0[$0.partLength.plane0.startIndex + index] = length }
        #expect(fault == "malformed block")
    }

    @Test(arguments: [UInt8(0), 1, 2, 4, 5, 255]) func countsThatLie(_ count: UInt8) throws {
        let (fault, _) = try decode { $0.partCount.plane0[$0.partCount.plane0.startIndex] = count }
        #expect(fault == "malformed block")
    }

    @Test func lengthsBeyondAllBounds() throws {
        let (fault, _) = try decode { $0.partLength.plane7 = .init([255, 255, 255]) }
        #expect(fault == "malformed block")
    }

    @Test func textsInTheBodyAreRefused() throws {
        let (fault, _) = try decode { $0.text = .init("text 0text 1".utf8) }
        #expect(fault == "malformed block")
    }

    /// The reasons have 64 places, of which those that are given have names.
    @Test(arguments: [17, 64, 65, 300] as [UInt32]) func reasonsThatNobodyKnows(_ reason: UInt32) throws {
        let (fault, _) = try decode { $0.shapes[0].quarantine = reason }
        #expect(fault == "malformed block")
    }

    @Test(arguments: [1 << 19, 1 << 40] as [UInt64]) func fieldsThatNobodyKnows(_ bit: UInt64) throws {
        let (fault, _) = try decode { $0.shapes[0].fields |= UInt32(truncatingIfNeeded: bit) | 1 << 20 }
        #expect(fault == "malformed block")
    }

    /// Texts that are not the block's, or none at all.
    @Test func otherTexts() throws {
        var encoder = try BlockEncoder()
        var block = try encoder.encode(Self.batch())
        for (text, cause) in [(nil, "malformed block"), (block.text, nil)] as [(EncodedText?, String?)] {
            block.text = text
            var decoder = try BlockDecoder()
            var batch = EventBatch()
            #expect(decoder.decode(block, into: &batch) == cause)
        }
        block.text?.stored.body = []
        var decoder = try BlockDecoder()
        var batch = EventBatch()
        #expect(decoder.decode(block, into: &batch) == "its texts are missing")
        // Behind it the predictions are what they would be.
        #expect(batch.isEmpty && decoder.isCertain && decoder.state.count == 0)
        decoder.pass(block)
        #expect(decoder.isCertain && decoder.state.entries == encoder.state.entries)
    }
}
