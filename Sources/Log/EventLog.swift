// The log as a promise: what every engine must keep, tested by one suite (`EventLogConformance`).

package import Events

/// An append-only sequence of events, numbered from 0 without gaps, stored in blocks.
///
/// One writer, any number of readers. Every call may come from any thread or task; an engine keeps its own state
/// together. An async call does its work on threads of the engine: it suspends its task and blocks no thread of the
/// caller's. What is not async never waits for the writer.
///
/// This holds what the daemon and the commands need of every engine. What only some can do is a protocol of its own
/// (`RetainingLog`, `ScrubbingLog`), for which who needs it asks once, at start: `log as? any RetainingLog`. How a log
/// is opened is each engine's own affair: that is what names it.
///
/// An engine exists when it passes `EventLogConformance`.
package protocol EventLog: Sendable {
    /// Which log this is, as 32 hex digits, given once when it is made and kept over every reopening and copy. What is
    /// derived from the log (the summaries) notes it, so as not to be taken for that of another. Empty for a log that
    /// was opened for reading only.
    var logIdentity: String { get }

    /// What was found damaged while the log was opened, each place once, in log order. Only what an opening has to read
    /// is looked at (the end of the log, the words), so an empty list is no `verify`. Never changes.
    ///
    /// Opening goes on over damage: the offsets in it are not given out again.
    var openingDamages: [Damage] { get }

    /// The offset that the next event will get. Never goes back.
    var head: Offset { get async }

    /// The offset of the first retained event; equal to `head` when there is none. Never goes back.
    var start: Offset { get async }

    /// The head and the hash chain there, as `OFFSET:HASH`: it stands for everything before the offset, and
    /// `ChainClaim` takes it. The hash is empty when damage hides it. Never waits for the disk.
    var chainHead: String { get }

    /// How much the log takes where it is stored, in bytes. May ask the file system, so not for every event.
    var bytes: Int { get }

    /// When the last event arrived that is stored and can be read; nil when there is none.
    var lastArrival: Timestamp? { get async }

    /// Stores a batch as one block, and tells when it is durable. Returns at once.
    ///
    /// Names of devices and customers in `definitions` are committed before the block that uses them. Calls must
    /// not overlap. After a failure nothing of the batch is in the log, and the same call may be made again.
    /// - Parameters:
    ///   - definitions: every name first used by this batch, or by an earlier batch whose append failed.
    ///   - report: called once, on a thread of the engine that must not be blocked, with the offset of the batch's
    ///     first event; with the head when the batch is empty. Or with the reason: `full` and `io` when the operator
    ///     has to look after the disk (the same call succeeds once there is room again), `refused` when the batch
    ///     breaks the format, which is a defect of the program, and `closed`.
    func append(
        _ batch: EventBatch, defining definitions: Definitions,
        report: @escaping @Sendable (Result<Offset, LogError>) -> Void)

    /// Up to `blocks` whole blocks in order; the first is the one that contains `offset`. Empty at the head.
    ///
    /// At a damaged block the reading ends before it; a call that starts in it throws `LogError.corrupt` with the
    /// offsets to step over, and blocks behind it come with `isIdentityCertain == false` until that is known again (at
    /// the next segment at the latest). `PassingFollower` does all that.
    /// - Throws: `outOfRange` before `start` and behind `head`; then the caller has to begin within `retained`.
    ///   `corrupt` as said: restoring the file from a copy is what helps. `io` when the disk cannot be read.
    ///   `closed` after `close`.
    func read(from offset: Offset, limit blocks: Int) async throws(LogError) -> [Block]

    /// All words and names, as of now: also those of segments that were dropped.
    func vocabulary() async throws(LogError) -> Vocabulary

    /// Recomputes every checksum, every block and the chain over them, from the stored bytes. Damage is reported, not
    /// thrown. Takes as long as the log is; events may be appended meanwhile.
    ///
    /// - Parameters:
    ///   - claim: a chain value that was written down earlier, to be looked for.
    ///   - progress: called with the events that were looked at and those there are, after some blocks each, on a
    ///     thread of the engine.
    func verify(
        claim: ChainClaim?, progress: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Void
    ) async throws(LogError) -> VerifyReport

    /// What `log stat` shows.
    func statistics() async throws(LogError) -> LogStatistics

    /// Ends the use of this object, and leaves the log at rest: complete, readable by others, to be opened anew. Waits
    /// for an append that is under way. Calls that come later throw `closed`; closing once more does nothing.
    ///
    /// - Throws: when not all could be put at rest. The object is closed all the same and nothing that was acknowledged
    ///   is lost: the next opening finds it.
    func close() async throws(LogError)
}

extension EventLog {
    /// Stores a batch as one block; durable on return. See the call that reports.
    package func append(
        _ batch: EventBatch, defining definitions: Definitions
    ) async throws(LogError) -> Offset {
        let result = await withCheckedContinuation { continuation in
            append(batch, defining: definitions) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    /// Checks the whole log, and looks for a chain value if one is given. See the call that tells its progress.
    package func verify(claim: ChainClaim? = nil) async throws(LogError) -> VerifyReport {
        try await verify(claim: claim, progress: { _, _ in })
    }
}
