// Messages to devices over HTTP, without sockets: requests that wait, and streams.

import Admission
import Events
import Testing
import Transport
import Wire

private let device = DeviceID(rawValue: 1)

extension HTTPBench {
    /// A whole request for messages; what begins to wait by it.
    fileprivate func ask(
        _ rest: String = "?source=kettle/k-1", minorVersion: Int = 1, _ fields: KeyValuePairs<String, String> = [:]
    ) -> HTTPDownWait? {
        begin("GET", "/v1/down" + rest, minorVersion: minorVersion, fields)
        finish()
        return session.takeDown()
    }

    fileprivate func push(_ number: UInt32, _ kind: EventKind = .setting) -> Bool {
        var message = DownEnvelope(id(number), kind, json: Array(json(number).utf8))
        message.device = device
        return session.push(message, output: &output)
    }

    fileprivate func flush() { session.flushDown(in: ingest, output: &output) }
    fileprivate func end() { session.endDown(in: ingest, output: &output) }

    fileprivate func takeText() -> String {
        defer { output = [] }
        return String(decoding: output, as: UTF8.self)
    }
}

private func id(_ number: UInt32) -> MessageID { MessageID(number: number, tag: 0x9f31_c2aa) }
private func json(_ number: UInt32) -> String { #"{"id":"m\#(number)-9f31c2aa","type":"setting"}"# }

@Suite struct DownTokenTests {
    private func token(_ text: String) -> DownToken? { DownToken(Array(text.utf8).span) }

    @Test func aTokenIsASetOfIDs() throws {
        var made = DownToken()
        for number: UInt32 in [9, 17, 3, 17] { made.insert(id(number)) }
        var text: [UInt8] = []
        made.append(to: &text)
        #expect(String(decoding: text, as: UTF8.self) == "m9-9f31c2aa.m17-9f31c2aa.m3-9f31c2aa")
        #expect(DownToken(text.span) == made)
        #expect(token("")?.ids == [])
        for number in 1...UInt32(WireLimits.tokenIDs + 1) { made.insert(id(100 + number)) }
        #expect(made.ids.count == WireLimits.tokenIDs && made.ids.first == id(102))
    }

    @Test(arguments: [
        "m17", "m17-9f31c2aa.", ".m17-9f31c2aa", "m17-9f31c2aa..m18-9f31c2aa", "m17-9f31c2a", "17", "m0-9f31c2aa", "x",
        "m17-9f31c2aa,m18-9f31c2aa", [String](repeating: "m17-9f31c2aa", count: 65).joined(separator: "."),
    ])
    func whatIsNoneIsNone(_ text: String) { #expect(token(text) == nil) }
}

@Suite struct HTTPPollTests {
    @Test func whatWaitsComesInOneAnswer() throws {
        let bench = HTTPBench()
        let wait = try #require(bench.ask("?source=kettle/k-1&wait=55"))
        #expect(wait.device == device && wait.seconds == 55 && wait.received.isEmpty && !wait.isOfThisMachine)
        #expect(bench.next == .reads && bench.session.awaitedDevice == device)
        #expect(bench.push(17) && bench.push(18) && !bench.push(17))
        #expect(bench.output.isEmpty)
        bench.flush()
        let answer = try bench.one()
        #expect(answer.status == 200 && answer.fields["content-type"] == "application/x-ndjson")
        #expect(answer.fields["tidings-token"] == "m17-9f31c2aa.m18-9f31c2aa")
        #expect(answer.fields["cache-control"] == "no-store")
        #expect(answer.body == json(17) + "\n" + json(18) + "\n")
        // Nobody waits any more.
        #expect(!bench.push(19) && bench.session.awaitedDevice == nil && bench.session.isAnswered)
        // The token is what the device has, whatever else is on its way.
        let next = try #require(bench.ask("?after=m18-9f31c2aa.m17-9f31c2aa&source=kettle%2Fk-1"))
        #expect(next.received == [id(18), id(17)] && next.seconds == 0)
        #expect(bench.push(3))
        bench.flush()
        #expect(try bench.one().fields["tidings-token"] == "m3-9f31c2aa")
    }

    @Test func withoutAMessageThereIsNoContent() throws {
        let bench = HTTPBench()
        _ = bench.ask()
        bench.flush()
        #expect(bench.output.isEmpty)
        bench.end()
        let answer = try bench.one()
        #expect(answer.status == 204 && answer.fields["tidings-token"] == nil)
        bench.end()
        #expect(bench.output.isEmpty)
    }

    @Test func aSecondRequestOnTheConnectionEndsTheFirst() throws {
        let bench = HTTPBench()
        _ = bench.ask()
        let second = bench.ask("?source=kettle/k-2")
        #expect(try bench.one().status == 204)
        #expect(second?.device == DeviceID(rawValue: 2) && !bench.push(17))
    }

    @Test func answersKeepTheirOrder() throws {
        let bench = HTTPBench()
        bench.post("application/json", httpEvent(1))
        _ = bench.ask()
        #expect(bench.push(17))
        bench.flush()
        #expect(bench.output.isEmpty)
        bench.commit()
        #expect(bench.take().map(\.status) == [200, 200])
    }

    @Test func anOldOrClosingConnectionEndsWithTheAnswer() throws {
        let bench = HTTPBench()
        _ = bench.ask("?source=kettle/k-1", ["Connection": "close"])
        #expect(bench.next == .ends && !bench.session.isAnswered)
        #expect(bench.push(17))
        bench.flush()
        #expect(try bench.one().fields["connection"] == "close")
        #expect(bench.session.isAnswered)
    }

    @Test(arguments: [
        "", "?source=kettle", "?source=kettle/", "?source=%ff/k-1", "?source=kettle/k-1&wait=56",
        "?source=kettle/k-1&wait=-1", "?source=kettle/k-1&wait=+1", "?source=kettle/k-1&wait=x",
        "?source=kettle/k-1&after=m17", "?source=a/b&source=a/c",
    ])
    func whatIsWrongIsNamed(_ query: String) throws {
        let bench = HTTPBench()
        #expect(bench.ask(query) == nil)
        let answer = try bench.one()
        #expect(answer.status == 400 && answer.body.contains("\"text\":\""), "\(query): \(answer)")
        #expect(bench.next == .reads && bench.session.awaitedDevice == nil)
    }

    @Test func otherMethodsAreToldWhichThereAre() throws {
        for path in ["/v1/down", "/v1/down/stream"] {
            for method in ["HEAD", "POST", "PUT"] {
                let bench = HTTPBench()
                bench.begin(method, path)
                bench.finish()
                let answer = try bench.one()
                #expect(answer.status == 405 && answer.fields["allow"] == "GET, OPTIONS")
            }
        }
    }

    @Test func aCredentialNamesItsDevice() throws {
        func asked(_ authorization: String?, _ query: String) throws -> (Int, DeviceID?) {
            let bench = HTTPBench(settings: .auth(.require))
            bench.ingest.change(access: TestKeys.list())
            bench.begin("GET", "/v1/down" + query, authorization.map { ["Authorization": "Bearer " + $0] } ?? [:])
            bench.finish()
            let wait = bench.session.takeDown()
            bench.end()
            return (try bench.one().status, wait?.device)
        }
        let cases: [(String?, String, Int)] = [
            (nil, "?source=kettle/k-1", 401), ("tdg_none", "?source=kettle/k-1", 401), (TestKeys.bearer(7), "", 204),
            (TestKeys.bearer(7), "?source=kettle/k-1", 204), (TestKeys.bearer(7), "?source=kettle/k-2", 403),
            (TestKeys.bearer(9), "", 400), (TestKeys.bearer(9), "?source=kettle/k-5", 204),
            (TestKeys.bearer(9), "?source=oven/k-5", 403), ("tdg_reader", "?source=kettle/k-1", 403),
            ("tdg_operator", "?source=kettle/k-1", 403), ("tdg_kettle", "?source=kettle/k-1", 204),
        ]
        for (authorization, query, status) in cases {
            let (found, device) = try asked(authorization, query)
            #expect(found == status, "\(authorization ?? "nothing") \(query)")
            #expect((device != nil) == (status == 204))
        }
    }
}

@Suite struct HTTPStreamTests {
    @Test func aStreamGoesOnUntilItIsEnded() throws {
        let bench = HTTPBench()
        let wait = try #require(bench.ask("/stream?source=kettle/k-1", ["Last-Event-ID": "m3-9f31c2aa"]))
        #expect(wait.seconds == nil && wait.received == [id(3)])
        let head = bench.takeText()
        #expect(head.contains("Content-Type: text/event-stream\r\n") && head.contains("Cache-Control: no-store\r\n"))
        #expect(head.contains("Transfer-Encoding: chunked\r\n") && !head.contains("Content-Length"))
        #expect(head.contains(#/\r\n\r\nd\r\nretry: [2-5]\d\d\d\n\n\r\n$/#), "\(head)")
        #expect(bench.push(17, .notice))
        var event = "id: m17-9f31c2aa\nevent: notice\ndata: \(json(17))\n\n"
        #expect(bench.takeText() == String(event.utf8.count, radix: 16) + "\r\n" + event + "\r\n")
        // Within one stream nothing comes twice; what was sent is named until the device says that it has it.
        #expect(!bench.push(17) && bench.push(9))
        event = "id: m17-9f31c2aa.m9-9f31c2aa\nevent: setting\ndata: \(json(9))\n\n"
        #expect(bench.takeText() == String(event.utf8.count, radix: 16) + "\r\n" + event + "\r\n")
        bench.session.heartbeat(output: &bench.output)
        #expect(bench.takeText() == "3\r\n:\n\n\r\n")
        bench.flush()
        #expect(bench.output.isEmpty && !bench.session.isAnswered)
        // Behind the end the connection goes on.
        bench.begin("GET", "/v1/nothing")
        bench.finish()
        #expect(bench.output.isEmpty)
        bench.end()
        let rest = bench.takeText()
        #expect(rest.hasPrefix("0\r\n\r\nHTTP/1.1 404 ") && bench.session.isAnswered && bench.next == .reads)
        #expect(!bench.push(18))
    }

    @Test func olderClientsReadToTheEndOfTheConnection() throws {
        let bench = HTTPBench()
        _ = bench.ask("/stream?source=kettle/k-1", minorVersion: 0, ["Connection": "keep-alive"])
        let head = bench.takeText()
        #expect(head.contains("\r\n\r\nretry: ") && !head.contains("chunked") && bench.next == .ends)
        #expect(bench.push(17))
        #expect(bench.takeText().hasPrefix("id: m17-9f31c2aa\n"))
        bench.end()
        #expect(bench.output.isEmpty && bench.session.isAnswered)
    }

    @Test func aStreamBehindAnAnswerBeginsAfterIt() throws {
        let bench = HTTPBench()
        bench.post("application/json", httpEvent(1))
        _ = bench.ask("/stream?source=kettle/k-1")
        #expect(bench.output.isEmpty && !bench.push(17))
        bench.commit()
        let text = bench.takeText()
        #expect(text.hasPrefix("HTTP/1.1 200 OK") && text.contains("text/event-stream"))
        #expect(bench.push(17))
    }

    @Test func aStreamNamesItsLastMessages() throws {
        let bench = HTTPBench()
        _ = bench.ask("/stream?source=kettle/k-1")
        for number in 1...UInt32(HTTPLimits.streamTokenIDs + 4) { #expect(bench.push(number)) }
        let last = try #require(bench.takeText().split(separator: "id: ").last)
        #expect(last.prefix { $0 != "\n" }.split(separator: ".").count == HTTPLimits.streamTokenIDs)
    }

    /// Cut after any byte: what the client has whole it names when it comes again, and it is offered all the rest.
    @Test func whatIsCutIsOfferedAgain() throws {
        let numbers: [UInt32] = [5, 2, 9]
        let whole = HTTPBench()
        _ = whole.ask("/stream?source=kettle/k-1")
        for number in numbers { #expect(whole.push(number)) }
        let bytes = Array(whole.output)
        let start = try #require(bytes.firstRange(of: Array("\r\n\r\n".utf8))).upperBound
        for cut in start...bytes.count {
            let seen = events(dechunked(bytes[start..<cut]))
            let again = HTTPBench()
            let wait = try #require(
                again.ask("/stream?source=kettle/k-1", seen.last.map { ["Last-Event-ID": $0.id] } ?? [:]))
            let had = wait.received.map(\.number)
            #expect(had == seen.map(\.number), "cut at \(cut)")
            _ = again.takeText()
            for number in numbers where !had.contains(number) { #expect(again.push(number)) }
            let text = again.takeText()
            let rest = events(dechunked(Array(text.utf8)[...]))
            #expect(seen.map(\.number) + rest.map(\.number) == numbers, "cut at \(cut)")
        }
    }

    /// What the chunks hold, as far as it has come.
    private func dechunked(_ bytes: ArraySlice<UInt8>) -> String {
        var (plain, at) = ([UInt8](), bytes.startIndex)
        while let end = bytes[at...].firstIndex(of: 10),
            let size = Int(String(decoding: bytes[at..<(end - 1)], as: UTF8.self), radix: 16)
        {
            plain += bytes[(end + 1)..<min(end + 1 + size, bytes.endIndex)]
            at = min(end + 3 + size, bytes.endIndex)
        }
        return String(decoding: plain, as: UTF8.self)
    }

    /// The events that have come whole.
    private func events(_ text: String) -> [(id: String, number: UInt32)] {
        text.split(separator: "\n\n", omittingEmptySubsequences: false).dropLast().compactMap { event in
            let lines = event.split(separator: "\n")
            guard let id = lines.first(where: { $0.hasPrefix("id: ") })?.dropFirst(4) else { return nil }
            let last = id.split(separator: ".").last ?? ""
            return (String(id), UInt32(last.dropFirst().prefix { $0 != "-" }) ?? 0)
        }
    }
}
