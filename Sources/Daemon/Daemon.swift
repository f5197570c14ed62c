// The composition root: opens the log, catches up, opens the listeners, and takes all of it down in order.

package import Admission
import Events
import Foundation
import Ingest
package import Log
package import Logging
package import NIOCore
import NIOPosix
import Presentation
import Projection
import ServiceLifecycle
package import TLS
package import Transport
import UnixSignals
import Wire

/// One daemon on one data folder.
package struct Daemon: Sendable {
    private let configuration: DaemonConfiguration
    private let events: InternalEvents
    private let reloading: Reloading?

    /// - Parameter reloading: how to read the configuration again; nil for a daemon that never does.
    package init(_ configuration: DaemonConfiguration, logger: Logger, reloading: Reloading? = nil) {
        self.configuration = configuration
        self.reloading = reloading
        self.events = InternalEvents(logger: logger)
    }

    /// Serves until SIGTERM or SIGINT; returns when everything that was read is stored, acknowledged and summarised.
    ///
    /// - Parameter whenListening: called once with the port of each listener by its name, when devices can connect.
    /// - Throws: `LogError`, `ListenError` or an error of the summaries, each one line.
    package func run(
        whenListening: @escaping @Sendable (_ ports: [String: Int]) async -> Void = { _ in }
    ) async throws {
        let started = ContinuousClock.now
        signal(SIGPIPE, SIG_IGN)
        // A terminal that closes is no reason to stop, nor is a reload that comes too early.
        signal(SIGHUP, SIG_IGN)
        for warning in configuration.warnings { events.remark(warning) }
        let tls = Replaceable(try configuration.readTLSFiles())
        let access = AccessSource(configuration, events: events)
        let list = try await access.start()
        try configuration.checkThatSomebodyMaySend(await access.standing)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let (health, forgetting, outbox) = (HealthReporter(), ForgettingQueue(), OutboxQueue())
        let opened = try await Storage.open(configuration, events: events)
        let (storage, erasures) = (opened.storage, try await ErasuresInForce(opened.storage.log, configuration))
        let ingest = try await openIngest(
            storage, erasures.forget(opened.start), on: group.next(), HTTPRoutes(health, outbox), tls.value, list)
        let forgetter = try await erasures.forgetter(storage, ingest, forgetting, configuration)
        let keeps = Replaceable(
            RetentionKeeps(age: configuration.retentionAge, bytes: configuration.retentionBytes))
        let reloads = reloads(ingest, keeps, tls, access)
        try await ingest.listen(to: outbox)
        let reporter = StatusReporter(
            ingest: ingest, storage: storage, started: started, dataDirectory: configuration.dataDirectory,
            reloads: reloads, tls: tls, access: access, forgetting: forgetting, outbox: outbox)
        health.begin { try await reporter.status() }
        let control = ControlSocket(
            dataDirectory: configuration.dataDirectory, group: .singleton,
            answer: { await reporter.answer($0) })
        // Stopped from the last to the first: no more requests, no more input, the log, the summaries.
        var services = storage.services(configuration, keeps: keeps, events: events, outbox: outbox)
        services += [
            AppenderService(storage: storage, ingest: ingest, events: events),
            IngestService(ingest: ingest, events: events, announce: { await announce(ingest, storage, whenListening) }),
            AccessService(source: access, ingest: ingest),
            ForgettingService(forgetter: forgetter, queue: forgetting, events: events),
            OutboxService(
                desk: OutboxDesk(ingest: ingest, storage: storage),
                delivery: OutboxDelivery(ingest: ingest, storage: storage), queue: outbox),
            ControlService(socket: control, events: events),
        ]
        if let reloads { services.append(ReloadService(reloads: reloads)) }
        if tls.value != nil { services.append(CertificateService(tls: tls, events: events)) }
        var settings = ServiceGroupConfiguration(
            services: services, gracefulShutdownSignals: [.sigterm, .sigint],
            logger: Logger(label: "lifecycle") { _ in
                SwiftLogNoOpLogHandler()
            })
        settings.maximumGracefulShutdownDuration = DaemonLimits.drainTime
        do {
            try await ServiceGroup(configuration: settings).run()
        } catch is CancellationError {
            events.stoppedEarly(after: DaemonLimits.drainTime)
        }
        await reporter.logTotals(events.logger)
        try await storage.close()
        try await group.shutdownGracefully()
        events.logger.notice("stopped", metadata: ["events": "\(storage.head.rawValue)"])
    }

    private func reloads(
        _ ingest: IngestLoop<some EventLog>, _ keeps: Replaceable<RetentionKeeps>, _ tls: Replaceable<TLSFiles?>,
        _ access: AccessSource
    ) -> Reloads? {
        guard let reloading else { return nil }
        return Reloads(
            reloading, inForce: configuration, events: events,
            readFiles: { new in
                // Everything is read before anything is put in force.
                let files = try new.readTLSFiles()
                let contexts = try new.contexts(files)
                try await access.change(to: new)
                _ = try await ingest.refresh(access, always: true)
                guard let files else { return [] }
                try await ingest.change(toTLS: contexts)
                defer { tls.value = files }
                events.certificate(files)
                return files.changes(since: tls.value)
            },
            apply: { new, waits in
                let settings = settings(of: new)
                keeps.value = settings.keeps
                try await ingest.change(to: settings, waits: waits)
            })
    }

    /// What can change of a configuration; says so when the system allows fewer connections.
    private func settings(of configuration: DaemonConfiguration) -> RunTimeSettings {
        let settings = RunTimeSettings(configuration, descriptors: raiseDescriptorLimit())
        if settings.transport.maxConnections < configuration.maxConnections {
            events.fewDescriptors(settings.transport.maxConnections, of: configuration.maxConnections)
        }
        return settings
    }

    /// Says where devices can connect. Called when the signals are already handled, so that whoever waits for this
    /// line may stop the daemon at once.
    private func announce(
        _ ingest: IngestLoop<some EventLog>, _ storage: Storage<some EventLog>,
        _ whenListening: @Sendable (_ ports: [String: Int]) async -> Void
    ) async {
        let listeners = ingest.listeners.all
        var metadata: Logger.Metadata = [
            "data": "\(configuration.dataDirectory)", "pid": "\(getpid())", "events": "\(storage.head.rawValue)",
            "version": "\(tidingsVersion)",
        ]
        for listener in listeners { metadata[listener.name] = "\(describe(listener.address))" }
        for warning in ingest.listeners.warnings { events.listensWithout(warning) }
        events.logger.notice("listening", metadata: metadata)
        if !ingest.listeners.exposed.isEmpty, configuration.authMode != .require {
            events.exposed(ingest.listeners.exposed, mode: configuration.authMode)
        }
        await whenListening(Dictionary(uniqueKeysWithValues: listeners.map { ($0.name, $0.address.port ?? 0) }))
    }

    /// Makes the ingest loop of a storage, and opens its sockets. Nothing is stored before `AppenderService` runs.
    ///
    /// - Parameters:
    ///   - routes: the paths of the HTTP port.
    ///   - tls: as `readTLSFiles` has read them.
    ///   - access: who has which key or token.
    package func openIngest<Engine: EventLog>(
        _ storage: Storage<Engine>, _ start: StartState, on eventLoop: any EventLoop,
        _ routes: HTTPRoutes = HTTPRoutes(), _ tls: TLSFiles? = nil, _ access: AccessList = .empty
    ) async throws -> IngestLoop<Engine> {
        var pipelineSettings = Pipeline.Settings()
        pipelineSettings.groupCommit.blockMaxEvents = configuration.blockMaxEvents
        pipelineSettings.groupCommit.blockMaxDelay = Uptime(TimeAmount(configuration.blockMaxDelay).nanoseconds)
        pipelineSettings.emails = configuration.emails
        pipelineSettings.consent = configuration.consent
        pipelineSettings.personalAspects = configuration.personalAspects
        let appender = Appender(storage.log)
        let events = events
        for name in configuration.unknownProducts(start.vocabulary) {
            events.remark("privacy.consent: the log has no event of product \(name) yet; is it spelt right?")
        }
        let groupSettings = pipelineSettings
        let (pool, feed) = (storage.pool, storage.feed)
        let pipeline = try await eventLoop.submit {
            let pipeline = Pipeline(
                vocabulary: start.vocabulary, dedupe: start.dedupe, consents: start.consents, settings: groupSettings,
                eventLoop: eventLoop, events: events, pool: pool, shouldWait: { feed.shouldWait() },
                submit: { appender.submit($0) })
            return NIOLoopBound(pipeline, eventLoop: eventLoop)
        }.get()
        feed.onCaughtUp { eventLoop.execute { pipeline.value.projectorCaughtUp() } }
        let intake = try await eventLoop.submit {
            NIOLoopBound(pipeline.value as any Intake, eventLoop: eventLoop)
        }.get()
        let transport = settings(of: configuration).transport
        let listeners = try await Listeners.open(
            configuration.specifications(routes, try configuration.contexts(tls)), settings: transport, access: access,
            intake: intake,
            on: eventLoop)
        return IngestLoop(pipeline: pipeline, eventLoop: eventLoop, listeners: listeners, appender: appender)
    }
}

/// `127.0.0.1:7411`, `[::1]:7411`
func describe(_ address: SocketAddress) -> String {
    hostAndPort(address.ipAddress ?? "?", address.port ?? 0)
}

extension Listeners {
    /// Those that other machines can reach, as `tcp 0.0.0.0:7411`.
    var exposed: [String] {
        all.filter { !isLoopback($0.address) }.map { "\($0.name) \(describe($0.address))" }
    }
}

/// Whether only this machine can reach an address.
package func isLoopback(_ address: SocketAddress) -> Bool {
    SenderAddress(address)?.isLoopback ?? false
}

/// What lives on the ingest event loop, and the appender to which it leads.
package struct IngestLoop<Engine: EventLog>: Sendable {
    let pipeline: NIOLoopBound<Pipeline>
    let eventLoop: any EventLoop
    package let listeners: Listeners
    let appender: Appender<Engine>

    /// Has the outbox told which devices connect.
    func listen(to outbox: OutboxQueue) async throws {
        let listeners = listeners
        try await onLoop { _ in
            listeners.onContact { outbox.contact($0) }
            listeners.onReceipts { outbox.note($0) }
            listeners.onStateWanted { outbox.wantState(of: $0) }
        }
    }

    /// Runs on the event loop and returns what it returned.
    func onLoop<Result: Sendable>(_ body: @escaping @Sendable (Pipeline) throws -> Result) async throws -> Result {
        try await eventLoop.submit { try body(pipeline.value) }.get()
    }

    /// The same for what cannot fail, with the connections beside the pipeline.
    func withListeners<Result: Sendable>(
        _ body: @escaping @Sendable (Pipeline, Listeners) -> Result
    ) async -> Result {
        await withCheckedContinuation { continuation in
            eventLoop.execute { continuation.resume(returning: body(pipeline.value, listeners)) }
        }
    }
}
