// Senders against a stub daemon on real sockets: nothing is lost, whatever the daemon and the network do.

import Events
import Testing
import TidingsClient
import TidingsTesting

private func kettle(_ seq: UInt64?, device: String = "k-1") -> TidingsEvent {
    var event = TidingsEvent(
        product: "kettle", device: device, kind: .preferenceSet, aspect: "temperature", value: .whole(92))
    event.seq = seq
    event.epoch = 1
    event.customer = "h-1"
    return event
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

    /// What has been given up is not begun again behind the caller's back.
    @Test(.timeLimit(.minutes(1))) func aConnectionThatHasFailedIsOver() async throws {
        let daemon = try await StubDaemon.start()
        let port = daemon.port
        await daemon.stop()
        let connection = TidingsConnection(host: "::1", port: port, attempts: 1)
        await #expect(throws: SendError.self) { try await connection.send([kettle(1)]) }
        await #expect {
            try await connection.send([kettle(1)])
        } throws: { "\($0)".contains("no daemon answers at [::1]:\(port)") }
        #expect(await connection.totals.sent == 0)
        await connection.close()
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

@Suite struct DatagramTests {
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
