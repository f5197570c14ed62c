// Putting a finished file in the place of another one, with what the summaries say when that fails.

import SQLite

/// Replaces `path` by `replacement` in one step: whoever has the old file open keeps reading it. It is durable when
/// this returns.
func swapFile(_ replacement: String, into path: String) throws(ProjectionError) {
    do { try FileAccess.rename(replacement, to: path) } catch {
        throw .storage("\(replacement) cannot be renamed to \(path) (errno \(error.number))")
    }
    do { try FileAccess.syncFolder(FileAccess.folder(of: path)) } catch {
        throw .storage("\(path) is in its place, and its folder cannot be written to the disk (errno \(error.number))")
    }
}

/// Removes a file if it is there.
func removeFile(_ path: String) throws(ProjectionError) {
    do { try FileAccess.remove(path) } catch {
        throw .storage("\(path) cannot be removed (errno \(error.number))")
    }
}
