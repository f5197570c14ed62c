// The engine whose logs the commands open. The others are generic over it: only this file names it.
//
// `log backup`, `restore` and `salvage` copy files, and files belong to an engine: they are the embedded engine's own
// commands. An engine that is no folder is copied with the tools of what stands behind it.

import Log
import SQLiteLog

/// Opens the log of a data folder for reading.
///
/// - Parameter proving: serve only what the hash chain proves.
func openLog(_ directory: String, proving: Bool = false) throws -> some EventLog {
    do { return try SQLiteEventLog(directory: directory, readOnly: true, proving: proving) } catch {
        throw Failure(error)
    }
}

/// Why nothing may be appended to the log of a folder; nil when it may.
func whyNothingIsAppended(_ directory: String) -> String? { SQLiteEventLog.whyNothingIsAppended(in: directory) }

/// Opens the log of a data folder that no daemon uses.
func openLogForWriting(_ directory: String) throws(LogError) -> some EventLog {
    try SQLiteEventLog(directory: directory, readOnly: false)
}
