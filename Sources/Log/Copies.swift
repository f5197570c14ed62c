// What became of a copy of a log: figures, for people and scripts.

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
