// Asked at one of several addresses, the daemon answers from that one: no peer takes an answer from a stranger.

import Admission
import Events
import NIOCore
import NIOPosix
import Testing
import Transport

@Suite struct SourceAddressTests {
    /// Runs listeners on all addresses of a family.
    private func with(_ host: String, _ body: (Int) async throws -> Void) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let intake = try await loop.submit {
            let intake = StubIntake()
            intake.commitsAtOnce = true
            return NIOLoopBound(intake as any Intake, eventLoop: loop)
        }.get()
        let listeners = try await Listeners.open(
            [ListenerSpecification(name: "udp", host: host, port: 0, service: .udp)], settings: TransportSettings(),
            intake: intake, on: loop)
        do { try await body(listeners.all[0].address.port ?? 0) } catch {
            await listeners.close()
            try await group.shutdownGracefully()
            throw error
        }
        await listeners.close()
        try await group.shutdownGracefully()
    }

    /// Sends events, each in a datagram, from one socket that is connected to `host`, and returns how many acks come.
    /// The system gives a connected socket only what comes from where it is connected to.
    private func acks(from host: String, _ port: Int, events: Int) async throws -> Int {
        let socket = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<AddressedEnvelope<ByteBuffer>, AddressedEnvelope<ByteBuffer>>(
                        wrappingChannelSynchronously: channel)
                }
            }
        let address = try SocketAddress(ipAddress: host, port: port)
        return try await socket.executeThenClose { inbound, outbound in
            for index in 0..<events {
                let line = #"{"product":"k","device":"d","id":\#(index),"type":"feature.used","aspect":"a"}"#
                try await outbound.write(AddressedEnvelope(remoteAddress: address, data: ByteBuffer(string: line)))
            }
            var answers = 0
            for try await envelope in inbound {
                #expect(String(buffer: envelope.data) == "{\"ack\":1}\n")
                answers += 1
                if answers == events { break }
            }
            return answers
        }
    }

    @Test(.timeLimit(.minutes(1)), arguments: ["127.0.0.1", "127.0.0.2", "127.1.2.3"])
    func everyAddressAnswersForItself(_ host: String) async throws {
        try await with("0.0.0.0") { port in
            let answers = try await acks(from: host, port, events: 100)
            #expect(answers == 100)
        }
    }

    @Test(.timeLimit(.minutes(1)), arguments: ["127.0.0.1", "127.0.0.2", "::1"])
    func soDoesASocketOfBothFamilies(_ host: String) async throws {
        do {
            try await with("::") { port in
                let answers = try await acks(from: host, port, events: 100)
                #expect(answers == 100)
            }
        } catch let error as ListenError {
            // A machine without IPv6.
            #expect(error.description.contains("::"), "\(error)")
        }
    }

    @Test(.timeLimit(.minutes(1))) func oneAddressAnswersAsBefore() async throws {
        try await with("127.0.0.2") { port in
            let answers = try await acks(from: "127.0.0.2", port, events: 100)
            #expect(answers == 100)
        }
    }

    @Test func aRunIsOfOneSource() throws {
        let peer = DatagramAddress(try SocketAddress(ipAddress: "192.0.2.7", port: 5))
        let sources = try ["127.0.0.1", "127.0.0.1", "127.0.0.2"].map {
            DatagramSource(
                NIOPacketInfo(destinationAddress: try SocketAddress(ipAddress: $0, port: 0), interfaceIndex: 1))
        }
        var outbox = DatagramOutbox()
        for source in sources + [nil] { outbox.add([1, 2], to: peer, from: source) }
        #expect(outbox.runs.map(\.count) == [4, 2, 2])
        #expect(outbox.runs.map(\.source) == [sources[0], sources[2], nil])
    }
}
