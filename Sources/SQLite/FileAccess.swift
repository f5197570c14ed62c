// The files of a data folder: who may read them (their owner, and one group the summaries), and changing them durably.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Permissions of the folders and files that hold events and names. Any thread.
package enum FileAccess {
    /// What a path may be to this process.
    package enum Presence: Sendable { case there, missing, denied }

    /// What was put right, and what could not be.
    package struct Report: Sendable, Equatable {
        /// Files and folders that were open to others than they are to be.
        package var narrowed = 0
        /// One line for each thing that the system did not allow.
        package var refused: [String] = []

        package init() {}
    }

    package static let folderMode: UInt32 = 0o700
    package static let fileMode: UInt32 = 0o600
    /// A file that never changes again.
    package static let sealedMode: UInt32 = 0o400
    /// What a group may read.
    package static let sharedFolderMode: UInt32 = 0o750
    package static let sharedFileMode: UInt32 = 0o640

    /// The number of the group with this name; nil when the system knows none.
    package static func groupNumber(of name: String) -> UInt32? {
        var record = unsafe group()
        var found: UnsafeMutablePointer<group>?
        var buffer = [CChar](repeating: 0, count: 16_384)
        // SAFETY: the call fills the record and what it points at, both of which outlive it; only the number is kept.
        let status = unsafe buffer.withUnsafeMutableBufferPointer {
            unsafe getgrnam_r(name, &record, $0.baseAddress, $0.count, &found)
        }
        return unsafe status == 0 && found != nil ? UInt32(record.gr_gid) : nil
    }

    /// The folder that a file is in.
    package static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Whether something is at a path, as far as this process may know.
    package static func look(at path: String) -> Presence {
        // SAFETY: access copies the path; a String passes as NUL-terminated bytes for the call. So below.
        if unsafe access(path, R_OK) == 0 { return .there }
        return errno == EACCES || errno == EPERM ? .denied : .missing
    }

    /// Makes an empty file for SQLite to fill, if none is there: it never has wider permissions, whatever the umask.
    package static func prepare(_ path: String, mode: UInt32 = fileMode, group: UInt32? = nil) {
        // What SQLite calls a database that is in no file.
        if path == ":memory:" { return }
        // SAFETY: as above; the descriptor is closed once. If it fails, opening the file says so.
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(mode))
        guard descriptor >= 0 else { return }
        fchmod(descriptor, mode_t(mode))
        if let group { _ = fchown(descriptor, uid_t.max, gid_t(group)) }
        close(descriptor)
    }

    /// Gives a file the permissions and the group of another one, as far as the system allows.
    package static func inherit(from model: String, to path: String) {
        var info = stat()
        // SAFETY: as above; stat fills `info`.
        guard unsafe stat(model, &info) == 0 else { return }
        unsafe _ = chown(path, uid_t.max, info.st_gid)
        unsafe _ = chmod(path, info.st_mode & 0o777)
    }

    /// Takes from a path what only its owner may have, and lets `group` read it if there is one.
    ///
    /// - Parameters:
    ///   - most: the owner's bits that may stay, and those that the group gets.
    ///   - isFolderOfOthersLeft: whether a folder that is not this user's own, or that everybody may write (such as
    ///     a folder for temporary files), is left as it is.
    package static func set(
        _ path: String, most: UInt32, group: UInt32? = nil, isFolderOfOthersLeft: Bool = false,
        report: inout Report
    ) {
        var info = stat()
        // SAFETY: as above; stat fills `info`.
        guard unsafe stat(path, &info) == 0 else { return }
        let mode = UInt32(info.st_mode) & 0o7777
        if isFolderOfOthersLeft, info.st_uid != geteuid() || mode & 0o1000 != 0 {
            if mode & 0o077 & ~most != 0 {
                report.refused.append("\(path) is not this user's own folder, and others may look into it")
            }
            return
        }
        // The group first: what it may read must not be readable for the group before it.
        if let group, UInt32(info.st_gid) != group, unsafe chown(path, uid_t.max, gid_t(group)) != 0 {
            report.refused.append("\(path) cannot be given to the group: \(reason())")
            return
        }
        let wanted = mode & 0o700 & most | most & 0o070
        guard wanted != mode & 0o777 else { return }
        if unsafe chmod(path, mode_t(wanted)) != 0 {
            report.refused.append("\(path): \(reason())")
        } else if mode & 0o777 & ~wanted != 0 {
            report.narrowed += 1
        }
    }

    /// Whether a file's owner may write it: one that is sealed never changes again.
    package static func isSealed(_ path: String) -> Bool {
        var info = stat()
        // SAFETY: as above; stat fills `info`.
        return unsafe stat(path, &info) == 0 && info.st_mode & 0o200 == 0
    }

    /// What the system did not allow, and of which path.
    package struct Failure: Error, Equatable {
        package var path: String
        /// The error's number, as in errno(3).
        package var number: Int32

        fileprivate init(_ path: String) { (self.path, number) = (path, errno) }
    }

    /// What tells a file from the one that stood under its name before, and changes whenever it is written or its
    /// permissions are.
    package struct Stamp: Sendable, Hashable {
        package var number: UInt64
        package var bytes: Int64
        /// Of its last change, seconds since 1970.
        package var seconds: Int64
        package var nanoseconds: Int64
    }

    /// The stamp of what a path leads to; nil when it leads nowhere.
    package static func stamp(_ path: String) -> Stamp? {
        var info = stat()
        // SAFETY: as above; stat fills `info`.
        guard unsafe stat(path, &info) == 0 else { return nil }
        #if canImport(Darwin)
            let changed = info.st_ctimespec
        #else
            let changed = info.st_ctim
        #endif
        return Stamp(
            number: UInt64(info.st_ino), bytes: Int64(info.st_size), seconds: Int64(changed.tv_sec),
            nanoseconds: Int64(changed.tv_nsec))
    }

    /// Whether something is at a path, readable or not.
    package static func isThere(_ path: String) -> Bool {
        // SAFETY: as above.
        unsafe access(path, F_OK) == 0
    }

    /// Replaces a file by another one in one step: a reader that has the old one open keeps it.
    package static func rename(_ old: String, to new: String) throws(Failure) {
        guard moveFile(old, new) == 0 else { throw Failure(new) }
    }

    /// Removes a file if it is there.
    package static func remove(_ path: String) throws(Failure) {
        // SAFETY: as above.
        guard unsafe unlink(path) == 0 || errno == ENOENT else { throw Failure(path) }
    }

    /// Copies a file that nobody writes; the copy is on disk when this returns, its name perhaps not yet.
    ///
    /// - Parameter progress: called with the bytes copied since it was called last.
    package static func copy(
        _ old: String, to new: String, progress: (Int) -> Void = { _ in }
    ) throws(Failure) {
        // SAFETY: as above; each descriptor is closed once, and a buffer is not read beyond what was filled.
        let source = unsafe open(old, O_RDONLY | O_CLOEXEC)
        guard source >= 0 else { throw Failure(old) }
        defer { close(source) }
        let target = unsafe open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode_t(fileMode))
        guard target >= 0 else { throw Failure(new) }
        defer { close(target) }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(source, $0.baseAddress, $0.count) }
            guard count >= 0 else { throw Failure(old) }
            if count == 0 { break }
            var written = 0
            while written < count {
                let done = unsafe buffer.withUnsafeBytes {
                    unsafe write(target, $0.baseAddress?.advanced(by: written), count - written)
                }
                guard done > 0 else { throw Failure(new) }
                written += done
            }
            progress(count)
        }
        guard fsync(target) == 0 else { throw Failure(new) }
    }

    /// Makes the names in a folder durable: only this makes a new name survive a power cut.
    package static func syncFolder(_ path: String) throws(Failure) {
        // SAFETY: as above; the descriptor is closed once.
        let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw Failure(path) }
    }

    /// Replaces a file by a copy of it: a reader of the old one keeps that, and hinders nobody.
    ///
    /// - Returns: whether that was done; then it is durable.
    package static func detach(_ path: String) -> Bool {
        let draft = path + ".partial"
        do throws(Failure) {
            try copy(path, to: draft)
            inherit(from: path, to: draft)
            try rename(draft, to: path)
            try syncFolder(folder(of: path))
            return true
        } catch {
            try? remove(draft)
            return false
        }
    }

    /// Whether an SQLite file is in the mode without a write-ahead log, as a file at rest is.
    package static func isPlain(_ path: String) -> Bool {
        // SAFETY: as above; the descriptor is closed once, and what was not read is not looked at.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        // The version that a reader must have: byte 19 of the header.
        var version: UInt8 = 0
        return unsafe pread(descriptor, &version, 1, 19) == 1 && version == 1
    }

    /// Whether a write-ahead log has something in it.
    package static func isFilled(_ path: String) -> Bool {
        var info = stat()
        // SAFETY: as above; stat fills `info`.
        return unsafe stat(path, &info) == 0 && info.st_size > 0
    }

    /// Whether nobody holds the lock of a data folder, as far as this process may know.
    package static func isUnlocked(_ lock: String) -> Bool {
        // SAFETY: as above; the descriptor is closed once, which lifts the lock.
        let descriptor = unsafe open(lock, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return errno == ENOENT }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_SH | LOCK_NB) == 0
    }

    /// Waits a little for somebody who reads a file.
    package static func pause() { usleep(20_000) }

    private static func reason() -> String {
        // SAFETY: strerror returns a NUL-terminated string, copied at once.
        unsafe String(cString: strerror(errno))
    }
}

/// The C function, whose name `FileAccess.rename` hides.
private func moveFile(_ old: String, _ new: String) -> Int32 {
    // SAFETY: both strings live as C strings for the length of the call, and rename(2) keeps neither.
    unsafe rename(old, new)
}
