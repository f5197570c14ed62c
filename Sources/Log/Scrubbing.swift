// Reading sealed segments before somebody asks for them: what an engine may be able to do.

package import Events

/// A log whose sealed segments can be checked one at a time while it is written.
///
/// Asked for once, at start: `log as? any ScrubbingLog`. A log that is not one looks after its bytes by itself, or has
/// none that rot.
package protocol ScrubbingLog: EventLog {
    /// Rounds of checks over this log, which begin anew. Good as long as the log is open.
    func makeScrub() -> any LogScrub
}

/// The rounds of a check through the sealed segments of a log. Any thread.
package protocol LogScrub: Sendable {
    /// Checks the next segment as `EventLog.verify` would, and finds the same; nil when none is sealed. After the
    /// newest sealed one follows the oldest. Where a round begins is left to chance, so that all have their turn
    /// however often the daemon starts anew.
    ///
    /// Blocks its thread for as long as it takes to read a segment; nobody else waits for it. Damage is reported, not
    /// thrown: the operator restores the segment from a copy.
    /// - Parameter pause: called after every few blocks.
    func step(pause: () -> Void) -> ScrubStep?
}

/// One segment that was checked.
package struct ScrubStep: Sendable, Equatable {
    /// Its first offset.
    package var segment: Offset
    package var damages: [Damage]

    package init(segment: Offset, damages: [Damage]) {
        self.segment = segment
        self.damages = damages
    }
}
