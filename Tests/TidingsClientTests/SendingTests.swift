// Senders against a stub daemon on real sockets: nothing is lost, whatever the daemon and the network do.

import Events
import Testing
import TidingsClient
import Wire

private func kettle(_ seq: UInt64?, device: String = "k-1") -> TidingsEvent {
    var event = TidingsEvent(
        product: "kettle", device: device, kind: .preferenceSet, aspect: "temperature", value: .whole(92))
    event.seq = seq
    event.epoch = 1
    event.customer = "h-1"
    return event
}

private func fleet(devices: Int, events: Int, seed: UInt64 = 7) -> SimulatedFleet {
    var options = SimulatedFleet.Options()
    options.devices = devices
    options.events = events
    options.seed = seed
    options.start = Timestamp(rawValue: 1_795_132_800_000)
    return SimulatedFleet(options)
}

@Suite struct ConnectionTests {
    @Test(.timeLimit(.minutes(1))) func sendsAndFlushes() async throws {
        let daemon = try await StubDaemon.start()
        let connection = TidingsConnection(host: "127.0.0.1", port: daemon.port)
        try await connection.send((1...5_000).map { kettle($0) })
        try await connection.flush()
        let totals = await connection.totals
        #expect(totals.sent == 5_000)
        #expect(totals.acked == 5_000)
        #expect(totals.outstanding == 0)
        await connection.close()
        #expect(daemon.seenCounts.count == 5_000)
        #expect(daemon.seenCounts.keys.allSatisfy { $0.device == "kettle/k-1" && $0.epoch == 1 })
        await daemon.stop()
    }

    @Test(.timeLimit(.minutes(1))) func sendsAgainWhatWasNotAcknowledged() async throws {
        var manners = StubDaemon.Manners()
        manners.hangsUpEvery = 7
        let daemon = try await StubDaemon.start(manners)
        let connection = TidingsConnection(host: "127.0.0.1", port: daemon.port, window: 2_000)
        for batch in 0..<40 {
            try await connection.send((1...100).map { kettle(UInt64(batch * 100 + $0), device: "k-\($0)") })
        }
        try await connection.flush()
        let totals = await connection.totals
        #expect(totals.acked == 4_000)
        #expect(totals.retried > 0)
        await connection.close()
        #expect(daemon.seenCounts.count == 4_000)
        #expect(daemon.connections > 2)
        await daemon.stop()
    }

    @Test(.timeLimit(.minutes(1))) func concurrentCallersDoNotMix() async throws {
        let daemon = try await StubDaemon.start()
        let connection = TidingsConnection(host: "127.0.0.1", port: daemon.port, window: 50)
        await withTaskGroup(of: Void.self) { group in
            for device in 0..<8 {
                group.addTask {
                    for seq in 1...50 { try? await connection.send([kettle(UInt64(seq), device: "k-\(device)")]) }
                }
            }
        }
        try await connection.flush()
        #expect(await connection.totals.acked == 400)
        #expect(daemon.seenCounts.count == 400)
        await connection.close()
        await daemon.stop()
    }

    @Test(.timeLimit(.minutes(1))) func saysWhenNobodyAnswers() async throws {
        let daemon = try await StubDaemon.start()
        let port = daemon.port
        await daemon.stop()
        let connection = TidingsConnection(host: "127.0.0.1", port: port, attempts: 2)
        await #expect {
            try await connection.send([kettle(1)])
        } throws: { error in
            "\(error)" == "no daemon answers at 127.0.0.1:\(port) after 2 attempts; start one with: tidings serve"
        }
    }

    @Test(.timeLimit(.minutes(1)), arguments: [TidingsConnection.Format.native, .json])
    func aRefusalForGoodEnds(format: TidingsConnection.Format) async throws {
        var manners = StubDaemon.Manners()
        manners.refusal = .forbidden
        let daemon = try await StubDaemon.start(manners)
        let connection = TidingsConnection(host: "127.0.0.1", port: daemon.port, format: format)
        await #expect {
            try await connection.send([kettle(1)])
            try await connection.flush()
        } throws: { "\($0)".contains("refuses: 4030") }
        await daemon.stop()
    }

    @Test(.timeLimit(.minutes(1))) func jsonLinesAreCounted() async throws {
        let daemon = try await StubDaemon.start()
        let connection = TidingsConnection(host: "127.0.0.1", port: daemon.port, format: .json)
        var bad = kettle(3)
        bad.device = "bad"
        try await connection.send([kettle(1), kettle(2), bad, kettle(4)])
        try await connection.flush()
        let totals = await connection.totals
        #expect(totals.acked == 3)
        #expect(totals.rejected == 1)
        await connection.close()
        let lines = daemon.lines
        #expect(
            lines.first == #"{"product":"kettle","device":"k-1","customer":"h-1","id":"1-1","#
                + #""type":"preference.set","aspect":"temperature","value":92}"#)
        await daemon.stop()
    }

    @Test func namesThatCannotBeUsedAreRefused() async throws {
        let connection = TidingsConnection(host: "127.0.0.1", port: 1)
        for event in [
            TidingsEvent(product: "", device: "x", kind: .feedbackText),
            TidingsEvent(product: "a/b", device: "x", kind: .feedbackText),
            TidingsEvent(product: "a", device: "", kind: .feedbackText),
        ] {
            await #expect(throws: SendError.self) { try await connection.send([event]) }
        }
    }
}

@Suite struct DatagramSendingTests {
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

    @Test(.timeLimit(.minutes(1))) func unnumberedEventsAreNumbered() async throws {
        let daemon = try await StubDaemon.start()
        let datagrams = TidingsDatagrams(host: "127.0.0.1", port: daemon.udpPort, firstPauseMilliseconds: 50)
        try await datagrams.send([kettle(nil), kettle(nil), kettle(nil, device: "k-2")])
        await datagrams.flush()
        #expect(await datagrams.totals.acked == 3)
        #expect(Set(daemon.seenCounts.keys.map(\.seq)) == [1, 2])
        await datagrams.close()
        await daemon.stop()
    }
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
