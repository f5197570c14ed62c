// Folding a whole log anew, beside the old summaries, which stand until the new ones are whole.

package import Events
package import Log
import SQLite

extension Projector {
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
        let location = Location(path: next, identity: identity, start: .zero, head: await log.head)
        progress(0, location.head.rawValue)
        let count = try await fold(log, into: location, now: now) { progress($0.rawValue, location.head.rawValue) }
        if FileAccess.isThere(path) { try emptyWriteAheadLog(of: path) }
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
        _ log: some EventLog, into location: Location, now: @escaping @Sendable () -> Timestamp,
        progress: @Sendable (Offset) -> Void
    ) async throws(ProjectionError) -> UInt64 {
        let projector = try Projector(new: location, now: now)
        try await projector.catchUp(with: log, checkpoints: false, progress: progress)
        // Half of a log is no summary of it.
        guard !Task.isCancelled else { throw .storage("the rebuild was given up") }
        try await projector.stop()
        return await projector.offset.rawValue
    }

    /// Empties the write-ahead log of a file that is about to be replaced, so that nobody applies it to the new one.
    private static func emptyWriteAheadLog(of path: String) throws(ProjectionError) {
        guard let isEmpty = try? SummaryStore.emptyWriteAheadLog(of: path) else {
            // Not a database, or damaged: there is nothing in it to keep.
            return
        }
        guard isEmpty else { throw .storage("\(path) is being written by another process; stop it first") }
    }
}
