// summaries.sqlite: checkpoints, snapshots and what comes back from them.

import Admission
import Bytes
package import Events
import Foundation
import GRDB
import SQLite

/// The file of the summaries, opened for writing. Owned by one thread at a time; exactly one process may have it.
///
/// A checkpoint writes the rows that changed, as absolute values, and the offset, in one transaction. A snapshot
/// writes the whole state besides, in the same transaction, but only pages that changed since the last one. After a
/// crash the state comes back from the snapshot and the log's events since then are folded again; the public rows,
/// which may be ahead of it, are written again only when the state has passed them.
package struct SummaryStore: Sendable {
    package let path: String
    let queue: DatabaseQueue
    /// The offset that the public rows stand at, and the one that the snapshot stands at (nil when there is none).
    package private(set) var checkpointOffset = Offset.zero
    package private(set) var snapshotOffset: Offset?
    /// Checksums of the snapshot's pages, by part.
    private var pageChecksums: [[UInt64]] = Array(repeating: [], count: SnapshotPart.allCases.count)

    /// Opens or makes the file.
    ///
    /// - Parameters:
    ///   - identity: the log's identity; a file of another log is refused.
    ///   - group: a group that may read the file.
    /// - Throws: `mismatch` for another projection version or another log, `storage` otherwise.
    package init(path: String, identity: String, group: UInt32? = nil) throws(ProjectionError) {
        self.path = path
        FileAccess.prepare(path, mode: group == nil ? FileAccess.fileMode : FileAccess.sharedFileMode, group: group)
        var configuration = Configuration()
        configuration.label = "summaries"
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { db in
            // What SQLite needs for a while is a few pages: no disk but the data folder's can hinder a checkpoint.
            try db.execute(sql: "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY")
            // What is overwritten or deleted must not stay behind in the file.
            try db.execute(sql: "PRAGMA secure_delete = ON")
        }
        do {
            queue = try DatabaseQueue.openForWriting(path, configuration: configuration, setUp: Self.setUp)
            let meta = try queue.write { db in
                try db.execute(sql: SummaryTables.definitions)
                return try Self.meta(db)
            }
            if let version = meta[MetaKey.version], version != SummaryTables.version {
                throw ProjectionError.mismatch("version \(version), this release has \(SummaryTables.version)")
            }
            if let other = meta[MetaKey.log], other != identity {
                throw ProjectionError.mismatch("they are of log \(other), not of \(identity)")
            }
            try queue.write { db in
                try Self.defineViews(db)
                try Self.setMeta(db, .version, SummaryTables.version)
                try Self.setMeta(db, .log, identity)
            }
            if group != nil {
                var report = FileAccess.Report()
                for suffix in ["-wal", "-shm"] {
                    FileAccess.set(path + suffix, most: FileAccess.sharedFileMode, group: group, report: &report)
                }
            }
            checkpointOffset = Offset(rawValue: meta[MetaKey.offset].flatMap { UInt64($0) } ?? 0)
            snapshotOffset = meta[MetaKey.snapshotOffset].flatMap { UInt64($0) }.map { Offset(rawValue: $0) }
        } catch {
            throw ProjectionError(error)
        }
    }

    /// Puts the file in WAL mode; it rests without.
    private static func setUp(_ db: Database) throws {
        // A checkpoint writes rows that lie together: four times SQLite's usual page costs a quarter of the frames. It
        // has an effect only on a file that is made here.
        try db.execute(sql: "PRAGMA page_size = 16384")
        try db.execute(sql: "PRAGMA journal_mode = WAL")
        // 32 MiB: a page that one checkpoint after another writes is copied into the file once for several.
        try db.execute(sql: "PRAGMA wal_autocheckpoint = 2048")
    }

    /// Makes the views, and anew those that an earlier release has defined otherwise: their columns are only added.
    private static func defineViews(_ db: Database) throws {
        for view in SummarySchema.views {
            let sql = "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?"
            let known = try String.fetchOne(db, sql: sql, arguments: [view.name])
            if known == view.sql { continue }
            if known != nil { try db.execute(sql: "DROP VIEW \(view.name)") }
            try db.execute(sql: view.sql)
        }
    }

    /// Writes every row that changed and the offset, and with `snapshot` the state, in one transaction.
    ///
    /// - Parameter updated: when, for the readers' "as of"; the clock has no other effect.
    /// - Throws: `storage`; then nothing was written and the changes are still in `state`.
    package mutating func checkpoint(
        _ state: inout SummaryState, updated: Timestamp, snapshot: Bool = false
    ) throws(ProjectionError) {
        var checksums = pageChecksums
        do {
            // Segments of the log are dropped on the strength of a snapshot: it must be on disk when this returns.
            try setSynchronous(snapshot ? "FULL" : "NORMAL")
            try queue.write { db in
                try CheckpointWriter(db).write(&state)
                try Self.setMeta(db, .offset, String(state.offset.rawValue))
                try Self.setMeta(db, .skipped, String(state.skipped))
                try Self.setMeta(db, .updated, String(updated.rawValue))
                if snapshot { try Self.writeSnapshot(db, state, &checksums) }
            }
        } catch {
            throw ProjectionError(error)
        }
        state.clearDirty()
        checkpointOffset = state.offset
        if snapshot {
            snapshotOffset = state.offset
            pageChecksums = checksums
        }
    }

    private func setSynchronous(_ level: String) throws {
        try queue.writeWithoutTransaction { db in try db.execute(sql: "PRAGMA synchronous = \(level)") }
    }

    /// The state that the last snapshot holds; nil when there is none.
    ///
    /// - Throws: `damaged`, `storage`.
    package mutating func restore() throws(ProjectionError) -> SummaryState? {
        guard snapshotOffset != nil else { return nil }
        var state = SummaryState()
        var checksums = pageChecksums
        do {
            try queue.read { db in
                try Self.readPages(db, "", &checksums) { part, body in state.restore(part, body) }
                try Self.readWords(db, &state.words)
            }
        } catch {
            throw ProjectionError(error)
        }
        guard state.offset == snapshotOffset, state.reindex() else {
            throw .damaged("its tables contradict each other")
        }
        try restoreSets(&state)
        pageChecksums = checksums
        return state
    }

    /// The parts of the last snapshot that say what has been taken from whom, and who has consented to what; nil when
    /// there is none.
    ///
    /// - Throws: `damaged`, `storage`.
    func restoreMemory() throws(ProjectionError) -> (dedupe: DedupeTable, consents: ConsentTable)? {
        guard snapshotOffset != nil else { return nil }
        var dedupe = DedupeTable()
        var consents: [Consent] = []
        var checksums = [[UInt64]](repeating: [], count: SnapshotPart.allCases.count)
        do {
            try queue.read { db in
                let parts = [SnapshotPart.dedupe, .consents].map { "\($0.rawValue)" }.joined(separator: ", ")
                try Self.readPages(db, "WHERE \(StateColumn.part) IN (\(parts))", &checksums) { part, body in
                    part == .dedupe ? dedupe.restore(body.span) : consents.restore(body)
                }
            }
        } catch {
            throw ProjectionError(error)
        }
        guard let table = ConsentTable(restoring: consents) else {
            throw .damaged("its consents contradict each other")
        }
        return (dedupe, table)
    }

    /// What the fold understands of the words defined so far; those that came after the snapshot do no harm.
    private static func readWords(_ db: Database, _ words: inout KnownWords) throws {
        let texts = KnownWords.texts.map { "'\($0)'" }.joined(separator: ", ")
        for kind in [SymbolKind.unit, .value] {
            let sql = """
                SELECT \(SymbolColumn.id), \(StoredText.bytes("\(SymbolColumn.text)")) FROM \(SymbolColumn.table)
                WHERE \(SymbolColumn.kind) = ? AND \(SymbolColumn.text) IN (\(texts)) ORDER BY \(SymbolColumn.id)
                """
            for row in try Row.fetchAll(db, sql: sql, arguments: [kind.rawValue]) {
                let id: UInt32 = try row.value(SymbolColumn.id)
                words.note(kind, SymbolID(rawValue: id), Array(try row.text(1).utf8))
            }
        }
    }

    /// Gives the snapshot's pages to `restore`, in order, and notes their checksums; false from it means damage.
    private static func readPages(
        _ db: Database, _ filter: String, _ checksums: inout [[UInt64]], _ restore: (SnapshotPart, [UInt8]) -> Bool
    ) throws {
        let order = "\(StateColumn.part), \(StateColumn.page)"
        let rows = try Row.fetchCursor(db, sql: "SELECT * FROM \(StateColumn.table) \(filter) ORDER BY \(order)")
        while let row = try rows.next() {
            let (number, page): (Int, Int) = (try row.value(StateColumn.part), try row.value(StateColumn.page))
            let (stored, data): (Int64, Data) = (try row.value(StateColumn.checksum), try row.value(StateColumn.body))
            let body = [UInt8](data)
            let checksum = hashBytes(body.span, seed: 0)
            guard let part = UInt32(exactly: number).flatMap(SnapshotPart.init(rawValue:)),
                checksums[number].count == page, UInt64(bitPattern: stored) == checksum, restore(part, body)
            else { throw ProjectionError.damaged("part \(number), page \(page)") }
            checksums[number].append(checksum)
        }
    }

    private func restoreSets(_ state: inout SummaryState) throws(ProjectionError) {
        do {
            try queue.read { db in
                typealias Column = ProductDayColumn
                let sql = "SELECT \(Column.id), \(Column.deviceSet), \(Column.customerSet) FROM \(Column.table)"
                let rows = try Row.fetchCursor(db, sql: sql)
                while let row = try rows.next() {
                    let key: Int64 = try row.value(Column.id)
                    let devices: Data = try row.value(Column.deviceSet)
                    let customers: Data = try row.value(Column.customerSet)
                    guard state.restoreSets(key, devices: [UInt8](devices), customers: [UInt8](customers)) else {
                        throw ProjectionError.damaged("the sets of row \(key)")
                    }
                }
            }
        } catch {
            throw ProjectionError(error)
        }
    }

    private static func writeSnapshot(_ db: Database, _ state: SummaryState, _ checksums: inout [[UInt64]]) throws {
        for part in SnapshotPart.allCases {
            let number = Int(part.rawValue)
            let count = state.pageCount(part)
            // A page is some kilobytes large: one row at a time.
            try db.insertRows(of: StateColumn.self, rowsAtOnce: 1) { columns, rows in
                var body: [UInt8] = []
                for page in 0..<count {
                    body.removeAll(keepingCapacity: true)
                    state.write(part, page: page, to: &body)
                    let checksum = hashBytes(body.span, seed: 0)
                    if page < checksums[number].count {
                        if checksums[number][page] == checksum { continue }
                        checksums[number][page] = checksum
                    } else {
                        checksums[number].append(checksum)
                    }
                    for column in columns {
                        switch column {
                        case .part: rows.add(UInt64(number))
                        case .page: rows.add(UInt64(page))
                        case .checksum: rows.add(Int64(bitPattern: checksum))
                        case .body:
                            rows.bytes += body
                            rows.addBlob(from: rows.rowStart)
                        }
                    }
                    try rows.endRow()
                }
            }
            checksums[number].removeLast(checksums[number].count - count)
            let sql = "DELETE FROM \(StateColumn.table) WHERE \(StateColumn.part) = ? AND \(StateColumn.page) >= ?"
            try db.execute(sql: sql, arguments: [number, count])
        }
        try setMeta(db, .snapshotOffset, String(state.offset.rawValue))
    }

    private static func meta(_ db: Database) throws -> [MetaKey: String] {
        var meta: [MetaKey: String] = [:]
        for row in try Row.fetchAll(db, sql: "SELECT * FROM \(MetaColumn.table)") {
            let (key, value): (String, String) = (try row.value(MetaColumn.key), try row.value(MetaColumn.value))
            if let key = MetaKey(rawValue: key) { meta[key] = value }
        }
        return meta
    }

    private static func setMeta(_ db: Database, _ key: MetaKey, _ value: String) throws {
        let columns = "\(MetaColumn.key), \(MetaColumn.value)"
        try db.cachedStatement(sql: "INSERT OR REPLACE INTO \(MetaColumn.table) (\(columns)) VALUES (?, ?)")
            .execute(arguments: [key.rawValue, value])
    }

    /// Empties the write-ahead log into the file and closes it, so that the file stands alone and can be read where
    /// nothing can be written.
    package func close() throws(ProjectionError) {
        do {
            _ = try queue.writeWithoutTransaction { db in try db.checkpoint(.truncate) }
            _ = queue.makePlain(attempts: 10)
            try queue.close()
        } catch {
            throw ProjectionError(error)
        }
    }

    /// Moves the write-ahead log into the file, and empties it. False when somebody reads the file at this moment.
    func emptyWriteAheadLog() throws(ProjectionError) -> Bool {
        do {
            return try queue.writeWithoutTransaction { db in
                try Int.fetchOne(db, sql: "PRAGMA wal_checkpoint(TRUNCATE)") == 0
            }
        } catch {
            throw ProjectionError(error)
        }
    }

    /// Moves the write-ahead log of a file into it. False when somebody else is writing or checkpointing it.
    static func emptyWriteAheadLog(of path: String) throws -> Bool {
        let queue = try DatabaseQueue(path: path)
        let isBusy = try queue.writeWithoutTransaction { db in
            try Int.fetchOne(db, sql: "PRAGMA wal_checkpoint(TRUNCATE)") ?? 0
        }
        try queue.close()
        return isBusy == 0
    }

    /// All public tables, row by row in a fixed order, as text: equal for equal summaries.
    package func dump() throws(ProjectionError) -> [String] {
        do {
            return try queue.read { db in
                var lines: [String] = []
                for (view, _) in SummarySchema.views {
                    let columns = try db.columns(in: view).count
                    let order = (1...columns).map(String.init).joined(separator: ", ")
                    let rows = try Row.fetchCursor(db, sql: "SELECT * FROM \(view) ORDER BY \(order)")
                    while let row = try rows.next() {
                        let values = try row.databaseValues.enumerated().map { column, value in
                            // A text may hold U+0000, where its value as GRDB has it ends.
                            guard case .string = value.storage else { return value.description }
                            return "\"" + (try row.text(column)) + "\""
                        }
                        lines.append(view + "|" + values.joined(separator: "|"))
                    }
                }
                return lines
            }
        } catch {
            throw .storage("\(error)")
        }
    }

    /// One number over `dump()`.
    package func digest() throws(ProjectionError) -> UInt64 {
        var digest: UInt64 = 0
        for line in try dump() { digest = hashBytes(Array(line.utf8).span, seed: digest) }
        return digest
    }
}
