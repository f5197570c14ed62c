// What became of the events that were handed over for sending.

/// Counts of events since a sender was made. Once it has been flushed, `sent == acked + rejected + lost`.
public struct SendTotals: Hashable, Sendable {
    /// Handed over, and sent at least once.
    public var sent: UInt64 = 0
    /// Stored durably by the daemon, repeats of what it already had included.
    public var acked: UInt64 = 0
    /// Sent once more because no ack came; counts every repetition.
    public var retried: UInt64 = 0
    /// Refused by the daemon for good.
    public var rejected: UInt64 = 0
    /// Of the acked ones: stored, but kept out of the summaries; as far as the daemon named them.
    public var quarantined: UInt64 = 0
    /// Given up after the last try (datagrams only).
    public var lost: UInt64 = 0

    /// All zero.
    public init() {}

    /// What has been sent and has no verdict yet.
    public var outstanding: UInt64 { sent - acked - rejected - lost }

    static func + (a: SendTotals, b: SendTotals) -> SendTotals {
        var sum = a
        sum.sent += b.sent
        sum.acked += b.acked
        sum.retried += b.retried
        sum.rejected += b.rejected
        sum.quarantined += b.quarantined
        sum.lost += b.lost
        return sum
    }
}

/// Why sending had to end: cause and remedy in one line.
public struct SendError: Error, CustomStringConvertible, Sendable {
    /// Cause and remedy.
    public let description: String
}
