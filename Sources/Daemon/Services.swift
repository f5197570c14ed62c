// The daemon's long-running parts, in the order in which an event meets them; each is one loop.

import Admission
import Events
import Foundation
package import Ingest
package import Log
import Logging
import NIOCore
package import ServiceLifecycle
import Transport

/// A service that is called by a name of ours. The library that runs the services describes them for its own log;
/// without this it would print all that they hold, every name among it, and take seconds for it at each start. To ask
/// the type for its name takes a tenth of a start.
package protocol NamedService: Service, CustomStringConvertible {
    static var name: StaticString { get }
}

extension NamedService {
    package var description: String { Self.name.description }
}

/// Holds the listeners open; on shutdown closes them and drains what was read.
package struct IngestService<Engine: EventLog>: NamedService {
    package static var name: StaticString { "IngestService" }
    private let ingest: IngestLoop<Engine>
    private let events: InternalEvents
    private let announce: @Sendable () async -> Void
    /// How often the counters are read of what happens unnoticed.
    private static var watchInterval: Duration { .seconds(1) }

    /// - Parameter announce: called once, when the service runs.
    package init(
        ingest: IngestLoop<Engine>, events: InternalEvents, announce: @escaping @Sendable () async -> Void = {}
    ) {
        self.ingest = ingest
        self.events = events
        self.announce = announce
    }

    package func run() async throws {
        await announce()
        await watch()
        await ingest.listeners.stopAccepting()
        await ingest.listeners.drain()
        // A future does not notice that its task was cancelled, as happens when the storage still fails at the limit.
        let (pipeline, eventLoop) = (ingest.pipeline, ingest.eventLoop)
        try await withTaskCancellationHandler {
            try await eventLoop.flatSubmit { pipeline.value.drain() }.get()
        } onCancel: {
            eventLoop.execute { pipeline.value.giveUp() }
        }
        await ingest.listeners.close()
        ingest.appender.finish()
        try await gracefulShutdown()
    }

    /// Looks each second, until shutdown begins, for what happens without anybody being told: datagrams that the kernel
    /// drops (/proc/net/udp), and connections that are closed because they are silent or too slow.
    private func watch() async {
        var closed: UInt64 = 0
        var handshakes = HandshakeWatch()
        var seen = [UInt64](repeating: 0, count: ingest.listeners.all.count)
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            let tables = ["/proc/net/udp", "/proc/net/udp6"].compactMap { FileManager.default.contents(atPath: $0) }
            for (index, listener) in ingest.listeners.all.enumerated() {
                guard let kind = listener.droppedDatagrams, let port = listener.address.port else { continue }
                let drops = tables.reduce(into: UInt64(0)) { $0 += kernelDrops([UInt8]($1).span, port: port) }
                guard drops > seen[index] else { continue }
                let new = drops - seen[index]
                seen[index] = drops
                events.kernelDropped(new)
                try? await ingest.onLoop { $0.drop(.kernel, events: new, transport: kind) }
            }
            let connections = await ingest.listeners.connectionCounts()
            if connections.closedSilent + connections.closedSlow > closed {
                let new = connections.closedSilent + connections.closedSlow - closed
                closed += new
                events.closedUseless(new, open: connections.open)
            }
            if let failures = handshakes.failures(connections.tls, at: .now) { events.handshakesFailed(failures) }
            do { try await Task.sleepUnlessShuttingDown(for: Self.watchInterval) } catch { return }
        }
    }
}

extension Task where Success == Never, Failure == Never {
    /// Sleeps, and wakes early when a graceful shutdown begins.
    static func sleepUnlessShuttingDown(for duration: Duration) async throws {
        try await cancelWhenGracefulShutdown { try await Task.sleep(for: duration) }
    }
}

/// Stores the blocks and tells the ingest loop and the projector.
package struct AppenderService<Engine: EventLog>: NamedService {
    package static var name: StaticString { "AppenderService" }
    private let storage: Storage<Engine>
    private let ingest: IngestLoop<Engine>
    private let events: InternalEvents

    package init(storage: Storage<Engine>, ingest: IngestLoop<Engine>, events: InternalEvents) {
        self.storage = storage
        self.ingest = ingest
        self.events = events
    }

    package func run() async throws {
        let (pipeline, eventLoop, feed, events) = (ingest.pipeline, ingest.eventLoop, storage.feed, events)
        let lastArrival = storage.lastArrival
        await ingest.appender.run { outcome in
            switch outcome {
            case .stored(let block, let offset):
                eventLoop.execute {
                    if pipeline.value.health != .good { events.storageRecovered() }
                    pipeline.value.committed(through: block.ticket)
                }
                if let last = block.batch.events.last { lastArrival.value = last.arrival }
                feed.offer(Block(firstOffset: offset, batch: block.batch, definitions: block.definitions))
            case .failed(let error):
                events.storageFailed(error.description)
                eventLoop.execute { pipeline.value.storageFailed(error.description) }
            }
        }
        feed.finish()
        try await gracefulShutdown()
    }
}

/// Answers `tidings status` and its like.
struct ControlService: NamedService {
    static var name: StaticString { "ControlService" }
    let socket: ControlSocket
    let events: InternalEvents

    func run() async throws {
        do {
            try await cancelWhenGracefulShutdown { try await socket.run() }
        } catch is CancellationError {
        } catch {
            events.logger.error(
                "the control socket failed; `tidings status` will not work", metadata: ["cause": "\(error)"])
            try? await gracefulShutdown()
        }
    }
}
