// On real sockets: who is connected by a credential that is revoked is told so and closed, whatever he speaks; and a
// flood of wrong tokens keeps nobody else from sending.

import Admission
import Events
import NIOCore
import NIOPosix
import Testing
import Transport
import Wire

extension Station {
    func change(_ access: AccessList) async throws {
        let listeners = listeners
        try await group.next().submit { listeners.change(access: access) }.get()
    }

    /// Sends bytes, has a key revoked once something was answered, and reads to the end.
    fileprivate func untilRevoked(_ bytes: [UInt8], revoke: AccessList) async throws -> [UInt8] {
        try await change(TestKeys.list())
        return try await untilEnded(bytes, within: .seconds(1)) { try await change(revoke) }
    }

    /// Sends bytes, does something once something was answered, and reads to the end, which must come in time.
    fileprivate func untilEnded(
        _ bytes: [UInt8], within limit: Duration, _ end: @Sendable () async throws -> Void
    ) async throws -> [UInt8] {
        let client = try await connect()
        return try await client.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(bytes: bytes))
            var answer: [UInt8] = []
            var start: ContinuousClock.Instant?
            for try await buffer in inbound {
                answer += Array(buffer.readableBytesView)
                guard start == nil else { continue }
                start = .now
                try await end()
            }
            #expect(try #require(start).duration(to: .now) < limit)
            return answer
        }
    }
}

private let event = #"{"product":"kettle","device":"k-1","id":"1-1","type":"feature.used","aspect":"lid"}"#

@Suite struct RevocationTests {
    @Test func nativeFrames() async throws {
        var hello = Hello()
        (hello.source, hello.token) = (Array("kettle/k-1".utf8), TestKeys.bearer(7))
        var bytes = streamMagic
        writeFrame(.hello, body: hello.encode().span, into: &bytes)
        let sent = bytes
        let answer = try await Station.with(settings: .auth(.require)) { station in
            try await station.untilRevoked(sent, revoke: TestKeys.list(without: 7))
        }
        var last: Frame?
        var at = 0
        while let frame = try readFrame(answer.span, at: at) { (last, at) = (frame, frame.end) }
        let error = try #require(last)
        #expect(error.type == .error)
        #expect(try Reject(decoding: answer.span.extracting(error.body)).refusal == .unauthorized)
    }

    @Test func lines() async throws {
        let hello = #"{"hello":"kettle/k-1","token":"\#(TestKeys.bearer(7))"}"#
        let answer = try await Station.with(settings: .auth(.require)) { station in
            try await station.untilRevoked(Array("\(hello)\n".utf8), revoke: TestKeys.list(generation: 1))
        }
        #expect(String(decoding: answer, as: UTF8.self).contains(#"{"error":{"code":4010"#))
    }

    @Test func requests() async throws {
        let specification = ListenerSpecification(name: "tcp", host: "127.0.0.1", port: 0, service: .http(HTTPRoutes()))
        let head =
            "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer tdg_kettle\r\n"
            + "Content-Type: application/x-ndjson\r\n"
        let whole = "\(head)Content-Length: \(event.utf8.count)\r\n\r\n\(event)"
        for (second, statuses) in [("", 1), ("\(head)Content-Length: 9999\r\n\r\n\(event)\n", 2)] {
            let answer = try await Station.with(settings: .auth(.require), [specification]) { station in
                try await station.untilRevoked(
                    Array((whole + second).utf8), revoke: TestKeys.list(without: 1))
            }
            #expect(HTTPTestAnswer.all(answer).count == statuses)
        }
    }

    /// Nobody revokes it: its time is over, and at most a second later so is what was opened with it.
    @Test(arguments: ["lines", "frames", "requests"]) func anEndedToken(_ way: String) async throws {
        var hello = Hello()
        (hello.source, hello.token) = (Array("kettle/k-1".utf8), "tdg_short")
        var frames = streamMagic
        writeFrame(.hello, body: hello.encode().span, into: &frames)
        let head =
            "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer tdg_short\r\n"
            + "Content-Type: application/x-ndjson\r\nContent-Length: \(event.utf8.count)\r\n\r\n"
        let bytes =
            switch way {
            case "lines": Array("{\"hello\":\"kettle/k-1\",\"token\":\"tdg_short\"}\n\(event)\n".utf8)
            case "frames": frames
            default: Array((head + event).utf8)
            }
        let service: ListenerSpecification.Service = way == "requests" ? .http(HTTPRoutes()) : .tcp
        let specification = ListenerSpecification(name: "tcp", host: "127.0.0.1", port: 0, service: service)
        try await Station.with(settings: .auth(.require), [specification]) { station in
            let end = try await station.inside { $0.now.rawValue + 60_000 }
            let token = TestKeys.token(1, "tdg_short", TestKeys.products("kettle"), .send, expires: end)
            try await station.change(AccessList(masters: nil, keys: [], tokens: [token]))
            // A look every second, and the time of a busy machine.
            let answer = try await station.untilEnded(bytes, within: .seconds(3)) {
                try await station.inside { $0.now = Timestamp(rawValue: end) }
            }
            // Between two requests nobody waits to be told.
            if way == "requests" { #expect(HTTPTestAnswer.all(answer).map(\.status) == [200]) }
            if way == "lines" { #expect(String(decoding: answer, as: UTF8.self).contains(#""code":4010"#)) }
        }
    }

    @Test func aThousandWrongTokensHinderNobody() async throws {
        let (wrong, right) = (#"{"hello":"","token":"7.AAAA"}"#, #"{"hello":"","token":"tdg_kettle"}"#)
        let slowest = try await Station.with(settings: .auth(.require)) { station in
            try await station.change(TestKeys.list())
            return try await withThrowingTaskGroup(of: Duration.self) { group in
                for _ in 0..<20 {
                    group.addTask {
                        for _ in 0..<50 {
                            let answer = try await station.exchange(Array("\(wrong)\n".utf8))
                            #expect(String(decoding: answer, as: UTF8.self).contains("4010"))
                        }
                        return .zero
                    }
                }
                group.addTask {
                    var slowest = Duration.zero
                    for _ in 0..<20 {
                        let start = ContinuousClock.now
                        _ = try await station.exchange(Array("\(right)\n\(event)\n".utf8))
                        slowest = max(slowest, start.duration(to: .now))
                    }
                    return slowest
                }
                return try await group.reduce(.zero) { max($0, $1) }
            }
        }
        #expect(slowest < .seconds(2))
    }
}
