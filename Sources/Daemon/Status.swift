// What the daemon says of itself: the counts, the positions and the health, as one JSON object.

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

        /// The equation of docs/delivery-semantics.md: every event that came in is in exactly one of the other numbers.
        package var isBalanced: Bool {
            let kept = committed + duplicate + stale + quarantined.values.reduce(0, +)
            return received == kept + refused.values.reduce(0, +) + dropped.values.reduce(0, +) + inFlight
        }
    }

    package var version: String
    package var pid: Int32
    package var uptimeSeconds: Double
    package var tcp: String
    package var udp: String
    /// The offset that the next event will get.
    package var head: UInt64
    /// The offset up to which the summaries have counted.
    package var projected: UInt64
    /// The first offset that the log retains.
    package var start: UInt64
    /// `OFFSET:HASH`: the hash chain over everything before the offset.
    package var chainHead: String
    /// Events of the log that are in no summary because the log is damaged.
    package var unreadable: UInt64
    /// What retention has dropped since the daemon started.
    package var retentionSegments: Int
    package var retentionEvents: UInt64
    package var connections: Int
    /// What became of connections since the daemon started, by reason, with only those that occurred.
    package var connectionsEnded: [String: UInt64]
    /// How often a sender was not read for a while because it was over its quota.
    package var pauses: UInt64
    /// "good", or one line with the cause and the remedy.
    package var storage: String
    package var devices: Int
    package var customers: Int
    package var transports: [String: Transport]
    package var isBalanced: Bool
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
