// Putting a finished file in the place of another one: two calls of the C library.

import Glibc
import SQLite

/// Replaces `path` by `replacement` in one step, as rename(2) does: whoever has the old file open keeps reading it. It
/// is durable when this returns.
func swapFile(_ replacement: String, into path: String) throws(ProjectionError) {
    // SAFETY: the strings live as C strings for the length of the call, and rename(2) keeps neither.
    guard unsafe rename(replacement, path) == 0 else {
        throw .storage("\(replacement) cannot be renamed to \(path) (errno \(errno))")
    }
    do { try FileAccess.syncFolder(FileAccess.folder(of: path)) } catch {
        throw .storage("\(path) is in its place, and its folder cannot be written to the disk (errno \(error.number))")
    }
}

/// Removes a file if it is there.
func removeFile(_ path: String) throws(ProjectionError) {
    // SAFETY: the string lives as a C string for the length of the call, and unlink(2) does not keep it.
    guard unsafe unlink(path) == 0 || errno == ENOENT else {
        throw .storage("\(path) cannot be removed (errno \(errno))")
    }
}

/// Whether something is at a path.
func fileExists(_ path: String) -> Bool {
    // SAFETY: the string lives as a C string for the length of the call, and access(2) does not keep it.
    unsafe access(path, F_OK) == 0
}
