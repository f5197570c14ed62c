// The sockets that the daemon listens on, all on one event loop, from binding to draining.

package import Admission
package import Events
package import NIOCore
import NIOPosix
package import TLS
import Wire

/// Why a socket could not be opened: cause and remedy in one line.
package struct ListenError: Error, CustomStringConvertible, Sendable {
    package var description: String
    /// Whether another process has the address.
    var isInUse = false
}

/// The listeners of the ingest event loop.
package final class Listeners: Sendable {
    /// A listener that is open.
    package struct Listener: Sendable {
        package let name: String
        /// Where it is reachable; the port is the one that the kernel gave when 0 was asked for.
        package let address: SocketAddress
        /// Which counters datagrams belong to that the kernel drops; nil for streams, of which it drops nothing.
        package let droppedDatagrams: TransportKind?
        fileprivate let channel: any Channel
    }

    /// In the order of the specifications.
    package let all: [Listener]
    /// What could not be opened and is done without, a line each.
    package let warnings: [String]

    private let eventLoop: any EventLoop
    private let inside: NIOLoopBound<Inside>

    /// What lives on the event loop.
    fileprivate final class Inside {
        let table: ConnectionTable
        var ports: [DatagramHandler] = []
        /// The listeners that speak TLS, by name.
        var tls: [String: TLSListener] = [:]
        var sweeper: RepeatedTask?

        init(table: ConnectionTable) { self.table = table }
    }

    private init(
        eventLoop: any EventLoop, all: [Listener], warnings: [String], inside: NIOLoopBound<Inside>
    ) {
        self.eventLoop = eventLoop
        self.all = all
        self.warnings = warnings
        self.inside = inside
    }

    /// Opens all sockets; reading starts at once.
    ///
    /// - Parameter intake: made on `eventLoop`, which all sockets and the intake share.
    /// - Throws: `ListenError`; nothing is open then.
    package static func open(
        _ specifications: [ListenerSpecification], settings: TransportSettings, access: AccessList = .empty,
        intake: NIOLoopBound<any Intake>, on eventLoop: any EventLoop
    ) async throws -> Listeners {
        let inside = try await eventLoop.submit {
            let ingest = IngestContext(intake: intake.value, settings: settings)
            ingest.change(access: access)
            return NIOLoopBound(
                Inside(table: ConnectionTable(ingest: ingest, eventLoop: eventLoop)), eventLoop: eventLoop)
        }.get()
        var all: [Listener] = []
        var warnings: [String] = []
        do {
            for specification in specifications {
                do {
                    all.append(try await bind(specification, inside, eventLoop))
                } catch let error as ListenError where error.isInUse && !specification.isPortConfigured {
                    guard specifications.count > warnings.count + 1 else { throw error }
                    warnings.append(error.description)
                }
            }
        } catch {
            for listener in all { try? await listener.channel.close() }
            throw error
        }
        try await eventLoop.submit {
            inside.value.sweeper = eventLoop.scheduleRepeatedTask(
                initialDelay: .seconds(1), delay: .seconds(1)
            ) { _ in
                inside.value.table.sweep()
                for port in inside.value.ports { port.sweep(now: .now()) }
            }
        }.get()
        return Listeners(eventLoop: eventLoop, all: all, warnings: warnings, inside: inside)
    }

    /// Where a listener is reachable; nil when there is none of that name.
    package func address(of name: String) -> SocketAddress? { all.first { $0.name == name }?.address }

    /// Accepts no more connections; those that are open are served on.
    package func stopAccepting() async {
        for listener in all where listener.droppedDatagrams == nil { try? await listener.channel.close() }
    }

    /// Reads no more; returns when everything that was read has been committed and acknowledged, or after
    /// `TransportLimits.drainSeconds` if the log does not take it.
    package func drain() async {
        let (inside, eventLoop) = (inside, eventLoop)
        try? await eventLoop.flatSubmit {
            let limit = eventLoop.makePromise(of: Void.self)
            let timer = eventLoop.scheduleTask(in: .seconds(TransportLimits.drainSeconds)) { limit.succeed(()) }
            let drained = inside.value.ports.compactMap { $0.drain() } + [inside.value.table.drain()]
            EventLoopFuture.andAllComplete(drained, on: eventLoop).whenComplete { _ in
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
            inside.value.table.closeAll()
        }.get()
        for listener in all { try? await listener.channel.close() }
    }

    /// What became of connections so far.
    package func connectionCounts() async -> ConnectionCounts {
        let inside = inside
        let counts = try? await eventLoop.submit {
            var counts = inside.value.table.counts
            counts.tls = inside.value.table.handshakes.counts
            counts.mqtt = inside.value.table.ingest.mqtt.counts
            return counts
        }.get()
        return counts ?? ConnectionCounts()
    }

    /// Who was refused for a credential since the start, or would be if credentials were required; and how often that
    /// was somebody for whom there was no room in the list.
    package func credentialFaults() async -> (named: [CredentialFaultLine], others: UInt64) {
        let inside = inside
        return (try? await eventLoop.submit { inside.value.table.ingest.credentialFaults }.get()) ?? ([], 0)
    }

    /// Goes on with other settings; no listener and no connection is opened or closed by it. On the event loop only.
    package func change(to settings: TransportSettings) { inside.value.table.change(to: settings) }

    /// Connections that come from now on begin with this; those that are open live on. On the event loop only.
    package func change(toTLS context: TLSContext, of name: String) {
        inside.value.tls[name]?.context = context
        inside.value.table.change(clients: context.clients)
    }

    /// Goes on with other keys and tokens: who speaks by one that is no more in force is told so, and closed. On the
    /// event loop only.
    package func change(access: AccessList) { inside.value.table.change(access: access) }

    /// Closes the connection of a device that is forgotten. On the event loop only.
    package func disconnect(_ device: DeviceID) { inside.value.table.close(device) }

    /// The tokens that were used since this was asked last, and when. On the event loop only.
    package func takeTokenUses() -> [UInt32: Timestamp] { inside.value.table.ingest.takeTokenUses() }

    /// The settings in force. On the event loop only.
    package var settings: TransportSettings { inside.value.table.ingest.settings }

    /// The devices that have said on a connection who they are. On the event loop only.
    package var connectedDevices: [DeviceID] { inside.value.table.connectedDevices }

    /// Has `action` called with every device that says on a connection who it is. On the event loop only.
    package func onContact(_ action: @escaping (DeviceID) -> Void) { inside.value.table.onContact = action }

    /// Has `action` called with what protocols have learnt of messages. On the event loop only.
    package func onReceipts(_ action: @escaping ([TransportReceipt]) -> Void) { inside.value.table.onReceipts = action }

    /// Has `action` called with every device of which a connection asks how it is to stand. On the event loop only.
    package func onStateWanted(_ action: @escaping (DeviceID) -> Void) { inside.value.table.onStateWanted = action }

    /// The devices of which somebody is told how they are to stand. On the event loop only.
    package var watchedDevices: [DeviceID] { inside.value.table.watchedDevices }

    /// Tells how a device is to stand; false when that is to be told later. On the event loop only.
    package func pushNow(_ state: StateEnvelope) -> Bool { inside.value.table.push(state) }

    /// How many messages wait for each device, as acks are to say it. On the event loop only.
    package var waiting: WaitingCounts {
        get { inside.value.table.ingest.waiting }
        set { inside.value.table.ingest.waiting = newValue }
    }

    /// Sends a message to a device, as `push`. On the event loop only.
    package func pushNow(_ message: DownEnvelope, to device: DeviceID) -> Bool {
        inside.value.table.push(message, to: device)
    }

    /// Sends a message to a device that is connected by a protocol that can carry it.
    ///
    /// - Returns: whether it is on its way; nothing is kept of it when it is not.
    package func push(_ message: DownEnvelope, to device: DeviceID) async -> Bool {
        let inside = inside
        return (try? await eventLoop.submit { inside.value.table.push(message, to: device) }.get()) ?? false
    }
}

// MARK: Binding

extension Listeners {
    private static func bind(
        _ specification: ListenerSpecification, _ inside: NIOLoopBound<Inside>, _ eventLoop: any EventLoop
    ) async throws -> Listener {
        let channel: any Channel
        var dropped: TransportKind?
        do {
            switch specification.service {
            case .stream(let makeSession):
                channel = try await bindStream(specification, inside, eventLoop, refuse: refusePlainStream) {
                    pipeline, table, handshake in
                    let session = makeSession(table.ingest.settings)
                    try pipeline.addHandler(StreamHandler(session, table: table, after: handshake))
                }
            case .http(let routes):
                channel = try await bindStream(
                    specification, inside, eventLoop, readBytes: HTTPLimits.readBytes, readsAtOnce: 1,
                    refuse: { refusePlainHTTP(routes, in: $1) },
                    { pipeline, table, handshake in
                        try pipeline.addHTTP(routes, table, after: handshake)
                    })
            case .datagrams(let kind, let makeSession):
                dropped = kind
                channel = try await bindDatagrams(specification, makeSession, inside, eventLoop)
            }
        } catch {
            throw explain(error, specification)
        }
        guard let address = channel.localAddress else {
            throw ListenError(description: "the kernel closed a listening socket at once; see its log")
        }
        return Listener(name: specification.name, address: address, droppedDatagrams: dropped, channel: channel)
    }

    /// - Parameters:
    ///   - readsAtOnce: reads of one connection before the next has its turn.
    ///   - refuse: answers who speaks plain text where TLS is spoken.
    ///   - addHandlers: the last parameter is the handshake that they take over from, if there was one.
    private static func bindStream(
        _ specification: ListenerSpecification, _ inside: NIOLoopBound<Inside>, _ eventLoop: any EventLoop,
        readBytes: Int = TransportLimits.readBytes, readsAtOnce: UInt? = nil,
        refuse: @escaping @Sendable ([UInt8], IngestContext) -> Void,
        _ addHandlers:
            @escaping @Sendable (ChannelPipeline.SynchronousOperations, ConnectionTable, TLSHandshake?) throws -> Void
    ) async throws -> any Channel {
        let (name, speaksTLS) = (specification.name, specification.tls != nil)
        if let tls = specification.tls {
            try await eventLoop.submit {
                inside.value.tls[name] = TLSListener(tls, addHandlers: addHandlers, refuse: refuse)
            }.get()
        }
        return try await ServerBootstrap(group: eventLoop)
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
                value: AdaptiveRecvByteBufferAllocator(minimum: 1_024, initial: 4_096, maximum: readBytes)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let readsAtOnce {
                        try channel.syncOptions?.setOption(.maxMessagesPerRead, value: readsAtOnce)
                    }
                    let (operations, table) = (channel.pipeline.syncOperations, inside.value.table)
                    if speaksTLS, let tls = inside.value.tls[name] {
                        try operations.addHandler(TLSHandshake(tls, table: table))
                    } else {
                        try addHandlers(operations, table, nil)
                    }
                }
            }
            .bind(host: specification.host, port: specification.port).get()
    }

    private static func bindDatagrams(
        _ specification: ListenerSpecification,
        _ makeSession: @escaping @Sendable (TransportSettings) -> any DatagramSession,
        _ inside: NIOLoopBound<Inside>, _ eventLoop: any EventLoop
    ) async throws -> any Channel {
        let address = try SocketAddress.makeAddressResolvingHost(specification.host, port: specification.port)
        let socket = try DatagramSocket.open(at: address)
        let isWildcard = ["0.0.0.0", "::", "::ffff:0.0.0.0"].contains(address.ipAddress)
        return try await DatagramBootstrap(group: eventLoop)
            .channelOption(.socketOption(.so_rcvbuf), value: TransportLimits.datagramReceiveBuffer)
            // NIO says when there is something, by reading the first; the handler reads the rest.
            .channelOption(.maxMessagesPerRead, value: UInt(DatagramInbox.canFill ? 1 : TransportLimits.readsPerTurn))
            .channelOption(
                .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: DatagramInbox.datagramBytes)
            )
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let table = inside.value.table
                    let handler = DatagramHandler(
                        makeSession(table.ingest.settings), socket: socket, isWildcard: isWildcard, table: table)
                    inside.value.ports.append(handler)
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .withBoundSocket(socket.descriptor).get()
    }

    private static func explain(_ error: any Error, _ specification: ListenerSpecification) -> ListenError {
        let key = "listen.\(specification.name)"
        let address = hostAndPort(specification.host, specification.port) + "/\(specification.transportName)"
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
        return ListenError(
            description: "cannot listen on \(address): \(remedy)", isInUse: inUse.contains(error.errnoCode))
    }
}
