// access.sqlite: which devices have keys, and who has tokens. No secret is in it: keys are derived from the master key,
// of tokens there is a digest.

package import Admission
import GRDB
import Log
import SQLite

/// The keys and tokens of a data folder. Several programs may have the file open, a running daemon among them. Any
/// thread; calls are serialised by the connection.
package final class AccessStore: Sendable {
    let queue: DatabaseQueue?
    /// The file's name within the data folder.
    package static let fileName = "access.sqlite"
    /// "TIDA" and this release's format.
    private static let applicationID = 0x5449_4441
    private static let format = 1

    /// Opens `path`. With `readOnly` a file that is not there gives a store without keys; else it is made.
    package init(path: String, readOnly: Bool) throws(AccessError) {
        let presence = FileAccess.look(at: path)
        if presence == .denied { throw .storage(.denied(path)) }
        if readOnly, presence == .missing {
            queue = nil
            return
        }
        var settings = Connection.Settings()
        settings.readOnly = readOnly
        settings.secureDelete = true
        settings.busySeconds = AccessLimits.busySeconds
        queue = try storing { () throws(LogError) -> DatabaseQueue in
            let queue = try Connection.open(path, settings)
            try translating(path) {
                if !readOnly { try queue.write { db in try Self.makeTables(db) } }
                let format = try queue.read { db in try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0 }
                guard format == Self.format else { throw LogError.version("\(path) has format \(format)") }
            }
            return queue
        }
    }

    private static func makeTables(_ db: Database) throws {
        guard try Int.fetchOne(db, sql: "PRAGMA user_version") == 0 else { return }
        try db.execute(
            sql: """
                CREATE TABLE device_key (
                    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL CHECK (kind IN ('device', 'gateway')),
                    product TEXT NOT NULL, name TEXT NOT NULL, generation INTEGER NOT NULL DEFAULT 0,
                    created INTEGER NOT NULL, revoked INTEGER, note TEXT NOT NULL DEFAULT '',
                    UNIQUE (kind, product, name)
                ) STRICT;
                CREATE TABLE token (
                    id INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB NOT NULL UNIQUE, label TEXT NOT NULL,
                    roles INTEGER NOT NULL, products TEXT, created INTEGER NOT NULL, expires INTEGER,
                    last_used INTEGER, revoked INTEGER
                ) STRICT;
                CREATE TABLE change (id INTEGER PRIMARY KEY CHECK (id = 1), number INTEGER NOT NULL) STRICT;
                INSERT INTO change VALUES (1, 0);
                PRAGMA application_id = \(applicationID);
                PRAGMA user_version = \(format);
                """)
        // Whoever changes who may do what counts it, whatever the program: by that a daemon knows that it must look.
        for (table, columns) in [
            ("device_key", "kind, product, name, generation, revoked"),
            ("token", "digest, roles, products, expires, revoked"),
        ] {
            for event in ["INSERT", "DELETE", "UPDATE OF \(columns)"] {
                try db.execute(
                    sql: """
                        CREATE TRIGGER \(table)_\(event.prefix(6).lowercased()) AFTER \(event) ON \(table)
                        BEGIN UPDATE change SET number = number + 1; END
                        """)
            }
        }
    }

    /// What a running daemon goes by, read at one moment.
    package struct Contents: Sendable {
        /// Counts the changes of the file.
        package var change: Int64 = 0
        package var keys = KeyTable()
        /// Those that are not revoked.
        package var tokens: [TokenEntry] = []
        /// Keys that are not revoked.
        package var keysInForce = 0

        package init() {}
    }

    /// - Parameter known: the change that is known already; then nothing else is read.
    /// - Returns: nil when nothing has changed since.
    package func contents(unless known: Int64? = nil) throws(AccessError) -> Contents? {
        guard let queue else { return known == 0 ? nil : Contents() }
        return try reading(queue) { db in
            var contents = Contents()
            contents.change = try Int64.fetchOne(db, sql: "SELECT number FROM change") ?? 0
            if contents.change == known { return nil }
            let rows = try Row.fetchCursor(
                db, sql: "SELECT \(Self.keyColumns) FROM device_key ORDER BY id LIMIT \(AccessLimits.deviceKeys)")
            while let row = try rows.next() {
                let key = try StoredKey(row)
                contents.keys.append(key.entry)
                if key.revoked == nil { contents.keysInForce += 1 }
            }
            contents.tokens = try Self.tokens(db, where: "revoked IS NULL").map(\.entry)
            return contents
        }
    }

    /// How many keys there are that are not revoked.
    package func keysInForce() throws(AccessError) -> Int {
        guard let queue else { return 0 }
        return try reading(queue) { db in
            try Int.fetchOne(db, sql: "SELECT count(*) FROM device_key WHERE revoked IS NULL") ?? 0
        }
    }

    func reading<Value>(_ queue: DatabaseQueue, _ body: (Database) throws -> Value) throws(AccessError) -> Value {
        try storing { () throws(LogError) in
            try translating(queue.path) { try queue.read { db in try outcome { try body(db) } } }
        }.get()
    }

    /// Changes the file; what was changed is durable on return, and nothing is changed when it throws.
    func writing<Value>(_ body: (Database) throws -> Value) throws(AccessError) -> Value {
        guard let queue else { throw .storage(.closed("the keys were opened for reading only")) }
        return try storing { () throws(LogError) in
            try translating(queue.path) {
                try queue.writeWithoutTransaction { db in
                    var done: Result<Value, AccessError> = .failure(.refused("nothing was done"))
                    // The lock for writing is taken at once: what is looked at must still be so when it is changed.
                    try db.inTransaction(.immediate) {
                        done = try outcome { try body(db) }
                        if case .success = done { return .commit }
                        return .rollback
                    }
                    return done
                }
            }
        }.get()
    }

    /// Closes the file; the store is of no use afterwards.
    package func close() {
        guard let queue else { return }
        if !queue.configuration.readonly { try? Connection.checkpoint(queue, .passive) }
        try? queue.close()
    }
}

/// What a body has come to; errors of the file are thrown on.
private func outcome<Value>(_ body: () throws -> Value) throws -> Result<Value, AccessError> {
    do { return .success(try body()) } catch let error as AccessError { return .failure(error) }
}
