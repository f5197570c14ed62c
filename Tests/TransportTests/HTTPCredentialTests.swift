// Requests and their credentials: which status, what is told to whom, and what counts as this machine.

import Admission
import Events
import NIOCore
import Testing
import Transport

@Suite struct HTTPCredentialTests {
    private func bench(_ mode: AuthMode = .require, routes: HTTPRoutes = HTTPRoutes()) -> HTTPBench {
        let bench = HTTPBench(settings: .auth(mode), routes: routes)
        bench.ingest.change(access: TestKeys.list())
        return bench
    }

    private func post(_ bench: HTTPBench, _ authorization: String?, device: String = "k-1") throws -> HTTPTestAnswer {
        let event = httpEvent(1, device: device)
        guard let authorization else { return try bench.exchange("application/json", event) }
        return try bench.exchange("application/json", event, ["Authorization": authorization])
    }

    @Test func aRightTokenSends() throws {
        for field in ["Bearer \(TestKeys.bearer(7))", "bearer  tdg_kettle", "BEARER \(TestKeys.bearer(9))"] {
            let bench = bench()
            for _ in 0..<2 { #expect(try post(bench, field).status == 200) }
            #expect(bench.intake.events.count == 1)
        }
    }

    @Test(arguments: [
        "Bearer tdg_none", "Bearer tdg_old", "Bearer", "Bearer ", "Basic dGRnX2tldHRsZTo=", "Token tdg_kettle",
        "tdg_kettle", "Bearer 7.AAAA", "",
    ])
    func wrongOnesAreRefusedInEveryMode(_ field: String) throws {
        for mode in AuthMode.allCases {
            let bench = bench(mode)
            let answer = try post(bench, field)
            #expect(answer.status == 401)
            #expect(answer.fields["www-authenticate"] == "Bearer")
            #expect(bench.intake.events.isEmpty)
        }
    }

    @Test func twoCredentialsAreNone() throws {
        let bench = bench(.off)
        let field = "Bearer \(TestKeys.bearer(7))"
        let answer = try bench.exchange(
            "application/json", httpEvent(1), ["Authorization": field, "authorization": field])
        #expect(answer.status == 401)
    }

    @Test(arguments: ["token=tdg_kettle", "a=b&ACCESS_TOKEN=x", "key=7.abc", "k=1.x"])
    func secretsInTheAddress(_ query: String) throws {
        let bench = bench(.off)
        bench.begin("POST", "/v1/events?\(query)", ["Content-Length": "2", "Content-Type": "application/json"])
        let answer = try bench.one()
        #expect(answer.status == 401)
        #expect(answer.body.contains("Authorization: Bearer"))
    }

    @Test func withoutOne() throws {
        #expect(try post(bench(.off), nil).status == 200)
        let warned = bench(.warn)
        #expect(try post(warned, nil).status == 200)
        #expect(warned.ingest.faults.all.map(\.fault) == [.missing])
        let answer = try post(bench(.require), nil)
        #expect(answer.status == 401)
        #expect(answer.body.contains("tidings device add"))
    }

    /// Each request is for itself.
    @Test func oneConnectionCarriesDifferentTokens() throws {
        let bench = bench()
        let statuses = try [TestKeys.bearer(7), TestKeys.bearer(8), "tdg_none", TestKeys.bearer(7)].map {
            try post(bench, "Bearer \($0)").status
        }
        #expect(statuses == [200, 403, 401, 200])
    }

    @Test func eachEventMustMatch() throws {
        let bench = bench()
        let body = (1...3).map { httpEvent($0, device: "k-\($0)") }.joined(separator: "\n")
        let answer = try bench.exchange(
            "application/x-ndjson", body, ["Authorization": "Bearer \(TestKeys.bearer(7))"])
        #expect(answer.status == 200)
        let text = answer.body
        #expect(text.contains(#""stored":1"#))
        #expect(text.components(separator: "4030") == 3)
        #expect(bench.intake.events.count == 1)
    }

    @Test func anotherProductIsRefusedAlike() throws {
        let known = bench()
        known.ingest.change(to: .auth(.off))
        _ = try known.exchange("application/json", httpEvent(1).replacing("kettle", with: "oven"))
        known.ingest.change(to: .auth(.require))
        let answers = try ["oven", "nova"].map { product in
            try known.exchange(
                "application/json", httpEvent(1).replacing("kettle", with: product),
                ["Authorization": "Bearer tdg_kettle"])
        }
        #expect(answers[0].status == 403)
        #expect(answers[0].status == answers[1].status && answers[0].body == answers[1].body)
    }

    @Test func aRevokedTokenIsForgotten() throws {
        let bench = bench()
        #expect(try post(bench, "Bearer tdg_kettle").status == 200)
        bench.ingest.change(access: TestKeys.list(without: 1))
        #expect(!bench.ingest.isInForce(bench.session.principal))
        #expect(try post(bench, "Bearer tdg_kettle").status == 401)
    }
}

@Suite struct HTTPReadingRightsTests {
    private static var routes: HTTPRoutes {
        var routes = HTTPRoutes()
        routes.addReading("/open", "All.") { _ in HTTPReply(body: []) }
        routes.addReading("/operate", "Operators.", role: .operate) { _ in HTTPReply(body: []) }
        routes.addReading("/read", "Readers.", role: .read) { _ in HTTPReply(body: []) }
        return routes
    }

    private func ask(
        _ path: String, from peer: String = "127.0.0.1", host: String = "localhost:7480", mode: AuthMode = .off,
        _ fields: [(String, String)] = []
    ) throws -> (status: Int, question: HTTPQuestion?) {
        let bench = HTTPBench(settings: .auth(mode), routes: Self.routes)
        bench.ingest.change(access: TestKeys.list())
        bench.session.peer = InternetAddress(peer)
        let head = HTTPHead(
            method: "GET", target: path, minorVersion: 1,
            fields: ([("Host", host)] + fields).map { (name: $0.0, value: $0.1) })
        bench.next = bench.session.begin(head, in: bench.ingest, as: bench.peer, output: &bench.output)
        if bench.next == .reads { bench.finish() }
        guard let asked = bench.session.takeQuestion() else { return (try bench.one().status, nil) }
        return (200, asked.question)
    }

    @Test func rolesAndPathsInEveryMode() throws {
        let table: [(token: String?, open: Int, operate: Int, read: Int)] = [
            (nil, 200, 401, 401), ("tdg_operator", 200, 200, 403), ("tdg_reader", 200, 403, 200),
            ("tdg_kettle", 200, 403, 403), (TestKeys.bearer(7), 200, 403, 403), ("tdg_none", 401, 401, 401),
        ]
        for mode in AuthMode.allCases {
            for row in table {
                let fields = row.token.map { [("Authorization", "Bearer \($0)")] } ?? []
                let got = try ["/open", "/operate", "/read"].map {
                    try ask($0, from: "192.0.2.7", host: "tidings.example", mode: mode, fields).status
                }
                #expect(got == [row.open, row.operate, row.read], "\(row.token ?? "none"), \(mode)")
            }
        }
    }

    @Test(arguments: [
        ("127.0.0.1", "localhost", true), ("127.0.0.1", "LOCALHOST:80", true), ("127.9.9.9", "127.1.2.3:7480", true),
        ("::1", "[::1]:7480", true), ("::ffff:127.0.0.1", "[::1]", true), ("192.0.2.7", "localhost", false),
        ("127.0.0.1", "evil.example", false), ("127.0.0.1", "localhost.evil.example", false),
        ("127.0.0.1", "127.0.0.1.evil.example", false), ("127.0.0.1", "192.0.2.7:7480", false),
        ("127.0.0.1", "[::2]", false), ("127.0.0.1", "localhost:x", false), ("127.0.0.1", "0x7f.1", false),
    ])
    func whoIsOnThisMachine(_ peer: String, _ host: String, _ isTrusted: Bool) throws {
        let (status, question) = try ask("/operate", from: peer, host: host)
        #expect(status == (isTrusted ? 200 : 401))
        #expect((question?.isTrusted ?? false) == isTrusted)
        #expect(try ask("/open", from: peer, host: host).question?.isTrusted == isTrusted)
    }

    @Test(arguments: ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Via", "X-Real-IP"])
    func whatAProxyPassesOnIsNot(_ name: String) throws {
        #expect(try ask("/operate", [(name, "127.0.0.1")]).status == 401)
    }

    @Test func anAbsoluteTargetGoesBeforeTheHost() throws {
        #expect(try ask("http://evil.example/operate").status == 401)
    }
}

@Suite struct ProxyTests {
    @Test(
        arguments: [
            ("10.0.0.1", ["192.0.2.7"], "192.0.2.7"), ("10.0.0.1", ["6.6.6.6, 192.0.2.7, 10.0.0.9"], "192.0.2.7"),
            ("10.0.0.1", ["6.6.6.6", "192.0.2.7"], "192.0.2.7"), ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", ["192.0.2.7, nonsense"], nil), ("192.0.2.1", ["6.6.6.6"], nil), ("10.0.0.1", [], nil),
            ("10.0.0.1", ["2001:db8::7"], "2001:db8:0:0::/64"),
        ] as [(String, [String], String?)])
    func theLastAddressThatIsNoProxys(_ peer: String, _ fields: [String], _ expected: String?) throws {
        var settings = TransportSettings()
        settings.trustedProxies = [try #require(AddressRange("10.0.0.0/8"))]
        let bench = HTTPBench(settings: settings)
        bench.session.peer = InternetAddress(peer)
        let head = HTTPHead(
            method: "POST", target: "/v1/events", minorVersion: 1,
            fields: [(name: "Host", value: "a")] + fields.map { (name: "X-Forwarded-For", value: $0) })
        bench.next = bench.session.begin(head, in: bench.ingest, as: bench.peer, output: &bench.output)
        #expect(bench.session.forwardedSender?.description == expected)
    }

    @Test(arguments: [
        ("192.0.2.0/24", "192.0.2.255", true), ("192.0.2.0/24", "192.0.3.0", false), ("0.0.0.0/0", "1.2.3.4", true),
        ("0.0.0.0/0", "::1", false), ("192.0.2.7", "192.0.2.7", true), ("192.0.2.7", "192.0.2.8", false),
        ("2001:db8::/32", "2001:db8:ffff::1", true), ("2001:db8::/32", "2001:db9::", false), ("::/0", "1.2.3.4", true),
        ("::1", "::1", true), ("2001:db8::8000:0:0:0/65", "2001:db8::8000:0:0:1", true),
        ("10.0.0.0/8", "::ffff:10.1.1.1", true),
    ])
    func ranges(_ range: String, _ address: String, _ isIn: Bool) throws {
        let range = try #require(AddressRange(range))
        #expect(range.contains(try #require(InternetAddress(address))) == isIn)
    }

    @Test(arguments: [
        "", "a", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "::/129", "10.0.0.0/8/8", "/8",
    ])
    func whatIsNoRange(_ text: String) { #expect(AddressRange(text) == nil) }
}

extension String {
    /// How many parts another text divides it into.
    fileprivate func components(separator: String) -> Int {
        var (count, rest) = (1, self[...])
        while let range = rest.firstRange(of: separator) {
            count += 1
            rest = rest[range.upperBound...]
        }
        return count
    }
}
