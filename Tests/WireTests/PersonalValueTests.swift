// Values that say something about one person: stored with their event, never as a word of the log.

import Events
import Testing
import Wire

struct PersonalValueTests {
    private static func vocabulary(_ aspects: String...) -> Vocabulary {
        var vocabulary = Vocabulary()
        vocabulary.setPersonalAspects(Set(aspects.map { Array($0.utf8) }))
        return vocabulary
    }

    private func read(_ keys: String, _ vocabulary: inout Vocabulary, _ batch: inout EventBatch) {
        let line = Array((#"{"product":"p","device":"d","# + keys + "}").utf8)
        do throws(Refusal) {
            try readEventLine(
                line.span, arrival: Timestamp(rawValue: 1_800_000_000_000), vocabulary: &vocabulary, into: &batch)
        } catch {
            Issue.record("\(error) for \(keys)")
        }
    }

    /// The event's value as it is written, and the words that the vocabulary has as values.
    private func outcome(_ batch: EventBatch, _ index: Int, _ vocabulary: Vocabulary) -> String {
        var output: [UInt8] = []
        writeEventLine(batch.events[index], in: batch, offset: nil, vocabulary: vocabulary, into: &output)
        let line = String(decoding: output, as: UTF8.self)
        let value = line.firstRange(of: #"value":"#).map { line[$0.upperBound...].prefix { $0 != "," && $0 != "}" } }
        let words = (0...vocabulary.count(.value)).dropFirst().map {
            String(decoding: vocabulary.text(.value, SymbolID(rawValue: UInt32($0))), as: UTF8.self)
        }
        return "\(value ?? "-") \(words) \(batch.events[index].quarantine.name)"
    }

    @Test(arguments: [
        (#""type":"preference.set","aspect":"home.name","value":"Villa \"Anna\"""#, #""Villa \"Anna\"" [] none"#),
        (#""type":"preference.set","value":"Anna","aspect":"home.name""#, #""Anna" [] none"#),
        (#""type":"state.reported","aspect":"home.name","value":-82.5"#, "-82.5 [] none"),
        (#""type":"preference.set","aspect":"home.name","value":7"#, "7 [] none"),
        (#""type":"preference.set","aspect":"home.name","value":true"#, "true [] none"),
        (#""type":"preference.set","aspect":"home.name""#, "- [] missing_value"),
        (#""type":"preference.set","aspect":"home.name","value":"""#, "- [] missing_value"),
        (#""type":"preference.set","aspect":"home.size","value":"big""#, #""big" ["big"] none"#),
        (#""type":"fault.seen","aspect":"home.name","value":"E17""#, #""E17" ["E17"] none"#),
        (#""type":"rating.given","aspect":"home.name","value":4"#, "4 [] none"),
    ]) func aLine(_ keys: String, _ expected: String) {
        var vocabulary = Self.vocabulary("home.name")
        var batch = EventBatch()
        read(keys, &vocabulary, &batch)
        let verdict = admitted(batch)
        batch.events[0].quarantine = verdict
        #expect(outcome(batch, 0, vocabulary) == expected)
    }

    /// What the reader has not blamed yet and the schema will.
    private func admitted(_ batch: EventBatch) -> QuarantineReason {
        let event = batch.events[0]
        guard event.quarantine == .none, event.kind == .preferenceSet else { return event.quarantine }
        return event.valueKind == .none && !event.isValueWithheld ? .missingValue : .none
    }

    @Test func nativeEvents() throws {
        var reading = Reading()
        reading.vocabulary = Self.vocabulary("home.name", "door")
        var message = Tidings_Wire_V1_Batch()
        message.define = ["kettle/k-1", "home.name", "Anna", "true", "size", "big"]
        message.device = 1
        message.seq = 1
        message.timeMs = 1_767_225_600_000
        func event(_ kind: UInt32, _ fill: (inout Tidings_Wire_V1_Event) -> Void) -> Tidings_Wire_V1_Event {
            var event = Tidings_Wire_V1_Event()
            event.kind = kind
            event.aspect = 2
            fill(&event)
            return event
        }
        message.events = [
            event(1) { $0.ref = 3 }, event(1) { $0.ref = 4 }, event(1) { $0.whole = -5 }, event(1) { $0.flag = true },
            event(1) {
                $0.aspect = 5
                $0.ref = 6
            },
            event(1) {
                $0.aspect = 0
                $0.aspectName = "door"
                $0.ref = 6
            }, event(1) { $0.real = 1.5 },
        ]
        _ = try reading.read(message)
        let values = reading.batch.events.indices.map { outcome(reading.batch, $0, reading.vocabulary) }
        let words = #"["big"] none"#
        #expect(
            values == [
                #""Anna" \#(words)"#, #""true" \#(words)"#, "-5 \(words)", "true \(words)", #""big" \#(words)"#,
                #""big" \#(words)"#, "1.5 \(words)",
            ])
        #expect(reading.batch.events.map(\.isValueWithheld) == [true, true, true, true, false, true, true])
    }

    /// So many different words are no choices: from then on they are kept apart, whatever the configuration says.
    @Test func anAspectWithTooManyWords() {
        var vocabulary = Vocabulary()
        var batch = EventBatch()
        for number in 1...1_005 {
            read(#""type":"preference.set","aspect":"nickname","value":"n\#(number)""#, &vocabulary, &batch)
            read(#""type":"preference.set","aspect":"colour","value":"c\#(number % 9)""#, &vocabulary, &batch)
        }
        let events = batch.events.filter { $0.aspect == batch.events[0].aspect }
        #expect(events.prefix(1_000).allSatisfy { !$0.isValueWithheld })
        #expect(events.dropFirst(1_000).allSatisfy { $0.isValueWithheld })
        #expect(batch.events.count { $0.isValueWithheld } == 5)
        // A word that is known already stays one.
        #expect(vocabulary.count(.value) <= 1_000 + 9 + 1)
        // The names of the configuration may change; this stays.
        vocabulary.setPersonalAspects([])
        read(#""type":"preference.set","aspect":"nickname","value":"n1""#, &vocabulary, &batch)
        #expect(batch.events.last?.isValueWithheld == true)
    }
}
