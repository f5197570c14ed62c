// JSON events: the short form, CloudEvents, and everything that is not quite JSON.
import Bytes
import Events
import Testing
import TidingsTesting
import Wire

/// What becomes of one line: its canonical JSON without the arrival, or why it was refused.
private func outcome(_ line: String, arrival: Int64 = 1_800_000_000_000) -> String {
    outcome(bytes(line), arrival: arrival)
}

private func outcome(_ line: [UInt8], arrival: Int64 = 1_800_000_000_000) -> String {
    var vocabulary = Vocabulary()
    var batch = EventBatch()
    do throws(Refusal) {
        try readEventLine(
            line.span, arrival: Timestamp(rawValue: arrival), vocabulary: &vocabulary, into: &batch)
    } catch {
        #expect(batch == EventBatch(), "a refused line leaves nothing behind")
        return error.name.description
    }
    return written(batch, vocabulary)
        .replacing(
            #","time":"2027-01-15T08:00:00.000Z","clock":"arrival","arrival":"2027-01-15T08:00:00.000Z""#, with: ""
        )
        .replacing(#","arrival":"2027-01-15T08:00:00.000Z""#, with: "")
        .replacing(#"{"product":"p","device":"d","#, with: "{")
}

private func written(_ batch: EventBatch, _ vocabulary: Vocabulary) -> String {
    var output: [UInt8] = []
    writeEventLine(batch.events[0], in: batch, offset: nil, vocabulary: vocabulary, into: &output)
    return String(decoding: output, as: UTF8.self)
}

/// An event of device `d` of product `p` with these keys besides.
private func event(_ keys: String) -> String {
    outcome(#"{"product":"p","device":"d","type":"preference.set","# + keys + "}")
}

struct EventLineTests {
    @Test func theShortFormIsRead() {
        let line = #"{"product":"kettle","device":"k-1","type":"preference.set","aspect":"temperature","value":92}"#
        #expect(
            outcome(line)
                == #"{"product":"kettle","device":"k-1","type":"preference.set","aspect":"temperature","value":92}"#)
        let all = #"""
             { "value" : -9.25e1 , "aspect":"door.sound", "type":"preference.set", "time":"2026-01-01T00:00:00.5+01:00",
              "device":"k-1", "product":"kettle", "customer":"cu-1", "id":"3-42", "unit":"Cel",
              "count":2, "severity":13,
              "scale":10, "text":"a\"b\\c\n\u00e9\ud83d\ude00", "lang":"de",
              "future":{"a":[1,{"b":null}]}, "epoch":null }
            """#
        let expected = #"""
            {"product":"kettle","device":"k-1","customer":"cu-1","id":"3-42","type":"preference.set",\#
            "time":"2025-12-31T23:00:00.500Z","aspect":"door.sound","value":-92.5,"unit":"Cel",\#
            "count":2,"severity":13,\#
            "scale":10,"text":"a\"b\\c\né😀","lang":"de"}
            """#
        #expect(outcome(all) == expected)
    }

    @Test func cloudEventsAreRead() {
        let line = #"""
            {"specversion":"1.0","id":"7-1","source":"urn:dev:ops:32473-oven-77","type":"org.tidings.rating.given.v1",\#
            "subject":"cu-9","time":"2026-01-01T00:00:00Z",\#
            "datacontenttype":"application/json","dataschema":"https://x/y",\#
            "data":{"aspect":"door.sound","ratingValue":4,"bestRating":5,"worstRating":1,"more":true}}
            """#
        let expected = #"""
            {"product":"oven","device":"urn:dev:ops:32473-oven-77","customer":"cu-9","id":"7-1","type":"rating.given",\#
            "time":"2026-01-01T00:00:00.000Z","aspect":"door.sound","value":4}
            """#
        #expect(outcome(line) == expected)
        #expect(
            outcome(line.replacing("urn:dev:ops:32473-oven-77", with: "oven/77")).hasPrefix(
                #"{"product":"oven","device":"77","#))
        #expect(outcome(line.replacing("urn:dev:ops:32473-oven-77", with: "https://a.b/77")) == "no_product")
        #expect(outcome(line.replacing(#""id":"7-1","#, with: "")) == "bad_identity")
        #expect(outcome(line.replacing(#""source":"urn:dev:ops:32473-oven-77","#, with: "")) == "no_device")
        #expect(outcome(line.replacing("1.0", with: "2.0")).hasSuffix(#""quarantined":"unknown_type"}"#))
        let foreign =
            #"{"specversion":"1.0","id":"a","source":"https://a.b/7","product":"p","type":"fault.seen","data":7}"#
        #expect(
            outcome(foreign)
                == ##"{"product":"p","device":"https://a.b/7","id":"#af63dc4c8601ec8c","type":"fault.seen","##
                + ##""raw":"{\"specversion\":\"1.0\",\"id\":null,\"source\":null,\"product\":\"p\","##
                + ##"\"type\":\"fault.seen\",\"data\":7}","quarantined":"wrong_value_type"}"##)
        // A path is no `product/serial` (CloudEvents 1.0.2: any URI reference).
        let path = #"{"specversion":"1.0","id":"7-1","source":"/a/b","product":"p","type":"feature.used","aspect":"c"}"#
        #expect(outcome(path).hasPrefix(#"{"product":"p","device":"/a/b","id":"7-1","#))
        #expect(outcome(path.replacing(#""product":"p","#, with: "")) == "no_product")
        // What stands in `data` goes before what stands beside it, whichever comes first.
        let twice = #"{"product":"p","device":"d","type":"preference.set","value":1,"data":{"value":2},"aspect":"a"}"#
        #expect(outcome(twice) == #"{"type":"preference.set","aspect":"a","value":2}"#)
        let turned = #"{"data":{"value":2},"product":"p","device":"d","type":"preference.set","value":1,"aspect":"a"}"#
        #expect(outcome(turned) == outcome(twice))
    }

    @Test(arguments: [
        (#""id":5"#, #"{"id":"0-5","type":"preference.set"}"#),
        (#""seq":5,"epoch":9"#, #"{"id":"9-5","type":"preference.set"}"#),
        (#""id":18446744073709551615"#, #"{"id":"0-18446744073709551615","type":"preference.set"}"#),
        (#""id":18446744073709551616"#, "bad_identity"), (#""id":-1"#, "bad_identity"), (#""id":1.5"#, "bad_identity"),
        (#""id":42.0"#, #"{"id":"0-42","type":"preference.set"}"#),
        (#""id":1.7776e+12"#, #"{"id":"0-1777600000000","type":"preference.set"}"#),
        (#""id":900719925474099301.0"#, #"{"id":"0-900719925474099301","type":"preference.set"}"#),
        (#""id":1e20"#, "bad_identity"), (#""id":120e-1,"epoch":7.0"#, #"{"id":"7-12","type":"preference.set"}"#),
        (#""id":"""#, "bad_identity"), (#""id":true"#, "wrong_type"), (#""id":[]"#, "wrong_type"),
        (#""seq":"5""#, "wrong_type"), (#""id":1,"epoch":4294967296"#, "bad_identity"),
        (#""id":1,"epoch":"a""#, "wrong_type"),
        (#""id":null"#, #"{"type":"preference.set"}"#), (#""id":"0-0""#, #"{"id":"0-0","type":"preference.set"}"#),
        (#""id":"01-1""#, ##"{"id":"#b9c2a7f9e6a56c6c","type":"preference.set"}"##),
        (#""id":"4294967296-1""#, ##"{"id":"#bebd61867cc7af15","type":"preference.set"}"##),
        (#""customer":"""#, "bad_identity"), (#""customer":7"#, "wrong_type"), (#""customer":nul"#, "malformed_json"),
        (#""quarantined":"bad_aspect""#, "already_quarantined"),
        (#""quarantined":null"#, #"{"type":"preference.set"}"#),
        (#""subject":"s","customer":"c""#, #"{"customer":"c","type":"preference.set"}"#),
    ])
    func identities(_ keys: String, _ expected: String) { #expect(event(keys) == expected) }

    @Test(arguments: [
        ("0", "0"), ("-0", "0"), ("92.0", "92"), ("1e3", "1000"), ("1E-2", "0.01"), ("0.1", "0.1"), ("-0.5", "-0.5"),
        ("9007199254740991", "9007199254740991"), ("9007199254740991.0", "9007199254740991"), ("1e21", "1e+21"),
        ("1e16", "1e+16"), ("12345678901234567e0", "1.2345678901234568e+16"),
        ("123456789012345.67", "123456789012345.67"),
        ("0.00001", "1e-05"), ("0.0001", "0.0001"), ("2.5e-324", "5e-324"), ("1e-400", "0"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"), ("3.141592653589793238462643", "3.141592653589793"),
        ("true", "true"), ("false", "false"), (#""eco""#, #""eco""#), (#""\u0041\/""#, #""A/""#),
    ])
    func values(_ value: String, _ expected: String) {
        #expect(event(#""value":"# + value) == #"{"type":"preference.set","value":"# + expected + "}")
    }

    @Test(arguments: [
        (#""value":9007199254740992"#, "not_finite"), (#""value":123456789012345678901234567890"#, "not_finite"),
        (#""value":1e999"#, "not_finite"), (#""value":{}"#, "wrong_value_type"), (#""value":[1]"#, "wrong_value_type"),
        (#""value":"""#, "missing_value"), (#""aspect":"Door""#, "bad_aspect"), (#""aspect":"a..b""#, "bad_aspect"),
        (#""aspect":"""#, "bad_aspect"), (#""aspect":".a""#, "bad_aspect"),
        (#""aspect":"a.b.c.d.e.f.g.h.i""#, "bad_aspect"),
        (#""aspect":5"#, "bad_aspect"), (#""count":-1"#, "out_of_range"), (#""count":1.5"#, "out_of_range"),
        (#""count":4294967296"#, "out_of_range"), (#""count":"2x""#, "wrong_value_type"),
        (#""severity":256"#, "out_of_range"),
        (#""severity":"high""#, "wrong_value_type"), (#""scale":300"#, "out_of_range"),
        (#""bestRating":0"#, "out_of_range"),
        (#""bestRating":100,"worstRating":0"#, "out_of_range"), (#""bestRating":"5 ""#, "out_of_range"),
        (#""bestRating":1"#, "out_of_range"), (#""bestRating":255"#, "out_of_range"),
        (#""time":"yesterday""#, "bad_time"), (#""time":"2026-02-29T00:00:00Z""#, "bad_time"),
        (#""time":"2026-01-01T00:00:00""#, "bad_time"), (#""time":"2026-01-01T24:00:00Z""#, "bad_time"),
        (#""time":"2026-01-01T00:00:00+0200""#, "bad_time"), (#""time":"2026-01-01""#, "bad_time"),
        (#""time":true"#, "bad_time"), (#""time":1e300"#, "bad_time"), (#""text":5"#, "wrong_value_type"),
        (#""lang":5"#, "wrong_value_type"), (#""unit":"123456789012345678901234567890123""#, "text_too_long"),
    ])
    func verdicts(_ keys: String, _ expected: String) {
        #expect(event(keys).hasSuffix(#","quarantined":"\#(expected)"}"#), "\(event(keys))")
    }

    @Test func scalesFollowTheBounds() {
        for (keys, expected) in [
            (#""bestRating":5"#, ""), (#""bestRating":5,"worstRating":1"#, ""),
            (#""bestRating":1,"worstRating":0"#, "1"),
            (#""bestRating":10,"worstRating":0"#, "10"), (#""bestRating":10"#, "255"), (#""bestRating":7"#, "7"),
            (#""bestRating":10.0,"worstRating":1"#, "255"),
        ] {
            let scale = expected.isEmpty ? "" : #","scale":"# + expected
            #expect(event(keys) == #"{"type":"preference.set""# + scale + "}", "\(keys)")
        }
    }

    @Test func usesAndTextsMayComeAsTheValue() {
        let use = #"{"product":"p","device":"d","type":"feature.used","aspect":"a","value":3}"#
        #expect(outcome(use) == #"{"type":"feature.used","aspect":"a","count":3}"#)
        #expect(outcome(use.replacing("3", with: "0")) == #"{"type":"feature.used","aspect":"a","count":0}"#)
        let text = #"{"product":"p","device":"d","type":"feedback.given","value":"too loud"}"#
        #expect(outcome(text) == #"{"type":"feedback.text","text":"too loud"}"#)
        let both = #"{"product":"p","device":"d","type":"feedback.text","value":2,"text":"too loud"}"#
        #expect(outcome(both) == #"{"type":"feedback.text","value":2,"text":"too loud"}"#)
    }

    @Test func anUnknownTypeKeepsItsLine() {
        let line = #"{"product":"p","device":"d","type":"com.acme.x","value":{"a":1}}"#
        let expected = #"""
            {"type":"custom","value":,\#
            "raw":"{\"product\":\"p\",\"device\":null,\"type\":\"com.acme.x\",\"value\":{\"a\":1}}",\#
            "vendor_type":"com.acme.x","quarantined":"unknown_type"}
            """#
        #expect(outcome(line) == expected.replacing(#""value":,"#, with: ""))
        #expect(outcome(#"{"product":"p","device":"d"}"#).contains(#""quarantined":"unknown_type""#))
        #expect(outcome(#"{"product":"p","device":"d","type":"gap"}"#).contains(#""vendor_type":"gap""#))
        #expect(outcome(#"{"product":"p","device":"d","type":"org.tidings.v1"}"#).contains("unknown_type"))
    }

    @Test func timesAreRead() {
        for (time, expected) in [
            ("1767225600000", "2026-01-01T00:00:00.000Z"), ("-1", "1969-12-31T23:59:59.999Z"),
            ("1.9", "1970-01-01T00:00:00.001Z"),
            (#""2024-02-29T23:59:60Z""#, "2024-03-01T00:00:00.000Z"),
            (#""2000-01-01t00:00:00.1239z""#, "2000-01-01T00:00:00.123Z"),
            (#""1600-03-01 00:00:00-23:59""#, "1600-03-01T23:59:00.000Z"),
            (#""0000-01-01T00:00:00Z""#, "0000-01-01T00:00:00.000Z"),
            (#""9999-12-31T23:59:59.999Z""#, "9999-12-31T23:59:59.999Z"),
            (#""1970-01-01T00:00:00Z""#, "1970-01-01T00:00:00.000Z"),
        ] {
            #expect(event(#""time":"# + time) == #"{"type":"preference.set","time":""# + expected + "\"}")
        }
        #expect(event(#""time":9007199254740991"#) == #"{"type":"preference.set","time":9007199254740991}"#)
    }
}

struct JSONGrammarTests {
    /// Lines that are not JSON, or not one object.
    @Test(arguments: [
        "", " ", "[]", "1", "{", "}", "{}}", "{} {}", "{}x", "{\u{0}}", "{}\u{0}", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#,
        #"{,"a":1}"#,
        #"{"a":1 "b":2}"#, #"{"a":01}"#, #"{"a":-}"#, #"{"a":1.}"#, #"{"a":.5}"#, #"{"a":1e}"#, #"{"a":1e+}"#,
        #"{"a":+1}"#,
        #"{"a":0x1}"#, #"{"a":NaN}"#, #"{"a":Infinity}"#, #"{"a":-Infinity}"#, #"{"a":nul}"#, #"{"a":True}"#,
        #"{"a":tru}"#,
        #"{"a":"}"#, #"{"a":"\x"}"#, #"{"a":"\u12"}"#, #"{"a":"\u12g4"}"#, "{\"a\":\"\u{1}\"}", "{\"a\":\"\n\"}",
        #"{"a":[1,]}"#,
        #"{"a":[1 2]}"#, #"{"a":[}"#, #"{"a":{]}"#, #"{'a':1}"#, #"{a:1}"#, #"{"product":tru}"#, #"{"source":[}"#,
        #"{"a":1}//"#,
    ])
    func malformed(_ line: String) { #expect(outcome(line) == "malformed_json") }

    @Test func depthIsBounded() {
        func nested(_ open: String, _ close: String, _ depth: Int) -> String {
            outcome(
                #"{"product":"p","device":"d","type":"receipt","x":"# + String(repeating: open, count: depth) + "1"
                    + String(repeating: close, count: depth) + "}")
        }
        #expect(nested("[", "]", 15) == #"{"type":"receipt"}"#)
        #expect(nested("[", "]", 16) == "too_deep")
        #expect(nested(#"{"a":"#, "}", 15) == #"{"type":"receipt"}"#)
        #expect(nested(#"{"a":"#, "}", 16) == "too_deep")
        #expect(outcome(#"{"x":"# + String(repeating: "[", count: 60_000)) == "too_deep")
        #expect(outcome("{" + String(repeating: #""data":{"#, count: 8_000)) == "too_deep")
    }

    @Test func keysStandOnlyOnceAtEveryLevel() {
        for line in [
            #"{"type":"a","type":"a"}"#, #"{"x":1,"x":2}"#, #"{"x":1,"\u0078":2}"#, #"{"type":"a","typ\u0065":"b"}"#,
            #"{"data":{"value":1,"value":1}}"#, #"{"data":{"z":1,"z":1}}"#, #"{"x":{"y":1,"y":1}}"#,
            #"{"x":[{"":1,"":1}]}"#,
            #"{"data":{"id":1,"id":1}}"#,
        ] {
            #expect(outcome(line) == "duplicate_key", "\(line)")
        }
        #expect(event(#""x":{"y":1},"y":{"x":1}"#) == #"{"type":"preference.set"}"#)
    }

    @Test func keysAreBounded() {
        func keys(_ count: Int) -> String { (0..<count).map { "\"k\($0)\":0" }.joined(separator: ",") }
        #expect(outcome("{\"x\":{" + keys(65) + "}}") == "malformed_json")
        #expect(event("\"x\":{" + keys(64) + "}") == #"{"type":"preference.set"}"#)
        #expect(event(keys(65)) == "malformed_json")
    }

    @Test func textIsUTF8() {
        for bad: [UInt8] in [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x80]] {
            #expect(outcome(bytes(#"{"x":""#) + bad + bytes(#""}"#)) == "bad_utf8", "\(bad)")
        }
        for escape in [#"\ud800"#, #"\udc00"#, #"\ud800\u0041"#, #"\ud800\ud800"#, #"\ud800x"#] {
            #expect(outcome(#"{"x":""# + escape + #""}"#) == "bad_utf8", "\(escape)")
        }
    }

    @Test func sizeIsBounded() {
        let padding = String(repeating: " ", count: Limits.jsonEventBytes)
        #expect(outcome("{" + padding + "}") == "too_big")
        let long = String(repeating: "é", count: 3_000)
        let cut = event(#""text":""# + long + "\"")
        #expect(cut.hasSuffix(#"","raw_cut":true,"quarantined":"text_too_long"}"#))
        #expect(cut.utf8.count > 2 * 4_096 && cut.utf8.count < 2 * 4_200)
        #expect(outcome(#"{"product":"p","device":""# + String(repeating: "x", count: 129) + "\"}") == "too_long")
        #expect(outcome(#"{"device":"d","product":""# + String(repeating: "x", count: 129) + "\"}") == "too_long")
        #expect(outcome(#"{"device":"d"}"#) == "no_product")
        #expect(outcome(#"{"product":"p"}"#) == "no_device")
    }

    @Test func numbersAreReadAsTheStandardLibraryReadsThem() {
        let seed: UInt64 = 99
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<20_000 {
            var text = generator.chance(2) ? "-" : ""
            text += "\(generator.magnitude())"
            if generator.chance(2) { text += ".\(generator.magnitude())" } else { text += ".0" }
            if generator.chance(3) { text += "e\(generator.below(700) - 350)" }
            guard let number = Double(text), number.isFinite else { continue }
            let isWhole = number.rounded() == number && number.magnitude < 0x1p53
            var expected = isWhole ? "\(Int64(number))" : number.description
            // Swift writes 1e16 ... 2^54 out, Python does not.
            if number.magnitude >= 1e16, expected.hasSuffix(".0") { expected = "" }
            let line = event(#""value":"# + text)
            if expected.isEmpty {
                #expect(line.contains("e+16"), "\(text), seed \(seed)")
            } else {
                #expect(line == #"{"type":"preference.set","value":"# + expected + "}", "\(text), seed \(seed)")
            }
        }
    }

    @Test func whatIsWrittenIsReadBack() {
        let seed: UInt64 = 12
        var generator = SeededGenerator(seed: seed)
        let words = ["a", "door.sound", "größe", "with \"quotes\" \\ and \u{7f}\u{1}\n\t\r", "😀"]
        for _ in 0..<2_000 {
            var vocabulary = Vocabulary()
            var batch = EventBatch()
            var line =
                #"{"product":"p","device":"d","type":"preference.set","aspect":"a","time":\#(generator.below(1 << 41))"#
            let value = ["1", "2.5", "true", "\"eco\"", "\(Double.random(in: -1...1, using: &generator))"][
                generator.below(5)]
            line += #","value":"# + value + #","text":"#
            var text: [UInt8] = []
            let plain = Array(words[generator.below(words.count)].utf8)
            appendJSONString(plain.span, to: &text)
            line += String(decoding: text, as: UTF8.self) + "}"
            let input = bytes(line)
            let arrival = Timestamp(rawValue: Int64(generator.below(1 << 41)))
            #expect(throws: Never.self, "\(line), seed \(seed)") {
                try readEventLine(input.span, arrival: arrival, vocabulary: &vocabulary, into: &batch)
                let first = written(batch, vocabulary)
                batch.removeAll()
                let again = bytes(first)
                try readEventLine(again.span, arrival: arrival, vocabulary: &vocabulary, into: &batch)
                #expect(written(batch, vocabulary) == first, "seed \(seed)")
                #expect(Array(batch.text(of: batch.events[0])) == plain, "seed \(seed)")
            }
        }
    }

    @Test func damagedLinesNeverCrash() {
        let seed: UInt64 = 4
        var generator = SeededGenerator(seed: seed)
        let line = bytes(
            #"{"specversion":"1.0","id":"7-1","source":"a/b","type":"rating.given","#
                + #""data":{"value":4.5e1,"x":[{"y":"\u00e9"}]}}"#
        )
        var refused = 0
        for _ in 0..<50_000 {
            var damaged = line
            for _ in 0...generator.below(3) {
                damaged[generator.below(damaged.count)] = UInt8(truncatingIfNeeded: generator.next())
                if generator.chance(4) { damaged.removeLast(generator.below(damaged.count)) }
                if damaged.isEmpty { damaged = [0x7b] }
            }
            if !outcome(damaged).hasPrefix("{") { refused += 1 }
        }
        #expect(refused > 40_000 && refused < 50_000)
    }
}
