// The log knows nobody by name: what is kept of an event that cannot be read has no names in it.

import Events
import Foundation
import SwiftProtobuf
import Testing
import Wire

struct PlantedNamesTests {
    private static let names = ["DEVICE-Anna", "CUSTOMER-Berta", "SOURCE-Carla", "SUBJECT-Dora", "ID-Emil"]

    /// The envelope with a name in each place where one may stand.
    private static let envelopes = [
        #""product":"p","device":"DEVICE-Anna","customer":"CUSTOMER-Berta","subject":"SUBJECT-Dora","id":"ID-Emil","#,
        #""specversion":"1.0","source":"p/SOURCE-Carla","subject":"SUBJECT-Dora","id":"ID-Emil","#,
        #""product":"p","\u0064evice":"DEVICE-Anna","c\u0075stomer":"CUSTOMER-Ber\u0074a","i\u0064":"ID-Emil","#,
        #""product":"p","source":"urn:dev:ops:1-p-SOURCE-Carla","Customer":"CUSTOMER-Berta","#,
        #""product":"p","device":"DEVICE-Anna","x":{"id":"ID-Emil","y":[{"customer":["CUSTOMER-Berta"]}]},"#
            + #""data":{"subject":{"z":"SUBJECT-Dora"},"source":"SOURCE-Carla","value":1},"#,
    ]

    /// What a decoder blames, and what it refuses.
    private static let payloads = [
        #""type":"com.acme.x""#, #""type":"preference.set","aspect":"Door Sound","value":1"#, #""aspect":1"#,
        #""type":"preference.set","aspect":"a","value":{"customer":"CUSTOMER-Berta"}"#,
        #""type":"preference.set","aspect":"a","value":9007199254740992"#, #""type":"preference.set","value":"""#,
        #""type":"preference.set","aspect":"a","value":"\#(String(repeating: "v", count: 300))""#,
        #""type":"preference.set","origin":"nobody""#, #""type":"preference.set","origin":5"#,
        #""type":"feature.used","duration":-1"#, #""type":"feature.used","duration":"long""#,
        #""type":"preference.set","time":"yesterday""#, #""type":"consent.given","purpose":"p","expiry":"never""#,
        #""type":"receipt","cause":"0-17""#, #""type":"receipt","stage":"lost""#,
        #""type":"feedback.text","text":"\#(String(repeating: "t", count: 5_000))""#,
        #""type":"fault.seen","count":-1"#,
        #""type":"fault.seen","severity":"high""#,
        #""type":"fault.seen","unit":"\#(String(repeating: "u", count: 33))""#,
        #""type":"rating.given","bestRating":0"#, #""type":"rating.given","text":5"#,
        // Refused:
        #""type":5"#, #""type":"a","type":"b""#, #""seq":"x""#, #""epoch":"x","id":1"#, #""time":nul"#,
        #""customer":"\#(String(repeating: "CUSTOMER-Berta", count: 9))""#, #""quarantined":"policy""#,
    ]

    private func expectNoName(_ batch: EventBatch, _ vocabulary: Vocabulary, _ line: String) {
        var kept = String(decoding: batch.text, as: UTF8.self)
        for kind in SymbolKind.allCases {
            for id in 0...vocabulary.count(kind) {
                kept += " " + String(decoding: vocabulary.text(kind, SymbolID(rawValue: UInt32(id))), as: UTF8.self)
            }
        }
        for name in Self.names { #expect(!kept.contains(name), "\(name) of \(line) is in \(kept.prefix(400))") }
    }

    @Test func noNameIsKeptOfALine() {
        var (refused, kept, reasons) = (0, 0, Set<QuarantineReason>())
        for envelope in Self.envelopes {
            for payload in Self.payloads {
                let line = "{" + envelope + payload + "}"
                var vocabulary = Vocabulary()
                var batch = EventBatch()
                do throws(Refusal) {
                    try readEventLine(
                        bytes(line).span, arrival: Timestamp(rawValue: 1_800_000_000_000), keepsUnknown: true,
                        vocabulary: &vocabulary, into: &batch)
                    let details = batch.details(of: batch.events[0])
                    #expect(details.raw.isEmpty == (batch.events[0].quarantine == .none), "\(line)")
                    #expect(details.raw.length <= UInt32(Limits.rawBytes))
                    if !details.raw.isEmpty { kept += 1 }
                    reasons.insert(batch.events[0].quarantine)
                } catch {
                    refused += 1
                }
                expectNoName(batch, vocabulary, line)
            }
        }
        print(
            "planted names: \(kept) lines kept as they came, \(refused) refused, \(reasons.count - 1) reasons, no name")
        #expect(kept > 70 && refused > 20 && reasons.count > 9)
    }

    @Test func noNameIsKeptOfANativeEvent() throws {
        var message = Tidings_Wire_V1_Batch()
        message.define = ["p/DEVICE-Anna", "CUSTOMER-Berta", "Door Sound", String(repeating: "v", count: 300), "com.x"]
        (message.device, message.seq) = (1, 1)
        let fills: [(inout Tidings_Wire_V1_Event) -> Void] = [
            { $0.aspect = 3 }, { $0.ref = 4 }, { ($0.kind, $0.typeRef) = (0, 5) }, { $0.kind = 300 },
            { $0.whole = 1 << 53 }, { $0.real64 = .nan }, { ($0.whole, $0.flag) = (1, true) }, { $0.severity = 300 },
            { $0.origin = 9 }, { $0.cause = "0-17" }, { $0.unit = 4 }, { $0.aspectName = "Door Sound" },
            { $0.text = String(repeating: "\u{1}", count: 5_000) }, { ($0.kind, $0.whole) = (3, -1) },
            {
                ($0.kind, $0.typeRef) = (0, 5)
                $0.data = Data(bytes(#"{"a":[{"DEVICE":"DEVICE-Anna","i\u0064":"ID-Emil"}]}"#))
            },
        ]
        message.events = fills.map { fill in
            var event = Tidings_Wire_V1_Event()
            (event.kind, event.subject, event.id) = (1, 2, "ID-Emil")
            fill(&event)
            return event
        }
        var reading = Reading()
        _ = try reading.read(message)
        for (index, event) in reading.batch.events.enumerated() {
            #expect(event.quarantine != .none && !reading.batch.details(of: event).raw.isEmpty, "event \(index)")
        }
        #expect(reading.line(0).contains(#""raw":"{\"type\":\"preference.set\",\"aspect\":\"Door Sound\"}""#))
        #expect(reading.line(14).contains(#"\"data\":{\"a\":[{\"DEVICE\":null,\"i\\u0064\":null}]}"#))
        expectNoName(reading.batch, reading.vocabulary, "native")
        print("planted names: \(reading.batch.count) native events kept as they came, no name")
    }

    /// The largest unit of all: each event is kept as it came, and none is longer than it may be.
    @Test func aFrameOfBlamedEventsFits() throws {
        var message = Tidings_Wire_V1_Batch()
        message.define = ["p/d", String(repeating: "\u{1}", count: 60_000)]
        (message.device, message.seq) = (1, 1)
        var event = Tidings_Wire_V1_Event()
        (event.kind, event.aspect, event.ref, event.unit) = (1, 2, 2, 2)
        event.text = String(repeating: "x", count: 900)
        message.events = Array(repeating: event, count: Limits.batchEvents)
        var reading = Reading()
        _ = try reading.read(message)
        #expect(reading.batch.text.count > Limits.batchEvents * Limits.rawBytes)
        #expect(reading.batch.text.count <= Limits.unitTextBytes && Limits.unitTextBytes <= Limits.blockTextBytes)
        #expect(reading.batch.details(of: reading.batch.events[0]).raw.isCut)
    }
}

struct ExtraTests {
    private func extra(_ keys: String, keeps: Bool = true) throws -> String {
        var reading = Reading()
        let line = #"{"product":"p","device":"d","type":"feature.used","aspect":"a","# + keys + "}"
        try readEventLine(
            bytes(line).span, arrival: reading.arrival, keepsUnknown: keeps, vocabulary: &reading.vocabulary,
            into: &reading.batch)
        let written = reading.line(0)
        var again = Reading()
        try readEventLine(
            bytes(written).span, arrival: reading.arrival, keepsUnknown: keeps, vocabulary: &again.vocabulary,
            into: &again.batch)
        let details = reading.batch.details(of: reading.batch.events[0])
        let found = String(decoding: reading.batch.bytes(of: details.extra), as: UTF8.self)
        let (one, two) = (again.batch.events[0], again.batch.details(of: again.batch.events[0]))
        #expect(String(decoding: again.batch.bytes(of: two.extra), as: UTF8.self) == found && one.quarantine == .none)
        return found
    }

    @Test(arguments: [
        (#""x":1"#, #"{"x":1}"#), (#""x":-1.50,"y":"\u0041","z":true"#, #"{"x":-1.50,"y":"\u0041","z":true}"#),
        (#""x":{"y":1},"z":[1],"n":null"#, ""), (#""purpose":"p","stage":"s","severity":3"#, ""),
        (#""data":{"x":1,"device":"d"},"y":2"#, #"{"x":1,"y":2}"#), (#""x":1,"data":{"x":2}"#, #"{"x":1}"#),
        (#""offset":7,"arrival":"x","payload":{},"Customer":"c""#, ""), (#""extra":5"#, #"{"extra":5}"#),
        (#""\u0078":1"#, #"{"\u0078":1}"#),
    ])
    func whatNoSchemaKnows(_ keys: String, _ expected: String) throws {
        #expect(try extra(keys) == expected)
        #expect(try extra(keys, keeps: false).isEmpty)
    }

    @Test func sixteenOf256Bytes() throws {
        let many = (10..<40).map { "\"k\($0)\":\($0)" }
        #expect(try extra(many.joined(separator: ",")) == "{" + many[..<16].joined(separator: ",") + "}")
        let fits = String(repeating: "v", count: 253)
        #expect(try extra("\"x\":\"\(fits)\",\"y\":\"\(fits)v\"") == "{\"x\":\"\(fits)\"}")
    }
}
