// Whatever is not stored as a good event is told by its number, once, and counted.

import Events
import Testing
import TidingsClient
import TidingsTesting

@Suite struct VerdictTests {
    private func event(_ device: String, _ seq: UInt64) -> TidingsEvent {
        var event = TidingsEvent(product: "kettle", device: device, kind: .featureUsed, aspect: "boil")
        event.seq = seq
        return event
    }

    @Test(.timeLimit(.minutes(1)), arguments: [false, true])
    func verdictsAreTaken(isOld: Bool) async throws {
        var manners = StubDaemon.Manners()
        manners.isOld = isOld
        let daemon = try await StubDaemon.start(manners)
        let connection = TidingsConnection(host: "127.0.0.1", port: daemon.port)
        try await connection.send([event("k-1", 1), event("apart", 1), event("k-1", 2)])
        try await connection.send([event("old", 1)])
        try await connection.flush()
        let totals = await connection.totals
        #expect(totals.acked == 4)
        #expect(totals.quarantined == 1)
        #expect(totals.stale == 1)
        let verdicts = await connection.takeVerdicts()
        #expect(verdicts.map(\.number) == [2, 4])
        #expect(verdicts.map(\.outcome) == [.quarantined, .stale])
        #expect(verdicts.first?.description == "quarantined out_of_range: beyond its scale")
        #expect(await connection.takeVerdicts().isEmpty)
        await connection.close()
        await daemon.stop()
    }

    @Test(.timeLimit(.minutes(1))) func datagramsHaveThemToo() async throws {
        let daemon = try await StubDaemon.start()
        let datagrams = TidingsDatagrams(host: "127.0.0.1", port: daemon.udpPort, firstPauseMilliseconds: 50)
        try await datagrams.send([event("k-1", 1), event("apart", 7), event("old", 1)])
        try await datagrams.send([event("final", 1), event("final", 2)])
        await datagrams.flush()
        let totals = await datagrams.totals
        #expect(totals.acked == 3)
        #expect(totals.rejected == 2)
        #expect(totals.quarantined == 1)
        #expect(totals.stale == 1)
        let verdicts = await datagrams.takeVerdicts()
        #expect(Set(verdicts.map(\.number)) == [2, 3, 4, 5])
        #expect(verdicts.filter { $0.outcome == .refused }.map(\.reason) == ["malformed_body", "malformed_body"])
        await datagrams.close()
        await daemon.stop()
    }

    @Test(.timeLimit(.minutes(1))) func aCallThatThrowsHasSentNothing() async throws {
        let daemon = try await StubDaemon.start()
        let connection = TidingsConnection(host: "127.0.0.1", port: daemon.port)
        var events = (1...1_500).map { event("k-1", UInt64($0)) }
        events.append(event("", 1))
        await #expect {
            try await connection.send(events)
        } throws: { "\($0)".contains("event 1501 of 1501") && "\($0)".contains("device's name") }
        #expect(await connection.totals.sent == 0)
        events[1_500] = event("k-1", 0)
        await #expect(throws: SendError.self) { try await connection.send(events) }
        events[1_500] = event("k-1", 1_501)
        events[1_500].count = 0
        await #expect(throws: SendError.self) { try await connection.send(events) }
        events[1_500].count = 1
        try await connection.send(events)
        try await connection.flush()
        #expect(await connection.totals.acked == 1_501)
        await connection.close()
        await daemon.stop()
    }

    /// More than a native event has room for is cut by the daemon, and said to be, as it is in JSON.
    @Test(.timeLimit(.minutes(1))) func aTextThatIsTooLongIsCutByTheDaemon() async throws {
        let daemon = try await StubDaemon.start()
        let connection = TidingsConnection(host: "127.0.0.1", port: daemon.port)
        var long = TidingsEvent(product: "kettle", device: "k-1", kind: .feedbackText)
        long.text = String(repeating: "ä", count: 10_000)
        try await connection.send([long])
        try await connection.flush()
        #expect(await connection.totals.acked == 1)
        #expect(daemon.events.first?.quarantine == .textTooLong)
        #expect(daemon.events.first?.textLength == UInt32(Limits.textBytes))
        await connection.close()
        await daemon.stop()
    }

    @Test func soManyVerdictsAreKept() {
        let queue = VerdictQueue()
        for number in 1...1_500 {
            queue.add([SendVerdict(.stale, number: UInt64(number), code: 4_240, reason: "stale", text: "")])
        }
        #expect(queue.dropped == UInt64(1_500 - VerdictQueue.limit))
        #expect(queue.take().map(\.number).first == UInt64(1_500 - VerdictQueue.limit + 1))
        #expect(queue.take().isEmpty)
    }

    @Test func whatIsPrintedCannotMoveTheCursor() {
        let verdict = SendVerdict(.refused, number: 1, code: 4_005, reason: "x\u{1b}[2J", text: "a\nb\u{9b}c")
        #expect(verdict.description == "x\u{fffd}[2J: a\u{fffd}b\u{fffd}c")
    }
}
