// Keeps the summaries up with the log: folds, checkpoints at a measured pace, and rebuilds.

package import Admission
import Dispatch
package import Events
package import Log
import SQLite

/// State and store of one log's summaries; the only writer of summaries.sqlite.
///
/// Blocks are given to `apply` in log order; a block given twice is folded once. When it lags, `catchUp` reads from
/// the log itself. `checkpointIfDue` is to be called after each block and, when idle, every 50 ms or so.
package actor Projector {
    private var state: SummaryState
    private var store: SummaryStore
    private var pace = CheckpointPace()
    /// Whether `state` is what the snapshot and the blocks since then make of it.
    private var isLoaded: Bool
    private let place: Place
    private let now: @Sendable () -> Timestamp

    /// The file's name within the data folder.
    package static let fileName = "summaries.sqlite"

    /// Where the summaries are and what they must fit.
    private struct Place {
        let path: String
        let identity: String
        let start: Offset
        let head: Offset
        var group: UInt32?
    }

    /// Opens the summaries in a folder.
    ///
    /// A file of another projection version or another log, one whose snapshot is damaged and one that is ahead of
    /// the log are replaced by an empty one, to be filled by `catchUp` from the log's start. Who has the old file open
    /// keeps reading it.
    /// - Parameters:
    ///   - identity: the log's identity, so that summaries are never mixed with another log's.
    ///   - start: the first offset that the log retains.
    ///   - head: the offset that the log's next event will get.
    ///   - group: a group that may read the summaries.
    ///   - isLoading: whether the state that the snapshot holds is read at once (some 0.3 s for a million preferences
    ///     of devices). Otherwise `load` reads it; until then no block is folded and nothing is written.
    ///   - now: the wall clock; shown to readers as the time of the last checkpoint.
    /// - Throws: `horizon` when the log's beginning is gone and no snapshot covers it.
    package init(
        directory: String, identity: String, start: Offset, head: Offset, group: UInt32? = nil,
        isLoading: Bool = true, now: @escaping @Sendable () -> Timestamp
    ) throws(ProjectionError) {
        let place = Place(
            path: directory + "/" + Self.fileName, identity: identity, start: start, head: head, group: group)
        var store = try Self.open(place)
        state = isLoading ? try Self.restore(&store, place) : SummaryState()
        isLoaded = isLoading
        self.place = place
        self.store = store
        self.now = now
    }

    private static func open(_ place: Place) throws(ProjectionError) -> SummaryStore {
        var cause = ""
        do throws(ProjectionError) {
            let store = try SummaryStore(path: place.path, identity: place.identity, group: place.group)
            let snapshot = store.snapshotOffset ?? .zero
            let isUsable = snapshot <= place.head && store.checkpointOffset <= place.head
            if isUsable, snapshot >= place.start { return store }
            if isUsable, place.start > .zero {
                throw ProjectionError.horizon("the log begins at event \(place.start.rawValue)")
            }
            try store.close()
        } catch {
            guard case .mismatch(let reason) = error else { throw error }
            cause = ", and summaries.sqlite does not fit: \(reason)"
        }
        return try emptied(place, cause)
    }

    /// An empty file in the place of one that is of no use.
    private static func emptied(_ place: Place, _ cause: String) throws(ProjectionError) -> SummaryStore {
        guard place.start == .zero else {
            throw .horizon("the log begins at event \(place.start.rawValue)\(cause)")
        }
        try removeDatabase(place.path)
        return try SummaryStore(path: place.path, identity: place.identity, group: place.group)
    }

    /// What `read` reads of the snapshot; when it is damaged, nil, and an empty file in its place.
    private static func read<Part>(
        _ store: inout SummaryStore, _ place: Place,
        _ read: (inout SummaryStore) throws(ProjectionError) -> Part?
    ) throws(ProjectionError) -> Part? {
        do throws(ProjectionError) {
            return try read(&store)
        } catch {
            guard case .damaged(let reason) = error else { throw error }
            store = try emptied(place, ", and the snapshot in summaries.sqlite is damaged: \(reason)")
            return nil
        }
    }

    private static func restore(_ store: inout SummaryStore, _ place: Place) throws(ProjectionError) -> SummaryState {
        let state = try read(&store, place) { (store: inout SummaryStore) throws(ProjectionError) in
            try store.restore()
        }
        return state ?? SummaryState()
    }

    /// Reads the state that the snapshot holds, unless that has been done. To be called once; others may call anything
    /// meanwhile, for it reads on a thread of its own: where there is one core, tasks have but one thread, and what
    /// stores events would wait for it.
    package func load() async throws(ProjectionError) {
        guard !isLoaded else { return }
        let (store, place) = (store, place)
        typealias Loaded = Result<(SummaryStore, SummaryState), ProjectionError>
        let loaded = await withCheckedContinuation { (continuation: CheckedContinuation<Loaded, Never>) in
            DispatchQueue(label: "summaries").async {
                var store = store
                do throws(ProjectionError) {
                    let state = try Self.restore(&store, place)
                    continuation.resume(returning: .success((store, state)))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        (self.store, state) = try loaded.get()
        isLoaded = true
    }

    /// What has been taken from whom, up to the end of the log: with what the ingest starts. It is a small part of the
    /// snapshot, and folding it alone over the events since then costs little more than reading them.
    package func dedupe(with log: some EventLog) async throws(ProjectionError) -> DedupeTable {
        let restored = try Self.read(&store, place) { (store: inout SummaryStore) throws(ProjectionError) in
            try store.restoreDedupe()
        }
        var dedupe = restored ?? DedupeTable()
        var offset = snapshotOffset
        while true {
            let piece = try await Self.read(log, from: offset)
            for block in piece.blocks where block.isIdentityCertain {
                let known = Int(max(offset, block.firstOffset).rawValue - block.firstOffset.rawValue)
                for event in block.batch.events.dropFirst(known) { _ = dedupe.fold(event) }
            }
            if piece.end == offset { return dedupe }
            offset = piece.end
        }
    }

    /// The offset after the last event folded.
    package var offset: Offset { isLoaded ? state.offset : snapshotOffset }

    /// The offset up to which summaries.sqlite counts: what readers see.
    package var checkpointOffset: Offset { store.checkpointOffset }

    /// Whether there is something that a checkpoint would write.
    private var isDirty: Bool { state.offset != store.checkpointOffset || state.dirtyRows > 0 }

    /// Folds a block; its definitions must name every word first used in it. Before `load` it is passed over: `catchUp`
    /// will read it.
    package func apply(_ block: Block) {
        guard isLoaded else { return }
        state.apply(block)
        pace.applied(block.count)
    }

    /// Folds everything that the log holds after `offset`.
    ///
    /// Events that cannot be read because the log is damaged are passed over and counted in the summaries.
    /// - Parameters:
    ///   - progress: called with the offset up to which everything is folded, after some blocks each.
    ///   - damaged: called for each place that is passed over.
    package func catchUp(
        with log: some EventLog, checkpoints: Bool = true, progress: @Sendable (Offset) -> Void = { _ in },
        damaged: @Sendable (Damage) -> Void = { _ in }
    ) async throws(ProjectionError) {
        try await load()
        while true {
            let piece = try await Self.read(log, from: state.offset)
            if let damage = piece.damage { damaged(damage) }
            if piece.end == state.offset || Task.isCancelled { return }
            if let doubtful = Damage(doubtfulIn: piece.blocks) { damaged(doubtful) }
            for block in piece.blocks {
                state.apply(block)
                pace.applied(block.count)
            }
            if piece.blocks.isEmpty { state.skip(to: piece.end) }
            progress(state.offset)
            if checkpoints { try checkpointIfDue(at: ContinuousClock.now, isBusy: true) }
        }
    }

    /// Some blocks from an offset on and where they end; or, without blocks, what damage lies there up to `end`; or,
    /// with `end` at the offset itself, that there is no more.
    private typealias Piece = (blocks: [Block], end: Offset, damage: Damage?)

    private static func read(_ log: some EventLog, from offset: Offset) async throws(ProjectionError) -> Piece {
        do throws(LogError) {
            let blocks = try await log.read(from: offset, limit: 8)
            return (blocks, blocks.last?.endOffset ?? offset, nil)
        } catch {
            guard let damage = error.damage(from: offset) else { throw .log("\(error)") }
            return ([], damage.offsets.upperBound, damage)
        }
    }

    /// Events of the log that are in no summary, because they could not be read.
    package var unreadable: UInt64 { state.skipped }

    /// The offset up to which the last snapshot counts, as it is on disk: a start needs nothing before it.
    package var snapshotOffset: Offset { store.snapshotOffset ?? .zero }

    /// Writes a snapshot now, unless the last one covers `offset` already.
    package func cover(_ offset: Offset) throws(ProjectionError) {
        if isLoaded, snapshotOffset < offset, state.offset >= offset { try checkpoint(snapshot: true) }
    }

    /// Writes a checkpoint, or a snapshot, if the pace says that it is time.
    ///
    /// - Parameter isBusy: whether more blocks wait to be folded; then a checkpoint takes in more of them.
    package func checkpointIfDue(at instant: ContinuousClock.Instant, isBusy: Bool) throws(ProjectionError) {
        // Readers never see the summaries go back: after a restart the state must first pass what is written.
        guard isLoaded, isDirty, state.offset >= store.checkpointOffset else { return }
        pace.noticed(at: instant)
        guard pace.isDue(at: instant, rows: state.dirtyRows, isBusy: isBusy) else { return }
        try write(snapshot: pace.isSnapshotDue(at: instant))
    }

    /// Writes a checkpoint now.
    /// - Returns: how long it took.
    @discardableResult
    package func checkpoint(snapshot: Bool = false) throws(ProjectionError) -> Duration {
        guard isLoaded, state.offset >= store.checkpointOffset else { return .zero }
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
        if isLoaded, state.offset >= store.checkpointOffset { try write(snapshot: true) }
        try store.close()
    }

    /// All public tables as text, for comparison.
    package func dump() throws(ProjectionError) -> [String] { try store.dump() }

    /// Folds a whole log anew, side by side, and puts the result in the place of the old summaries; those who are
    /// reading these keep reading them. No projector may be open on the folder.
    ///
    /// - Parameter progress: called with the events that were folded and those there are, after some blocks each.
    /// - Returns: the number of events folded.
    package static func rebuild(
        log: some EventLog, identity: String, into directory: String, now: @escaping @Sendable () -> Timestamp,
        progress: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Void = { _, _ in }
    ) async throws(ProjectionError) -> UInt64 {
        let start = await log.start
        guard start == .zero else { throw .horizon("the log begins at event \(start.rawValue)") }
        let path = directory + "/" + fileName
        let next = draft(directory)
        try removeDatabase(next)
        let place = Place(path: next, identity: identity, start: .zero, head: await log.head)
        progress(0, place.head.rawValue)
        let count = try await fold(log, into: place, now: now) { progress($0.rawValue, place.head.rawValue) }
        if FileAccess.isThere(path) { try settle(path) }
        FileAccess.inherit(from: path, to: next)
        try removeFile(path + "-wal")
        try removeFile(path + "-shm")
        try swapFile(next, into: path)
        return count
    }

    private static func draft(_ directory: String) -> String { directory + "/" + fileName + ".next" }

    /// What stands when a rebuild is given up, as the end of a message.
    package static func standing(in directory: String) -> String {
        if !FileAccess.isThere(draft(directory)) { return "the new summaries are in place" }
        return FileAccess.isThere(directory + "/" + fileName) ? "the old summaries stand" : "there are no summaries yet"
    }

    /// Removes what a rebuild that was given up has left.
    package static func removeDraft(in directory: String) { try? removeDatabase(draft(directory)) }

    private static func fold(
        _ log: some EventLog, into place: Place, now: @escaping @Sendable () -> Timestamp,
        progress: @Sendable (Offset) -> Void
    ) async throws(ProjectionError) -> UInt64 {
        let projector = try Projector(new: place, now: now)
        try await projector.catchUp(with: log, checkpoints: false, progress: progress)
        // Half of a log is no summary of it.
        guard !Task.isCancelled else { throw .storage("the rebuild was given up") }
        try await projector.stop()
        return await projector.offset.rawValue
    }

    private init(new place: Place, now: @escaping @Sendable () -> Timestamp) throws(ProjectionError) {
        state = SummaryState()
        store = try SummaryStore(path: place.path, identity: place.identity)
        isLoaded = true
        self.place = place
        self.now = now
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
