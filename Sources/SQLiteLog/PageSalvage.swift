// The rows of a segment that SQLite no longer finds: read from its pages, without the tree above them.
//
// A changed bit in the schema, or in a page that leads to others, would cost a whole segment. What a row needs stands
// on its own page and on those that follow it, so all leaves are looked through instead. The layout of pages and
// records: https://www.sqlite.org/fileformat2.html

import Events
import FoundationEssentials
import GRDB
import Log
import Synchronization

/// The rows as found at one moment, in tables of the same names in memory; bodies of blocks stay in the file.
struct PageSalvage: Sendable {
    let queue: DatabaseQueue
    private let pages: SegmentPages
    private let format: BlockFormat
    /// Where the cell with the row of a block begins, by its key.
    private let cells: [Int64: CellAddress]

    private struct CellAddress {
        var page: Int
        var cell: Int
    }

    /// Reads the whole file once: about a second for a gigabyte.
    init(_ path: String) throws(LogError) {
        let pages = try SegmentPages(path)
        var cells: [Int64: CellAddress] = [:]
        // What the blocks that are found say of their format, for the header may be lost.
        var found: BlockFormat?
        let queue: DatabaseQueue
        do {
            queue = try DatabaseQueue()
            try queue.write { db in
                try db.execute(sql: Self.tables)
                for page in 1...max(1, pages.count) {
                    guard let bytes = pages.page(page) else { continue }
                    for cell in RecordCell.cells(bytes, page) + pages.lostCells(bytes, page) {
                        guard let values = pages.record(bytes, cell), let table = Self.table(values) else { continue }
                        try Self.insert(db, table, cell.key, values)
                        if table == "block" { found = found ?? (values.count == Self.blockColumns ? .three : .two) }
                        if table == "block", cells[cell.key] == nil {
                            cells[cell.key] = CellAddress(page: page, cell: cell.start)
                        }
                    }
                }
                if found == .two { try db.execute(sql: "ALTER TABLE block DROP COLUMN text") }
                let format = try Int.fetchOne(db, sql: "SELECT format FROM segment") ?? (found ?? .newest).rawValue
                try db.execute(
                    sql: "PRAGMA application_id = \(Segment.applicationID); PRAGMA user_version = \(format)")
            }
        } catch {
            throw .io("\(path): \(error)")
        }
        (self.queue, self.pages, self.cells, format) = (queue, pages, cells, found ?? .newest)
    }

    /// The body of a block, and its texts; nil when its pages do not lead there any more.
    private func bodies(_ key: Int64) -> (body: [UInt8], text: [UInt8])? {
        guard let address = cells[key], let bytes = pages.page(address.page),
            let cell = RecordCell(bytes, address.cell), cell.key == key, let values = pages.record(bytes, cell),
            case .blob(let body) = values[Self.bodyColumn]
        else { return nil }
        guard values.count == Self.blockColumns, case .blob(let text) = values[Self.textColumn] else {
            return (body, [])
        }
        return (body, text)
    }

    var isEmpty: Bool { cells.isEmpty }

    /// Blocks in a range, with their bodies.
    fileprivate func rows(from offset: Offset, _ limit: Int, before end: Offset) -> [StoredBlock] {
        let rows = try? queue.read { db in
            try StoredBlock.fetch(db, format, from: offset, limit: limit, before: end)
        }
        return (rows ?? []).map { row in
            var whole = row
            if row.fault == nil, let bodies = bodies(Int64(clamping: row.first.rawValue)) {
                whole.block.stored.body = bodies.body
                whole.block.text?.stored.body = bodies.text
            }
            return whole
        }
    }

    private static let bodyColumn = 10
    private static let textColumn = 17
    /// In format 3; in format 2 the body is the last one.
    private static let blockColumns = 18

    private static let tables = """
        CREATE TABLE segment (
            id INTEGER PRIMARY KEY, format INTEGER, log_id BLOB, first_offset INTEGER, created_ms INTEGER,
            previous_chain BLOB, node TEXT);
        CREATE TABLE symbol (kind INTEGER, id INTEGER, first_offset INTEGER, text TEXT, UNIQUE (kind, id));
        CREATE INDEX symbol_by_offset ON symbol (first_offset);
        CREATE TABLE block (
            first_offset INTEGER PRIMARY KEY, count INTEGER, time_min INTEGER, time_max INTEGER, arrival_min INTEGER,
            arrival_max INTEGER, codec INTEGER, raw_size INTEGER, crc32 INTEGER, chain BLOB, body BLOB,
            text_size INTEGER, text_crc32 INTEGER, text_sha256 BLOB, relay_seq INTEGER, writer BLOB,
            writer_number INTEGER, text BLOB);
        CREATE TABLE keyframe (
            offset INTEGER PRIMARY KEY, codec INTEGER, raw_size INTEGER, crc32 INTEGER, body BLOB);
        """

    /// The table of a record, as its columns say; nil for other tables and for rubbish.
    private static func table(_ values: [RecordValue]) -> String? {
        func isKey(_ value: RecordValue) -> Bool { if case .null = value { true } else { false } }
        func isBlob(_ value: RecordValue) -> Bool { if case .blob = value { true } else { false } }
        func isText(_ value: RecordValue) -> Bool { if case .text = value { true } else { false } }
        switch values.count {
        case 11, blockColumns:
            return isKey(values[0]) && isBlob(values[bodyColumn]) ? "block" : nil
        case 6, 7: return isKey(values[0]) && isBlob(values[2]) ? "segment" : nil
        case 5 where isKey(values[0]) && isBlob(values[4]): return "keyframe"
        case 4 where isText(values[3]): return "symbol"
        default: return nil
        }
    }

    private static func insert(_ db: Database, _ table: String, _ key: Int64, _ values: [RecordValue]) throws {
        var arguments = values.map(\.databaseValue)
        if table != "symbol" { arguments[0] = key.databaseValue }
        if table == "block" { arguments[bodyColumn] = Data().databaseValue }
        if table == "block", values.count == blockColumns, !arguments[textColumn].isNull {
            arguments[textColumn] = Data().databaseValue
        }
        // Rows of format 2 are shorter.
        let width = table == "block" ? blockColumns : table == "segment" ? 7 : values.count
        let marks = Array(repeating: "?", count: values.count) + Array(repeating: "NULL", count: width - values.count)
        // The very bytes of a text, for the chain covers them.
        let list = table == "symbol" ? "?, ?, ?, CAST(? AS TEXT)" : marks.joined(separator: ", ")
        let statement = try db.cachedStatement(sql: "INSERT OR IGNORE INTO \(table) VALUES (\(list))")
        try statement.execute(arguments: StatementArguments(arguments))
    }
}

/// The salvage of one segment, made when it is first needed, once. Any thread.
final class LazyPageSalvage: Sendable {
    private let path: String
    private let made = Mutex<PageSalvage??>(nil)

    init(_ path: String) { self.path = path }

    /// Nil when the file cannot be read at all.
    var salvage: PageSalvage? {
        made.withLock { made in
            if let made { return made }
            let salvage = try? PageSalvage(path)
            made = .some(salvage)
            return salvage
        }
    }

    /// Whether there are rows in the file.
    var isUseful: Bool { salvage?.isEmpty == false }

    /// The rows in a range, together with those that SQLite finds.
    func rows(from offset: Offset, _ limit: Int, _ end: Offset, or found: [StoredBlock] = []) -> [StoredBlock] {
        guard let salvage else { return found }
        let others = salvage.rows(from: offset, limit, before: end)
        var rows: [Offset: StoredBlock] = [:]
        for row in found + others where rows[row.first] == nil || rows[row.first]?.fault != nil {
            rows[row.first] = row
        }
        return Array(rows.values.sorted { $0.first < $1.first }.prefix(limit))
    }
}
