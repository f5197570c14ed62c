// What `tidings status` shows, as the daemon sends it over the control socket; every key stands in docs/operating.md.

import Admission
import Events
import Foundation
import Transport

/// A snapshot of the daemon, taken on the ingest loop.
package struct DaemonStatus: Codable, Sendable, Equatable {
    /// The counts of one transport, with only the reasons that occurred.
    package struct Transport: Codable, Sendable, Equatable {
        package var received: UInt64
        package var committed: UInt64
        package var duplicate: UInt64
        package var stale: UInt64
        package var quarantined: [String: UInt64]
        package var refused: [String: UInt64]
        package var dropped: [String: UInt64]
        package var inFlight: UInt64

        /// Every event that came in is in exactly one of the other numbers.
        package var isBalanced: Bool {
            let kept = committed + duplicate + stale + quarantined.values.reduce(0, +)
            return received == kept + refused.values.reduce(0, +) + dropped.values.reduce(0, +) + inFlight
        }

        enum CodingKeys: String, CodingKey {
            case received, committed, duplicate, stale, quarantined, refused, dropped
            case inFlight = "in_flight"
        }
    }

    /// A device that most of the stale events are of.
    package struct StaleDevice: Codable, Sendable, Equatable {
        package var product: String
        package var device: String
        package var events: UInt64
    }

    package var version: String
    package var pid: Int32
    package var uptimeSeconds: Double
    /// Where each listener that is open can be reached, by its name: `HOST:PORT`.
    package var listening: [String: String]
    /// The listeners that others than this machine can reach, as `tcp 0.0.0.0:7411`.
    package var exposed: [String]
    /// The offset that the next event will get.
    package var head: UInt64
    /// The offset up to which summaries.sqlite counts: what readers see.
    package var projected: UInt64
    /// The first offset that the log retains.
    package var start: UInt64
    /// `OFFSET:HASH`: the hash chain over everything before the offset.
    package var chainHead: String
    /// When the last event that is stored arrived, RFC 3339 in UTC.
    @NullIfUnknown package var lastEvent: String?
    /// Events of the log that are in no summary because the log is damaged.
    package var unreadable: UInt64
    /// What retention has dropped since the daemon started.
    package var retentionSegments: Int
    package var retentionEvents: UInt64
    /// What may still be written to the disk of the data folder.
    @NullIfUnknown package var diskFreeBytes: UInt64?
    /// How long that lasts at the rate at which the log has grown since the daemon started.
    @NullIfUnknown package var diskHoursLeft: Double?
    package var scrub: ScrubStatus
    package var connections: Int
    /// What became of connections since the daemon started, by reason, with only those that occurred.
    package var connectionsEnded: [String: UInt64]
    /// How often a sender was not read for a while because it was over its quota.
    package var pauses: UInt64
    /// "good", or one line with the cause and the remedy.
    package var storage: String
    /// The same of the summaries.
    package var projection: String
    package var devices: Int
    package var customers: Int
    /// Names of devices and customers with an @ in them that came new since the daemon started.
    package var emailNames: UInt64
    /// Of all transports, since the daemon started.
    package var staleEvents: UInt64
    package var staleDevices: [StaleDevice]
    package var transports: [String: Transport]
    package var isBalanced: Bool

    /// Whether nothing needs a person now.
    package var isHealthy: Bool { storage == "good" && projection == "good" && scrub.damages == 0 }

    enum CodingKeys: String, CodingKey {
        case version, pid, listening, exposed, head, projected, start, unreadable, scrub, connections, pauses, storage
        case projection, devices, customers, transports
        case uptimeSeconds = "uptime_seconds"
        case chainHead = "chain_head"
        case lastEvent = "last_event"
        case retentionSegments = "retention_segments"
        case retentionEvents = "retention_events"
        case diskFreeBytes = "disk_free_bytes"
        case diskHoursLeft = "disk_hours_left"
        case connectionsEnded = "connections_ended"
        case emailNames = "email_names"
        case staleEvents = "stale_events"
        case staleDevices = "stale_devices"
        case isBalanced = "is_balanced"
    }
}

/// What the daemon has checked on its own, a sealed segment at a time, since it started.
package struct ScrubStatus: Codable, Sendable, Equatable {
    package var segments = 0
    /// Damaged places of the last round.
    package var damages = 0
    /// When the last segment was checked, RFC 3339 in UTC.
    @NullIfUnknown package var last: String?

    package init() {}
}

/// Null in JSON when it is not known, never left out.
@propertyWrapper package struct NullIfUnknown<Value: Codable & Sendable & Equatable>: Codable, Sendable, Equatable {
    package var wrappedValue: Value?

    package init(wrappedValue: Value?) { self.wrappedValue = wrappedValue }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        wrappedValue = container.decodeNil() ? nil : try container.decode(Value.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let wrappedValue { try container.encode(wrappedValue) } else { try container.encodeNil() }
    }
}

extension DaemonStatus {
    static func ended(_ counts: ConnectionCounts) -> [String: UInt64] {
        [
            "refused": counts.refused, "idle": counts.closedIdle, "unread": counts.closedUnread,
            "silent": counts.closedSilent, "slow": counts.closedSlow,
        ].filter { $0.value > 0 }
    }
}

extension DaemonStatus.Transport {
    init(_ counts: TransportCounts) {
        self.init(
            received: counts.received, committed: counts.committed, duplicate: counts.duplicate, stale: counts.stale,
            quarantined: [:], refused: [:], dropped: [:], inFlight: counts.inFlight)
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
