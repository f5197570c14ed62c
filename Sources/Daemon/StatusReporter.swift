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
import Transport

/// The answer when something could not be done.
struct RequestFailure: Encodable, Sendable { var error: String }

/// Answers the control socket.
struct StatusReporter<Engine: EventLog>: Sendable {
    let ingest: IngestLoop<Engine>
    let storage: Storage<Engine>
    let started: ContinuousClock.Instant
    let dataDirectory: String

    func answer(_ request: ControlRequest) async -> any Encodable & Sendable {
        do {
            switch request.command {
            case .status: return try await status()
            case .checkpoint:
                try await storage.checkpointNow()
                return Checkpointed(
                    projected: await storage.projected.rawValue, head: storage.head.rawValue,
                    projection: storage.projection.line)
            }
        } catch {
            return RequestFailure(error: "\(error)")
        }
    }

    func status() async throws -> DaemonStatus {
        let connections = await ingest.listeners.connectionCounts()
        // The head last: what is projected is never beyond it.
        let (projected, unreadable) = (await storage.projected, await storage.projector.unreadable)
        let (start, head) = (await storage.log.start, storage.head)
        let (chainHead, dropped) = (storage.log.chainHead, (storage.retention.segments, storage.retention.events))
        let uptime = Double(started.duration(to: .now).components.seconds)
        let disk = disk(uptime)
        let (storage, listeners) = (storage, ingest.listeners)
        return try await ingest.onLoop { pipeline in
            var transports: [String: DaemonStatus.Transport] = [:]
            // What the daemon itself has made came by no transport, and is told only when there is any.
            for kind in TransportKind.allCases
            where kind != .daemon || pipeline.admission.counts[Int(kind.rawValue)].received > 0 {
                transports["\(kind.name)"] = .init(pipeline.admission.counts[Int(kind.rawValue)])
            }
            let health: String =
                switch pipeline.health {
                case .good: "good"
                case .failing(let message): message
                }
            return DaemonStatus(
                version: tidingsVersion, pid: getpid(), uptimeSeconds: uptime,
                listening: Dictionary(uniqueKeysWithValues: listeners.all.map { ($0.name, describe($0.address)) }),
                exposed: listeners.exposed, head: head.rawValue,
                projected: projected.rawValue, start: start.rawValue, chainHead: chainHead,
                lastEvent: storage.lastArrival.value.map(rfc3339), unreadable: unreadable, retentionSegments: dropped.0,
                retentionEvents: dropped.1, diskFreeBytes: disk.free, diskHoursLeft: disk.hours,
                scrub: storage.scrub.status(from: start), connections: connections.open,
                connectionsEnded: DaemonStatus.ended(connections), pauses: connections.pauses, storage: health,
                projection: storage.projection.line, devices: pipeline.vocabulary.deviceCount,
                customers: pipeline.vocabulary.customerCount, emailNames: pipeline.emailNames,
                staleEvents: transports.values.reduce(0) { $0 + $1.stale },
                staleDevices: pipeline.staleDevices.map {
                    DaemonStatus.StaleDevice(product: $0.product, device: $0.device, events: $0.events)
                }, transports: transports,
                isBalanced: pipeline.admission.counts.allSatisfy(\.isBalanced))
        }
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
        guard let status = try? await status() else { return }
        for (name, counts) in status.transports.sorted(by: { $0.key < $1.key }) where counts.received > 0 {
            logger.notice(
                "counts",
                metadata: [
                    "transport": "\(name)", "received": "\(counts.received)", "committed": "\(counts.committed)",
                    "duplicate": "\(counts.duplicate)", "stale": "\(counts.stale)",
                    "quarantined": "\(counts.quarantined.values.reduce(0, +))",
                    "refused": "\(counts.refused.values.reduce(0, +))",
                    "dropped": "\(counts.dropped.values.reduce(0, +))", "in_flight": "\(counts.inFlight)",
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
