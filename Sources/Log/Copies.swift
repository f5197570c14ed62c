// What became of a copy of a log: figures, for people and scripts.

/// How far a copy has come.
package struct CopyProgress: Sendable, Equatable {
    package enum Step: Sendable {
        /// `done` and `total` are bytes of the segments.
        case copying
        /// Both are events.
        case salvaging
        /// Both are events.
        case checking
    }

    package var step: Step
    package var done: UInt64
    package var total: UInt64
    /// While segments are copied: which one is under way, from 1, and how many there are.
    package var segment = 0
    package var segments = 0

    package init(_ step: Step, done: UInt64 = 0, total: UInt64 = 0) {
        (self.step, self.done, self.total) = (step, done, total)
    }
}

/// What a backup or a restore did.
package struct CopyReport: Sendable {
    package var copied = 0
    /// Segments that the copy had already, byte by byte.
    package var skipped = 0
    /// Segments whose older copy was left in place, because the original is damaged now.
    package var kept: [String] = []
    /// Bytes of the segments that were copied.
    package var bytes = 0
    /// The check of the copy.
    package var verification = VerifyReport()

    package init() {}
}

/// What a salvage did.
package struct SalvageReport: Sendable {
    package var events: UInt64 = 0
    package var leftOut: UInt64 = 0
    /// The check of the new log.
    package var verification = VerifyReport()

    package init() {}
}
