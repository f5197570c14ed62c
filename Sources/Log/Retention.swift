// Dropping the oldest part of a log: what an engine may be able to do, and in which terms it is asked to.

package import Events

/// A log that can drop its oldest segments: whole ones, only sealed ones, oldest first.
///
/// Asked for once, at start: `log as? any RetainingLog`. A log that is not one keeps everything.
package protocol RetainingLog: EventLog {
    /// Up to where the log would be dropped: the start of a segment; equal to `start` when nothing is due. Never behind
    /// the start of the growing segment. Changes nothing.
    ///
    /// A damaged segment whose age cannot be told goes by size only: it may be salvaged.
    /// - Throws: `io` when the disk cannot be read; the call may be repeated. `closed` after `close`.
    func droppable(_ retention: Retention) async throws(LogError) -> Offset

    /// Removes the sealed segments that end at or before `end`, oldest first; each is gone for good before the next one
    /// goes. A segment that reaches behind `end` stays whole, and so does the growing one.
    ///
    /// Reading before the new start throws `outOfRange` from then on. Words that only these segments have are taken
    /// along: they are recorded with the next block, and until that is stored nothing is removed; so the call is to be
    /// repeated now and then. The chain goes on as if nothing had happened: a head that was written down before is
    /// proven as long as it is not before the new start.
    /// - Parameter end: what is derived from the log must not need anything before it. The caller sees to that: it has
    ///   the snapshot of the summaries written first, durably.
    /// - Returns: what is gone; no segments when there is nothing to drop yet.
    /// - Throws: `io` when a file cannot be removed: what was dropped before it is gone, the rest is there, and the
    ///   operator has to look after the permissions of the folder. `closed` when the log is not open for writing.
    func drop(before end: Offset) async throws(LogError) -> Dropped
}

/// What the log keeps. Nothing is dropped by default.
package struct Retention: Sendable, Equatable {
    /// A segment goes when its last event arrived before this; nil: never.
    package var arrivedBefore: Timestamp?
    /// The oldest segment goes while all files together have more bytes; nil: never.
    package var bytes: Int?

    package init(arrivedBefore: Timestamp? = nil, bytes: Int? = nil) {
        self.arrivedBefore = arrivedBefore
        self.bytes = bytes
    }
}

/// What a call of `drop` did.
package struct Dropped: Sendable, Equatable {
    package var segments = 0
    package var bytes = 0
    /// The events that are gone; empty when none are.
    package var offsets: Range<Offset>

    package init(offsets: Range<Offset>) { self.offsets = offsets }
}
