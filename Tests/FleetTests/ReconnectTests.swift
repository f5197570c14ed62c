// A connection that breaks under lines of input is made anew, and no line is lost, counted twice or sent in vain.

import Fleet
import Testing
import TidingsClient
import TidingsTesting

@Suite struct ReconnectTests {
    private func lines(_ range: ClosedRange<Int>, _ words: [Int: String] = [:]) -> String {
        range.map { line(words[$0] ?? "k-1", $0) }.joined(separator: "\n")
    }

    @Test(.timeLimit(.minutes(1))) func aLineThatClosesTheConnectionIsNotSentAgain() async throws {
        let daemon = try await StubDaemon.start()
        let listener = Listener()
        let totals = try await send(lines(1...500, [200: "final", 201: "final"]), Way.json.options(daemon), listener)
        #expect(totals.sent == 500)
        #expect(totals.acked == 498)
        #expect(totals.rejected == 2)
        #expect(listener.lines == ["200 too_big: so \"it\" is", "201 too_big: so \"it\" is"])
        #expect(daemon.accepted == 3)
        #expect(daemon.lines.filter { $0.contains("final") }.count == 2)
        await daemon.stop()
    }

    /// The same, but the connection is gone before the ack.
    @Test(.timeLimit(.minutes(1))) func evenWithoutItsAck() async throws {
        var manners = StubDaemon.Manners()
        manners.forgetsAcks = 2
        let daemon = try await StubDaemon.start(manners)
        let listener = Listener()
        let words = [20: "bad", 30: "apart", 40: "old", 50: "later"]
        var options = Way.json.options(daemon)
        options.batch = 1_000
        let totals = try await send(lines(1...60, words), options, listener)
        #expect(totals.sent == 60)
        #expect(totals.rejected == 1)
        #expect(totals.acked == 59)
        #expect(totals.quarantined == 1)
        #expect(totals.stale == 1)
        #expect(totals.retried > 0)
        #expect(
            listener.lines.map { $0.prefix { $0 != ":" } } == [
                "20 malformed_json", "30 quarantined bad_aspect", "40 stale",
            ])
        #expect(daemon.lines.filter { $0.contains("bad") }.count == 1)
        await daemon.stop()
    }

    @Test(.timeLimit(.minutes(1))) func whatIsRefusedForNowIsSentAgain() async throws {
        let daemon = try await StubDaemon.start()
        let listener = Listener()
        let totals = try await send(lines(1...30, [10: "later", 20: "later-2"]), Way.json.options(daemon), listener)
        #expect(totals.sent == 30)
        #expect(totals.acked == 30)
        #expect(totals.rejected == 0)
        #expect(listener.lines.isEmpty)
        #expect(daemon.lines.count == 32)
        #expect(daemon.accepted == 1)
        await daemon.stop()
    }

    @Test(.timeLimit(.minutes(1)), arguments: [Way.native, .json])
    func aDaemonThatClosesEveryConnectionIsLeftAlone(way: Way) async throws {
        var manners = StubDaemon.Manners()
        manners.hangsUpAtOnce = true
        let daemon = try await StubDaemon.start(manners)
        var options = way.options(daemon)
        options.stream.maxAttempts = 4
        options.stream.firstPause = .milliseconds(40)
        let sender = FleetSender(options)
        let clock = ContinuousClock()
        let start = clock.now
        var pieces = [Array((lines(1...3) + "\n").utf8)]
        await #expect(throws: SendError.self) { _ = try await sender.runLines { pieces.popLast() ?? [] } }
        // 40, 80 and 160 ms, half of which is left to chance.
        #expect(clock.now - start >= .milliseconds(140))
        #expect(daemon.accepted == 4)
        // A connection of JSON lines is taken for up before the daemon has said anything.
        #expect(sender.totals.sent == (way == .json ? 3 : 0))
        #expect(sender.totals.lost == sender.totals.sent)
        #expect(sender.totals.outstanding == 0)
        await daemon.stop()
    }

    /// One batch of more names than the connection's table holds goes over several connections.
    @Test(.timeLimit(.minutes(1))) func aBatchOfManyNames() async throws {
        let daemon = try await StubDaemon.start()
        let long = String(repeating: "x", count: 200)
        let text = (1...600).map {
            line("k-\($0)", 1, #""type":"preference.set","aspect":"a","value":"\#(long)\#($0)""#)
        }
        var options = Way.native.options(daemon)
        options.batch = 1_000
        let totals = try await send(text.joined(separator: "\n"), options)
        #expect(totals.acked == 600)
        #expect(daemon.seenCounts.count == 600)
        await daemon.stop()
    }
}
