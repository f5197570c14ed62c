// A segment: one SQLite file of the log, named by the offset of its first event.

import Events
import FoundationEssentials
import GRDB
import Log
import SQLite

/// The names and the layout of segment files.
enum Segment {
    static let suffix = ".tidings"
    /// "TIDL".
    static let applicationID = 0x5449_444c
    static let codecZlib = 1

    static func file(_ first: Offset) -> String {
        let digits = String(first.rawValue)
        return String(repeating: "0", count: 20 - digits.utf8.count) + digits + suffix
    }

    /// The first offset that a file name says; nil for other files.
    static func offset(ofFile name: String) -> Offset? {
        guard name.hasSuffix(suffix), name.utf8.count == 20 + suffix.utf8.count else { return nil }
        return UInt64(name.dropLast(suffix.utf8.count)).map { Offset(rawValue: $0) }
    }

    /// What stands in the row of table `segment`.
    struct Header {
        var logID: [UInt8]
        var firstOffset: Offset
        /// The arrival of the first event.
        var created: Int64
        var previousChain: Chain
        var format = BlockFormat.newest
    }

    /// Makes a whole new file, durably, under its final name, and opens it in WAL mode.
    static func create(_ folder: String, _ header: Header, _ settings: Connection.Settings)
        throws(LogError) -> DatabaseQueue
    {
        let path = folder + "/" + file(header.firstOffset)
        let draft = path + ".new"
        removeFiles(draft)
        var plain = settings
        plain.isWAL = false
        let queue = try Connection.open(draft, plain)
        do {
            try translating(draft) {
                try queue.write { db in try makeTables(db, header) }
                try queue.close()
            }
            try Files.rename(draft, to: path)
            try Files.syncFolder(folder)
        } catch {
            try? queue.close()
            removeFiles(draft)
            throw error
        }
        return try Connection.open(path, settings)
    }

    /// Undoes what a process that died had begun in a rollback journal, as when it was about to change a segment's
    /// mode. Only a writer can do this; readers refuse such a file. The segment ends as a plain file: one that was
    /// being sealed is sealed, one that was new and empty goes on as such.
    static func undoJournals(_ folder: String, _ settings: Connection.Settings) throws(LogError) {
        let journal = "-journal"
        for name in try Files.list(folder) where name.hasSuffix(suffix + journal) {
            let path = folder + "/" + name.dropLast(journal.utf8.count)
            guard Files.isThere(path) else { continue }
            Files.makeWritable(path)
            var plain = settings
            plain.isWAL = false
            do throws(LogError) {
                let queue = try Connection.open(path, plain)
                try translating(path) { try queue.close() }
            } catch .corrupt {
                // It is passed over, and named, when the segment is read.
            }
        }
    }

    static func removeFiles(_ path: String) {
        for name in ["", "-journal", "-wal", "-shm"] where Files.isThere(path + name) { Files.remove(path + name) }
    }

    private static func makeTables(_ db: Database, _ header: Header) throws {
        try db.execute(
            sql: """
                CREATE TABLE segment (
                    id INTEGER PRIMARY KEY CHECK (id = 1), format INTEGER NOT NULL, log_id BLOB NOT NULL,
                    first_offset INTEGER NOT NULL, created_ms INTEGER NOT NULL, previous_chain BLOB NOT NULL,
                    node TEXT
                ) STRICT;
                CREATE TABLE symbol (
                    kind INTEGER NOT NULL, id INTEGER NOT NULL, first_offset INTEGER NOT NULL, text TEXT NOT NULL,
                    UNIQUE (kind, id)
                ) STRICT;
                CREATE INDEX symbol_by_offset ON symbol (first_offset);
                CREATE TABLE block (
                    first_offset INTEGER PRIMARY KEY, count INTEGER NOT NULL,
                    time_min INTEGER NOT NULL, time_max INTEGER NOT NULL,
                    arrival_min INTEGER NOT NULL, arrival_max INTEGER NOT NULL,
                    codec INTEGER NOT NULL, raw_size INTEGER NOT NULL, crc32 INTEGER NOT NULL,
                    chain BLOB NOT NULL, body BLOB NOT NULL,
                    text_size INTEGER, text_crc32 INTEGER, text_sha256 BLOB,
                    relay_seq INTEGER, writer BLOB, writer_number INTEGER,
                    text BLOB
                ) STRICT;
                CREATE TABLE keyframe (
                    offset INTEGER PRIMARY KEY, codec INTEGER NOT NULL, raw_size INTEGER NOT NULL,
                    crc32 INTEGER NOT NULL, body BLOB NOT NULL
                ) STRICT;
                """)
        for table in ["segment", "symbol", "block", "keyframe"] {
            for verb in ["UPDATE", "DELETE"] {
                try db.execute(
                    sql: """
                        CREATE TRIGGER \(table)_no_\(verb.lowercased()) BEFORE \(verb) ON \(table)
                        BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END
                        """)
            }
        }
        try db.execute(
            sql: "INSERT INTO segment VALUES (1, ?, ?, ?, ?, ?, NULL)",
            arguments: [
                BlockFormat.newest.rawValue, Data(header.logID), Int64(header.firstOffset.rawValue), header.created,
                Data(header.previousChain.bytes),
            ])
        try db.execute(
            sql: "PRAGMA application_id = \(applicationID); PRAGMA user_version = \(BlockFormat.newest.rawValue)")
    }

    /// The header, after checking that the file is a segment of a format that this release reads.
    static func header(_ db: Database, _ file: String) throws -> Header {
        let id = try Int.fetchOne(db, sql: "PRAGMA application_id")
        let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        // The format stands in the file twice: where the two differ, bits have changed.
        let stated = (try? Int.fetchOne(db, sql: "SELECT format FROM segment WHERE id = 1")) ?? nil
        guard id == applicationID, let format = BlockFormat(rawValue: version) else {
            guard stated.flatMap(BlockFormat.init(rawValue:)) == nil else { throw MalformedRow(column: 1) }
            throw LogError.version(
                id == applicationID ? "\(file) has format \(version)" : "\(file) is not a segment of a log")
        }
        guard stated == version else { throw MalformedRow(column: 1) }
        guard
            let row = try Row.fetchOne(
                db, sql: "SELECT log_id, first_offset, created_ms, previous_chain FROM segment WHERE id = 1"),
            let chain = Chain(bytes: try row.bytes(3)), Self.file(try row.offset(1)) == file
        else { throw MalformedRow(column: 0) }
        return Header(
            logID: try row.bytes(0), firstOffset: try row.offset(1), created: try row.number(2), previousChain: chain,
            format: format)
    }

    /// How symbols are looked up: two ways to the same rows, of which damage mostly touches one.
    enum SymbolLookup {
        /// As SQLite chooses, which is through the index by offset: quick for a few blocks.
        case index
        /// Row by row: what an index says is not believed.
        case table

        fileprivate var clause: String { self == .table ? "NOT INDEXED" : "" }
    }

    /// Symbols recorded for blocks in a range of offsets, in the order in which they were recorded.
    static func symbols(
        _ db: Database, from: Offset = .zero, to: Offset = Offset(rawValue: .max), by lookup: SymbolLookup
    ) throws -> [(offset: Offset, symbol: Symbol)] {
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT first_offset, kind, id, CAST(text AS BLOB) FROM symbol \(lookup.clause)
                WHERE first_offset >= ? AND first_offset < ? ORDER BY first_offset, kind, id
                """, arguments: [Int64(clamping: from.rawValue), Int64(clamping: to.rawValue)])
        var symbols: [(offset: Offset, symbol: Symbol)] = []
        while let row = try rows.next() {
            guard let symbol = try symbol(row) else { continue }
            symbols.append((try row.offset(0), symbol))
        }
        return symbols
    }

    private static func symbol(_ row: Row) throws(MalformedRow) -> Symbol? {
        let (kind, id) = (try row.number(1), try row.number(2))
        guard let kind = UInt8(exactly: kind).flatMap({ SymbolKind(rawValue: $0) }),
            let id = UInt32(exactly: id), id > 0, id <= UInt32(Limits.symbols)
        else { return nil }
        return Symbol(kind: kind, id: SymbolID(rawValue: id), text: row.optionalBytes(3))
    }

    /// All symbols of a segment, row by row, so that a damaged page costs only the symbols on it.
    static func readableSymbols(_ db: Database) -> StoredSymbols {
        var stored = StoredSymbols()
        do {
            stored.rows = try symbols(db, by: .table)
            return stored
        } catch {
            stored.fault = (error as? DatabaseError)?.message ?? "a row is damaged"
        }
        for kind in SymbolKind.allCases {
            // The numbers stand in an index as well, away from the texts.
            let ids = try? Int64.fetchAll(
                db, sql: "SELECT id FROM symbol INDEXED BY sqlite_autoindex_symbol_1 WHERE kind = ?",
                arguments: [Int64(kind.rawValue)])
            for id in ids ?? [] {
                guard let id = UInt32(exactly: id), id > 0, id <= UInt32(Limits.symbols) else { continue }
                stored.highest[kind.rawValue] = max(stored.highest[kind.rawValue] ?? 0, id)
                let row = try? Row.fetchOne(
                    db, sql: "SELECT first_offset, kind, id, CAST(text AS BLOB) FROM symbol WHERE kind = ? AND id = ?",
                    arguments: [Int64(kind.rawValue), Int64(id)])
                if let row, let symbol = try? symbol(row), let offset = try? row.offset(0) {
                    stored.rows.append((offset, symbol))
                }
            }
        }
        return stored
    }

    /// The last keyframe at or before an offset, and its offset; nil when there is none or it is damaged.
    ///
    /// One that stands where no block begins is passed over: the offset is its key, which no checksum covers.
    static func keyframe(_ db: Database, atOrBefore offset: Offset, _ devices: DeviceBound) throws
        -> (offset: Offset, state: DevicePrediction, bytes: Int)?
    {
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT offset, raw_size, crc32, body FROM keyframe WHERE offset <= ? AND codec = \(codecZlib) AND (
                    EXISTS (SELECT 1 FROM block WHERE first_offset = keyframe.offset)
                    OR offset = (SELECT first_offset + count FROM block ORDER BY first_offset DESC LIMIT 1))
                ORDER BY offset DESC
                """, arguments: [Int64(clamping: offset.rawValue)])
        while let row = try rows.next() {
            let offset = try row.offset(0)
            guard let body = keyframe(row),
                let state = try DevicePrediction(keyframe: body, at: offset, devices: devices)
            else { continue }
            return (offset, state, body.body.count)
        }
        return nil
    }

    /// The body of a keyframe's row, as `keyframe(_:atOrBefore:)` selects it; nil when the row is damaged.
    static func keyframe(_ row: Row) -> EncodedBody? {
        // zlib cannot make more than about a thousand bytes of one.
        guard let body = try? row.bytes(3), let crc = try? row.number(2), let rawSize = try? row.number(1),
            (0...Int64(body.count) * 1_100 + 64).contains(rawSize)
        else { return nil }
        return EncodedBody(body: body, rawSize: Int(rawSize), crc32: UInt32(truncatingIfNeeded: crc))
    }
}
