// Forgetting in a folder that no daemon uses.

import Admission
import Events
import Ingest
package import Log
package import Presentation
import Projection

/// Opens a folder's log for a while, to forget somebody in it.
package enum FolderForgetting {
    /// Forgets those of the erasure list that the names have again, and finishes what was begun; then forgets who is
    /// asked for.
    ///
    /// - Parameter log: open for writing; it is closed when this returns.
    /// - Returns: what became of the request, and how many pseudonyms were forgotten again.
    /// - Throws: `LogError`, `ProjectionError`, `ForgettingError`.
    package static func run(
        _ request: ForgetRequest?, in directory: String, log: some EventLog, backupDays: Int
    ) async throws -> (report: ForgetReport, again: Int) {
        guard let forgetting = log as? any ForgettingLog else {
            throw ForgettingError.impossible("this log keeps no names that could be deleted")
        }
        let result: (ForgetReport, Int)
        do {
            let files = try ErasureFiles(in: directory, log: log.logIdentity)
            let found = try await ErasuresAtStart.replay(files, on: forgetting)
            let unfinished = try await forgetting.begunErasures().unfinished
            // A copy that was just put back has no summaries yet, and needs none for this.
            if request == nil, found.isEmpty, unfinished.isEmpty {
                try await log.close()
                return (ForgetReport([]), 0)
            }
            let projector = try Projector(
                directory: directory, identity: log.logIdentity, start: await log.start, head: await log.head,
                now: { wallClock() })
            let index = ErasureIndex(digests: files.digests, lines: files.lines)
            let forgetter = Forgetter(
                FolderHost(log: forgetting, projector: projector), files, index: index, backupDays: backupDays,
                now: { wallClock() })
            let again = try await forgetter.resume()
            var report = ForgetReport([])
            if let request { report = try await forgetter.forget(request) }
            try await projector.stop()
            result = (report, again)
        } catch {
            try? await log.close()
            throw error
        }
        try await log.close()
        return result
    }
}
