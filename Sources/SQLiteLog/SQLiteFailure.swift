// SQLite's errors in the log's words, and a connection with the settings that the log's promises rest on.

import Events
import GRDB
import Log
import SQLite

/// Runs a body of SQLite calls and translates what it throws.
func translating<Result>(_ path: String, _ body: () throws -> Result) throws(LogError) -> Result {
    do {
        return try body()
    } catch let error as LogError {
        throw error
    } catch let error as DatabaseError {
        let cause = "\(path): \(error.message ?? "SQLite error") (\(error.extendedResultCode.rawValue))"
        switch error.resultCode {
        case .SQLITE_FULL: throw .full(cause)
        case .SQLITE_BUSY, .SQLITE_LOCKED: throw .locked(cause)
        // A schema that lacks what every file of ours has, and a file that ends too early, are damage too.
        case .SQLITE_CORRUPT, .SQLITE_NOTADB, .SQLITE_ERROR, .SQLITE_FORMAT:
            throw damage(path, "SQLite says: \(error.message ?? "error") (\(error.extendedResultCode.rawValue))")
        case .SQLITE_IOERR where error.extendedResultCode == .SQLITE_IOERR_SHORT_READ:
            throw damage(path, "the file ends too early")
        default: throw .io(cause)
        }
    } catch UnreadableFile.denied(let path) {
        throw .denied(path)
    } catch UnreadableFile.unsettled(let cause) {
        throw .unsettled(cause)
    } catch let error as MalformedRow {
        throw damage(path, "column \(error.column + 1) of a row is damaged")
    } catch {
        throw .io("\(path): \(error)")
    }
}

/// Damage whose place in the log the caller knows better.
private func damage(_ path: String, _ cause: String) -> LogError {
    .corrupt(segment: path, offsets: .zero..<(.zero), cause: cause)
}

/// Opens SQLite files.
enum Connection {
    /// What may differ between the files of a data folder.
    struct Settings {
        var readOnly = false
        /// WAL with `synchronous=FULL`; otherwise a rollback journal, as a sealed segment has.
        var isWAL = true
        var pageSize = 4_096
        /// Overwrite what is deleted (the identity store).
        var secureDelete = false
        /// Whether who reads the file at rest may be left with an old copy of it (the identity store).
        var canDetach = false
        /// The file may not grow beyond this; a test's way to a full disk.
        var maximumPages: Int?
    }

    /// A connection whose pragmas were read back. A file that does not take them is refused.
    static func open(_ path: String, _ settings: Settings) throws(LogError) -> DatabaseQueue {
        var configuration = Configuration()
        configuration.readonly = settings.readOnly
        configuration.foreignKeysEnabled = false
        // The writer meets only readers, who hinder a checkpoint; it does not wait long for them.
        configuration.busyMode = .timeout(settings.readOnly ? 5 : 0.25)
        configuration.label = "tidings.sqlite"
        configuration.prepareDatabase { db in
            if settings.readOnly {
                try expect(db, "mmap_size", "0")
            } else {
                try prepare(db, settings)
            }
        }
        return try translating(path) {
            if settings.readOnly {
                return try DatabaseQueue.openForReading(path, lock: lock(of: path), configuration: configuration)
            }
            FileAccess.prepare(path)
            return settings.canDetach
                ? try DatabaseQueue.openForWriting(path, configuration: configuration)
                : try DatabaseQueue(path: path, configuration: configuration)
        }
    }

    /// The lock of the data folder that a file belongs to: beside it, or above the folder of the segments.
    private static func lock(of path: String) -> String {
        let folder = FileAccess.folder(of: path)
        return path.hasSuffix(Segment.suffix) ? folder + "/../lock" : folder + "/lock"
    }

    private static func prepare(_ db: Database, _ settings: Settings) throws {
        try db.execute(sql: "PRAGMA page_size = \(settings.pageSize)")
        if settings.secureDelete { try expect(db, "secure_delete", "1") }
        let mode = settings.isWAL ? "wal" : "delete"
        let got = try String.fetchOne(db, sql: "PRAGMA journal_mode = \(mode)") ?? ""
        guard got == mode else { throw LogError.io("SQLite does not take journal_mode = \(mode), it stays \(got)") }
        try expect(db, "synchronous", "2")
        try expect(db, "wal_autocheckpoint", "0")
        try expect(db, "mmap_size", "0")
        try expect(db, "trusted_schema", "0")
        if let pages = settings.maximumPages {
            _ = try String.fetchOne(db, sql: "PRAGMA max_page_count = \(pages)")
        }
    }

    /// Sets a pragma and reads it back.
    private static func expect(_ db: Database, _ name: String, _ value: String) throws {
        _ = try Row.fetchAll(db, sql: "PRAGMA \(name) = \(value)")
        let got = try Row.fetchOne(db, sql: "PRAGMA \(name)")
        let found = got?.databaseValues.first ?? .null
        let number = Int.fromDatabaseValue(found).map { "\($0)" }
        // A SQLite that was built without memory mapping has no mmap_size.
        guard number == value || (name == "mmap_size" && got == nil) else {
            throw LogError.io("SQLite does not take \(name) = \(value)")
        }
    }

    /// Copies the write-ahead log into the file, and says what stands in the way if that does not work.
    static func checkpoint(_ queue: DatabaseQueue, _ mode: Database.CheckpointMode) throws(LogError) {
        try translating(queue.path) {
            _ = try queue.writeWithoutTransaction { db in try db.checkpoint(mode) }
        }
    }
}
