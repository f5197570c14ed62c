// What became of the events that were handed over for sending.

import Events
import Wire

/// Counts of events since a sender was made. Once it has been flushed, `sent == acked + rejected + lost`.
public struct SendTotals: Hashable, Sendable {
    /// Handed over.
    public var sent: UInt64 = 0
    /// Dealt with by the daemon: stored durably, or recognised as a repeat of what is, or stale.
    public var acked: UInt64 = 0
    /// Sent once more because no ack came; counts every repetition.
    public var retried: UInt64 = 0
    /// Refused for good: not stored, and not sent again. Lines of input that are no events count here, too.
    public var rejected: UInt64 = 0
    /// Of the acked ones: stored, but kept out of the summaries.
    public var quarantined: UInt64 = 0
    /// Of the acked ones: not stored, because their number lies below all that the daemon remembers of their device. A
    /// device whose numbers have begun anew must say so with another `epoch`.
    public var stale: UInt64 = 0
    /// Given up after the last try.
    public var lost: UInt64 = 0

    /// All zero.
    public init() {}

    /// What has been sent and has no verdict yet.
    public var outstanding: UInt64 { sent - acked - rejected - lost }

    package static func + (a: SendTotals, b: SendTotals) -> SendTotals {
        var sum = a
        sum.sent += b.sent
        sum.acked += b.acked
        sum.retried += b.retried
        sum.rejected += b.rejected
        sum.quarantined += b.quarantined
        sum.stale += b.stale
        sum.lost += b.lost
        return sum
    }

    /// Counts what an ack says of the events that it covers; a daemon that does not count them has named them all.
    ///
    /// - Parameter room: how many events there are of which it may be true.
    mutating func count(_ ack: Ack, room: UInt64) {
        var (quarantined, stale) = (UInt64(ack.quarantined), UInt64(ack.stale))
        if quarantined == 0, stale == 0, !ack.rejects.isEmpty {
            stale = UInt64(ack.rejects.count(where: { Verdict(code: $0.code) == .stale }))
            quarantined = UInt64(ack.rejects.count) - stale
        }
        self.quarantined = min(self.quarantined + quarantined, room)
        self.stale = min(self.stale + stale, room - min(self.quarantined, room))
    }
}

/// Why sending had to end: cause and remedy in one line.
public struct SendError: Error, CustomStringConvertible, Sendable {
    /// Cause and remedy.
    public let description: String

    package init(description: String) { self.description = description }
}
