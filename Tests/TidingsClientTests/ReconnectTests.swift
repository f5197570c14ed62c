// A connection that breaks is made anew with patience, and a final refusal is final.

import Testing
import TidingsClient
import TidingsTesting

@Suite struct ReconnectTests {
    /// Of a batch that the daemon will never take, the event that is to blame is found, told and left out.
    @Test(.timeLimit(.minutes(1))) func oneBadEventDoesNotTakeTheOthersAlong() async throws {
        let daemon = try await StubDaemon.start()
        let connection = TidingsConnection(host: "127.0.0.1", port: daemon.port)
        var events: [TidingsEvent] = []
        for number in 1...50 {
            let device = number == 17 || number == 18 || number == 50 ? "final" : "k-\(number)"
            var event = TidingsEvent(product: "kettle", device: device, kind: .feedbackText)
            event.text = "words of \(number)"
            events.append(event)
        }
        try await connection.send(Array(events[..<10]))
        try await connection.send(Array(events[10...]))
        try await connection.flush()
        let totals = await connection.totals
        #expect(totals.sent == 50)
        #expect(totals.acked == 47)
        #expect(totals.rejected == 3)
        let verdicts = await connection.takeVerdicts()
        #expect(verdicts.map(\.number) == [17, 18, 50])
        #expect(verdicts.allSatisfy { $0.outcome == .refused && $0.reason == "malformed_body" })
        #expect(Set(daemon.seenCounts.keys.map(\.device)).count == 47)
        #expect(daemon.accepted < 10)
        await connection.close()
        await daemon.stop()
    }

    @Test func pausesGrowAndAreNotAllTheSame() {
        var first: Set<Duration> = []
        for _ in 0..<20 {
            var backoff = Backoff(first: .milliseconds(50))
            first.insert(backoff.next())
            var pauses = (0..<12).map { _ in backoff.next() }
            #expect(pauses.allSatisfy { $0 >= .milliseconds(50) && $0 <= .seconds(5) })
            #expect(pauses.removeLast() >= .milliseconds(2_500))
            backoff.reset()
            #expect(backoff.next() <= .milliseconds(50))
        }
        #expect(first.count > 1)
        #expect(first.allSatisfy { $0 >= .milliseconds(25) && $0 <= .milliseconds(50) })
    }
}
