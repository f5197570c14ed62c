// SQLite files at rest: plain ones, that can be read where nothing can be written.

package import GRDB

/// Why a file cannot be read, in words for people; one line.
package enum UnreadableFile: Error, Equatable, Sendable {
    /// This process may not read it: the path.
    case denied(String)
    /// It was not closed, and the folder cannot be written: the cause and the remedy.
    case notClosed(String)

    /// Of a file beside which one with this suffix holds back what was written last.
    static func holdingBack(_ path: String, _ suffix: String) -> UnreadableFile {
        if suffix == "-journal" {
            return .notClosed(
                "\(path) was not closed, its writer died while it changed it; start the daemon on it once")
        }
        return .notClosed(
            "\(path) was not closed, its last commits are in the file \(suffix) beside it, and nothing can be written "
                + "there; start the daemon on the folder once, or copy all of it to where it can be written")
    }
}

extension DatabaseQueue {
    /// Opens a file for reading, also from a folder in which nothing can be written.
    ///
    /// There, SQLite cannot read a file in WAL mode that has no `-shm` file, as releases before this one left it. While
    /// nobody writes, and no other file holds commits that are not in this one, the file alone says everything.
    /// - Parameter lock: the lock that the writer of the file holds.
    /// - Throws: `UnreadableFile`, `DatabaseError`.
    package static func openForReading(
        _ path: String, lock: String, configuration: Configuration
    ) throws -> DatabaseQueue {
        var configuration = configuration
        configuration.readonly = true
        do {
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            do {
                try queue.read { db in _ = try Int.fetchOne(db, sql: "PRAGMA schema_version") }
            } catch let error as DatabaseError where isAboutAccess(error) {
                try? queue.close()
                throw error
            } catch {
                // Damage is found, and said, when the rows are read.
            }
            return queue
        } catch let error as DatabaseError where isAboutAccess(error) {
            if FileAccess.look(at: path) == .denied { throw UnreadableFile.denied(path) }
            for suffix in ["-wal", "-journal"] where FileAccess.isFilled(path + suffix) {
                throw UnreadableFile.holdingBack(path, suffix)
            }
            guard FileAccess.look(at: path) == .there, FileAccess.isUnlocked(lock) else { throw error }
            return try DatabaseQueue(path: immutable(path), configuration: configuration)
        }
    }

    /// Opens a file for writing that may be at rest. A reader that has had it open since then keeps the file as it was,
    /// and does not hinder the writer: the writer gets a copy.
    ///
    /// - Parameter setUp: what must be possible at once; it fails when a reader hinders it.
    package static func openForWriting(
        _ path: String, configuration: Configuration, setUp: (Database) throws -> Void = { _ in }
    ) throws -> DatabaseQueue {
        do {
            return try DatabaseQueue(path: path, configuration: configuration, setUp)
        } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
            guard FileAccess.isPlain(path), !FileAccess.isFilled(path + "-journal"), FileAccess.detach(path) else {
                throw error
            }
            return try DatabaseQueue(path: path, configuration: configuration, setUp)
        }
    }

    private convenience init(
        path: String, configuration: Configuration, _ setUp: (Database) throws -> Void
    ) throws {
        try self.init(path: path, configuration: configuration)
        do { try writeWithoutTransaction(setUp) } catch {
            try? close()
            throw error
        }
    }

    private static func isAboutAccess(_ error: DatabaseError) -> Bool {
        [.SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM].contains(error.resultCode)
    }

    /// The address of a file that does not change while it is open.
    private static func immutable(_ path: String) -> String {
        var address = "file:"
        for byte in path.utf8 {
            let isPlain =
                UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
                || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || "/._-".utf8.contains(byte)
            if isPlain {
                address.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                address += "%" + String(UInt16(byte) + 0x100, radix: 16).dropFirst()
            }
        }
        return address + "?immutable=1"
    }

    /// Takes the write-ahead log into the file and puts it away, so that the file can be read where nothing can be
    /// written.
    ///
    /// - Returns: false when somebody reads the file at this moment; it is complete all the same.
    package func makePlain(attempts: Int = 1) -> Bool {
        for attempt in 0..<attempts {
            if attempt > 0 { FileAccess.pause() }
            let mode = try? writeWithoutTransaction { db in try String.fetchOne(db, sql: "PRAGMA journal_mode = DELETE")
            }
            if mode == "delete" { return true }
        }
        return false
    }
}
