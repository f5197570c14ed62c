// Connections to SQLite files, with the settings that the promises of a data folder rest on.

package import GRDB
package import Log

/// Opens SQLite files.
package enum Connection {
    /// What may differ between the files of a data folder.
    package struct Settings {
        package var readOnly = false
        /// For reading: the lock that the writer of the file holds; nil stands for the file `lock` beside it.
        package var lock: String?
        /// WAL with `synchronous=FULL`; otherwise a rollback journal, as a sealed segment has.
        package var isWAL = true
        package var pageSize = 4_096
        /// Overwrite what is deleted (the identity store).
        package var secureDelete = false
        /// Whether a reader of the file at rest may be left with an old copy of it (the identity store).
        package var canDetach = false
        /// How long a writer waits for others, seconds; nil for a file that has one writer alone.
        package var busySeconds: Double?
        /// The file may not grow beyond this; a test's way to a full disk.
        package var maximumPages: Int?

        package init() {}
    }

    /// A connection whose pragmas were read back. A file that does not take them is refused.
    package static func open(_ path: String, _ settings: Settings) throws(LogError) -> DatabaseQueue {
        var configuration = Configuration()
        configuration.readonly = settings.readOnly
        configuration.foreignKeysEnabled = false
        // The writer meets only readers, who hinder a checkpoint; it does not wait long for them.
        configuration.busyMode = .timeout(settings.busySeconds ?? (settings.readOnly ? 5 : 0.25))
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
                let lock = settings.lock ?? FileAccess.folder(of: path) + "/lock"
                return try DatabaseQueue.openForReading(path, lock: lock, configuration: configuration)
            }
            FileAccess.prepare(path)
            return settings.canDetach
                ? try DatabaseQueue.openForWriting(path, configuration: configuration)
                : try DatabaseQueue(path: path, configuration: configuration)
        }
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
    package static func checkpoint(_ queue: DatabaseQueue, _ mode: Database.CheckpointMode) throws(LogError) {
        try translating(queue.path) {
            _ = try queue.writeWithoutTransaction { db in try db.checkpoint(mode) }
        }
    }
}
