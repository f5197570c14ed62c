// Keeps the summaries up with the log: folds, checkpoints at a measured pace, and rebuilds.

package import Admission
package import Events
package import Log

/// State and store of one log's summaries; the only writer of summaries.sqlite.
///
/// Blocks are given to `apply` in log order; a block given twice is folded once. When it lags, `catchUp` reads from
/// the log itself. `checkpointIfDue` is to be called after each block and, when idle, every 50 ms or so.
package actor Projector {
    private var state: SummaryState
    private var store: SummaryStore
    private var pace: CheckpointPace
    private let now: @Sendable () -> Timestamp

    /// The file's name within the data folder.
    package static let fileName = "summaries.sqlite"

    /// Opens the summaries in a folder, with the state that their snapshot holds.
    ///
    /// A file of another projection version or another log, one whose snapshot is damaged and one that is ahead of
    /// the log are replaced by an empty one, to be filled by `catchUp` from the log's start. Who has the old file open
    /// keeps reading it.
    /// - Parameters:
    ///   - identity: the log's identity, so that summaries are never mixed with another log's.
    ///   - start: the first offset that the log retains.
    ///   - head: the offset that the log's next event will get.
    ///   - now: the wall clock; shown to readers as the time of the last checkpoint.
    /// - Throws: `horizon` when the log's beginning is gone and no snapshot covers it.
    package init(
        directory: String, identity: String, start: Offset, head: Offset, now: @escaping @Sendable () -> Timestamp
    ) throws(ProjectionError) {
        let opened = try Self.open(directory: directory, identity: identity, start: start, head: head)
        state = opened.state
        store = opened.store
        pace = CheckpointPace()
        self.now = now
    }

    private static func open(
        directory: String, identity: String, start: Offset, head: Offset
    ) throws(ProjectionError) -> (store: SummaryStore, state: SummaryState) {
        let path = directory + "/" + fileName
        var cause = ""
        do throws(ProjectionError) {
            var store = try SummaryStore(path: path, identity: identity)
            let state = try store.restore() ?? SummaryState()
            let isUsable = state.offset <= head && store.checkpointOffset <= head
            if isUsable, state.offset >= start { return (store, state) }
            if isUsable, start > .zero { throw ProjectionError.horizon("the log begins at event \(start.rawValue)") }
            try store.close()
        } catch {
            switch error {
            case .mismatch(let reason): cause = ", and summaries.sqlite does not fit: \(reason)"
            case .damaged(let reason): cause = ", and the snapshot in summaries.sqlite is damaged: \(reason)"
            case .storage, .missing, .log, .horizon: throw error
            }
        }
        guard start == .zero else { throw .horizon("the log begins at event \(start.rawValue)\(cause)") }
        try removeDatabase(path)
        return (try SummaryStore(path: path, identity: identity), SummaryState())
    }

    /// The offset after the last event folded.
    package var offset: Offset { state.offset }

    /// Whether there is something that a checkpoint would write.
    package var isDirty: Bool { state.offset != store.checkpointOffset || state.dirtyRows > 0 }

    /// What has been taken from whom, as of `offset`: with what the ingest starts.
    package var dedupe: DedupeTable { state.dedupe }

    /// Folds a block; its definitions must name every word first used in it.
    package func apply(_ block: Block) {
        state.apply(block)
        pace.applied(block.count)
    }

    /// Folds everything that the log holds after `offset`.
    ///
    /// Events that cannot be read because the log is damaged are passed over and counted in the summaries.
    /// - Parameter damaged: called for each place that is passed over.
    package func catchUp(
        with log: some EventLog, checkpoints: Bool = true, damaged: @Sendable (Damage) -> Void = { _ in }
    ) async throws(ProjectionError) {
        while true {
            let blocks: [Block]
            do {
                blocks = try await log.read(from: state.offset, limit: 16)
            } catch LogError.corrupt(let segment, let offsets, let cause) where offsets.upperBound > state.offset {
                damaged(Damage(segment: segment, offsets: state.offset..<offsets.upperBound, cause: cause))
                state.skip(to: offsets.upperBound)
                continue
            } catch {
                throw .log("\(error)")
            }
            if blocks.isEmpty { return }
            if let doubtful = Self.doubtful(blocks) {
                damaged(Damage(segment: "", offsets: doubtful, cause: Damage.doubtful))
            }
            for block in blocks {
                state.apply(block)
                pace.applied(block.count)
            }
            if checkpoints { try checkpointIfDue(at: ContinuousClock.now, isBusy: true) }
        }
    }

    /// From the first to the last of the blocks that are not folded because their products are not certain.
    private static func doubtful(_ blocks: [Block]) -> Range<Offset>? {
        let doubtful = blocks.filter { !$0.isIdentityCertain }
        guard let first = doubtful.first, let last = doubtful.last else { return nil }
        return first.firstOffset..<last.endOffset
    }

    /// Events of the log that are in no summary, because they could not be read.
    package var unreadable: UInt64 { state.skipped }

    /// The offset up to which the last snapshot counts, as it is on disk: a start needs nothing before it.
    package var snapshotOffset: Offset { store.snapshotOffset ?? .zero }

    /// Writes a snapshot now, unless the last one covers `offset` already.
    package func cover(_ offset: Offset) throws(ProjectionError) {
        if snapshotOffset < offset, state.offset >= offset { try checkpoint(snapshot: true) }
    }

    /// Writes a checkpoint, or a snapshot, if the pace says that it is time.
    ///
    /// - Parameter isBusy: whether more blocks wait to be folded; then a checkpoint takes in more of them.
    package func checkpointIfDue(at instant: ContinuousClock.Instant, isBusy: Bool) throws(ProjectionError) {
        // Readers never see the summaries go back: after a restart the state must first pass what is written.
        guard isDirty, state.offset >= store.checkpointOffset else { return }
        pace.noticed(at: instant)
        guard pace.isDue(at: instant, rows: state.dirtyRows, isBusy: isBusy) else { return }
        try write(snapshot: pace.isSnapshotDue(at: instant))
    }

    /// Writes a checkpoint now.
    /// - Returns: how long it took.
    @discardableResult
    package func checkpoint(snapshot: Bool = false) throws(ProjectionError) -> Duration {
        guard state.offset >= store.checkpointOffset else { return .zero }
        try write(snapshot: snapshot)
        return pace.last
    }

    private func write(snapshot: Bool) throws(ProjectionError) {
        let (start, rows) = (ContinuousClock.now, state.dirtyRows)
        try store.checkpoint(&state, updated: now(), snapshot: snapshot)
        pace.wrote(rows: rows, from: start, to: ContinuousClock.now, snapshot: snapshot)
    }

    /// Writes the last checkpoint and the snapshot, and closes the file. The projector is of no use after this.
    package func stop() throws(ProjectionError) {
        if state.offset >= store.checkpointOffset { try write(snapshot: true) }
        try store.close()
    }

    /// All public tables as text, for comparison.
    package func dump() throws(ProjectionError) -> [String] { try store.dump() }

    /// Folds a whole log anew, side by side, and puts the result in the place of the old summaries; those who are
    /// reading these keep reading them. No projector may be open on the folder.
    ///
    /// - Returns: the number of events folded.
    package static func rebuild(
        log: some EventLog, identity: String, into directory: String, now: @escaping @Sendable () -> Timestamp
    ) async throws(ProjectionError) -> UInt64 {
        let start = await log.start
        guard start == .zero else { throw .horizon("the log begins at event \(start.rawValue)") }
        let path = directory + "/" + fileName
        let next = path + ".next"
        try removeDatabase(next)
        let count = try await fold(log, identity: identity, into: next, now: now)
        if fileExists(path) { try settle(path) }
        try removeFile(path + "-wal")
        try removeFile(path + "-shm")
        try swapFile(next, into: path)
        return count
    }

    private static func fold(
        _ log: some EventLog, identity: String, into path: String, now: @escaping @Sendable () -> Timestamp
    ) async throws(ProjectionError) -> UInt64 {
        let store = try SummaryStore(path: path, identity: identity)
        let projector = Projector(state: SummaryState(), store: store, now: now)
        try await projector.catchUp(with: log, checkpoints: false)
        try await projector.stop()
        return await projector.offset.rawValue
    }

    private init(state: SummaryState, store: SummaryStore, now: @escaping @Sendable () -> Timestamp) {
        self.state = state
        self.store = store
        self.now = now
        pace = CheckpointPace()
    }

    /// Empties the write-ahead log of a file that is about to be replaced, so that nobody applies it to the new one.
    private static func settle(_ path: String) throws(ProjectionError) {
        guard let settled = try? SummaryStore.settle(path) else {
            // Not a database, or damaged: there is nothing in it to keep.
            return
        }
        guard settled else { throw .storage("\(path) is being written by another process; stop it first") }
    }

    private static func removeDatabase(_ path: String) throws(ProjectionError) {
        for suffix in ["-wal", "-shm", ""] { try removeFile(path + suffix) }
    }
}
