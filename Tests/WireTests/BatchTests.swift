// Batches: what the hand-written reader makes of good and bad bodies.
import Events
import SwiftProtobuf
import Testing
import TidingsTesting
import Wire

/// A connection with its table, and the batch that it fills.
struct Reading {
    var table = StringTable()
    var vocabulary = Vocabulary()
    var batch = EventBatch()
    var source = DeviceID.none
    var epoch: UInt32 = 0
    var keepsUnknown = false
    let arrival = Timestamp(rawValue: 1_800_000_000_000)

    mutating func read(_ body: [UInt8]) throws(Refusal) -> BatchHeader {
        try readBatch(
            body.span,
            context: BatchContext(source: source, arrival: arrival, epoch: epoch, keepsUnknown: keepsUnknown),
            table: &table, vocabulary: &vocabulary, into: &batch)
    }

    mutating func read(_ message: Tidings_Wire_V1_Batch) throws -> BatchHeader {
        try read(try message.serializedBytes())
    }

    mutating func refusal(_ message: Tidings_Wire_V1_Batch) throws -> Refusal? {
        let before = batch
        let body: [UInt8] = try message.serializedBytes()
        do throws(Refusal) {
            _ = try read(body)
            return nil
        } catch let refusal {
            #expect(batch == before, "a refused batch leaves nothing behind")
            return refusal
        }
    }

    func line(_ index: Int) -> String {
        var output: [UInt8] = []
        writeEventLine(batch.events[index], in: batch, offset: nil, vocabulary: vocabulary, into: &output)
        return String(decoding: output, as: UTF8.self)
    }
}

private func message(_ fill: (inout Tidings_Wire_V1_Batch) -> Void) -> Tidings_Wire_V1_Batch {
    var batch = Tidings_Wire_V1_Batch()
    batch.define = ["kettle/k-1", "temperature", "cu-1"]
    batch.device = 1
    batch.seq = 40
    batch.timeMs = 1_767_225_600_000
    fill(&batch)
    return batch
}

private func event(_ fill: (inout Tidings_Wire_V1_Event) -> Void) -> Tidings_Wire_V1_Event {
    var event = Tidings_Wire_V1_Event()
    event.kind = 1
    event.aspect = 2
    fill(&event)
    return event
}

struct BatchTests {
    @Test func anEventIsReadWithAllItsFields() throws {
        var reading = Reading()
        let header = try reading.read(
            message {
                $0.epoch = 7
                $0.oldest = 12
                $0.define += ["Cel", "en"]
                $0.events = [
                    event {
                        $0.dseq = 3
                        $0.dtMs = -1_500
                        $0.real = 92.1
                        $0.unit = 4
                        $0.lang = 5
                        $0.subject = 3
                        $0.severity = 13
                        $0.count = 9
                        $0.scale = 10
                        $0.text = "größer"
                    }, event { $0.flag = false },
                ]
            })
        #expect(header.count == 2 && header.epoch == 7 && header.oldest == 12)
        #expect(header.firstSeq == 42 && header.lastSeq == 43)
        #expect(header.device == reading.batch.events[0].device)
        let expected = """
            {"product":"kettle","device":"k-1","customer":"cu-1","id":"7-42","type":"preference.set",\
            "time":"2025-12-31T23:59:58.500Z","arrival":"2027-01-15T08:00:00.000Z","aspect":"temperature","value":92.1,\
            "unit":"Cel","count":9,"severity":13,"scale":10,"text":"größer","lang":"en"}
            """
        #expect(reading.line(0) == expected)
        #expect(reading.batch.events[1].value == .flag(false))
    }

    @Test func theTableLivesAsLongAsTheConnection() throws {
        var reading = Reading()
        _ = try reading.read(message { $0.events = [event { $0.whole = 1 }] })
        var later = Tidings_Wire_V1_Batch()
        later.seq = 41
        later.device = 1
        later.define = ["lid"]
        later.events = [event { $0.aspect = 4 }, event { $0.whole = 2 }]
        _ = try reading.read(later)
        #expect(reading.batch.events.map(\.aspect.rawValue) == [1, 2, 1])
        reading.table.reset()
        later.define = []
        let refusal = try reading.refusal(later)
        #expect(refusal == .unknownReference)
    }

    /// Every role of a string has numbers of its own, whichever came first.
    @Test func oneStringPlaysManyRoles() throws {
        var reading = Reading()
        _ = reading.vocabulary.symbol(.unit, Array("other".utf8).span)
        _ = reading.vocabulary.customer(Array("one".utf8).span)
        _ = reading.vocabulary.customer(Array("two".utf8).span)
        let all = event {
            $0.ref = 2
            $0.unit = 2
            $0.lang = 2
            $0.subject = 2
        }
        _ = try reading.read(message { $0.events = [all, all, event { $0.whole = 1 }, all] })
        let events = reading.batch.events
        for index in [0, 1, 3] {
            #expect(events[index].aspect.rawValue == 1)
            #expect(events[index].value == .symbol(SymbolID(rawValue: 1)))
            #expect(events[index].unit.rawValue == 2)
            #expect(events[index].language.rawValue == 1)
            #expect(events[index].customer.rawValue == 3)
        }
        #expect(events[2].aspect.rawValue == 1)
    }

    @Test func definesAreKeptWhenTheBatchIsRefused() throws {
        var reading = Reading()
        let refusal = try reading.refusal(message { $0.events = [event { $0.aspect = 99 }] })
        #expect(refusal == .unknownReference)
        var later = message { $0.events = [event { $0.whole = 5 }] }
        later.define = []
        _ = try reading.read(later)
        #expect(reading.batch.events[0].value == .whole(5))
    }

    @Test func clocksAreToldApart() throws {
        var reading = Reading()
        _ = try reading.read(
            message {
                $0.timeMs = 0
                $0.ageMs = 5_000
                $0.events = [event { $0.dtMs = 1_000 }]
            })
        _ = try reading.read(
            message {
                $0.define = []
                $0.timeMs = 0
                $0.events = [event { $0.dtMs = 1_000 }]
            })
        #expect(reading.batch.events.map(\.clock) == [.age, .arrival])
        #expect(reading.batch.events[0].time.rawValue == reading.arrival.rawValue - 4_000)
        #expect(reading.batch.events[1].time == reading.arrival)
    }

    @Test func forwardedEventsHaveTheirOwnIdentity() throws {
        var reading = Reading()
        let header = try reading.read(
            message {
                $0.define.append("oven/o-1")
                $0.epoch = 2
                $0.events = [
                    event {
                        $0.device = 4
                        $0.seq = 900
                        $0.epoch = 3
                    }, event { $0.device = 4 }, event { _ in },
                ]
            })
        let events = reading.batch.events
        #expect(events.map(\.identity) == [.sequence, .hash, .sequence])
        #expect(events.map(\.epoch) == [3, 0, 2])
        #expect(events[0].seq == 900 && events[2].seq == 42)
        #expect(events[1].seq == identityHash(Array("\(header.device.rawValue)/2/41".utf8).span))
        #expect(events[0].device != events[2].device && events[0].product != events[2].product)
    }

    @Test func unnumberedEventsHaveNoIdentity() throws {
        var reading = Reading()
        let header = try reading.read(
            message {
                $0.seq = 0
                $0.events = [event { _ in }]
            })
        #expect(header.firstSeq == 0 && header.lastSeq == 0)
        #expect(reading.batch.events[0].identity == .none)
    }

    @Test func theConnectionsDeviceAndEpochAreTheDefault() throws {
        var reading = Reading()
        reading.source = try readDevice(Array("oven/o-9".utf8).span, vocabulary: &reading.vocabulary)
        reading.epoch = 6
        let header = try reading.read(
            message {
                $0.device = 0
                $0.events = [event { _ in }]
            })
        #expect(header.device == reading.source && header.epoch == 6)
        #expect(reading.batch.events[0].product == SymbolID(rawValue: 1))
        #expect(reading.batch.events[0].epoch == 6)
    }

    @Test func everyRefusalOfABatch() throws {
        let long = String(repeating: "x", count: 70_000)
        let cases: [(Refusal, (inout Tidings_Wire_V1_Batch) -> Void)] = [
            (.unknownReference, { $0.catalogue = 1 }),
            (.unknownReference, { $0.device = 9 }),
            (.unknownReference, { $0.events = [event { $0.ref = 0 }] }),
            (.tooManyEvents, { $0.events = Array(repeating: event { _ in }, count: 1_001) }),
            (.tooBig, { $0.events = [event { $0.text = String(repeating: "x", count: 9_000) }] }),
            (.tableFull, { $0.define.append(long) }),
            (.tableFull, { $0.define = Array(repeating: "a", count: 4_097) }),
            (.noDevice, { $0.device = 0 }),
            (.noDevice, { $0.define[0] = "" }),
            (.noDevice, { $0.define[0] = "kettle/" }),
            (.noDevice, { $0.define[0] = "urn:dev:ops:32473-kettle-" }),
            (.tooLong, { $0.define[0] = "kettle/" + String(repeating: "x", count: 129) }),
            (.tooLong, { $0.define[0] = String(repeating: "x", count: 129) + "/k-1" }),
            (
                .tooLong,
                {
                    $0.events = [event { $0.subject = 4 }]
                    $0.define.append(String(repeating: "x", count: 65))
                }
            ),
            (.noProduct, { $0.define[0] = "k-1" }),
            (.noProduct, { $0.define[0] = "/k-1" }),
            (.noProduct, { $0.define[0] = "urn:dev:ops:32473--k" }),
            (.noProduct, { $0.define[0] = "https://example.org/k-1" }),
            (
                .badIdentity,
                {
                    $0.events = [event { $0.subject = 4 }]
                    $0.define.append("")
                }
            ),
        ]
        for (index, (expected, fill)) in cases.enumerated() {
            var reading = Reading()
            let refusal = try reading.refusal(
                message {
                    $0.events = [event { _ in }]
                    fill(&$0)
                })
            #expect(refusal == expected, "case \(index)")
        }
    }

    /// What is behind the number may be anything; a number behind bytes that cannot be read is not looked for.
    @Test func theFirstNumberOfAnUnreadableBatchIsFound() throws {
        var message = Tidings_Wire_V1_Batch()
        (message.epoch, message.seq, message.timeMs, message.define) = (3, 300, 1, ["kettle/k-1"])
        let body: [UInt8] = try message.serializedBytes()
        let fixed: [UInt8] = [15 << 3 | 1, 1, 2, 3, 4, 5, 6, 7, 8]
        for (bytes, expected) in [
            (body, 300), (Array(body.prefix(5)), 300), (Array(body.prefix(4)), 0), (fixed + body, 300),
            ([0x0b] + body, 0), ([0x12, 0] + body, 300), ([], 0),
        ] as [([UInt8], UInt64)] {
            let found = firstSeq(ofUnreadable: bytes.span)
            #expect(found == expected, "\(bytes)")
        }
    }

    @Test func malformedBodiesAreRefused() throws {
        let bodies: [String: Refusal] = [
            "08": .malformedBody, "3a 05 08": .malformedBody, "3b": .malformedBody, "3c": .malformedBody,
            "3e": .malformedBody, "00 00": .malformedBody, "0f": .malformedBody,
            "10 ff ff ff ff ff ff ff ff ff ff 01": .malformedBody, "3a 02 35 00": .malformedBody,
            "3a 03 88 00 01": .malformedBody, "ff ff ff ff ff 0f 00": .malformedBody, "49 00": .malformedBody,
            "22 02 c3 28": .badUTF8, "22 02 ed a0": .badUTF8, "22 04 6b 2f 6b 31 28 01 3a 04 42 02 c3 28": .badUTF8,
            "22 04 6b 2f 6b 31 28 01 3a 05 9a 01 02 c3 28": .badUTF8,
            "22 04 6b 2f 6b 31 28 01 3a 05 aa 01 02 c3 28": .badUTF8,
            // A string that a later one of its field replaces: of a good event, and of one whose bytes are kept.
            "22 04 6b 2f 6b 31 28 01 3a 09 9a 01 02 c3 28 9a 01 01 61": .badUTF8,
            "22 04 6b 2f 6b 31 28 01 3a 0e 35 00 00 c0 7f 9a 01 02 c3 28 9a 01 01 61": .badUTF8,
            "22 04 6b 2f 6b 31 28 01 3a 07 42 02 c3 28 42 01 61": .badUTF8,
        ]
        for (text, expected) in bodies {
            var reading = Reading()
            #expect(throws: expected, "\(text)") { try reading.read(hex(text)) }
            #expect(reading.batch == EventBatch())
        }
    }

    @Test func unknownFieldsAreSkipped() throws {
        var reading = Reading()
        // Fields 60 and 61 of the batch, 30 (varint), 31 (eight bytes), 32 (bytes) and 33 (four bytes) of the event.
        _ = try reading.read(
            hex(
                """
                e0 03 01 22 04 6b 2f 6b 31 28 01 10 05 ea 03 02 ff ff
                3a 1f f0 01 80 01 08 02 f9 01 01 02 03 04 05 06 07 08 82 02 02 ff ff 28 08 8d 02 01 02 03 04 58 02
                """))
        #expect(reading.batch.events[0].kind == .ratingGiven)
        #expect(reading.batch.events[0].value == .whole(4) && reading.batch.events[0].count == 2)
    }

    @Test func everyVerdictOnSyntax() throws {
        let long = String(repeating: "v", count: 257)
        let cases: [(QuarantineReason, (inout Tidings_Wire_V1_Event) -> Void)] = [
            (.none, { $0.whole = (1 << 53) - 1 }), (.notFinite, { $0.whole = 1 << 53 }),
            (.notFinite, { $0.real = .nan }), (.notFinite, { $0.real64 = -.infinity }),
            (.badAspect, { $0.aspect = 4 }), (.badAspect, { ($0.aspect, $0.aspectName) = (0, "Lid") }),
            (.none, { ($0.aspect, $0.aspectName) = (0, "lid") }), (.textTooLong, { $0.ref = 5 }),
            (.textTooLong, { $0.unit = 5 }), (.textTooLong, { $0.lang = 5 }),
            (.textTooLong, { $0.text = String(repeating: "é", count: 2_049) }),
            (.none, { $0.text = String(repeating: "é", count: 2_048) }),
            (.wrongValueType, { ($0.whole, $0.flag) = (1, true) }), (.outOfRange, { $0.severity = 256 }),
            (.outOfRange, { $0.scale = 256 }), (.unknownType, { $0.kind = 0 }), (.unknownType, { $0.kind = 11 }),
            (.unknownType, { $0.kind = 257 }), (.unknownType, { ($0.kind, $0.typeRef) = (0, 2) }),
        ]
        for (index, (expected, fill)) in cases.enumerated() {
            var reading = Reading()
            _ = try reading.read(
                message {
                    $0.define += ["Bad Aspect", long]
                    $0.events = [event(fill)]
                })
            let found = reading.batch.events[0]
            #expect(found.quarantine == expected, "case \(index)")
            if expected == .notFinite { #expect(found.value == .none) }
            if expected == .badAspect { #expect(found.aspect == .none) }
            if expected == .unknownType { #expect(found.kind == .custom) }
        }
    }

    @Test func aLongTextIsCutBetweenCharacters() throws {
        var reading = Reading()
        _ = try reading.read(
            message { $0.events = [event { $0.text = "a" + String(repeating: "€", count: 1_400) }] })
        #expect(reading.batch.events[0].textLength == 4_096)
        #expect(reading.batch.events[0].quarantine == .textTooLong)
        #expect(String(validating: reading.batch.text, as: UTF8.self) != nil)
        _ = try reading.read(
            message {
                $0.define = []
                $0.events = [event { $0.text = String(repeating: "€", count: 1_400) }]
            })
        #expect(reading.batch.events[1].textLength == 4_095)
    }

    @Test func floatsAreReadAsTheDecimalThatTheyStandFor() throws {
        var generator = SeededGenerator(seed: 5)
        var reading = Reading()
        let fixed: [Float] = [0.1, 3120.5, 92.1, -0.3, 1e-30, 16_777_216, 3.4e38, 0.001, 1e10, -0.0]
        for round in 0..<20 {
            let floats =
                round == 0
                ? fixed
                : (0..<1_000).map { _ in
                    generator.chance(2)
                        ? Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
                        : Float(generator.below(1_000_000)) / 1_000
                }.filter(\.isFinite)
            reading.batch.removeAll()
            reading.table.reset()
            _ = try reading.read(
                message { batch in batch.events = floats.map { number in event { $0.real = number } } })
            for (number, event) in zip(floats, reading.batch.events) {
                #expect(event.number == Double(number.description), "\(number), seed 5")
            }
        }
    }
}
