// How names leave identity.sqlite: overwritten, gone from its write-ahead log too, and their numbers taken for ever.

package import Events
import GRDB
package import Log
import SQLite
import Synchronization

extension IdentityStore {
    /// How long a reader of the file may hinder the emptying of its write-ahead log.
    private static let attempts = 100

    private static let tables = """
        CREATE TABLE IF NOT EXISTS erasing (
            kind INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (kind, id)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS erased (
            id INTEGER PRIMARY KEY CHECK (id = 1), lines INTEGER NOT NULL, last_customer INTEGER NOT NULL,
            last_device INTEGER NOT NULL
        ) STRICT;
        INSERT OR IGNORE INTO erased VALUES (1, 0, 0, 0);
        """

    /// See `ForgettingLog.deleteNames`.
    package func delete(_ pseudonyms: [Pseudonym], lines: Int) throws(LogError) {
        guard let queue, !readOnly else { throw .closed("the names were opened for reading only") }
        try translating(queue.path) {
            try queue.write { db in
                try db.execute(sql: Self.tables)
                // The highest numbers before anything is deleted: they must not be given out again.
                try db.execute(
                    sql: """
                        UPDATE erased SET lines = max(lines, ?),
                            last_customer = max(last_customer, (SELECT ifnull(max(id), 0) FROM customer), ?),
                            last_device = max(last_device, (SELECT ifnull(max(id), 0) FROM device), ?)
                        """,
                    arguments: [lines, Self.highest(.customer, pseudonyms), Self.highest(.device, pseudonyms)])
                for pseudonym in pseudonyms {
                    let table = "\(pseudonym.kind.name)"
                    try db.cachedStatement(sql: "DELETE FROM \(table) WHERE id = ?")
                        .execute(arguments: [pseudonym.number])
                    try db.cachedStatement(sql: "INSERT OR IGNORE INTO erasing VALUES (?, ?)")
                        .execute(arguments: [pseudonym.kind.rawValue, pseudonym.number])
                }
            }
        }
        forgetSeeds(pseudonyms)
        try emptyWriteAheadLog(queue)
    }

    private func forgetSeeds(_ pseudonyms: [Pseudonym]) {
        knownSeeds.withLock { known in
            for case .customer(let id) in pseudonyms { known.remove(.customer(id)) }
        }
    }

    private static func highest(_ kind: ErasureKind, _ pseudonyms: [Pseudonym]) -> UInt32 {
        pseudonyms.filter { $0.kind == kind }.map(\.number).max() ?? 0
    }

    /// What was written before is in the write-ahead log until that is emptied.
    private func emptyWriteAheadLog(_ queue: DatabaseQueue) throws(LogError) {
        var attempt = 0
        while true {
            do {
                return try Connection.checkpoint(queue, .truncate)
            } catch {
                attempt += 1
                guard attempt < Self.attempts else {
                    throw .io(
                        "the names are deleted, but \(queue.path)-wal still holds them, since somebody reads the file: "
                            + "\(error); end that, and forget again")
                }
                FileAccess.pause()
            }
        }
    }

    /// See `ForgettingLog.begunErasures`.
    package func begunErasures() throws(LogError) -> BegunErasures {
        guard let queue else { return BegunErasures() }
        return try translating(queue.path) {
            try queue.read { db in
                var begun = BegunErasures()
                guard try db.tableExists("erased") else { return begun }
                begun.lines = try Int.fetchOne(db, sql: "SELECT lines FROM erased") ?? 0
                for row in try Row.fetchAll(db, sql: "SELECT kind, id FROM erasing ORDER BY kind, id") {
                    guard let kind = ErasureKind(rawValue: UInt8(clamping: try row.number(0))) else { continue }
                    begun.unfinished.append(Pseudonym(kind, UInt32(clamping: try row.number(1))))
                }
                return begun
            }
        }
    }

    /// See `ForgettingLog.finishErasures`.
    package func finishErasures(_ pseudonyms: [Pseudonym]) throws(LogError) {
        guard let queue, !readOnly else { return }
        // Who read a text while the row was deleted may have noted its seed behind that.
        forgetSeeds(pseudonyms)
        try translating(queue.path) {
            try queue.write { db in
                for pseudonym in pseudonyms {
                    try db.cachedStatement(sql: "DELETE FROM erasing WHERE kind = ? AND id = ?")
                        .execute(arguments: [pseudonym.kind.rawValue, pseudonym.number])
                }
            }
        }
    }

    /// The highest numbers that are taken though their names may be gone.
    package func reserved() throws(LogError) -> (customer: Int, device: Int) {
        guard let queue else { return (0, 0) }
        return try translating(queue.path) {
            try queue.read { db in
                guard try db.tableExists("erased"),
                    let row = try Row.fetchOne(db, sql: "SELECT last_customer, last_device FROM erased")
                else { return (0, 0) }
                return (Int(try row.number(0)), Int(try row.number(1)))
            }
        }
    }

    /// The names that `isSought` says yes to.
    package func pseudonyms(where isSought: (StoredName) -> Bool) throws(LogError) -> [Pseudonym] {
        guard let queue else { return [] }
        return try translating(queue.path) {
            try queue.read { db in
                var found: [Pseudonym] = []
                let sql = """
                    SELECT 1, id, 0, CAST(name AS BLOB) FROM customer
                    UNION ALL SELECT 2, id, product, CAST(name AS BLOB) FROM device
                    """
                let rows = try Row.fetchCursor(db, sql: sql)
                while let row = try rows.next() {
                    guard let kind = ErasureKind(rawValue: UInt8(clamping: try row.number(0))) else { continue }
                    let pseudonym = Pseudonym(kind, UInt32(truncatingIfNeeded: try row.number(1)))
                    let product = SymbolID(rawValue: UInt32(truncatingIfNeeded: try row.number(2)))
                    let name = row.optionalBytes(3)
                    if isSought(StoredName(pseudonym, product: product, name: name)) { found.append(pseudonym) }
                }
                return found
            }
        }
    }
}
