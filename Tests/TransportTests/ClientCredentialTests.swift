// The client library and the listeners understand each other: proofs, tokens, signed datagrams, and what is refused.

import Admission
import Bytes
import Events
import NIOCore
import Testing
import TidingsClient
import Transport
import Wire

private func event(_ seq: UInt64, device: String = "k-1", epoch: UInt32 = 1) -> TidingsEvent {
    var event = TidingsEvent(product: "kettle", device: device, kind: .featureUsed, aspect: "lid")
    (event.seq, event.epoch) = (seq, epoch)
    return event
}

private func credential(_ id: UInt32, generation: UInt32 = 0) throws -> SenderCredential {
    try #require(SenderCredential(keyID: id, key: base64URL(TestKeys.key(id, generation: generation).bytes)))
}

@Suite(.timeLimit(.minutes(1))) struct ClientCredentialTests {
    private func with(_ body: @Sendable (Station) async throws -> Void) async throws {
        try await Station.with(settings: .auth(.require)) { station in
            try await station.change(TestKeys.list())
            try await body(station)
        }
    }

    @Test(arguments: [TidingsConnection.Format.native, .json]) func connections(_ format: TidingsConnection.Format)
        async throws
    {
        try await with { station in
            for (number, shown) in try [credential(7), SenderCredential(token: TestKeys.bearer(7))].enumerated() {
                let connection = TidingsConnection(
                    host: "127.0.0.1", port: station.port, format: format, credential: shown)
                try await connection.send((1...20).map { event($0, epoch: UInt32(number) + 1) })
                try await connection.flush()
                let totals = await connection.totals
                #expect(totals.acked == 20)
                #expect(totals.rejected == 0)
                await connection.close()
            }
            #expect(try await station.inside { $0.events.count } == 40)
        }
    }

    @Test(arguments: [TidingsConnection.Format.native, .json])
    func aWrongKeyIsRefusedForGood(_ format: TidingsConnection.Format) async throws {
        try await with { station in
            for shown in [try credential(7, generation: 1), nil] {
                let connection = TidingsConnection(
                    host: "127.0.0.1", port: station.port, format: format, credential: shown)
                let error = await #expect(throws: SendError.self) {
                    try await connection.send([event(1)])
                    try await connection.flush()
                }
                #expect(error?.description.contains("4010") == true)
            }
            #expect(try await station.inside { $0.events.isEmpty })
        }
    }

    @Test func datagrams() async throws {
        try await with { station in
            let epoch = UInt32((StubIntake().now.rawValue - Limits.earliestTime.rawValue) / 1_000)
            let datagrams = TidingsDatagrams(
                host: "127.0.0.1", port: station.udpPort, credential: try credential(9), epoch: epoch)
            try await datagrams.send(
                (0..<40).map {
                    TidingsEvent(product: "kettle", device: "d\($0 % 4)", kind: .featureUsed, aspect: "lid")
                })
            await datagrams.flush()
            #expect(await datagrams.totals.acked == 40)
            #expect(try await station.inside { $0.events.count } == 40)
            // An epoch of before, as if the device had forgotten it.
            let late = TidingsDatagrams(
                host: "127.0.0.1", port: station.udpPort, credential: try credential(9), epoch: epoch - 1)
            try await late.send([event(1, device: "d1", epoch: epoch - 2)])
            await late.flush()
            // What is numbered by its device stays what it is.
            #expect(await late.totals.rejected == 1)
            #expect(await late.takeVerdicts().first?.code == 4013)
            #expect(await late.epoch == epoch - 1)
        }
    }

    /// One that is below the last, as if that had been lost; and those of a clock that is years ahead.
    @Test(arguments: [-1, 1_000_000_000]) func aRefusedEpochIsJumped(_ distance: Int64) async throws {
        try await with { station in
            let today = (StubIntake().now.rawValue - Limits.earliestTime.rawValue) / 1_000
            let events = (1...60).map {
                TidingsEvent(product: "kettle", device: "d\($0 % 2)", kind: .featureUsed, aspect: "lid")
            }
            for round in 1...2 {
                let datagrams = TidingsDatagrams(
                    host: "127.0.0.1", port: station.udpPort, credential: try credential(9),
                    epoch: UInt32(today + (round == 1 && distance < 0 ? 0 : distance)))
                for start in stride(from: 0, to: events.count, by: 4) {
                    try await datagrams.send(Array(events[start..<(start + 4)]))
                }
                await datagrams.flush()
                let totals = await datagrams.totals
                #expect(totals.acked == 60 && totals.rejected == 0 && totals.lost == 0, "\(totals)")
                #expect(try await station.inside { $0.events.count } == 60 * round)
                await datagrams.close()
            }
        }
    }

    @Test func anAnswerThatIsNotSignedIsNotBelieved() throws {
        var options = DatagramOptions()
        options.credential = try credential(7)
        let window = DatagramSendWindow(options: options)
        window.track(
            InFlightDatagram(
                device: 1, epoch: 1, seqs: 1...1, events: 1, bytes: .init(), sent: .now(), pause: .hours(1)), counter: 5
        )
        for (id, signer) in [(0, nil), (7, TestKeys.key(8).signer), (8, TestKeys.key(8).signer)]
            as [(UInt32, DatagramSigner?)]
        {
            var answer: [UInt8] = []
            DatagramHeader(type: .ack, keyID: id, epoch: 1, counter: 5).write(
                body: Ack(durable: 1).encode().span, into: &answer)
            signer?.sign(&answer, from: 0)
            window.take(answer.span)
            #expect(window.totals.acked == 0)
        }
        var answer: [UInt8] = []
        DatagramHeader(type: .ack, keyID: 7, epoch: 1, counter: 5).write(
            body: Ack(durable: 1).encode().span, into: &answer)
        TestKeys.key(7).signer.sign(&answer, from: 0)
        window.take(answer.span)
        #expect(window.totals.acked == 1)
    }

    @Test func epochsRise() {
        let seconds: Int64 = 1_795_132_800
        let now = TidingsDatagrams.epoch(after: 0, unixSeconds: seconds)
        #expect(now == 848_448_000)
        #expect(TidingsDatagrams.epoch(after: now, unixSeconds: seconds) == now + 1)
        #expect(TidingsDatagrams.epoch(after: now - 9, unixSeconds: seconds) == now)
        #expect(TidingsDatagrams.epoch(after: 4, unixSeconds: 0) == 5)
        #expect(TidingsDatagrams.epoch(after: .max, unixSeconds: 0) == .max)
    }

    @Test func whatIsNoCredential() {
        for key in ["", "AAAA", base64URL(Array(repeating: 1, count: 31)), "\(base64URL(TestKeys.key(7).bytes))="] {
            #expect(SenderCredential(keyID: 7, key: key) == nil)
        }
        #expect(SenderCredential(keyID: 0, key: base64URL(TestKeys.key(7).bytes)) == nil)
        for token in ["", "a b", "a\"b", "a\nb", "ä"] { #expect(SenderCredential(token: token) == nil) }
    }
}
