// Requests without a socket: which status, in which order, and when the connection ends.

import Events
import Testing
import Transport

@Suite struct HTTPHeadTests {
    /// RFC 9112, 3.2: the forms of a target.
    @Test(arguments: [
        ("/v1/events", 415), ("/v1/events?x=1", 415), ("http://localhost/v1/events", 415),
        ("HTTP://localhost:7480/v1/events?x", 415), ("https://a.example/v1/events", 415), ("/v1/events/", 404),
        ("//v1/events", 404), ("/v1%2Fevents", 404), ("/", 404), ("http://localhost", 404), ("http://localhost?x", 404),
        ("*", 400), ("v1/events", 400), ("http:///v1/events", 400), ("http://user@host/v1/events", 400),
        ("/v1/events#x", 400), ("/v1 events", 400), ("ftp://host/v1/events", 400),
        ("/" + String(repeating: "a", count: 4_096), 414),
    ])
    func targets(_ target: String, _ status: Int) throws {
        let bench = HTTPBench()
        bench.begin("POST", target, ["Content-Length": "0"])
        #expect(try bench.one().status == status)
        #expect((bench.next == .ends) == (status == 400 || status == 414))
    }

    /// RFC 9112, 3.2, and RFC 9110, 7.2.
    @Test(
        arguments: [
            ([], 1, 400), ([], 0, 404), (["a", "a"], 1, 400), (["a", "b"], 0, 400), (["a b"], 1, 400),
            (["a/b"], 1, 400),
            (["a,b"], 1, 400), (["u@a"], 1, 400), ([""], 1, 404), (["a:80"], 1, 404), (["[::1]:80"], 1, 404),
        ] as [([String], Int, Int)])
    func hosts(_ hosts: [String], _ minorVersion: Int, _ status: Int) throws {
        let bench = HTTPBench()
        let head = HTTPHead(
            method: "GET", target: "/x", minorVersion: minorVersion, fields: hosts.map { (name: "hOST", value: $0) })
        bench.next = bench.session.begin(head, in: bench.ingest, as: bench.peer, output: &bench.output)
        #expect(try bench.one().status == status)
    }

    @Test(arguments: [
        ("Transfer-Encoding", "gzip", 1), ("Transfer-Encoding", "gzip, chunked", 1), ("Transfer-Encoding", "", 1),
        ("Transfer-Encoding", "chunked", 0), ("Content-Length", "+4", 1), ("Content-Length", "4, 4", 1),
        ("Content-Length", "-1", 1), ("Content-Length", "99999999999999999999", 1), ("Content-Length", "0x4", 1),
    ])
    func lengths(_ name: String, _ value: String, _ minorVersion: Int) throws {
        let bench = HTTPBench()
        bench.begin("POST", "/v1/events", minorVersion: minorVersion, [name: value])
        #expect(try bench.one().status == 400)
        #expect(bench.next == .ends)
    }

    @Test func twoLengthsAreNone() throws {
        for pairs in [
            ["Content-Length": "4", "content-length": "4"], ["Content-Length": "4", "Transfer-Encoding": "chunked"],
            ["Transfer-Encoding": "chunked", "transfer-encoding": "chunked"],
        ] as [KeyValuePairs<String, String>] {
            let bench = HTTPBench()
            bench.begin("POST", "/v1/events", pairs)
            #expect(try bench.one().status == 400)
            #expect(bench.next == .ends)
        }
    }
}

@Suite struct HTTPStatusTests {
    private static func routes() -> HTTPRoutes {
        var routes = HTTPRoutes()
        routes.addReading("/health/live", "Lives.") { _ in HTTPReply(body: []) }
        return routes
    }

    @Test func thePathsCanBeEnumerated() {
        #expect(Self.routes().all.map(\.path) == ["/v1/events", "/v1/down", "/v1/down/stream", "/health/live"])
        #expect(
            Self.routes().all.map { "\($0.allow)" }
                == ["POST, OPTIONS", "GET, OPTIONS", "GET, OPTIONS", "GET, HEAD, OPTIONS"])
    }

    @Test(
        arguments: [
            ("GET", "/v1/events", 405, "POST, OPTIONS"), ("HEAD", "/v1/events", 405, "POST, OPTIONS"),
            ("DELETE", "/v1/events", 405, "POST, OPTIONS"), ("POST", "/health/live", 405, "GET, HEAD, OPTIONS"),
            ("OPTIONS", "/v1/events", 204, "POST, OPTIONS"), ("OPTIONS", "*", 204, "GET, HEAD, POST, OPTIONS"),
            ("CONNECT", "host:443", 405, "GET, HEAD, POST, OPTIONS"), ("TRACE", "/nothing", 404, nil),
        ] as [(String, String, Int, String?)])
    func methods(_ method: String, _ target: String, _ status: Int, _ allow: String?) throws {
        let bench = HTTPBench(routes: Self.routes())
        bench.begin(method, target)
        if bench.next == .reads { bench.finish() }
        let answer = try bench.one()
        #expect(answer.status == status)
        #expect(answer.fields["allow"] == allow)
        #expect((bench.next == .ends) == (method == "CONNECT"))
        #expect((answer.fields["connection"] == "close") == (method == "CONNECT"))
        #expect(bench.intake.refusals.isEmpty)
        // Nothing is not JSON.
        #expect((answer.fields["content-type"] != nil) == (status >= 400))
    }

    @Test func whatIsEmptyHasNoType() throws {
        let bench = HTTPBench()
        bench.begin("OPTIONS", "/v1/events", ["WebHook-Request-Origin": "example.com"])
        let answer = try bench.one()
        #expect(answer.status == 200 && answer.fields["webhook-allowed-origin"] == "example.com")
        #expect(answer.fields["content-length"] == "0" && answer.fields["content-type"] == nil)
    }

    @Test(
        arguments: [
            (["Content-Type": "application/json"], 411, 4003), (["Content-Length": "2"], 415, 4150),
            (["Content-Type": "text/plain", "Content-Length": "2"], 415, 4150),
            (["Content-Type": "application/json; charset=latin1", "Content-Length": "2"], 415, 4150),
            (["Content-Type": "application/json", "content-type": "text/plain", "Content-Length": "2"], 415, 4150),
            (["Content-Type": "application/x-ndjson", "ce-specversion": "1.0", "Content-Length": "2"], 415, 4150),
            (["Content-Type": "application/json", "Content-Encoding": "br", "Content-Length": "2"], 415, 4150),
            (["Content-Type": "application/json", "Content-Encoding": "gzip, gzip", "Content-Length": "2"], 415, 4150),
            (["Content-Type": "application/json", "Content-Length": "1048577"], 413, 4130),
            (["Content-Type": "application/x-ndjson", "Content-Length": "67108865"], 413, 4130),
        ] as [(KeyValuePairs<String, String>, Int, Int)])
    func whatIsRefusedByTheHead(_ fields: KeyValuePairs<String, String>, _ status: Int, _ code: Int) throws {
        let bench = HTTPBench()
        bench.begin("POST", "/v1/events", fields)
        let answer = try bench.one()
        #expect(answer.status == status)
        #expect(answer.codes("refused") == [code])
        #expect(bench.isBalanced)
        #expect((answer.fields["accept-encoding"] != nil) == (status == 415))
    }

    @Test func everyStatusHasItsWords() {
        for refusal in Refusal.allCases {
            let status = HTTPStatus(refusal)
            #expect((status == .serviceUnavailable) == refusal.isRetryable, "\(refusal)")
        }
    }

    @Test func expectationsAreMetOrRefused() throws {
        let bench = HTTPBench()
        bench.begin(
            "POST", "/v1/events",
            [
                "Content-Type": "application/json", "Content-Length": "\(httpEvent(1).utf8.count)",
                "Expect": "100-Continue",
            ])
        #expect(String(decoding: bench.output, as: UTF8.self) == "HTTP/1.1 100 Continue\r\n\r\n")
        bench.output = []
        bench.part(httpEvent(1).utf8)
        bench.finish()
        bench.commit()
        #expect(try bench.one().status == 200)
        // What is too large is not asked for, and the connection ends: the body may be on its way.
        bench.begin(
            "POST", "/v1/events",
            ["Content-Type": "application/json", "Content-Length": "1048577", "Expect": "100-continue"])
        #expect(try bench.one().status == 413)
        #expect(bench.next == .ends)
        let other = HTTPBench()
        other.begin("POST", "/v1/events", ["Expect": "fun", "Content-Length": "2"])
        #expect(try other.one().status == 417)
        #expect(other.next == .ends)
    }

    @Test func aWebHookIsAllowed() throws {
        let bench = HTTPBench()
        bench.begin(
            "OPTIONS", "/v1/events",
            ["WebHook-Request-Origin": "eventemitter.example.com", "WebHook-Request-Rate": "120"])
        bench.finish()
        let answer = try bench.one()
        #expect(answer.status == 200)
        #expect(answer.fields["webhook-allowed-origin"] == "eventemitter.example.com")
        #expect(answer.fields["webhook-allowed-rate"] == "*")
        #expect(answer.fields["allow"] == "POST, OPTIONS")
    }

    @Test(
        arguments: [
            (1, nil, false, nil), (1, "close", true, "close"), (1, "x, Close", true, "close"), (0, nil, true, "close"),
            (0, "keep-alive", false, "keep-alive"),
        ] as [(Int, String?, Bool, String?)])
    func whetherTheConnectionGoesOn(_ version: Int, _ value: String?, _ ends: Bool, _ told: String?) throws {
        let bench = HTTPBench()
        if let value {
            bench.begin("GET", "/x", minorVersion: version, ["Connection": value])
        } else {
            bench.begin("GET", "/x", minorVersion: version)
        }
        bench.finish()
        #expect((bench.next == .ends) == ends)
        #expect(try bench.one().fields["connection"] == told)
    }

    /// The parser reads nothing behind such a request, so that nobody may wait for an answer to it.
    @Test func aRequestForAnotherProtocolIsTheLast() throws {
        let bench = HTTPBench()
        bench.begin("GET", "/x", ["Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMA"])
        bench.finish()
        #expect(bench.next == .ends)
        let answer = try bench.one()
        #expect(answer.status == 404)
        #expect(answer.fields["connection"] == "close")
    }

    @Test func theDateIsThatOfTheClock() throws {
        let bench = HTTPBench()
        bench.intake.now = Timestamp(rawValue: 784_111_777_000)
        bench.begin("GET", "/x")
        // The example of RFC 9110, 5.6.7.
        #expect(try bench.one().fields["date"] == "Sun, 06 Nov 1994 08:49:37 GMT")
    }
}

@Suite struct HTTPOrderTests {
    @Test func anAnswerWaitsForTheCommit() throws {
        let bench = HTTPBench()
        bench.post("application/json", httpEvent(1))
        #expect(bench.output.isEmpty)
        #expect(!bench.session.isAnswered)
        bench.commit()
        let answer = try bench.one()
        #expect(answer.status == 200)
        #expect(
            answer.body == #"{"received":1,"stored":1,"duplicate":0,"stale":[],"quarantined":[],"refused":[]}"# + "\n")
        #expect(bench.session.isAnswered)
    }

    @Test func theAnswerToTheSecondThatFailsComesSecond() throws {
        let bench = HTTPBench()
        bench.post("application/json", httpEvent(1))
        bench.begin("GET", "/nothing")
        bench.finish()
        bench.post("application/json", "{")
        bench.begin(
            "POST", "/v1/events",
            ["Content-Type": "application/json", "Content-Length": "9", "Expect": "100-continue"])
        #expect(bench.output.isEmpty)
        bench.commit()
        #expect(bench.take().map(\.status) == [200, 404, 400, 100])
    }

    @Test func sixteenMayWait() {
        let bench = HTTPBench()
        for seq in 1...16 {
            #expect(bench.next == .reads)
            bench.post("application/json", httpEvent(seq))
        }
        #expect(bench.next == .awaitsAnswers)
        bench.commit()
        #expect(bench.session.next == .reads)
        #expect(bench.take().map(\.status) == [Int](repeating: 200, count: 16))
    }

    @Test func whatOthersAnswerKeepsItsTurn() throws {
        var routes = HTTPRoutes()
        routes.addReading("/health/live", "Lives.") { _ in HTTPReply(body: []) }
        let bench = HTTPBench(routes: routes)
        bench.begin("GET", "/health/live?deep=1")
        bench.finish()
        let asked = bench.session.takeQuestion()
        let first = try #require(asked)
        #expect(first.question.query == "deep=1")
        bench.begin("HEAD", "/health/live")
        bench.finish()
        let askedThen = bench.session.takeQuestion()
        let second = try #require(askedThen)
        bench.post("application/json", httpEvent(1))
        bench.commit()
        #expect(bench.output.isEmpty)
        let reply = HTTPReply(.serviceUnavailable, contentType: "text/plain", body: Array("no".utf8))
        bench.session.answered(second.number, reply, in: bench.ingest, output: &bench.output)
        #expect(bench.output.isEmpty)
        bench.session.answered(
            first.number, HTTPReply(body: Array("yes".utf8)), in: bench.ingest, output: &bench.output)
        let text = String(decoding: bench.output, as: UTF8.self)
        #expect(text.contains("yesHTTP/1.1 503 Service Unavailable"), "\(text)")
        // Only the head of the second, with the length that its body would have.
        #expect(text.contains("Content-Length: 2\r\n\r\nHTTP/1.1 200 OK"), "\(text)")
    }

    @Test func aRefusedBodyIsPassedOverWhenItIsSmall() throws {
        let bench = HTTPBench()
        bench.post("text/plain", String(repeating: "x", count: 60_000))
        #expect(bench.next == .reads)
        #expect(try bench.one().status == 415)
        bench.post("text/plain", String(repeating: "x", count: 70_000))
        #expect(bench.next == .ends)
        #expect(try bench.one().fields["connection"] == "close")
        let chunked = HTTPBench()
        chunked.post("text/plain", String(repeating: "x", count: 70_000), by: 1_000)
        #expect(chunked.next == .ends)
    }

    @Test func whatFollowsAFaultIsNotRead() throws {
        let bench = HTTPBench()
        bench.fail(.malformed)
        #expect(bench.session.next == .ends)
        #expect(try bench.one().status == 400)
        bench.post("application/json", httpEvent(1))
        #expect(bench.intake.filling.isEmpty)
    }
}
