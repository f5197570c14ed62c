// What a sender is told: every verdict names the thing, the cause and the remedy.

import Events
import Testing
import TidingsTesting
import Wire

/// What becomes of a line.
func judged(_ line: [UInt8]) -> Result<Event, Refusal> {
    var vocabulary = Vocabulary()
    var batch = EventBatch()
    do throws(Refusal) {
        try readEventLine(
            line.span, arrival: Timestamp(rawValue: 1_800_000_000_000), vocabulary: &vocabulary, into: &batch)
        return .success(batch.events[0])
    } catch {
        return .failure(error)
    }
}

/// What is told of a line: the name of its verdict, and the text.
private func told(_ line: String) -> (name: String, text: String) {
    let line = bytes(line)
    switch judged(line) {
    case .success(let event):
        guard event.quarantine != .none else { return ("stored", "") }
        let verdict = Verdict.quarantined(event.quarantine)
        return ("\(verdict.name)", explanation(of: verdict, event, line: line.span))
    case .failure(let refusal): return ("\(refusal.name)", explanation(of: refusal, line: line.span))
    }
}

private func event(_ keys: String) -> (name: String, text: String) {
    told(#"{"product":"p","device":"d","type":"preference.set","aspect":"a","value":1,"# + keys + "}")
}

struct RefusalExplanationTests {
    @Test(arguments: [
        (#"{"x""#, "malformed_json", "the line ends before its object does"),
        (#"[{"product":"p"}]"#, "malformed_json", "an array; send each event as one JSON object on a line of its own"),
        ("product,device,type", "malformed_json", "not a JSON object: it begins with p;"),
        (#"{"product":"p","device":"d",}"#, "malformed_json", "not JSON at byte 29, near }"),
        (#"{"product":"p"} {"#, "malformed_json", "not JSON at byte 17"),
        (#"{"product":"p","product":"q"}"#, "duplicate_key", "the key product occurs twice"),
        (#"{"customer":17}"#, "wrong_type", "customer is a number (17); send a string"),
        (#"{"product":{"a":1}}"#, "wrong_type", #"product is an object ({"a":1}); send a string"#),
        (#"{"product":"p","device":"d","epoch":true,"id":1}"#, "wrong_type", "epoch is true or false (true); send a"),
        (
            #"{"product":"p","device":"d","id":[]}"#, "wrong_type",
            "id is an array ([]); send a whole number or a string"
        ),
        (#"{"product":"p","device":"d","id":-1}"#, "bad_identity", "id is -1; send a whole number from 0 to 1844674"),
        (#"{"product":"p","device":"d","customer":""}"#, "bad_identity", "customer is empty"),
        (#"{"specversion":"1.0","source":"p/d"}"#, "bad_identity", "a CloudEvent needs an id"),
        (#"{"device":"d"}"#, "no_product", "the event names no product; add product"),
        (#"{"device":"d","prodct":"p"}"#, "no_product", "the event names no product; did you mean product by prodct?"),
        (
            #"{"product":"p","deviceId":"d"}"#, "no_device",
            "the event names no device; did you mean device by deviceId?"
        ),
        (#"{"product":"p","device":""}"#, "no_device", "device is empty"),
        (#"{"product":"p","device":"d","quarantined":"bad_aspect"}"#, "already_quarantined", "an export's quarantined"),
    ])
    func everyRefusalSaysWhereAndWhatToDo(_ line: String, _ name: String, _ text: String) {
        let answer = told(line)
        #expect(answer.name == name)
        #expect(answer.text.hasPrefix(text), "\(answer.text)")
        #expect(!answer.text.contains("\n"))
    }

    @Test func lengthsAreTold() {
        func long(_ count: Int) -> String { String(repeating: "x", count: count) }
        #expect(
            told(#"{"device":"d","product":"\#(long(200))"}"#) == ("too_long", "product is 200 bytes long; at most 128")
        )
        #expect(
            told(#"{"product":"p","device":"\#(long(129))"}"#) == ("too_long", "device is 129 bytes long; at most 128"))
        #expect(event(#""customer":"\#(long(65))""#) == ("too_long", "customer is 65 bytes long; at most 64"))
        #expect(event(#""id":"\#(long(65))""#) == ("too_long", "id is 65 bytes long; at most 64"))
        #expect(told(#"{"source":"p/\#(long(129))"}"#).text.hasPrefix("source is 131 bytes long; at most 128 for the"))
    }

    @Test func textThatIsNoUTF8IsPlaced() {
        let line = bytes(#"{"x":""#) + [0xff] + bytes(#""}"#)
        #expect(explanation(of: .badUTF8, line: line.span).hasPrefix("not UTF-8 at byte 7;"))
        #expect(told(#"{"x":"\ud800"}"#).text.contains("half of a surrogate pair"))
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\n", "HTTP is not spoken here"), ("\u{16}\u{3}\u{1}", "TLS is not spoken here"),
        ("[{}]", "an array"), ("product,device", "not a JSON object: it begins with p"),
    ])
    func otherProtocolsAreNamed(_ first: String, _ text: String) {
        #expect(explanation(of: .badMagic, line: bytes(first).span).hasPrefix(text))
    }

    /// Whatever a sender sends, there is one line of bounded length about it.
    @Test func anyLineHasAnExplanation() {
        let seed: UInt64 = 77
        var generator = SeededGenerator(seed: seed)
        let line = bytes(
            #"{"specversion":"1.0","id":"7-1","source":"a/b","type":"rating.given","time":"2026-01-01","#
                + #""data":{"value":4.5e1,"aspect":"Door","x":[{"y":"\u00e9"}],"count":-1}}"#)
        for _ in 0..<5_000 {
            var damaged = line
            for _ in 0...generator.below(3) {
                damaged[generator.below(damaged.count)] = UInt8(truncatingIfNeeded: generator.next())
            }
            for refusal in Refusal.allCases {
                let text = explanation(of: refusal, line: damaged.span)
                #expect(!text.isEmpty && text.utf8.count < 600, "\(text), seed \(seed)")
            }
            for reason in QuarantineReason.allCases {
                let text = explanation(of: .quarantined(reason), Event(), line: damaged.span)
                #expect(!text.isEmpty && text.utf8.count < 600, "\(text), seed \(seed)")
            }
        }
    }
}

struct VerdictExplanationTests {
    @Test(arguments: [
        (#""x":1"#, "stored", ""),
        (#""time":"2026-01-31T12:00:00+0200""#, "bad_time", "has a zone without a colon; send it as +02:00"),
        (#""time":"2026-01-31T12:00:00""#, "bad_time", "has no zone; add Z"),
        (#""time":"2026-01-31""#, "bad_time", "is a date only; add the time of day"),
        (#""time":true"#, "bad_time", "time is true or false (true)"),
        (#""time":"soon""#, "bad_time", #"time "soon" cannot be read; send milliseconds since 1970, or RFC 3339"#),
        (#""count":0.5"#, "out_of_range", "count is 0.5; send a whole number from 1"),
        (#""severity":300"#, "out_of_range", "severity is 300; send an OpenTelemetry severity number, 1 to 24"),
        (#""bestRating":1"#, "out_of_range", "no scale has these bounds"),
        (#""bestRating":"5x""#, "out_of_range", "bestRating is a string"),
        (#""count":"2x""#, "wrong_value_type", "count is a string"),
        (#""text":5"#, "wrong_value_type", "text is a number"),
        (#""unit":"\#(String(repeating: "u", count: 33))""#, "text_too_long", "unit is 33 bytes long, at most 32"),
        (
            #""text":"\#(String(repeating: "u", count: 5_000))""#, "text_too_long",
            "text is 5000 bytes long, at most 4096"
        ),
    ])
    func everyVerdictSaysWhereAndWhatToDo(_ keys: String, _ name: String, _ text: String) {
        let answer = event(keys)
        #expect(answer.name == name)
        #expect(answer.text.contains(text), "\(answer.text)")
    }

    @Test(arguments: [
        (#""type":"preference.set","aspect":"Door Sound","value":1"#, "try door_sound"),
        (#""type":"preference.set","aspect":"Kitchen/Oven Light!","value":1"#, "try kitchen.oven_light"),
        (#""type":"preference.set","aspect":"..","value":1"#, "an aspect is words of a-z 0-9 _ joined by dots"),
        (#""type":"preference.set","aspect":5,"value":1"#, "aspect is a number"),
        (#""type":"preferenc.set","aspect":"a","value":1"#, "did you mean preference.set?"),
        (#""type":"com.acme.x""#, "com.acme.x is no kind of event"),
        (#""aspect":"a""#, "the event has no type; add one of"),
        (#""type":"","aspect":"a""#, "type is empty; send one of"),
        (#""type":"preference.set","aspect":"a","value":[1]"#, "the value is an array ([1]); send a string"),
        (#""type":"preference.set","aspect":"a","value":9007199254740993"#, "9007199254740993 cannot be held exactly"),
    ])
    func remediesAreConcrete(_ keys: String, _ text: String) {
        let answer = told(#"{"product":"p","device":"d","# + keys + "}")
        #expect(answer.text.contains(text), "\(answer)")
    }

    @Test func timesInOtherUnitsAreRecognised() {
        func clock(_ time: Int64) -> String {
            var event = Event()
            event.time = Timestamp(rawValue: time)
            event.arrival = Timestamp(rawValue: 1_800_000_000_000)
            return explanation(of: .quarantined(.absurdClock), event, line: Span())
        }
        #expect(clock(1_767_225_600).hasSuffix("seconds? send milliseconds"))
        #expect(clock(1_767_225_600_000_000).hasSuffix("microseconds? send milliseconds"))
        #expect(clock(1_767_225_600_000_000_000).hasSuffix("nanoseconds? send milliseconds"))
        #expect(clock(0).contains("1970-01-01T00:00:00.000Z lies before 2000"))
        #expect(clock(1_900_000_000_000).contains("ahead of arrival"))
        #expect(clock(.min).contains("lies before 2000") && clock(.max).contains("ahead"))
    }

    @Test func aRatingOutsideItsScaleIsToldWithItsScale() {
        func rating(_ value: Value, _ scale: UInt8) -> String {
            var event = Event()
            (event.kind, event.value, event.scale) = (.ratingGiven, value, scale)
            return explanation(of: .quarantined(.outOfRange), event, line: Span())
        }
        #expect(rating(.whole(7), 0).hasPrefix("the rating 7 is outside its scale of 1 to 5;"))
        #expect(rating(.whole(0), Event.scaleOneToTen).hasPrefix("the rating 0 is outside its scale of 1 to 10;"))
        #expect(rating(.real(10.5), 10).hasPrefix("the rating 10.5 is outside its scale of 0 to 10;"))
    }

    @Test func keysThatNobodyKnowsAreGuessed() {
        let line = bytes(#"{"product":"p","device":"d","timestamp":1,"foo_bar_baz":2,"offset":3,"purpose":"x"}"#)
        #expect(unknownKeys(of: line.span) == ["timestamp", "foo_bar_baz"])
        #expect(explanation(ofUnknownKey: "timestamp").hasSuffix("did you mean time?"))
        #expect(explanation(ofUnknownKey: "asect").hasSuffix("did you mean aspect?"))
        #expect(explanation(ofUnknownKey: "foo_bar_baz").contains("see docs/wire.md"))
        let cloudEvent = bytes(#"{"specversion":"1.0","traceparent":"x","data":{"vallue":1}}"#)
        #expect(unknownKeys(of: cloudEvent.span) == ["vallue"])
    }

    @Test func staleSaysTheRemedy() {
        var event = Event()
        (event.identity, event.seq) = (.sequence, 17)
        let text = explanation(of: .stale, event, line: Span())
        #expect(text.contains("17") && text.contains("epoch"))
    }
}
