// A fleet against a stub daemon on real sockets: every event arrives once, and the same seed makes the same events.

import Events
import Fleet
import Testing
import TidingsClient
import TidingsTesting

private func fleet(devices: Int, events: Int, seed: UInt64 = 7) -> SimulatedFleet {
    var options = SimulatedFleet.Options()
    options.devices = devices
    options.events = events
    options.seed = seed
    options.start = Timestamp(rawValue: 1_795_132_800_000)
    return SimulatedFleet(options)
}

@Suite struct FleetTests {
    @Test(.timeLimit(.minutes(1)), arguments: [1, 4]) func everyEventArrivesOnce(connections: Int) async throws {
        let daemon = try await StubDaemon.start()
        var options = FleetOptions()
        options.port = daemon.port
        options.connections = connections
        let totals = try await FleetSender(options).run(fleet(devices: 200, events: 20_000))
        #expect(totals.sent == 20_000)
        #expect(totals.acked == 20_000)
        #expect(totals.lost == 0)
        #expect(daemon.seenCounts.count == 20_000)
        #expect(daemon.seenCounts.values.allSatisfy { $0 == 1 })
        await daemon.stop()
    }

    @Test(.timeLimit(.minutes(1))) func aFullTableLeadsToANewConnection() async throws {
        let daemon = try await StubDaemon.start()
        var options = FleetOptions()
        options.port = daemon.port
        let totals = try await FleetSender(options).run(fleet(devices: 9_000, events: 20_000))
        #expect(totals.acked == 20_000)
        #expect(daemon.seenCounts.count == 20_000)
        #expect(daemon.connections > 1)
        #expect(daemon.biggestTable <= Limits.tableEntries)
        await daemon.stop()
    }

    @Test(.timeLimit(.minutes(1))) func aRateIsKept() async throws {
        let daemon = try await StubDaemon.start()
        var options = FleetOptions()
        options.port = daemon.port
        options.rate = 1_000
        let clock = ContinuousClock()
        let start = clock.now
        let totals = try await FleetSender(options).run(fleet(devices: 10, events: 500))
        #expect(totals.acked == 500)
        #expect(clock.now - start >= .milliseconds(450))
        await daemon.stop()
    }

    @Test func theSameSeedGivesTheSameEvents() {
        func make(_ seed: UInt64, pieces: Int) -> ([Event], [UInt8], Definitions) {
            var source = fleet(devices: 300, events: 5_000, seed: seed)
            var vocabulary = Vocabulary()
            var batch = EventBatch()
            while source.next(into: &batch, vocabulary: &vocabulary, limit: pieces) {}
            return (batch.events, batch.text, vocabulary.takeDefinitions())
        }
        let one = make(3, pieces: 5_000)
        let other = make(3, pieces: 17)
        #expect(one.0.count == 5_000)
        #expect(one.0 == other.0)
        #expect(one.1 == other.1)
        #expect(one.2 == other.2)
        #expect(make(4, pieces: 5_000).0 != one.0)
        #expect(Set(one.0.map(\.kind)) == [.preferenceSet, .ratingGiven, .featureUsed, .feedbackText, .faultSeen])
        #expect(Set(one.0.map { "\($0.device.rawValue)/\($0.seq)" }).count == 5_000)
    }
}

@Suite struct FleetDatagramTests {
    @Test(.timeLimit(.minutes(1)), arguments: [UInt64(1), 2, 3])
    func lossIsMended(seed: UInt64) async throws {
        var manners = StubDaemon.Manners()
        manners.dropsPercent = 20
        manners.seed = seed
        let daemon = try await StubDaemon.start(manners)
        var options = FleetOptions()
        options.port = daemon.udpPort
        options.path = .udp
        options.datagram.firstPauseMilliseconds = 20
        options.datagram.maxTries = 12
        let totals = try await FleetSender(options).run(fleet(devices: 50, events: 3_000, seed: seed))
        #expect(totals.sent == 3_000, "seed \(seed)")
        #expect(totals.acked + totals.lost == 3_000, "seed \(seed)")
        #expect(totals.lost == 0, "seed \(seed)")
        #expect(totals.retried > 0, "seed \(seed)")
        #expect(daemon.seenCounts.count == 3_000, "seed \(seed)")
        await daemon.stop()
    }

    @Test(.timeLimit(.minutes(1))) func whatNobodyTakesIsCountedAsLost() async throws {
        var manners = StubDaemon.Manners()
        manners.dropsPercent = 100
        let daemon = try await StubDaemon.start(manners)
        var options = FleetOptions()
        options.port = daemon.udpPort
        options.path = .udp
        options.datagram.firstPauseMilliseconds = 10
        options.datagram.maxTries = 2
        let totals = try await FleetSender(options).run(fleet(devices: 5, events: 20))
        #expect(totals.lost == 20)
        #expect(totals.acked == 0)
        #expect(totals.outstanding == 0)
        await daemon.stop()
    }
}
