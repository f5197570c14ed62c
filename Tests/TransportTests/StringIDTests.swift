// An event whose id is a string: the same in every format, and acknowledged by the count of the batch that it came in.

import Admission
import Events
import Testing
import Transport
import Wire

@Suite struct StringIDTests {
    private static let ids = [
        "3e4666bf-d5e5-4aa7-b8ce-cefe41c7568a", "ü", "7-42", "07-42", "#0123456789abcdef", "0-18446744073709551615",
    ]

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// A batch with an event for each id, of one device that numbers them besides.
    private func body() -> [UInt8] {
        var writer = BatchWriter()
        let device = writer.reference("p/d")
        writer.begin(epoch: 9, firstSeq: 1, time: Timestamp(rawValue: 1_767_225_600_000), device: device)
        for id in Self.ids {
            var event = OutgoingEvent(kind: .feedbackText)
            event.text = bytes("hello")[...]
            var rare = OutgoingRare()
            rare.id = bytes(id)
            event.rare = rare
            let fits = writer.add(event)
            #expect(fits)
        }
        var body: [UInt8] = []
        writer.finish(into: &body)
        return body
    }

    @Test func linesAndNativeEventsTwiceEachAreStoredOnce() throws {
        var (vocabulary, admission) = (Vocabulary(), Admission())
        let arrival = Timestamp(rawValue: 1_767_225_600_000)
        var stored = 0
        var duplicates = 0
        for round in 0..<4 {
            var batch = EventBatch()
            if round % 2 == 0 {
                for id in Self.ids {
                    let event = ##""id":"\##(id)","type":"feedback.text","text":"hello"}"##
                    let line = bytes(#"{"product":"p","device":"d","# + event)
                    try readEventLine(line.span, arrival: arrival, vocabulary: &vocabulary, into: &batch)
                }
            } else {
                var table = StringTable()
                let body = body()
                let header = try readBatch(
                    body.span, context: BatchContext(source: .none, arrival: arrival, keepsUnknown: false),
                    table: &table,
                    vocabulary: &vocabulary, into: &batch)
                #expect(header.hasIDs && header.firstSeq == 1 && header.lastSeq == UInt64(Self.ids.count))
            }
            let result = admission.admit(&batch, from: EventBatch.Mark(), transport: .tcp)
            stored += result.accepted
            duplicates += result.duplicates
        }
        #expect(stored == Self.ids.count && duplicates == 3 * Self.ids.count)
    }

    @Test(arguments: ["", String(repeating: "i", count: 65)]) func idsThatAreNoneAreRefused(_ id: String) {
        // The writer leaves an empty one out: field 25 of one event, by hand.
        let event: [UInt8] = [0x08, 0x04, 0xca, 0x01, UInt8(id.utf8.count)] + bytes(id)
        let body: [UInt8] = [0x22, 3] + bytes("p/d") + [0x28, 1, 0x3a, UInt8(event.count)] + event
        var (table, vocabulary, batch) = (StringTable(), Vocabulary(), EventBatch())
        #expect(throws: Refusal.badIdentity) {
            try readBatch(
                body.span, context: BatchContext(source: .none, arrival: Timestamp(rawValue: 0), keepsUnknown: false),
                table: &table,
                vocabulary: &vocabulary, into: &batch)
        }
        #expect(batch.isEmpty)
    }

    @Test(
        arguments: [
            // durable and runs of the window, numbers of the batch, what is said.
            ((0, []), 1...3, (3, [])), ((0, []), 5...6, (0, [4, 2])), ((4, []), 5...6, (6, [])),
            ((4, []), 8...9, (4, [3, 2])),
            ((4, [3, 2]), 5...6, (4 + 2, [1, 2])), ((4, [3, 2]), 5...7, (9, [])), ((4, [3, 2]), 10...12, (4, [3, 5])),
            ((9, []), 2...4, (9, [])), ((4, [3, 2]), 8...8, (4, [3, 2])),
        ] as [((UInt64, [UInt32]), ClosedRange<UInt64>, (UInt64, [UInt32]))])
    func theBatchsOwnNumbersAreAcknowledged(
        _ window: (UInt64, [UInt32]), _ numbers: ClosedRange<UInt64>, _ expected: (UInt64, [UInt32])
    ) throws {
        func runs(_ pairs: [UInt32]) -> [AckState.Run] {
            stride(from: 0, to: pairs.count, by: 2).map { AckState.Run(missing: pairs[$0], received: pairs[$0 + 1]) }
        }
        var header = BatchHeader()
        (header.epoch, header.firstSeq, header.lastSeq) = (7, numbers.lowerBound, numbers.upperBound)
        let state = AckState(epoch: 7, durable: window.0, ranges: runs(window.1))
        let said = try #require(AckState(state, covering: header))
        #expect(said == AckState(epoch: 7, durable: expected.0, ranges: runs(expected.1)))
    }
}
