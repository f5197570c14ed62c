// identity.sqlite: which name stands behind which pseudonym. Kept apart from the log, so that a name can be forgotten.

package import Events
import FoundationEssentials
import GRDB
package import Log
import SQLite
import Synchronization

/// Names of devices and customers. Any thread; calls are serialised by the connection.
package final class IdentityStore: Sendable {
    let queue: DatabaseQueue?
    let readOnly: Bool
    /// About how many bytes of the write-ahead log are not in the file yet.
    private let written = Mutex(0)
    /// Seeds that were wanted lately, for those who seal and open.
    let knownSeeds = Mutex(SeedCache())
    /// The file's name within the data folder.
    package static let fileName = "identity.sqlite"
    /// The write-ahead log is copied into the file when it is larger than about this.
    private static let uncopiedBytes = 4 << 20
    /// "TIDI" and this release's format.
    private static let applicationID = 0x5449_4449
    private static let format = 1

    /// Opens or makes `path`. With `readOnly` a file that is not there gives a store without names.
    package init(path: String, readOnly: Bool) throws(LogError) {
        self.readOnly = readOnly
        if readOnly, FileAccess.look(at: path) == .missing {
            queue = nil
            return
        }
        var settings = Connection.Settings()
        settings.readOnly = readOnly
        settings.secureDelete = true
        settings.canDetach = true
        let queue = try Connection.open(path, settings)
        self.queue = queue
        try translating(path) {
            if !readOnly { try queue.write { db in try Self.makeTables(db) } }
            let format = try queue.read { db in try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0 }
            guard format == Self.format else { throw LogError.version("\(path) has format \(format)") }
        }
    }

    private static func makeTables(_ db: Database) throws {
        guard try Int.fetchOne(db, sql: "PRAGMA user_version") == 0 else {
            // A file of release 0.1.0, which sealed nothing.
            return try db.execute(
                sql: "CREATE TABLE IF NOT EXISTS product (id INTEGER PRIMARY KEY, key BLOB NOT NULL) STRICT")
        }
        try db.execute(
            sql: """
                CREATE TABLE device (
                    id INTEGER PRIMARY KEY, product INTEGER NOT NULL, name TEXT NOT NULL
                ) STRICT;
                CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL, key BLOB) STRICT;
                CREATE TABLE product (id INTEGER PRIMARY KEY, key BLOB NOT NULL) STRICT;
                PRAGMA application_id = \(applicationID);
                PRAGMA user_version = \(format);
                """)
    }

    /// Which log these names belong to; nil when that was never noted.
    package func logID() throws(LogError) -> [UInt8]? {
        guard let queue else { return nil }
        return try translating(queue.path) {
            try queue.read { db in
                guard try db.tableExists("log") else { return nil }
                return try Row.fetchOne(db, sql: "SELECT log_id FROM log WHERE id = 1")?.bytes(0)
            }
        }
    }

    /// The highest pseudonym of a device that has, or had, a name; 0 without names.
    package func lastDevice() throws(LogError) -> Int {
        guard let queue else { return 0 }
        let last = try translating(queue.path) {
            try queue.read { db in try Int.fetchOne(db, sql: "SELECT max(id) FROM device") ?? 0 }
        }
        return max(last, try reserved().device)
    }

    /// Notes which log these names belong to, and refuses another one's: its numbers mean other people.
    ///
    /// - Parameter isNew: the log has no segment yet; then these names become its own.
    package func bind(to log: [UInt8], isNew: Bool) throws(LogError) {
        guard let queue, !readOnly else { return }
        if let known = try logID() {
            if known == log { return }
            guard isNew else {
                throw .version(
                    "\(queue.path) has the names of another log; put the right one in its place, or move it away and "
                        + "go on without names")
            }
        }
        try translating(queue.path) {
            try queue.write { db in
                try db.execute(
                    sql: """
                        CREATE TABLE IF NOT EXISTS log (
                            id INTEGER PRIMARY KEY CHECK (id = 1), log_id BLOB NOT NULL
                        ) STRICT;
                        """)
                try db.execute(sql: "INSERT OR REPLACE INTO log VALUES (1, ?)", arguments: [Data(log)])
            }
        }
    }

    /// Commits names; durable on return. Numbers that have a name already keep it.
    package func record(_ definitions: Definitions) throws(LogError) {
        guard !definitions.devices.isEmpty || !definitions.customers.isEmpty || !definitions.productSeeds.isEmpty
        else { return }
        guard let queue, !readOnly else { throw .closed("the names were opened for reading only") }
        try translating(queue.path) {
            try queue.write { db in
                try db.insertRows(into: "device", columns: 3, onConflict: .ignore) { rows in
                    for device in definitions.devices {
                        rows.add(device.id.rawValue)
                        rows.add(device.product.rawValue)
                        rows.bytes += definitions.name(of: device)
                        rows.addText(from: rows.rowStart)
                        try rows.endRow()
                    }
                }
                try db.insertRows(into: "customer", columns: 3, onConflict: .ignore) { rows in
                    for customer in definitions.customers {
                        rows.add(customer.id.rawValue)
                        rows.bytes += definitions.name(of: customer)
                        rows.addText(from: rows.rowStart)
                        rows.add(customer.seed)
                        try rows.endRow()
                    }
                }
                try Self.insert(definitions.productSeeds, db)
            }
        }
        knownSeeds.withLock { $0.add(definitions) }
        checkpointIfDue(queue, names: definitions.devices.count + definitions.customers.count)
    }

    /// Copies the write-ahead log into the file now and then. A failure leaves the names durable where they are.
    private func checkpointIfDue(_ queue: DatabaseQueue, names: Int) {
        let isDue = written.withLock { written in
            written += names * 64 + 8_192
            guard written > Self.uncopiedBytes else { return false }
            written = 0
            return true
        }
        if isDue { try? Connection.checkpoint(queue, .passive) }
    }

    /// All names, in the order of their numbers.
    package func names() throws(LogError) -> Definitions {
        guard let queue else { return Definitions() }
        return try translating(queue.path) {
            try queue.read { db in
                var names = Definitions()
                let devices = try Row.fetchCursor(
                    db, sql: "SELECT id, product, CAST(name AS BLOB) FROM device ORDER BY id")
                while let row = try devices.next() {
                    names.add(
                        device: DeviceID(rawValue: UInt32(truncatingIfNeeded: try row.number(0))),
                        product: SymbolID(rawValue: UInt32(truncatingIfNeeded: try row.number(1))),
                        name: row.optionalBytes(2).span)
                }
                let customers = try Row.fetchCursor(db, sql: "SELECT id, CAST(name AS BLOB) FROM customer ORDER BY id")
                while let row = try customers.next() {
                    names.add(
                        customer: CustomerID(rawValue: UInt32(truncatingIfNeeded: try row.number(0))),
                        name: row.optionalBytes(1).span)
                }
                return names
            }
        }
    }

    /// Closes the file; the store is of no use afterwards.
    package func close() {
        guard let queue else { return }
        if !readOnly {
            try? Connection.checkpoint(queue, .truncate)
            _ = queue.makePlain(attempts: 10)
        }
        try? queue.close()
    }
}

extension DeviceBound {
    /// The devices that have names in a file; all that the format allows when there is no such file.
    package convenience init(namesIn path: String) {
        self.init {
            guard FileAccess.look(at: path) == .there,
                let store = try? IdentityStore(path: path, readOnly: true)
            else { return nil }
            defer { store.close() }
            return try? store.lastDevice()
        }
    }
}
