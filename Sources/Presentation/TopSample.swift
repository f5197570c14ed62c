// What `tidings top` knows at one moment, and what follows from two of them.

/// A look at a running daemon.
package struct TopSample: Sendable {
    /// A product with its totals, as the summaries have them.
    package struct Product: Sendable, Equatable {
        package var name: String
        package var events: UInt64
        package var devices: UInt64

        package init(name: String, events: UInt64, devices: UInt64) {
            (self.name, self.events, self.devices) = (name, events, devices)
        }
    }

    /// By a clock that never goes back.
    package var seconds: Double
    package var status: DaemonStatus
    /// Of the daemon's process; nil where the system does not tell.
    package var memoryBytes: UInt64?
    /// Processor time that the process has used.
    package var processorSeconds: Double?
    package var products: [Product]
    /// Messages that are open, and deliveries that wait for their devices.
    package var openMessages: UInt64 = 0
    package var waitingDeliveries: UInt64 = 0

    package init(
        seconds: Double, status: DaemonStatus, memoryBytes: UInt64? = nil, processorSeconds: Double? = nil,
        products: [Product] = []
    ) {
        (self.seconds, self.status, self.memoryBytes) = (seconds, status, memoryBytes)
        (self.processorSeconds, self.products) = (processorSeconds, products)
    }
}

/// Events by what became of them: counts since the daemon's start, or of a second.
package struct TopCounts: Sendable, Equatable {
    package var received = 0.0
    package var stored = 0.0
    package var duplicate = 0.0
    package var stale = 0.0
    package var apart = 0.0
    package var refused = 0.0
    package var dropped = 0.0

    package init() {}

    init(_ counts: some Sequence<DaemonStatus.Counts>) {
        for one in counts {
            received += Double(one.received)
            stored += Double(one.committed)
            duplicate += Double(one.duplicate)
            stale += Double(one.stale)
            apart += Double(one.quarantined.values.reduce(0, +))
            refused += Double(one.refused.values.reduce(0, +))
            dropped += Double(one.dropped.values.reduce(0, +))
        }
    }

    /// How many of each came in a second between two counts.
    init(from old: TopCounts, to new: TopCounts, seconds: Double) {
        func rate(_ count: KeyPath<TopCounts, Double>) -> Double {
            max(0, (new[keyPath: count] - old[keyPath: count]) / seconds)
        }
        (received, stored, duplicate) = (rate(\.received), rate(\.stored), rate(\.duplicate))
        (stale, apart, refused) = (rate(\.stale), rate(\.apart), rate(\.refused))
        dropped = rate(\.dropped)
    }
}

/// Why events are not stored as they came, of all transports: `refused`, `kept apart` or `dropped`, and the reason.
struct TopReason: Hashable, Comparable {
    var outcome: String
    var name: String

    static func < (a: Self, b: Self) -> Bool { (a.outcome, a.name) < (b.outcome, b.name) }

    static func totals(_ status: DaemonStatus) -> [TopReason: UInt64] {
        var totals: [TopReason: UInt64] = [:]
        for counts in status.transports.values {
            for (outcome, reasons) in [
                ("kept apart", counts.quarantined), ("refused", counts.refused), ("dropped", counts.dropped),
            ] {
                for (name, count) in reasons { totals[TopReason(outcome: outcome, name: name), default: 0] += count }
            }
        }
        return totals
    }
}
