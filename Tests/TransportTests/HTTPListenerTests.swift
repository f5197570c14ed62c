// The HTTP port on real sockets: slow and silent clients, ones that never read, and the end of the daemon.

import Admission
import Events
import NIOCore
import NIOPosix
import Testing
import Transport

private func request(_ body: String, _ type: String = "application/json") -> [UInt8] {
    let fields = "Host: a\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\n"
    return Array("POST /v1/events HTTP/1.1\r\n\(fields)\r\n\(body)".utf8)
}

@Suite struct HTTPListenerTests {
    private func statuses(_ bytes: [UInt8]) -> [Int] { HTTPTestAnswer.all(bytes).map(\.status) }

    @Test(.timeLimit(.minutes(1))) func slowClientsAreToldAndSilentOnesClosed() async throws {
        var settings = TransportSettings()
        settings.firstByteTimeoutSeconds = 1
        settings.frameTimeoutSeconds = 1
        settings.idleTimeoutSeconds = 1
        let head = "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\n"
        let counts = try await Station.with(settings: settings, .http()) { station in
            for (text, expected) in [
                ("", []), ("GET / HT", [408]), (head + "Content-Length: 999\r\n\r\n" + httpEvent(1) + "\n{", [408]),
                ("GET /x HTTP/1.1\r\nHost: a\r\n\r\n", [404]),
            ] as [(String, [Int])] {
                let answer = try await station.exchange(Array(text.utf8), halfClose: false)
                #expect(statuses(answer) == expected, "\(text)")
            }
            let (stored, isBalanced) = try await station.inside {
                ($0.committed.count, $0.admission.counts.allSatisfy(\.isBalanced))
            }
            #expect(stored == 1 && isBalanced)
            return await station.listeners.connectionCounts()
        }
        #expect(counts.closedSilent == 1 && counts.closedSlow == 2 && counts.closedIdle == 1)
    }

    @Test(.timeLimit(.minutes(1))) func whoAwaitsACommitIsNotIdle() async throws {
        var settings = TransportSettings()
        settings.idleTimeoutSeconds = 1
        let answer = try await Station.with(settings: settings, commitsAtOnce: false, .http()) { station in
            async let answer = station.exchange(request(httpEvent(1)), halfClose: false)
            let arrived = try await station.until { $0.filling.count == 1 }
            #expect(arrived)
            try await Task.sleep(for: .seconds(4))
            try await station.inside { $0.commit() }
            return try await answer
        }
        #expect(statuses(answer) == [200])
    }

    @Test(.timeLimit(.minutes(1))) func whoFindsNoRoomIsTurnedAwayAfterTwoSeconds() async throws {
        let (answer, later) = try await Station.with(.http()) { station in
            try await station.inside { $0.isFull = true }
            let answer = try await station.exchange(request(httpEvent(1)), halfClose: false)
            async let later = station.exchange(request(httpEvent(2)))
            try await Task.sleep(for: .milliseconds(500))
            try await station.inside { $0.projectorCaughtUp() }
            return (answer, try await later)
        }
        let first = try #require(HTTPTestAnswer.all(answer).first)
        #expect(first.status == 503 && first.fields["retry-after"] == "1")
        #expect(statuses(later) == [200])
    }

    /// What is whole and waits behind a full intake is taken, also when something unreadable follows it.
    @Test(.timeLimit(.minutes(1))) func whatWaitsIsTakenBeforeTheFaultBehindIt() async throws {
        let answer = try await Station.with(.http()) { station in
            try await station.inside { $0.isFull = true }
            async let answer = station.exchange(
                request(httpEvent(1)) + request(httpEvent(2)) + Array("rubbish\r\n\r\n".utf8), halfClose: false)
            try await Task.sleep(for: .milliseconds(300))
            try await station.inside { $0.projectorCaughtUp() }
            return try await answer
        }
        #expect(statuses(answer) == [200, 200, 400])
    }

    /// The answer is not lost because more is on its way behind the fault.
    @Test(.timeLimit(.minutes(1))) func whatComesBehindAFaultDoesNotResetTheConnection() async throws {
        let bytes = Array("rubbish\r\n\r\n".utf8) + [UInt8](repeating: 0x61, count: 1 << 20)
        try await Station.with(.http()) { station in
            for _ in 0..<20 {
                let answer = try await station.exchange(bytes)
                #expect(statuses(answer) == [400])
            }
        }
    }

    /// A client that closes its side is read to the end; what waits then has a bound.
    @Test(.timeLimit(.minutes(1))) func whatWaitsIsBounded() async throws {
        let tiny = Array("GET /x HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        let answer = try await Station.with(commitsAtOnce: false, .http()) { station in
            async let answer = station.exchange(
                request(httpEvent(1)) + (0..<40_000).flatMap { _ in tiny }, enough: 100)
            let arrived = try await station.until { $0.filling.count == 1 }
            #expect(arrived)
            try await Task.sleep(for: .milliseconds(500))
            try await station.inside { $0.commit() }
            return try await answer
        }
        #expect(statuses(answer).first == 200)
    }

    @Test(.timeLimit(.minutes(1))) func whoNeverReadsIsClosed() async throws {
        let bad = request(String(repeating: "{}\n", count: 1_000), "application/x-ndjson")
        let counts = try await Station.with(.http()) { station in
            let client = try await station.connect()
            try? await client.executeThenClose { _, outbound in
                for _ in 0..<500 {
                    try await outbound.write(ByteBuffer(bytes: bad))
                    if await station.listeners.connectionCounts().closedUnread > 0 { break }
                }
            }
            for _ in 0..<500 where await station.listeners.connectionCounts().open > 0 {
                try await Task.sleep(for: .milliseconds(10))
            }
            return await station.listeners.connectionCounts()
        }
        #expect(counts.closedUnread == 1 && counts.open == 0)
    }

    @Test(.timeLimit(.minutes(1))) func oneConnectionTooManyIsTold() async throws {
        var settings = TransportSettings()
        settings.maxConnections = 1
        let answer = try await Station.with(settings: settings, .http()) { station in
            try await station.connect().executeThenClose { _, outbound in
                try await outbound.write(ByteBuffer(string: "GET"))
                while await station.listeners.connectionCounts().open < 1 {}
                try await Task.sleep(for: .milliseconds(100))
                return try await station.exchange([], halfClose: false)
            }
        }
        #expect(statuses(answer) == [503])
    }

    /// What was read is stored and answered; what was begun is turned away.
    @Test(.timeLimit(.minutes(1))) func theEndOfTheDaemon() async throws {
        let (whole, begun) = try await Station.with(commitsAtOnce: false, .http()) { station in
            async let whole = station.exchange(request(httpEvent(1)), halfClose: false)
            async let begun = station.exchange(
                Array((String(decoding: request(httpEvent(2)), as: UTF8.self).dropLast(5)).utf8), halfClose: false)
            let arrived = try await station.until { $0.filling.count == 1 }
            #expect(arrived)
            try await Task.sleep(for: .milliseconds(200))
            async let drained: Void = station.listeners.drain()
            try await Task.sleep(for: .milliseconds(200))
            try await station.inside { $0.commit() }
            await drained
            return (try await whole, try await begun)
        }
        #expect(statuses(whole) == [200])
        #expect(statuses(begun) == [503])
    }

    @Test(.timeLimit(.minutes(1))) func questionsAreAnsweredAsideAndInTheirTurn() async throws {
        var routes = HTTPRoutes()
        routes.addReading("/slow", "Takes its time.") { question in
            try? await Task.sleep(for: .milliseconds(200))
            return HTTPReply(body: Array(question.query.utf8))
        }
        let answer = try await Station.with(.http(routes)) { station in
            try await station.exchange(
                Array("GET /slow?first HTTP/1.1\r\nHost: a\r\n\r\n".utf8) + request(httpEvent(1)))
        }
        let answers = HTTPTestAnswer.all(answer)
        #expect(answers.map(\.status) == [200, 200])
        #expect(answers.first?.body == "first")
    }
}
