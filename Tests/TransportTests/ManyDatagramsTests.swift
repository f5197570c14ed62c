// Many datagrams at once on real sockets: more than one call reads, and acks to more addresses than one call sends to.

import Events
import NIOCore
import NIOPosix
import Testing
import Transport

private typealias Client = NIOAsyncChannel<AddressedEnvelope<ByteBuffer>, AddressedEnvelope<ByteBuffer>>

@Suite struct ManyDatagramsTests {
    private func client(_ station: Station) async throws -> Client {
        try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: station.udpPort) { channel in
                channel.eventLoop.makeCompletedFuture { try Client(wrappingChannelSynchronously: channel) }
            }
    }

    private func line(_ device: Int, _ id: Int) -> ByteBuffer {
        ByteBuffer(
            string: #"{"product":"k","device":"d\#(device)","id":\#(id),"type":"feature.used","aspect":"a"}"#)
    }

    @Test(.timeLimit(.minutes(1))) func oneCommitAcknowledgesManyAddresses() async throws {
        let count = 2 * TransportLimits.runsPerCall + 22
        let answers = try await Station.with(commitsAtOnce: false) { station in
            let address = try SocketAddress(ipAddress: "127.0.0.1", port: station.udpPort)
            return try await withThrowingTaskGroup(of: String.self) { group in
                for device in 0..<count {
                    group.addTask {
                        try await client(station).executeThenClose { inbound, outbound in
                            let data = line(device, 1)
                            try await outbound.write(AddressedEnvelope(remoteAddress: address, data: data))
                            for try await answer in inbound { return String(buffer: answer.data) }
                            return ""
                        }
                    }
                }
                #expect(try await station.until { $0.filling.count == count })
                try await station.inside { $0.commit() }
                var answers: [String] = []
                for try await answer in group { answers.append(answer) }
                return answers
            }
        }
        #expect(answers == [String](repeating: "{\"ack\":1}\n", count: count))
    }

    /// While the intake is full, some wait here and the others with the kernel; none is lost or mixed up with another.
    @Test(.timeLimit(.minutes(1))) func whatWaitedIsReadInItsOrder() async throws {
        let count = 3 * TransportLimits.datagramsPerRead + 8
        try await Station.with { station in
            let address = try SocketAddress(ipAddress: "127.0.0.1", port: station.udpPort)
            try await station.inside { $0.isFull = true }
            try await client(station).executeThenClose { inbound, outbound in
                for id in 1...count {
                    try await outbound.write(AddressedEnvelope(remoteAddress: address, data: line(0, id)))
                }
                try await station.inside {
                    $0.isFull = false
                    $0.projectorCaughtUp()
                }
                var answers = 0
                for try await _ in inbound {
                    answers += 1
                    if answers == count { break }
                }
            }
            let stored = try await station.inside { $0.committed.map(\.seq) }
            #expect(stored == (1...count).map { UInt64($0) })
        }
    }

    @Test(.timeLimit(.minutes(1))) func oneThatIsTooLongIsToldFromOneThatFits() async throws {
        let (answers, refusals) = try await Station.with { station in
            let address = try SocketAddress(ipAddress: "127.0.0.1", port: station.udpPort)
            let answers = try await client(station).executeThenClose { inbound, outbound in
                for extra in [1, 0] {
                    var data = line(extra, 1)
                    data.writeRepeatingByte(UInt8(ascii: " "), count: Limits.datagramBytes + extra - data.readableBytes)
                    try await outbound.write(AddressedEnvelope(remoteAddress: address, data: data))
                }
                for try await answer in inbound { return String(buffer: answer.data) }
                return ""
            }
            return (answers, try await station.inside { $0.refusals })
        }
        #expect(answers == "{\"ack\":1}\n")
        #expect(refusals == [.tooBig])
    }
}
