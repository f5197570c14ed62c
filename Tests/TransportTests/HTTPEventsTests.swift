// Events over HTTP, in every form that a body may have: what is stored, and what is answered.

import Admission
import Bytes
import Events
import Testing
import Transport
import Wire

private let lines = "application/x-ndjson"
private let json = "application/json"
private let cloudEvent = "application/cloudevents+json"
private let cloudEvents = "application/cloudevents-batch+json"

private func cloud(_ seq: Int, data: String = #"{"aspect":"temperature","value":92}"#) -> String {
    #"{"specversion":"1.0","id":"1-\#(seq)","source":"kettle/k-1","type":"org.tidings.preference.set.v1","#
        + #""time":"2026-11-20T10:00:00Z","data":\#(data)}"#
}

private func nativeBatch(_ count: Int) -> [UInt8] {
    var writer = BatchWriter()
    let device = writer.reference("kettle/k-1")
    writer.begin(epoch: 3, firstSeq: 1, time: nil, device: device)
    for _ in 0..<count {
        var event = OutgoingEvent(kind: .feedbackText)
        event.text = Array("so".utf8)[...]
        writer.put(event)
    }
    var body: [UInt8] = []
    writer.finish(into: &body)
    return body
}

@Suite struct HTTPFormTests {
    /// Each form says the same event.
    @Test func everyFormIsTheSameEvent() throws {
        var all: [[Event]] = []
        for (type, body) in [
            (json, httpEvent(7)), (json, "[\(httpEvent(7))]"), (lines, httpEvent(7) + "\n"), (lines, httpEvent(7)),
            (cloudEvent, cloud(7)), (cloudEvents, "[\(cloud(7))]"),
        ] {
            for size in [nil, 1, 7] as [Int?] {
                let bench = HTTPBench()
                let answer = try bench.exchange(type, body, by: size)
                #expect(answer.status == 200)
                #expect((answer.count("received"), answer.count("stored")) == (1, 1))
                var event = try #require(bench.intake.committed.first)
                #expect(bench.isBalanced)
                #expect(bench.intake.admission.counts[Int(TransportKind.http.rawValue)].committed == 1)
                (event.time, event.clock) = (event.arrival, .arrival)
                all.append([event])
            }
        }
        #expect(all.allSatisfy { $0 == all[0] })
    }

    @Test func aNativeBatchIsTakenAsAWhole() throws {
        let bench = HTTPBench()
        for (received, stored, duplicate) in [(3, 3, 0), (3, 0, 3)] {
            bench.post("application/x-protobuf", nativeBatch(3))
            bench.commit()
            let answer = try bench.one()
            #expect(answer.count("received") == received)
            #expect((answer.count("stored"), answer.count("duplicate")) == (stored, duplicate))
        }
        bench.post("application/x-protobuf", [0x0a, 0xff])
        #expect(try bench.one().status == 400)
        // An event that refers to an entry which was never defined.
        bench.post("application/x-protobuf", Array(nativeBatch(1).drop { $0 != 0x28 }))
        #expect([400, 422].contains(try bench.one().status))
        #expect(bench.isBalanced)
    }
}

@Suite struct HTTPVerdictTests {
    @Test func everyEventThatIsNotStoredIsNamed() throws {
        let bench = HTTPBench()
        let body = [
            httpEvent(100), httpEvent(100), "", "{}", httpEvent(101, value: "null"), #"{"a":}"#, httpEvent(1),
        ].joined(separator: "\n")
        let answer = try bench.exchange(lines, body)
        #expect(answer.status == 200)
        #expect(["received", "stored", "duplicate"].map(answer.count) == [6, 1, 1])
        #expect(answer.indexes("refused") == [2, 4] && answer.codes("refused") == [4011, 4005])
        #expect(answer.indexes("quarantined") == [3] && answer.indexes("stale") == [5])
        #expect(answer.codes("stale") == [4240] && answer.list("stale")[0]["reason"] as? String == "stale")
        #expect((answer.list("refused")[1]["text"] as? String)?.contains("byte 6") == true, "\(answer.body)")
        #expect(bench.isBalanced)
    }

    /// All refused: the status of the first.
    @Test(arguments: [
        (json, "{}", 400, 4011), (lines, "{}\n[]\n", 400, 4011), (json, "[{}]", 400, 4011), (json, "", 400, 4005),
        (json, "5", 400, 4005), (json, "[5]", 400, 4005), (json, "[{},]", 400, 4005), (json, "[{}", 400, 4005),
        (json, "[{}]x", 400, 4005), (json, #"{"device":1}"#, 400, 4017), (cloudEvent, "[]", 400, 4005),
        (cloudEvents, "{}", 400, 4005), (cloudEvents, #"[{"a":1]"#, 400, 4005), (json, "\u{1}", 400, 4005),
        (json, "[" + String(repeating: "[", count: 100_000), 400, 4005),
        (
            json,
            #"{"product":"p","device":"d","type":"feature.used","x":"# + String(repeating: "[", count: 50_000) + "}",
            400, 4008
        ),
        (json, "{\"text\":\"" + String(repeating: "x", count: 70_000) + "\"}", 413, 4130),
        (lines, "{\"text\":\"" + String(repeating: "x", count: 70_000) + "\"}", 413, 4130),
        ("application/x-protobuf", "x", 400, 4003),
    ])
    func whenNothingIsTakenTheStatusSaysSo(_ type: String, _ body: String, _ status: Int, _ code: Int) throws {
        for size in [nil, 4_096] as [Int?] {
            let bench = HTTPBench()
            let answer = try bench.exchange(type, body, by: size)
            #expect(answer.status == status)
            #expect(answer.codes("refused").first == code, "\(answer.body)")
            #expect(answer.count("stored") == 0 && bench.intake.events.isEmpty)
            #expect(bench.isBalanced)
            #expect(bench.next == .reads, "the connection goes on")
        }
    }

    @Test func anEmptyBatchIsNoFault() throws {
        for (type, body) in [(cloudEvents, "[]"), (json, " [ ] "), (lines, ""), (lines, "\n\n")] {
            let answer = try HTTPBench().exchange(type, body)
            #expect(answer.status == 200 && answer.count("received") == 0)
        }
    }

    @Test func aThousandEventsAreABatch() throws {
        let bench = HTTPBench()
        let thousand = (1...1_000).map { httpEvent($0, device: "k-\($0)") }
        let answer = try bench.exchange(json, "[" + thousand.joined(separator: ",\n") + "]", by: 8_192)
        #expect(answer.count("stored") == 1_000)
        let more = HTTPBench()
        let refused = try more.exchange(
            json, "[" + (thousand + [httpEvent(1_001)]).joined(separator: ",") + "]", by: 8_192)
        #expect(refused.status == 413 && refused.codes("refused") == [4131])
        #expect(more.intake.events.isEmpty && more.isBalanced)
        let million = try more.exchange(json, "[" + String(repeating: "{},", count: 300_000) + "{}]")
        #expect(million.status == 413 && million.codes("refused") == [4131])
        #expect(more.intake.vocabulary.deviceCount == 0)
    }

    /// An array that is good JSON is taken by its events; one that is not leaves nothing behind, not even a name.
    @Test func halfGoodArrays() throws {
        let bench = HTTPBench()
        let answer = try bench.exchange(json, "[\(httpEvent(1)),{\"device\":\"x\"},\(httpEvent(2))]")
        #expect(answer.status == 200 && answer.count("stored") == 2 && answer.indexes("refused") == [1])
        let broken = HTTPBench()
        for fault in ["{\"a\":}", "5", "{\"a\":\"\u{1}\"}"] {
            let answer = try broken.exchange(json, "[\(httpEvent(1)),\(fault),\(httpEvent(2))]")
            #expect(answer.status == 400 && answer.indexes("refused") == [1], "\(answer.body)")
        }
        #expect(broken.intake.events.isEmpty && broken.intake.vocabulary.deviceCount == 0)
        #expect(broken.isBalanced)
    }

    @Test func aThousandVerdictsAreNamedAndTheRestCounted() throws {
        let bench = HTTPBench()
        let answer = try bench.exchange(lines, String(repeating: "{}\n", count: 1_500), by: 1_000)
        #expect(answer.status == 400 && answer.count("received") == 1_500)
        #expect(answer.list("refused").count == 1_000 && answer.count("more") == 500)
        #expect(answer.indexes("refused") == Array(0..<1_000))
        let bad = (1...1_000).map { httpEvent($0, device: "k-\($0)", value: "null") }
        let quarantined = try bench.exchange(json, "[" + bad.joined(separator: ",") + "]")
        #expect(quarantined.list("quarantined").count == 1_000 && quarantined.json["more"] == nil)
        #expect(bench.isBalanced)
    }

    @Test func aLineThatIsTooLongHarmsNoOther() throws {
        for size in [1_000, 200_000] {
            let bench = HTTPBench()
            let long = String(repeating: "x", count: 150_000)
            let answer = try bench.exchange(lines, "\(httpEvent(1))\n\(long)\n\(httpEvent(2))\n", by: size)
            #expect(answer.status == 200 && answer.count("stored") == 2 && answer.count("received") == 3)
            #expect(answer.codes("refused") == [4130] && answer.indexes("refused") == [1])
        }
    }
}

@Suite struct HTTPBodyTests {
    @Test func cutAnywhereItIsTheSame() throws {
        let body = " \n\(httpEvent(1))\r\n{\"x\":1}\n\n\(httpEvent(2))"
        let whole = HTTPBench()
        let expected = try whole.exchange(lines, body).body
        for size in 1..<body.utf8.count {
            let bench = HTTPBench()
            #expect(try bench.exchange(lines, body, by: size).body == expected)
            #expect(bench.intake.committed == whole.intake.committed)
        }
    }

    @Test func linesAreTakenAsTheyArrive() {
        let bench = HTTPBench()
        bench.begin("POST", "/v1/events", ["Content-Type": lines, "Transfer-Encoding": "chunked"])
        bench.part((httpEvent(1) + "\n" + httpEvent(2)).utf8)
        #expect(bench.intake.filling.count == 1)
        bench.part("\n".utf8)
        #expect(bench.intake.filling.count == 2)
        #expect(bench.output.isEmpty)
    }

    @Test func packedBodiesAreInflated() throws {
        let body = (1...40).map { httpEvent($0) }.joined(separator: "\n")
        let zlib = deflated(Array(body.utf8).span)
        let gzip = gzipped(Array(body.utf8))
        for (coding, packed) in [
            ("gzip", gzip), ("x-gzip", gzip), ("deflate", zlib ?? []), ("gzip", gzip + gzip),
        ] {
            for size in [1, 10, 100_000] {
                let bench = HTTPBench()
                bench.post(lines, packed, by: size, ["Content-Encoding": coding])
                bench.commit()
                let answer = try bench.one()
                #expect(answer.status == 200 && answer.count("stored") == 40, "\(answer.body)")
            }
        }
        let bench = HTTPBench()
        bench.post(json, gzipped(Array("[\(body.replacing("\n", with: ","))]".utf8)), ["Content-Encoding": "gzip"])
        bench.commit()
        #expect(try bench.one().count("stored") == 40)
    }

    @Test func damagedPackingIsRefused() throws {
        let gzip = gzipped(Array((1...40).map { httpEvent($0) }.joined(separator: "\n").utf8))
        var flipped = gzip
        flipped[gzip.count - 6] ^= 1
        let cases: [(String, [UInt8], Int, Int)] = [
            ("gzip", gzip + [0], 400, 4004), ("gzip", gzip + Array("more".utf8), 400, 4004),
            ("gzip", flipped, 400, 4004),
            ("gzip", Array(gzip.dropLast(9)), 400, 4009), ("gzip", [], 400, 4009), ("deflate", gzip, 400, 4004),
            ("gzip", Array(httpEvent(1).utf8), 400, 4004),
        ]
        for (coding, packed, status, code) in cases {
            for type in [lines, json] {
                let bench = HTTPBench()
                bench.post(type, packed, ["Content-Encoding": coding])
                bench.commit()
                let answer = try bench.one()
                #expect(answer.status == status && answer.codes("refused").contains(code), "\(answer.body)")
                #expect(type == lines || bench.intake.events.isEmpty)
                #expect(bench.isBalanced)
            }
        }
    }

    @Test func aBombDoesNotGoOff() throws {
        let zeros = gzipped([UInt8](repeating: 0x20, count: 8 << 20))
        let bench = HTTPBench()
        bench.post(json, zeros, ["Content-Encoding": "gzip"])
        #expect(try bench.one().status == 413)
        var many: [UInt8] = []
        for _ in 0..<9 { many += zeros }
        let lined = HTTPBench()
        lined.post(lines, many, by: 10_000, ["Content-Encoding": "gzip"])
        let answer = try lined.one()
        #expect(answer.status == 413 && answer.codes("refused") == [4132])
        var members: [UInt8] = []
        let small = gzipped([UInt8](repeating: 0x0a, count: 200))
        for _ in 0...HTTPLimits.gzipMembers { members += small }
        let split = HTTPBench()
        split.post(lines, members, ["Content-Encoding": "gzip"])
        #expect(try split.one().status == 413)
        #expect(bench.isBalanced && lined.isBalanced && split.isBalanced)
    }

    @Test func aBodyThatBreaksOffIsAnsweredWithItsCounts() throws {
        let bench = HTTPBench()
        bench.begin("POST", "/v1/events", ["Content-Type": lines, "Content-Length": "1000"])
        bench.part((httpEvent(1) + "\n" + httpEvent(2) + "\n{\"prod").utf8)
        bench.fail(.brokenOff)
        #expect(bench.output.isEmpty, "the first two are not yet stored")
        bench.commit()
        let answer = try bench.one()
        #expect(answer.status == 400 && answer.count("stored") == 2 && answer.codes("refused") == [4009])
        #expect(bench.session.next == .ends && bench.isBalanced)
        let whole = HTTPBench()
        whole.begin("POST", "/v1/events", ["Content-Type": json, "Content-Length": "1000"])
        whole.part("[\(httpEvent(1))".utf8)
        whole.fail(.brokenOff)
        #expect(try whole.one().status == 400)
        #expect(whole.intake.events.isEmpty && whole.isBalanced)
    }

    @Test func whoFindsNoRoomWaitsAndIsTurnedAway() throws {
        let bench = HTTPBench()
        bench.intake.isFull = true
        bench.post(json, httpEvent(1))
        #expect(bench.next == .needsRoom)
        bench.intake.isFull = false
        bench.next = bench.session.resume(in: bench.ingest, as: bench.peer, output: &bench.output)
        #expect(bench.next == .reads)
        bench.commit()
        #expect(try bench.one().count("stored") == 1)
        bench.intake.isFull = true
        bench.begin("POST", "/v1/events", ["Content-Type": lines, "Transfer-Encoding": "chunked"])
        bench.part((httpEvent(2) + "\n").utf8)
        #expect(bench.next == .needsRoom)
        bench.fail(.busy)
        let answer = try bench.one()
        #expect(answer.status == 503 && answer.fields["retry-after"] == "1" && answer.codes("refused") == [5030])
        #expect(bench.session.next == .ends && bench.isBalanced)
    }

    /// What has been taken and is not yet stored is neither called stored nor waited for.
    @Test func whoIsTurnedAwayIsToldNothingThatIsNotSo() throws {
        let bench = HTTPBench()
        bench.begin("POST", "/v1/events", ["Content-Type": lines, "Transfer-Encoding": "chunked"])
        bench.part((httpEvent(1) + "\n").utf8)
        bench.intake.isFull = true
        bench.part((httpEvent(2) + "\n").utf8)
        #expect(bench.next == .needsRoom)
        bench.fail(.busy)
        let answer = try bench.one()
        #expect(answer.status == 503 && answer.json["stored"] == nil && answer.fields["retry-after"] == "1")
    }

    @Test func whoIsOverTheQuotaIsTurnedAwayForSoLong() throws {
        var settings = TransportSettings()
        settings.quotas.deviceEventsPerSecond = 1
        settings.quotas.burstSeconds = 1
        let bench = HTTPBench(settings: settings)
        bench.ingest.uptime = { 1_000_000_000_000 }
        let events = (1...20).map { httpEvent($0) }.joined(separator: "\n")
        #expect(try bench.exchange(lines, events + "\n").count("stored") == 20)
        let answer = try bench.exchange(lines, httpEvent(21))
        #expect(answer.status == 503 && answer.codes("refused") == [4291], "\(answer.body)")
        #expect((answer.fields["retry-after"].flatMap { Int($0) } ?? 0) > 10)
        #expect(bench.isBalanced)
    }
}
