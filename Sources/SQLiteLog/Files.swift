// The only file of this room that calls C: folders, locks and permissions of the data folder.

import Log
import SQLite

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A lock on a data folder, held as long as this lives or until `release`. The system lifts it when the process dies.
final class FolderLock: Sendable {
    private let descriptor: Int32

    /// Takes the lock `path`, a file; throws `LogError.locked` at once when another process has it.
    init(_ path: String) throws(LogError) {
        // SAFETY: open copies the path; a String passes as NUL-terminated bytes for the call.
        descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, mode_t(FileAccess.fileMode))
        guard descriptor >= 0 else { throw .io("\(path): \(Files.reason())") }
        var attempts = 0
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            let cause = errno
            attempts += 1
            // A reader that looks whether somebody writes holds the lock for a moment.
            if cause == EWOULDBLOCK, attempts < 5 {
                usleep(20_000)
                continue
            }
            close(descriptor)
            if cause == EWOULDBLOCK { throw .locked("another process holds \(path)") }
            throw .io("\(path): \(Files.reason(cause))")
        }
    }

    deinit { close(descriptor) }
}

enum Files {
    /// The system's words for an error number.
    static func reason(_ number: Int32 = errno) -> String {
        // SAFETY: strerror returns a NUL-terminated string, copied at once.
        unsafe String(cString: strerror(number))
    }

    /// Makes a folder, and those above it, if it is not there.
    static func makeFolder(_ path: String) throws(LogError) {
        if isThere(path) { return }
        if let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try makeFolder(String(path[..<slash]))
        }
        // SAFETY: as in FolderLock.
        // Whoever may not look into the folder above does not see that it is there.
        if unsafe mkdir(path, mode_t(FileAccess.folderMode)) != 0, errno != EEXIST {
            throw errno == EACCES ? .denied(path) : .io("\(path): \(reason())")
        }
        try syncFolder(FileAccess.folder(of: path))
    }

    static func isThere(_ path: String) -> Bool { FileAccess.isThere(path) }

    /// Makes sure that something is at a path that may be read.
    static func expect(_ path: String, _ remark: String = "") throws(LogError) {
        switch FileAccess.look(at: path) {
        case .there: break
        case .denied: throw .denied(path)
        case .missing: throw .io("\(path) is not there\(remark)")
        }
    }

    /// The names in a folder, sorted.
    static func list(_ path: String) throws(LogError) -> [String] {
        // SAFETY: the stream is closed once, below; an entry is copied before the next is read.
        guard let stream = unsafe opendir(path) else {
            throw errno == EACCES ? .denied(path) : .io("\(path): \(reason())")
        }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            names.append(name)
        }
        unsafe _ = closedir(stream)
        return names.sorted()
    }

    /// The size of a file in bytes; 0 when it is not there.
    static func size(_ path: String) -> Int {
        var info = stat()
        // SAFETY: as in FolderLock; stat fills `info`.
        return unsafe stat(path, &info) == 0 ? Int(info.st_size) : 0
    }

    /// Some bytes of a file; nil when they cannot be read, or the file ends before.
    static func bytes(of path: String, at offset: Int, count: Int) -> [UInt8]? {
        // SAFETY: as in FolderLock; the descriptor is closed once, and only what was read is kept.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: count)
        let got = unsafe bytes.withUnsafeMutableBytes {
            unsafe pread(descriptor, $0.baseAddress, $0.count, off_t(offset))
        }
        return got == count ? bytes : nil
    }

    static func makeReadOnly(_ path: String) {
        // SAFETY: as in FolderLock. Failing to protect a sealed file harms nothing.
        unsafe _ = chmod(path, mode_t(FileAccess.sealedMode))
    }

    static func makeWritable(_ path: String) {
        // SAFETY: as in FolderLock. If it fails, opening the file says so.
        unsafe _ = chmod(path, mode_t(FileAccess.fileMode))
    }

    /// What tells a file from any other that may come to stand under its name; 0 when there is none.
    static func number(_ path: String) -> UInt64 {
        var info = stat()
        // SAFETY: as in FolderLock; stat fills `info`.
        return unsafe stat(path, &info) == 0 ? UInt64(info.st_ino) : 0
    }

    /// Removes a file; who must know whether it is gone looks.
    static func remove(_ path: String) { try? FileAccess.remove(path) }

    /// Removes an empty folder, if it is there.
    static func removeFolder(_ path: String) {
        // SAFETY: as in FolderLock.
        unsafe _ = rmdir(path)
    }

    static func rename(_ old: String, to new: String) throws(LogError) {
        do { try FileAccess.rename(old, to: new) } catch { throw .io("\(error.path): \(reason(error.number))") }
    }

    /// Copies a file that nobody writes; the copy is on disk when this returns.
    ///
    /// - Parameter progress: called with the bytes copied since it was called last.
    static func copy(_ old: String, to new: String, progress: (Int) -> Void = { _ in }) throws(LogError) {
        do { try FileAccess.copy(old, to: new, progress: progress) } catch { throw LogError(error) }
    }

    /// Whether two files have the same bytes.
    static func isSame(_ one: String, _ other: String) -> Bool {
        guard size(one) == size(other) else { return false }
        // SAFETY: as in FolderLock; each descriptor is closed once, and a buffer is not read beyond what was filled.
        let first = unsafe open(one, O_RDONLY | O_CLOEXEC)
        let second = unsafe open(other, O_RDONLY | O_CLOEXEC)
        defer { for descriptor in [first, second] where descriptor >= 0 { close(descriptor) } }
        guard first >= 0, second >= 0 else { return false }
        var buffers = [[UInt8](repeating: 0, count: 1 << 20), [UInt8](repeating: 0, count: 1 << 20)]
        while true {
            let count = unsafe buffers[0].withUnsafeMutableBytes { unsafe read(first, $0.baseAddress, $0.count) }
            let same = unsafe buffers[1].withUnsafeMutableBytes { unsafe read(second, $0.baseAddress, $0.count) }
            guard count >= 0, count == same, buffers[0][..<count] == buffers[1][..<count] else { return false }
            if count == 0 { return true }
        }
    }

    /// Makes the names in a folder durable.
    static func syncFolder(_ path: String) throws(LogError) {
        do { try FileAccess.syncFolder(path) } catch { throw LogError(error) }
    }
}

extension LogError {
    fileprivate init(_ failure: FileAccess.Failure) {
        self =
            failure.number == ENOSPC
            ? .full(failure.path) : .io("\(failure.path): \(Files.reason(failure.number))")
    }
}
