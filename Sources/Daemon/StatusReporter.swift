// Collects the daemon's status from the rooms that know it.

import Admission
import Events
import Foundation
import Ingest
import Log
import Logging
import NIOCore
import Presentation
import Projection
import TLS
import Transport

/// The answer when something could not be done.
struct RequestFailure: Codable, Sendable { var error: String }

/// Answers the control socket.
struct StatusReporter<Engine: EventLog>: Sendable {
    let ingest: IngestLoop<Engine>
    let storage: Storage<Engine>
    let started: ContinuousClock.Instant
    let dataDirectory: String
    /// Nil for a daemon whose configuration stands in no file.
    let reloads: Reloads?
    /// The certificate in force; nil when no listener speaks TLS.
    let tls: Replaceable<TLSFiles?>
    let access: AccessSource
    let forgetting: ForgettingQueue
    let outbox: OutboxQueue

    func answer(_ request: ControlRequest) async -> any Encodable & Sendable {
        do {
            switch request.command {
            case .status: return try await status()
            case .checkpoint:
                try await storage.checkpointNow()
                return Checkpointed(
                    projected: await storage.projected.rawValue, head: storage.head.rawValue,
                    projection: storage.projection.line)
            case .reload: return await reload(waits: false)
            case .reloadAndWait: return await reload(waits: true)
            case .forget: return try await forgetting.forget(request.forget ?? ForgetRequest([]))
            case .audit:
                guard let audit = request.audit else { return RequestFailure(error: "the request says no use") }
                try await ingest.audit(audit.use, of: audit.pseudonyms)
                return AuditAnswer()
            case .access: return try await ingest.refresh(access, always: true)
            case .message:
                guard let order = request.message else { return RequestFailure(error: "the request has no message") }
                return await outbox.send(order)
            case .cancel: return await outbox.cancel(request.cancel ?? CancelOrder())
            }
        } catch {
            return RequestFailure(error: "\(error)")
        }
    }

    private func reload(waits: Bool) async -> any Encodable & Sendable {
        guard let reloads else { return RequestFailure(error: "this daemon has no configuration to read again") }
        return await reloads.reload(waits: waits)
    }

    func status() async throws -> DaemonStatus {
        var status = DaemonStatus()
        status.version = tidingsVersion
        status.pid = getpid()
        status.uptimeSeconds = Double(started.duration(to: .now).components.seconds)
        let listeners = ingest.listeners
        status.listening = Dictionary(uniqueKeysWithValues: listeners.all.map { ($0.name, describe($0.address)) })
        status.exposed = listeners.exposed
        let connections = await listeners.connectionCounts()
        status.count(connections)
        status.tls = tls.value.map { TLSStatus($0.standing, connections.tls) }
        if listeners.speakMQTT { status.mqtt = MQTTStatus(connections.mqtt) }
        if let counts = await reloads?.counts {
            status.configReloads = counts.reloads
            status.isLastReloadGood = counts.isLastGood
            status.configNeedsRestart = counts.needsRestart
        }
        status.access = await access.standing
        let faults = await listeners.credentialFaults()
        status.credentialFaults = faults.named.map { CredentialFaultStatus($0) }
        status.credentialFaultsOfOthers = faults.others
        // The head last: what is projected is never beyond it.
        await reportSummaries(into: &status)
        await reportLog(into: &status)
        let reported = status
        return try await ingest.onLoop { pipeline in
            var status = reported
            status.authMode = listeners.settings.authMode.rawValue
            status.report(pipeline)
            return status
        }
    }

    private func reportSummaries(into status: inout DaemonStatus) async {
        status.projected = await storage.projected.rawValue
        status.unreadable = await storage.projector.unreadable
        status.projection = storage.projection.line
    }

    private func reportLog(into status: inout DaemonStatus) async {
        let start = await storage.log.start
        status.start = start.rawValue
        status.head = storage.head.rawValue
        status.chainHead = storage.log.chainHead
        status.lastEvent = storage.lastArrival.value.map(rfc3339)
        status.retentionSegments = storage.retention.segments
        status.retentionEvents = storage.retention.events
        status.scrub = storage.scrub.status(from: start)
        (status.diskFreeBytes, status.diskHoursLeft) = disk(status.uptimeSeconds)
    }

    /// What is free on the disk of the data folder, and for how many hours it lasts at the rate of this run; nil what
    /// is not known.
    private func disk(_ uptime: Double) -> (free: UInt64?, hours: Double?) {
        let system = try? FileManager.default.attributesOfFileSystem(forPath: dataDirectory)
        guard let free = (system?[.systemFreeSize] as? NSNumber)?.uint64Value else { return (nil, nil) }
        let grown = storage.log.bytes + storage.retention.bytes - storage.bytesAtStart
        return (free, hoursLeft(free: free, grown: grown, seconds: uptime))
    }

    /// The last lines of the log: the counts of each transport that was used, and where the time went.
    func logTotals(_ logger: Logger) async {
        guard let counts = try? await ingest.onLoop({ $0.admission.counts }) else { return }
        let used = TransportKind.allCases.map { ("\($0.name)", counts[Int($0.rawValue)]) }.filter { $1.received > 0 }
        for (name, counts) in used.sorted(by: { $0.0 < $1.0 }) {
            logger.notice(
                "counts",
                metadata: [
                    "transport": "\(name)", "received": "\(counts.received)", "committed": "\(counts.committed)",
                    "duplicate": "\(counts.duplicate)", "stale": "\(counts.stale)",
                    "quarantined": "\(counts.quarantined.reduce(0, +))", "refused": "\(counts.refused.reduce(0, +))",
                    "dropped": "\(counts.dropped.reduce(0, +))", "in_flight": "\(counts.inFlight)",
                    "balanced": "\(counts.isBalanced)",
                ])
        }
        await logStages(logger)
    }

    private func logStages(_ logger: Logger) async {
        guard storage.eventsThisRun > 0 else { return }
        let ingestTime = try? await ingest.onLoop { pipeline in (cpuTimeOfThisThread(), pipeline.admitTime) }
        guard let (loop, admit) = ingestTime else { return }
        var stages = storage.stages.times
        stages["receive_decode"] = loop - admit
        stages["admit"] = admit
        stages["total_cpu"] = cpuTimeOfThisProcess()
        let perEvent = stages.mapValues { duration in
            let parts = duration.components
            let nanoseconds = Double(parts.seconds) * 1e9 + Double(parts.attoseconds) / 1e9
            return Logger.MetadataValue.string("\(Int(nanoseconds / Double(storage.eventsThisRun)))")
        }
        var metadata: Logger.Metadata = ["unit": "ns_per_event", "events": "\(storage.eventsThisRun)"]
        metadata.merge(perEvent) { $1 }
        logger.notice("stage timings", metadata: metadata)
    }
}

extension DaemonStatus {
    fileprivate mutating func count(_ counts: ConnectionCounts) {
        connections = counts.open
        connectionsAccepted = counts.accepted
        connectionsEnded = [
            "refused": counts.refused, "idle": counts.closedIdle, "unread": counts.closedUnread,
            "silent": counts.closedSilent, "slow": counts.closedSlow,
        ].filter { $0.value > 0 }
        pauses = counts.pauses
    }

    /// What only the ingest event loop knows.
    fileprivate mutating func report(_ pipeline: Pipeline) {
        let counts = pipeline.admission.counts
        // What the daemon itself has made came by no transport, and is told only when there is any.
        for kind in TransportKind.allCases where kind != .daemon || counts[Int(kind.rawValue)].received > 0 {
            transports["\(kind.name)"] = Counts(counts[Int(kind.rawValue)])
        }
        isBalanced = counts.allSatisfy(\.isBalanced)
        staleEvents = counts.reduce(0) { $0 + $1.stale }
        staleDevices = pipeline.staleDevices.map {
            StaleDevice(product: $0.product, device: $0.device, events: $0.events)
        }
        emailNames = pipeline.emailNames
        eventsOfForgotten = pipeline.forgottenEvents
        let ids = pipeline.admission.dedupe.memory.ids
        (idsRemembered, idsForgotten, idsCrowdedOut) = (UInt64(ids.count), ids.forgottenForOwn, ids.forgottenForAll)
        devices = pipeline.vocabulary.deviceCount
        customers = pipeline.customerCount
        consents = UInt64(pipeline.admission.consent.table.count)
        if case .failing(let message) = pipeline.health { storage = message }
    }
}

extension MQTTStatus {
    fileprivate init(_ counts: MQTTCounts) {
        self.init(
            sessions: counts.sessions, takenOver: counts.takenOver, foreign: counts.foreign, wills: counts.wills)
    }
}

extension Listeners {
    fileprivate var speakMQTT: Bool { all.contains { $0.name.hasPrefix("mqtt") } }
}

extension DaemonStatus.Counts {
    fileprivate init(_ counts: TransportCounts) {
        self.init()
        (received, committed, inFlight) = (counts.received, counts.committed, counts.inFlight)
        (duplicate, stale) = (counts.duplicate, counts.stale)
        withoutConsent = counts.withoutConsent
        for reason in QuarantineReason.allCases where counts.quarantined[Int(reason.rawValue)] > 0 {
            quarantined["\(reason.name)"] = counts.quarantined[Int(reason.rawValue)]
        }
        for (index, reason) in Refusal.allCases.enumerated() where counts.refused[index] > 0 {
            refused["\(reason.name)"] = counts.refused[index]
        }
        for reason in Drop.allCases where counts.dropped[Int(reason.rawValue)] > 0 {
            dropped["\(reason.name)"] = counts.dropped[Int(reason.rawValue)]
        }
    }
}

/// How long free space lasts at a rate of growth; nil when it has not been measured for a minute, or does not grow.
package func hoursLeft(free: UInt64, grown: Int, seconds: Double) -> Double? {
    guard seconds >= 60, grown > 0 else { return nil }
    return ((Double(free) / (Double(grown) / seconds) / 3_600) * 10).rounded() / 10
}

/// CPU time that the calling thread has used, as the kernel's scheduler counts it.
func cpuTimeOfThisThread() -> Duration {
    let statistics = FileManager.default.contents(atPath: "/proc/thread-self/schedstat") ?? Data()
    let onCPU = String(decoding: statistics, as: UTF8.self).split(separator: " ").first.flatMap { Int64($0) }
    return .nanoseconds(onCPU ?? 0)
}

/// CPU time that the whole process has used.
func cpuTimeOfThisProcess() -> Duration {
    .nanoseconds(Int64(Double(clock()) / Double(CLOCKS_PER_SEC) * 1e9))
}
