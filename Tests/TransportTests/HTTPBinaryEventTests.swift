// A CloudEvent in the binary form: its attributes stand in the head, its data is the body.

import Events
import Testing
import Transport

private let json = "application/json"

@Suite struct HTTPBinaryEventTests {
    @Test func theAttributesOfABinaryEventStandInTheHead() throws {
        let bench = HTTPBench()
        bench.post(
            "application/json; charset=UTF-8", #"{"aspect":"temperature","value":92}"#, by: nil,
            [
                "CE-SpecVersion": "1.0", "ce-id": "1-7", "ce-source": "kettle/k%2D1", "ce-type": "preference.set",
                "ce-subject": #""quo\"ted%20Euro%20€%20%F0%9F%98%80""#, "ce-some_thing": "x",
            ])
        bench.commit()
        let answer = try bench.one()
        #expect(answer.count("stored") == 1, "\(answer.body)")
        let event = try #require(bench.intake.committed.first)
        #expect(event.seq == 7)
        #expect(String(decoding: bench.intake.vocabulary.name(of: event.device), as: UTF8.self) == "k-1")
        #expect(
            String(decoding: bench.intake.vocabulary.name(of: event.customer), as: UTF8.self)
                == "quo\"ted Euro € 😀")
    }

    /// HTTP binding for CloudEvents, 3.1.1: the type of the data is that of the body.
    @Test func theContentTypeIsAnAttribute() throws {
        let attributes = [(name: "id"[...], value: "1%2D7"), (name: "DataContentType"[...], value: "text/xml")]
        for (type, expected) in [
            (" application/json; a=\"%41\"", #"{"datacontenttype":"application/json; a=\"%41\"","id":"1-7","data":7}"#),
            (nil, #"{"id":"1-7","datacontenttype":"text/xml","data":7}"#),
        ] {
            var line: [UInt8] = []
            try writeBinaryEvent(attributes, contentType: type, data: [UInt8(ascii: "7")].span, into: &line)
            #expect(String(decoding: line, as: UTF8.self) == expected)
        }
    }

    @Test(
        arguments: [
            ("ce-source", "kettle/%ff", 4006), ("ce-source", "kettle/\u{fffd}", 4006), ("ce-id", "", 4013),
            ("ce-id", "2", nil), ("ce-quarantined", "x", 4018),
        ] as [(String, String, Int?)])
    func attributesThatAreNoGood(_ name: String, _ value: String, _ code: Int?) throws {
        let bench = HTTPBench()
        var fields = ["ce-specversion": "1.0", "ce-id": "1-1", "ce-source": "kettle/k-1", "ce-type": "feature.used"]
        fields[name] = value
        let head = HTTPHead(
            method: "POST", target: "/v1/events", minorVersion: 1,
            fields: (fields.map { ($0.key, $0.value) } + [("Host", "x"), ("Content-Length", "0")]).map {
                (name: $0.0, value: $0.1)
            })
        _ = bench.session.begin(head, in: bench.ingest, as: bench.peer, output: &bench.output)
        bench.finish()
        bench.commit()
        let answer = try bench.one()
        #expect(answer.codes("refused") == (code.map { [$0] } ?? []), "\(answer.body)")
        #expect(answer.status == (code == nil ? 200 : 400))
    }

    /// Only what is blank is no data.
    @Test(arguments: [("", 200), (" \r\n\t", 200), ("\u{1}", 400), (" \u{1f}\n", 400), ("null", 200)])
    func blankData(_ data: String, _ status: Int) throws {
        let bench = HTTPBench()
        let answer = try bench.exchange(
            json, data, by: nil,
            ["ce-specversion": "1.0", "ce-id": "1-7", "ce-source": "kettle/k-1", "ce-type": "feature.used"])
        #expect(answer.status == status, "\(answer.body)")
    }

    /// The data of a binary event is one value: nothing behind it becomes a part of the event.
    @Test func theDataCannotBreakOutOfTheEvent() throws {
        let bench = HTTPBench()
        let answer = try bench.exchange(
            json, #"1,"subject":"somebody else""#, by: nil,
            ["ce-specversion": "1.0", "ce-id": "1-7", "ce-source": "kettle/k-1", "ce-type": "feature.used"])
        #expect(answer.status == 400)
        #expect(answer.codes("refused") == [4005])
        #expect(bench.intake.events.isEmpty)
    }
}
