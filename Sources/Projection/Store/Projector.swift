// Keeps the summaries up with the log: folds its blocks, and writes checkpoints as often as the policy says.

package import Admission
import Dispatch
package import Events
package import Log

/// State and store of one log's summaries; the only writer of summaries.sqlite.
///
/// Blocks are given to `apply` in log order; a block given twice is folded once. When it lags, `catchUp` reads from
/// the log itself. `checkpointIfDue` is to be called after each block and, when idle, every 50 ms or so.
package actor Projector {
    private var state: SummaryState
    private var store: SummaryStore
    private var policy = CheckpointPolicy()
    /// Whether `state` is what the snapshot and the blocks since then make of it.
    private var isLoaded: Bool
    private let location: Location
    private let now: @Sendable () -> Timestamp

    /// The file's name within the data folder.
    package static let fileName = "summaries.sqlite"

    /// Where the summaries are, and the log that they must fit.
    struct Location {
        let path: String
        let identity: String
        let start: Offset
        let head: Offset
        var group: UInt32?
    }

    /// Opens the summaries in a folder.
    ///
    /// A file of another projection version or another log, one whose snapshot is damaged and one that is ahead of
    /// the log are replaced by an empty one, to be filled by `catchUp` from the log's start. A reader that has
    /// the old file open keeps it.
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
        let location = Location(
            path: directory + "/" + Self.fileName, identity: identity, start: start, head: head, group: group)
        var store = try Self.open(location)
        state = isLoading ? try Self.restore(&store, location) : SummaryState()
        isLoaded = isLoading
        self.location = location
        self.store = store
        self.now = now
    }

    private static func open(_ location: Location) throws(ProjectionError) -> SummaryStore {
        var cause = ""
        do throws(ProjectionError) {
            let store = try SummaryStore(path: location.path, identity: location.identity, group: location.group)
            let snapshot = store.snapshotOffset ?? .zero
            let isUsable = snapshot <= location.head && store.checkpointOffset <= location.head
            if isUsable, snapshot >= location.start { return store }
            if isUsable, location.start > .zero {
                throw ProjectionError.horizon("the log begins at event \(location.start.rawValue)")
            }
            try store.close()
        } catch {
            guard case .mismatch(let reason) = error else { throw error }
            cause = ", and summaries.sqlite does not fit: \(reason)"
        }
        return try emptied(location, cause)
    }

    /// An empty file in the place of one that is of no use.
    private static func emptied(_ location: Location, _ cause: String) throws(ProjectionError) -> SummaryStore {
        guard location.start == .zero else {
            throw .horizon("the log begins at event \(location.start.rawValue)\(cause)")
        }
        try removeDatabase(location.path)
        return try SummaryStore(path: location.path, identity: location.identity, group: location.group)
    }

    /// What `read` reads of the snapshot; when it is damaged, nil, and an empty file in its place.
    private static func read<Part>(
        _ store: inout SummaryStore, _ location: Location,
        _ read: (inout SummaryStore) throws(ProjectionError) -> Part?
    ) throws(ProjectionError) -> Part? {
        do throws(ProjectionError) {
            return try read(&store)
        } catch {
            guard case .damaged(let reason) = error else { throw error }
            store = try emptied(location, ", and the snapshot in summaries.sqlite is damaged: \(reason)")
            return nil
        }
    }

    private static func restore(_ store: inout SummaryStore, _ location: Location) throws(ProjectionError)
        -> SummaryState
    {
        let state = try read(&store, location) { (store: inout SummaryStore) throws(ProjectionError) in
            try store.restore()
        }
        return state ?? SummaryState()
    }

    /// Reads the state that the snapshot holds, unless that has been done. To be called once; others may call anything
    /// meanwhile, for it reads on a thread of its own: where there is one core, tasks have but one thread, and what
    /// stores events would wait for it.
    package func load() async throws(ProjectionError) {
        guard !isLoaded else { return }
        let (store, location) = (store, location)
        typealias Loaded = Result<(SummaryStore, SummaryState), ProjectionError>
        let loaded = await withCheckedContinuation { (continuation: CheckedContinuation<Loaded, Never>) in
            DispatchQueue(label: "summaries").async {
                var store = store
                do throws(ProjectionError) {
                    let state = try Self.restore(&store, location)
                    continuation.resume(returning: .success((store, state)))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        (self.store, state) = try loaded.get()
        isLoaded = true
    }

    /// What has been taken from whom, and who has consented to what, up to the end of the log: with what the ingest
    /// starts. It is a small part of the snapshot, and folding it alone over the events since then costs little more
    /// than reading them.
    ///
    /// - Parameter purposes: those of the log's words.
    package func memory(
        with log: some EventLog, _ purposes: ConsentPurposes
    ) async throws(ProjectionError) -> (dedupe: DedupeTable, consents: ConsentTable) {
        let restored = try Self.read(&store, location) { (store: inout SummaryStore) throws(ProjectionError) in
            try store.restoreMemory()
        }
        var (dedupe, consents) = restored ?? (DedupeTable(), ConsentTable())
        var follower = Self.follower(of: log, from: snapshotOffset)
        while true {
            let blocks = try await Self.next(&follower)
            if blocks.isEmpty { return (dedupe, consents) }
            for block in blocks {
                for event in block.batch.events {
                    guard case .new = dedupe.fold(event), event.kind.isConsent, case .none = event.quarantine else {
                        continue
                    }
                    consents.fold(event, block.batch.details(of: event), purposes.purpose(of: event))
                }
            }
        }
    }

    /// The offset after the last event folded.
    package var offset: Offset { isLoaded ? state.offset : snapshotOffset }

    /// The offset up to which summaries.sqlite counts: what readers see.
    package var checkpointOffset: Offset { store.checkpointOffset }

    /// Whether there is something that a checkpoint would write.
    private var isDirty: Bool { state.offset != store.checkpointOffset || state.dirtyRowCount > 0 }

    /// Folds a block; its definitions must name every word first used in it. Before `load` it is passed over: `catchUp`
    /// will read it.
    ///
    /// - Returns: devices that have said something of a message in it, and may be sent the next one.
    @discardableResult
    package func apply(_ block: Block) -> [DeviceID] {
        guard isLoaded else { return [] }
        state.apply(block)
        policy.applied(block.count)
        return state.takeHeard()
    }

    /// Folds everything that the log holds after `offset`.
    ///
    /// Events that cannot be read because the log is damaged are passed over and counted in the summaries.
    /// - Parameters:
    ///   - progress: called with the offset up to which everything is folded, after some blocks each.
    ///   - damaged: called for each place that is passed over.
    package func catchUp(
        with log: some EventLog, checkpoints: Bool = true, progress: @Sendable (Offset) -> Void = { _ in },
        damaged: @escaping @Sendable (Damage) -> Void = { _ in }
    ) async throws(ProjectionError) {
        try await load()
        // Blocks whose products are doubtful are not counted, but the symbols that they define are needed.
        var follower = Self.follower(of: log, from: state.offset, isDoubtfulPassedOver: false, damaged: damaged)
        while true {
            let blocks = try await Self.next(&follower)
            if Task.isCancelled || blocks.isEmpty && follower.position <= state.offset { return }
            for block in blocks {
                state.apply(block)
                policy.applied(block.count)
            }
            // Without blocks the log ends in damage.
            if blocks.isEmpty { state.skip(to: follower.position) }
            progress(state.offset)
            if checkpoints { try checkpointIfDue(at: ContinuousClock.now, isBusy: true) }
        }
    }

    private static func follower(
        of log: some EventLog, from offset: Offset, isDoubtfulPassedOver: Bool = true,
        damaged: @escaping @Sendable (Damage) -> Void = { _ in }
    ) -> PassingFollower {
        PassingFollower(
            Follower(log, from: offset, wakeup: .poll(every: .seconds(1))),
            isDoubtfulPassedOver: isDoubtfulPassedOver, report: damaged)
    }

    /// Some blocks; none at the end of the log.
    private static func next(_ follower: inout PassingFollower) async throws(ProjectionError) -> [Block] {
        do throws(LogError) { return try await follower.nextAvailable(limit: ProjectionLimits.blocksPerRead) } catch {
            throw .log("\(error)")
        }
    }

    /// What the fold says, once it is loaded; nil before. Nothing is copied.
    package func ask<Answer: Sendable>(_ body: @Sendable (borrowing SummaryState) -> Answer) -> Answer? {
        isLoaded ? body(state) : nil
    }

    /// Events of the log that are in no summary, because they could not be read.
    package var unreadable: UInt64 { state.skipped }

    /// The offset up to which the last snapshot counts, as it is on disk: a start needs nothing before it.
    package var snapshotOffset: Offset { store.snapshotOffset ?? .zero }

    /// Writes a snapshot now, unless the last one covers `offset` already.
    package func cover(_ offset: Offset) throws(ProjectionError) {
        if isLoaded, snapshotOffset < offset, state.offset >= offset { try checkpoint(snapshot: true) }
    }

    /// Writes a checkpoint, or a snapshot, if it is time for one.
    ///
    /// - Parameter isBusy: whether more blocks wait to be folded; then a checkpoint takes in more of them.
    package func checkpointIfDue(at instant: ContinuousClock.Instant, isBusy: Bool) throws(ProjectionError) {
        // Readers never see the summaries go back: after a restart the state must first pass what is written.
        guard isLoaded, isDirty, state.offset >= store.checkpointOffset else { return }
        policy.noticed(at: instant)
        guard policy.isDue(at: instant, rows: state.dirtyRowCount, isBusy: isBusy) else { return }
        try write(snapshot: policy.isSnapshotDue(at: instant))
    }

    /// Writes a checkpoint now.
    /// - Returns: how long it took.
    @discardableResult
    package func checkpoint(snapshot: Bool = false) throws(ProjectionError) -> Duration {
        guard isLoaded, state.offset >= store.checkpointOffset else { return .zero }
        try write(snapshot: snapshot)
        return policy.last
    }

    private func write(snapshot: Bool) throws(ProjectionError) {
        let (start, rows) = (ContinuousClock.now, state.dirtyRowCount)
        try store.checkpoint(&state, updated: now(), snapshot: snapshot)
        policy.wrote(rows: rows, from: start, to: ContinuousClock.now, snapshot: snapshot)
    }

    /// Writes what is folded, and empties the write-ahead log: then no file has any more what events of erasures have
    /// taken away.
    ///
    /// - Returns: why that is not done, or nil.
    package func clearErased(until limit: ContinuousClock.Instant) async throws -> String? {
        while !isLoaded || state.offset < store.checkpointOffset {
            guard ContinuousClock.now < limit else {
                return "the summaries are being read, and still show texts; restart the daemon to see to it"
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        try write(snapshot: false)
        while try !store.emptyWriteAheadLog() {
            guard ContinuousClock.now < limit else {
                return "somebody reads \(location.path), whose write-ahead log still has texts; end that, and restart"
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        return nil
    }

    /// Writes the last checkpoint and the snapshot, and closes the file. The projector is of no use after this.
    package func stop() throws(ProjectionError) {
        if isLoaded, state.offset >= store.checkpointOffset { try write(snapshot: true) }
        try store.close()
    }

    /// All public tables as text, for comparison.
    package func dump() throws(ProjectionError) -> [String] { try store.dump() }

    init(new location: Location, now: @escaping @Sendable () -> Timestamp) throws(ProjectionError) {
        state = SummaryState()
        store = try SummaryStore(path: location.path, identity: location.identity)
        isLoaded = true
        self.location = location
        self.now = now
    }

    static func removeDatabase(_ path: String) throws(ProjectionError) {
        for suffix in ["-wal", "-shm", ""] { try removeFile(path + suffix) }
    }
}
