// The sockets that the daemon listens on, all on one event loop, from binding to draining.

import Events
package import NIOCore
import NIOPosix

/// Why a socket could not be opened: cause and remedy in one line.
package struct ListenError: Error, CustomStringConvertible, Sendable {
    package var description: String
}

/// The TCP and UDP listeners of the ingest event loop.
package final class Listeners: Sendable {
    /// Where the daemon is reachable; the port is the one that the kernel gave when 0 was asked for.
    package let tcpAddress: SocketAddress
    package let udpAddress: SocketAddress

    private let eventLoop: any EventLoop
    private let tcp: any Channel
    private let udp: any Channel
    private let inside: NIOLoopBound<Inside>

    /// What lives on the event loop.
    private final class Inside {
        let door: TCPDoor
        let datagrams: DatagramHandler
        var sweeper: RepeatedTask?

        init(door: TCPDoor, datagrams: DatagramHandler) {
            self.door = door
            self.datagrams = datagrams
        }
    }

    private init(eventLoop: any EventLoop, tcp: any Channel, udp: any Channel, inside: NIOLoopBound<Inside>) throws {
        guard let tcpAddress = tcp.localAddress, let udpAddress = udp.localAddress else {
            throw ListenError(description: "the kernel closed a listening socket at once; see its log")
        }
        self.tcpAddress = tcpAddress
        self.udpAddress = udpAddress
        self.eventLoop = eventLoop
        self.tcp = tcp
        self.udp = udp
        self.inside = inside
    }

    /// Opens both sockets; reading starts at once.
    ///
    /// - Parameter intake: made on `eventLoop`, which all sockets and the intake share.
    /// - Throws: `ListenError`.
    package static func open(
        tcp: (host: String, port: Int), udp: (host: String, port: Int), settings: TransportSettings,
        intake: NIOLoopBound<any Intake>, on eventLoop: any EventLoop
    ) async throws -> Listeners {
        let inside = try await eventLoop.submit {
            let reception = Reception(intake: intake.value, settings: settings)
            let door = TCPDoor(reception: reception, eventLoop: eventLoop)
            let datagrams = DatagramHandler(reception: reception, turnEnds: { door.turnEnds() })
            return NIOLoopBound(Inside(door: door, datagrams: datagrams), eventLoop: eventLoop)
        }.get()
        let tcpChannel = try await bindTCP(tcp.host, tcp.port, inside, eventLoop)
        do {
            let udpChannel = try await bindUDP(udp.host, udp.port, inside, eventLoop)
            let listeners = try Listeners(eventLoop: eventLoop, tcp: tcpChannel, udp: udpChannel, inside: inside)
            try await eventLoop.submit {
                inside.value.sweeper = eventLoop.scheduleRepeatedTask(
                    initialDelay: .seconds(1), delay: .seconds(1)
                ) { _ in
                    inside.value.door.sweep()
                    inside.value.datagrams.sweep(now: .now())
                }
            }.get()
            return listeners
        } catch {
            try? await tcpChannel.close()
            throw error
        }
    }

    /// Accepts no more connections; those that are open are served on.
    package func stopAccepting() async {
        try? await tcp.close()
    }

    /// Reads no more; returns when everything that was read has been committed and acknowledged, or after
    /// `TransportLimits.drainSeconds` if the log does not take it.
    package func drain() async {
        let (inside, eventLoop) = (inside, eventLoop)
        try? await eventLoop.flatSubmit {
            let limit = eventLoop.makePromise(of: Void.self)
            let timer = eventLoop.scheduleTask(in: .seconds(TransportLimits.drainSeconds)) { limit.succeed(()) }
            let streams = inside.value.door.drain()
            let all = inside.value.datagrams.drain()?.and(streams).map { _ in } ?? streams
            all.whenComplete { _ in
                timer.cancel()
                limit.succeed(())
            }
            return limit.futureResult
        }.get()
    }

    /// Closes all sockets. What has not been acknowledged will be sent again by its sender.
    package func close() async {
        let inside = inside
        try? await eventLoop.submit {
            inside.value.sweeper?.cancel()
            inside.value.door.closeAll()
        }.get()
        try? await tcp.close()
        try? await udp.close()
    }

    /// What became of connections so far.
    package func connectionCounts() async -> ConnectionCounts {
        let inside = inside
        return (try? await eventLoop.submit { inside.value.door.counts }.get()) ?? ConnectionCounts()
    }

    private static func bindTCP(
        _ host: String, _ port: Int, _ inside: NIOLoopBound<Inside>, _ eventLoop: any EventLoop
    ) async throws -> any Channel {
        let bootstrap = ServerBootstrap(group: eventLoop)
            .serverChannelOption(.backlog, value: TransportLimits.acceptBacklog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(
                .writeBufferWaterMark,
                value: .init(low: TransportLimits.unreadAnswerBytes / 2, high: TransportLimits.unreadAnswerBytes)
            )
            .childChannelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(
                    minimum: 1_024, initial: 4_096, maximum: TransportLimits.readBytes)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let door = inside.value.door
                    let handler = TCPHandler(reception: door.reception, door: door)
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
        do {
            return try await bootstrap.bind(host: host, port: port).get()
        } catch {
            throw explain(error, "\(host):\(port)/tcp", key: "listen.tcp")
        }
    }

    private static func bindUDP(
        _ host: String, _ port: Int, _ inside: NIOLoopBound<Inside>, _ eventLoop: any EventLoop
    ) async throws -> any Channel {
        // One byte more than is accepted, so that a datagram which is too big can be told from one that fits.
        let datagramBytes = Limits.datagramBytes + 1
        let bootstrap = DatagramBootstrap(group: eventLoop)
            .channelOption(.socketOption(.so_rcvbuf), value: TransportLimits.datagramReceiveBuffer)
            .channelOption(.datagramVectorReadMessageCount, value: TransportLimits.datagramsPerRead)
            .channelOption(
                .recvAllocator,
                value: FixedSizeRecvByteBufferAllocator(capacity: datagramBytes * TransportLimits.datagramsPerRead)
            )
        do {
            let address = try SocketAddress.makeAddressResolvingHost(host, port: port)
            let socket = try DatagramSocket.open(at: address)
            let isWildcard = ["0.0.0.0", "::", "::ffff:0.0.0.0"].contains(address.ipAddress)
            return try await bootstrap.channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    inside.value.datagrams.use(socket, isWildcard: isWildcard)
                    try channel.pipeline.syncOperations.addHandler(inside.value.datagrams)
                }
            }.withBoundSocket(socket.descriptor).get()
        } catch {
            throw explain(error, "\(host):\(port)/udp", key: "listen.udp")
        }
    }

    private static func explain(_ error: any Error, _ address: String, key: String) -> ListenError {
        guard let error = error as? IOError else {
            return ListenError(description: "cannot listen on \(address): \(error); check \(key).host")
        }
        let (inUse, denied, notHere): ([Int32], [Int32], [Int32]) = ([98, 48], [13, 1], [99, 49])
        let remedy: String
        switch error.errnoCode {
        case let code where inUse.contains(code):
            remedy = "the address is in use; stop the other process or set \(key).port"
        case let code where denied.contains(code):
            remedy = "not permitted; use a port from 1024 up in \(key).port"
        case let code where notHere.contains(code):
            remedy = "this machine does not have that address; set \(key).host"
        default: remedy = "\(error); check \(key)"
        }
        return ListenError(description: "cannot listen on \(address): \(remedy)")
    }
}
