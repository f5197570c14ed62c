// The daemon on another engine than its own: nothing between the sockets and the summaries knows where blocks are kept.

import Daemon
import Events
import Foundation
import Ingest
import Log
import Logging
import NIOCore
import NIOPosix
import Projection
import ServiceLifecycle
import Testing
import TidingsClient
import TidingsTesting
import Transport

@Suite struct OtherEngineTests {
    @Test(.timeLimit(.minutes(1))) func eventsAreStoredSummarisedDroppedAndKnownAgain() async throws {
        let folder = NSTemporaryDirectory() + "tidings-engine-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = InMemoryStore()
        let rounds = (1...40).map { round in (1...100).map { kettle(round, $0) } }
        try await serving(store, folder) { daemon in
            let connection = TidingsConnection(host: "127.0.0.1", port: daemon.port)
            for events in rounds {
                try await connection.send(events)
                // An ack, so it is stored.
                try await connection.flush()
            }
            await connection.close()
            #expect(await daemon.log.head.rawValue == 4_000)
            #expect(try await eventually { await daemon.storage.projected.rawValue == 4_000 }, "not summarised")
            #expect(try await eventually { await daemon.log.start > .zero }, "nothing was dropped")
            #expect(daemon.storage.retention.segments > 0)
            #expect(daemon.storage.retention.events == (await daemon.log.start).rawValue)
            #expect(await daemon.storage.projector.snapshotOffset >= (await daemon.log.start))
        }
        let products = try SummaryReader(path: folder + "/" + Projector.fileName).products()
        #expect(products.map(\.product) == ["kettle"] && products.first?.kinds.preferences == 4_000, "\(products)")
        // Sent again to a daemon that was started anew: its names and what it has taken come from log and snapshot.
        try await serving(store, folder) { daemon in
            let connection = TidingsConnection(host: "127.0.0.1", port: daemon.port)
            for events in rounds.suffix(3) { try await connection.send(events) }
            try await connection.send([kettle(41, 1)])
            try await connection.flush()
            await connection.close()
            #expect(await daemon.log.head.rawValue == 4_001, "repeated events were stored again")
        }
        let log = try InMemoryEventLog(in: store)
        #expect(try await log.vocabulary().deviceCount == 10)
        #expect(try await log.verify().isClean)
    }

    /// Event `number` of 100 in a round: ten devices in turn, each with numbers of its own.
    private func kettle(_ round: Int, _ number: Int) -> TidingsEvent {
        var event = TidingsEvent(
            product: "kettle", device: "k-\(number % 10)", kind: .preferenceSet, aspect: "temperature",
            value: .whole(Int64(60 + number % 40)))
        event.epoch = 1
        event.seq = UInt64((round - 1) * 10 + (number - 1) / 10 + 1)
        return event
    }

    private struct Serving {
        let log: InMemoryEventLog
        let storage: Storage<InMemoryEventLog>
        let port: Int
    }

    /// Runs the daemon's services over a store, with its sockets, until `body` is done; then takes them down in order.
    private func serving(
        _ store: InMemoryStore, _ folder: String, _ body: (Serving) async throws -> Void
    ) async throws {
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let events = InternalEvents(logger: quiet)
        let configuration = try await DaemonConfiguration.load(
            flags: ["data_dir": folder, "listen.tcp.port": "0", "listen.udp.port": "0"], environment: [:])
        let log = try InMemoryEventLog(in: store, blocksPerSegment: 4)
        let (storage, start) = try await Storage.open(on: log, in: folder, events: events)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let ingest = try await Daemon(configuration, logger: quiet).openIngest(storage, start, on: loop)
        let services: [any Service] = [
            ProjectorService(storage: storage, events: events),
            RetentionService(
                log: log, projector: storage.projector, keeps: Replaceable(.init(bytes: 1)), dropped: storage.retention,
                events: events, interval: .milliseconds(20)),
            AppenderService(storage: storage, ingest: ingest, events: events),
            IngestService(ingest: ingest, events: events),
        ]
        let group = ServiceGroup(configuration: .init(services: services, logger: quiet))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            try await body(Serving(log: log, storage: storage, port: ingest.listeners.address(of: "tcp")?.port ?? 0))
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        try await storage.close()
    }

    private func eventually(_ condition: () async -> Bool) async throws -> Bool {
        for _ in 0..<2_000 {
            if await condition() { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return false
    }
}
