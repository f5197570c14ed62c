// The listeners on real sockets of the loopback interface, against an intake without a log.

import Admission
import Events
import NIOCore
import NIOPosix
import Testing
import Transport
import Wire

extension [ListenerSpecification] {
    /// Both of the daemon's, on free ports.
    static var onLoopback: [ListenerSpecification] {
        [
            ListenerSpecification(name: "tcp", host: "127.0.0.1", port: 0, service: .tcp),
            ListenerSpecification(name: "udp", host: "127.0.0.1", port: 0, service: .udp),
        ]
    }
}

/// Listeners on free ports with a stub intake behind them.
struct Station {
    let group: MultiThreadedEventLoopGroup
    let intake: NIOLoopBound<StubIntake>
    let listeners: Listeners

    var port: Int { listeners.address(of: "tcp")?.port ?? 0 }
    var udpPort: Int { listeners.address(of: "udp")?.port ?? 0 }

    static func with<Result: Sendable>(
        settings: TransportSettings = TransportSettings(), commitsAtOnce: Bool = true,
        _ specifications: [ListenerSpecification] = .onLoopback, _ body: (Station) async throws -> Result
    ) async throws -> Result {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let intake = try await loop.submit {
            let intake = StubIntake()
            intake.commitsAtOnce = commitsAtOnce
            return NIOLoopBound(intake, eventLoop: loop)
        }.get()
        let erased = try await loop.submit { NIOLoopBound(intake.value as any Intake, eventLoop: loop) }.get()
        let listeners = try await Listeners.open(
            specifications, settings: settings, intake: erased, on: loop)
        let station = Station(group: group, intake: intake, listeners: listeners)
        do {
            let result = try await body(station)
            await listeners.close()
            try await group.shutdownGracefully()
            return result
        } catch {
            await listeners.close()
            try await group.shutdownGracefully()
            throw error
        }
    }

    func inside<Result: Sendable>(_ body: @escaping @Sendable (StubIntake) -> Result) async throws -> Result {
        let intake = intake
        return try await group.next().submit { body(intake.value) }.get()
    }

    /// Waits until a condition holds inside; gives up after 10 s.
    func until(_ condition: @escaping @Sendable (StubIntake) -> Bool) async throws -> Bool {
        for _ in 0..<1_000 {
            if try await inside(condition) { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    /// Sends bytes, closes this side if asked, and reads until the daemon closes or has said `enough` bytes.
    func exchange(_ bytes: [UInt8], halfClose: Bool = true, enough: Int = .max) async throws -> [UInt8] {
        let client = try await connect()
        return try await client.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(bytes: bytes))
            if halfClose { outbound.finish() }
            var answer: [UInt8] = []
            for try await buffer in inbound {
                answer += Array(buffer.readableBytesView)
                if answer.count >= enough { break }
            }
            return answer
        }
    }

    /// Holds a connection that has sent a line and got its ack.
    func speaking<Result: Sendable>(
        _ seq: Int, _ body: @Sendable () async throws -> Result
    ) async throws -> Result {
        try await connect().executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: line(seq)))
            for try await _ in inbound { break }
            return try await body()
        }
    }

    func connect() async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(
                            isOutboundHalfClosureEnabled: true, inboundType: ByteBuffer.self,
                            outboundType: ByteBuffer.self))
                }
            }
    }
}

private func line(_ seq: Int) -> String {
    #"{"product":"kettle","device":"k-1","id":"1-\#(seq)","type":"preference.set","aspect":"temperature","value":92}"#
        + "\n"
}

@Suite struct ListenerTests {
    @Test(.timeLimit(.minutes(1))) func aHalfClosedClientGetsItsAck() async throws {
        let (answer, count) = try await Station.with { station in
            let answer = try await station.exchange(Array((line(1) + line(2)).utf8))
            return (answer, try await station.inside { $0.committed.count })
        }
        #expect(String(decoding: answer, as: UTF8.self) == "{\"ack\":2}\n")
        #expect(count == 2)
    }

    @Test(.timeLimit(.minutes(1))) func noAckBeforeTheCommit() async throws {
        let answer = try await Station.with(commitsAtOnce: false) { station in
            let client = try await station.connect()
            return try await client.executeThenClose { inbound, outbound in
                try await outbound.write(ByteBuffer(string: line(1)))
                outbound.finish()
                let arrived = try await station.until { $0.filling.count == 1 }
                #expect(arrived)
                // A ping over another connection is answered meanwhile; the ack is not there yet.
                var ping = streamMagic
                writeFrame(.ping, body: [1].span, into: &ping)
                let pong = try await station.exchange(ping, halfClose: false, enough: 7)
                #expect(pong.first == FrameType.pong.rawValue)
                try await station.inside { $0.commit() }
                var answer = ""
                for try await buffer in inbound { answer += String(buffer: buffer) }
                return answer
            }
        }
        #expect(answer == "{\"ack\":1}\n")
    }

    @Test(.timeLimit(.minutes(1))) func wrongMagicIsToldAndClosed() async throws {
        let answer = try await Station.with {
            try await $0.exchange(Array("GET / HTTP/1.1\r\n\r\n".utf8), halfClose: false)
        }
        #expect(String(decoding: answer, as: UTF8.self).hasPrefix(#"{"error":{"code":4002"#))
    }

    @Test(.timeLimit(.minutes(1))) func oneTooManyIsToldAndTheOthersLiveOn() async throws {
        var settings = TransportSettings()
        settings.maxConnections = 1
        let (refused, kept, counts) = try await Station.with(settings: settings) { station in
            let client = try await station.connect()
            return try await client.executeThenClose { inbound, outbound in
                try await outbound.write(ByteBuffer(string: line(1)))
                var iterator = inbound.makeAsyncIterator()
                let first = try await iterator.next().map { String(buffer: $0) }
                let refused = try await station.exchange([], halfClose: false)
                try await outbound.write(ByteBuffer(string: line(2)))
                let second = try await iterator.next().map { String(buffer: $0) }
                #expect(first == "{\"ack\":1}\n")
                return (refused, second, await station.listeners.connectionCounts())
            }
        }
        #expect(String(decoding: refused, as: UTF8.self).contains("\"code\":4290"))
        #expect(kept == "{\"ack\":2}\n")
        #expect(counts.refused == 1)
        #expect(counts.accepted == 1)
    }

    @Test(.timeLimit(.minutes(1))) func aFullIntakeStopsReadingAndGoesOnLater() async throws {
        let (early, answer) = try await Station.with { station in
            try await station.inside { $0.isFull = true }
            let client = try await station.connect()
            return try await client.executeThenClose { inbound, outbound in
                let lines = (1...2_000).map(line).joined()
                try await outbound.write(ByteBuffer(string: lines))
                outbound.finish()
                try await Task.sleep(for: .milliseconds(100))
                let early = try await station.inside { $0.events.count }
                try await station.inside { $0.projectorCaughtUp() }
                var answer = ""
                for try await buffer in inbound { answer += String(buffer: buffer) }
                return (early, answer)
            }
        }
        #expect(early == 0)
        #expect(answer.hasSuffix("{\"ack\":2000}\n"))
    }

    @Test(.timeLimit(.minutes(1))) func idleConnectionsAreClosed() async throws {
        var settings = TransportSettings()
        settings.idleTimeoutSeconds = 0
        let (answer, counts) = try await Station.with(settings: settings) { station in
            let answer = try await station.exchange(Array("{".utf8), halfClose: false)
            return (answer, await station.listeners.connectionCounts())
        }
        #expect(answer.isEmpty)
        #expect(counts.closedIdle == 1)
        #expect(counts.open == 0)
    }

    /// Whoever has sent nothing gives way when there are too many, the oldest first; who has sent something stays.
    @Test(.timeLimit(.minutes(1))) func theOldestSilentConnectionMakesRoom() async throws {
        var settings = TransportSettings()
        settings.maxConnections = 3
        let (second, before, after, refused) = try await Station.with(settings: settings) { station in
            try await station.connect().executeThenClose { oldest, _ in
                try await station.connect().executeThenClose { newer, _ in
                    try await station.speaking(1) {
                        let second = try await station.exchange(Array(line(2).utf8), halfClose: false, enough: 1)
                        // Ends when the daemon closes it.
                        for try await _ in oldest {}
                        let before = await station.listeners.connectionCounts()
                        return try await station.speaking(3) {
                            try await station.speaking(4) {
                                for try await _ in newer {}
                                let refused = try await station.exchange([], halfClose: false)
                                return (second, before, await station.listeners.connectionCounts(), refused)
                            }
                        }
                    }
                }
            }
        }
        #expect(String(decoding: second, as: UTF8.self) == "{\"ack\":1}\n")
        #expect(before.closedSilent == 1 && before.refused == 0)
        #expect(after.closedSilent == 2 && after.refused == 1)
        #expect(String(decoding: refused, as: UTF8.self).contains("\"code\":4290"))
    }

    @Test(.timeLimit(.minutes(1)), arguments: [true, false])
    func anAddressHasSoManyConnectionsAndNoMore(countsLoopback: Bool) async throws {
        var settings = TransportSettings()
        settings.quotas.connectionsPerAddress = 1
        settings.quotas.countsLoopback = countsLoopback
        let (answers, counts) = try await Station.with(settings: settings) { station in
            let client = try await station.connect()
            let second = try await client.executeThenClose { inbound, outbound in
                try await outbound.write(ByteBuffer(string: line(1)))
                for try await _ in inbound { break }
                return try await station.exchange(Array(line(2).utf8))
            }
            // The place is free again when the daemon has seen the first one go.
            var third: [UInt8] = []
            for _ in 0..<500 where !third.starts(with: Array("{\"ack\"".utf8)) {
                third = try await station.exchange(Array(line(3).utf8))
                try await Task.sleep(for: .milliseconds(10))
            }
            return ([second, third], await station.listeners.connectionCounts())
        }
        #expect(String(decoding: answers[0], as: UTF8.self).contains("\"code\":4290") == countsLoopback)
        #expect(String(decoding: answers[1], as: UTF8.self) == "{\"ack\":1}\n")
        #expect((counts.refused > 0) == countsLoopback)
    }

    @Test(.timeLimit(.minutes(1))) func drainingAcknowledgesWhatWasRead() async throws {
        let answer = try await Station.with(commitsAtOnce: false) { station in
            let client = try await station.connect()
            return try await client.executeThenClose { inbound, outbound in
                try await outbound.write(ByteBuffer(string: line(1)))
                let arrived = try await station.until { $0.filling.count == 1 }
                #expect(arrived)
                await station.listeners.stopAccepting()
                async let drained: Void = station.listeners.drain()
                try await station.inside { $0.commit() }
                await drained
                var answer = ""
                for try await buffer in inbound { answer += String(buffer: buffer) }
                return answer
            }
        }
        #expect(answer.contains("{\"ack\":1}\n"))
        #expect(answer.contains("\"code\":5032"))
    }

    @Test(.timeLimit(.minutes(1))) func aPortInUseIsExplainedInOneLine() async throws {
        try await Station.with { station in
            let loop = station.group.next()
            let intake = station.intake
            let erased = try await loop.submit { NIOLoopBound(intake.value as any Intake, eventLoop: loop) }.get()
            await #expect {
                var specifications = [ListenerSpecification].onLoopback
                specifications[0].port = station.port
                _ = try await Listeners.open(
                    specifications, settings: TransportSettings(), intake: erased, on: loop)
            } throws: { error in
                "\(error)"
                    == "cannot listen on 127.0.0.1:\(station.port)/tcp: the address is in use; "
                    + "stop the other process or set listen.tcp.port"
            }
        }
    }

    @Test(.timeLimit(.minutes(1))) func datagramsAreAnsweredAfterTheCommit() async throws {
        let (answer, device) = try await Station.with { station in
            var writer = BatchWriter()
            let source = writer.reference("kettle/k-9")
            writer.begin(epoch: 3, firstSeq: 1, time: nil, device: source)
            var event = OutgoingEvent(kind: .featureUsed)
            event.aspect = writer.reference("lid")
            writer.put(event)
            var body: [UInt8] = []
            writer.finish(into: &body)
            var bytes: [UInt8] = []
            DatagramHeader(type: .batch, epoch: 3, counter: 8).write(body: body.span, into: &bytes)
            let socket = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: "127.0.0.1", port: station.udpPort) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try NIOAsyncChannel<AddressedEnvelope<ByteBuffer>, AddressedEnvelope<ByteBuffer>>(
                            wrappingChannelSynchronously: channel)
                    }
                }
            let address = try SocketAddress(ipAddress: "127.0.0.1", port: station.udpPort)
            let answer = try await socket.executeThenClose { inbound, outbound -> ByteBuffer? in
                try await outbound.write(
                    AddressedEnvelope(remoteAddress: address, data: ByteBuffer(bytes: bytes)))
                for try await envelope in inbound { return envelope.data }
                return nil
            }
            return (answer, try await station.inside { Array($0.vocabulary.name(of: DeviceID(rawValue: 1))) })
        }
        let bytes = Array(try #require(answer).readableBytesView)
        let header = try DatagramHeader.read(bytes.span)
        #expect(header.type == .ack)
        #expect(header.counter == 8)
        #expect(String(decoding: device, as: UTF8.self) == "k-9")
    }
}
