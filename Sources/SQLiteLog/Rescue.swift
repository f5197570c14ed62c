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
struct Rescue: Sendable {
    let queue: DatabaseQueue
    private let pages: SegmentPages
    /// Where the row of a block stands, by its key.
    private let places: [Int64: Place]

    private struct Place {
        var page: Int
        var cell: Int
    }

    /// Reads the whole file once: about a second for a gigabyte.
    init(_ path: String) throws(LogError) {
        let pages = try SegmentPages(path)
        var places: [Int64: Place] = [:]
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
                        if table == "block", places[cell.key] == nil {
                            places[cell.key] = Place(page: page, cell: cell.start)
                        }
                    }
                }
                let format = try Int.fetchOne(db, sql: "SELECT format FROM segment") ?? Segment.format
                try db.execute(
                    sql: "PRAGMA application_id = \(Segment.applicationID); PRAGMA user_version = \(format)")
            }
        } catch {
            throw .io("\(path): \(error)")
        }
        (self.queue, self.pages, self.places) = (queue, pages, places)
    }

    /// The body of a block; nil when its pages do not lead there any more.
    private func body(_ key: Int64) -> [UInt8]? {
        guard let place = places[key], let bytes = pages.page(place.page),
            let cell = RecordCell(bytes, place.cell), cell.key == key, let values = pages.record(bytes, cell),
            values.count == 11, case .blob(let body) = values[10]
        else { return nil }
        return body
    }

    var isEmpty: Bool { places.isEmpty }

    /// Blocks in a range, with their bodies.
    fileprivate func rows(from offset: Offset, _ limit: Int, before end: Offset) -> [StoredBlock] {
        let rows = try? queue.read { db in
            try StoredBlock.fetch(db, from: offset, limit: limit, before: end)
        }
        return (rows ?? []).map { row in
            var whole = row
            if row.fault == nil, let body = body(Int64(clamping: row.first.rawValue)) { whole.block.stored.body = body }
            return whole
        }
    }

    private static let tables = """
        CREATE TABLE segment (
            id INTEGER PRIMARY KEY, format INTEGER, log_id BLOB, first_offset INTEGER, created_ms INTEGER,
            previous_chain BLOB);
        CREATE TABLE symbol (kind INTEGER, id INTEGER, first_offset INTEGER, text TEXT, UNIQUE (kind, id));
        CREATE INDEX symbol_by_offset ON symbol (first_offset);
        CREATE TABLE block (
            first_offset INTEGER PRIMARY KEY, count INTEGER, time_min INTEGER, time_max INTEGER, arrival_min INTEGER,
            arrival_max INTEGER, codec INTEGER, raw_size INTEGER, crc32 INTEGER, chain BLOB, body BLOB);
        CREATE TABLE keyframe (
            offset INTEGER PRIMARY KEY, codec INTEGER, raw_size INTEGER, crc32 INTEGER, body BLOB);
        """

    /// The table of a record, as its columns say; nil for other tables and for rubbish.
    private static func table(_ values: [RecordValue]) -> String? {
        func isKey(_ value: RecordValue) -> Bool { if case .null = value { true } else { false } }
        func isBlob(_ value: RecordValue) -> Bool { if case .blob = value { true } else { false } }
        func isText(_ value: RecordValue) -> Bool { if case .text = value { true } else { false } }
        switch values.count {
        case 11 where isKey(values[0]) && isBlob(values[10]): return "block"
        case 6 where isKey(values[0]) && isBlob(values[2]): return "segment"
        case 5 where isKey(values[0]) && isBlob(values[4]): return "keyframe"
        case 4 where isText(values[3]): return "symbol"
        default: return nil
        }
    }

    private static func insert(_ db: Database, _ table: String, _ key: Int64, _ values: [RecordValue]) throws {
        var arguments = values.map(\.databaseValue)
        if table != "symbol" { arguments[0] = key.databaseValue }
        if table == "block" { arguments[10] = Data().databaseValue }
        let marks = Array(repeating: "?", count: values.count)
        // The very bytes of a text, for the chain covers them.
        let list = table == "symbol" ? "?, ?, ?, CAST(? AS TEXT)" : marks.joined(separator: ", ")
        let statement = try db.cachedStatement(sql: "INSERT OR IGNORE INTO \(table) VALUES (\(list))")
        try statement.execute(arguments: StatementArguments(arguments))
    }
}

/// The rescue of one segment, made when it is first needed, once. Any thread.
final class Rescued: Sendable {
    private let path: String
    private let made = Mutex<Rescue??>(nil)

    init(_ path: String) { self.path = path }

    /// Nil when the file cannot be read at all.
    var rescue: Rescue? {
        made.withLock { made in
            if let made { return made }
            let rescue = try? Rescue(path)
            made = .some(rescue)
            return rescue
        }
    }

    /// Whether there are rows in the file.
    var isUseful: Bool { rescue?.isEmpty == false }

    /// The rows in a range, together with those that SQLite finds.
    func rows(from offset: Offset, _ limit: Int, _ end: Offset, or found: [StoredBlock] = []) -> [StoredBlock] {
        guard let rescue else { return found }
        let others = rescue.rows(from: offset, limit, before: end)
        var rows: [Offset: StoredBlock] = [:]
        for row in found + others where rows[row.first] == nil || rows[row.first]?.fault != nil {
            rows[row.first] = row
        }
        return Array(rows.values.sorted { $0.first < $1.first }.prefix(limit))
    }
}

/// A value of a record.
enum RecordValue {
    case null
    case number(Int64)
    case real
    case blob([UInt8])
    case text([UInt8])

    var databaseValue: DatabaseValue {
        switch self {
        case .null, .real: .null
        case .number(let number): number.databaseValue
        case .blob(let bytes), .text(let bytes): Data(bytes).databaseValue
        }
    }
}

/// A cell of a table's leaf.
struct RecordCell {
    /// Where it begins in its page.
    var start: Int
    /// The size of the record, also of what stands on other pages.
    var size: Int
    var key: Int64
    /// Where the record begins.
    var payload: Int

    /// Records are not longer than the largest block; more is rubbish.
    private static let largest = UInt64(LogLimits.blockBytes + 4_096)

    init?(_ page: [UInt8], _ start: Int) {
        self.start = start
        var at = start
        guard let size = RecordCell.varint(page, &at), size <= Self.largest, let key = RecordCell.varint(page, &at)
        else { return nil }
        (self.size, self.key, payload) = (Int(size), Int64(bitPattern: key), at)
    }

    /// The cells of a page; none when it is no leaf of a table.
    static func cells(_ page: [UInt8], _ number: Int) -> [RecordCell] {
        let header = number == 1 ? 100 : 0
        guard page.count > header + 8, page[header] == 13 else { return [] }
        let count = Int(page[header + 3]) << 8 | Int(page[header + 4])
        return (0..<count).compactMap { index in
            let at = header + 8 + 2 * index
            guard at + 1 < page.count else { return nil }
            let start = Int(page[at]) << 8 | Int(page[at + 1])
            return start > at && start < page.count ? RecordCell(page, start) : nil
        }
    }

    /// SQLite's numbers of one to nine bytes, the highest first.
    static func varint(_ bytes: [UInt8], _ at: inout Int) -> UInt64? {
        var value: UInt64 = 0
        for index in 0..<9 {
            guard at < bytes.count else { return nil }
            let byte = bytes[at]
            at += 1
            if index == 8 { return value << 8 | UInt64(byte) }
            value = value << 7 | UInt64(byte & 0x7f)
            if byte & 0x80 == 0 { return value }
        }
        return value
    }
}

/// The pages of a segment: those of its file, and the newer ones in its write-ahead log.
struct SegmentPages: Sendable {
    private let path: String
    /// By number, from 1.
    private let newer: [Int: Int]
    let count: Int
    private static let size = Connection.Settings().pageSize

    init(_ path: String) throws(LogError) {
        self.path = path
        newer = WriteAheadLog(path + "-wal")?.committedPages ?? [:]
        count = max(Files.size(path) / Self.size, newer.keys.max() ?? 0)
        // More than any segment of ours: then its size is what is wrong.
        guard count < 1 << 30 else { throw .io("\(path) is larger than a segment can be") }
    }

    func page(_ number: Int) -> [UInt8]? {
        if let at = newer[number] { return Files.bytes(of: path + "-wal", at: at, count: Self.size) }
        return number > 0 ? Files.bytes(of: path, at: (number - 1) * Self.size, count: Self.size) : nil
    }

    /// The cells of a leaf that its pointers no longer lead to: records, whole and of a form that a segment has, in the
    /// bytes that no other cell takes up.
    func lostCells(_ page: [UInt8], _ number: Int) -> [RecordCell] {
        let header = number == 1 ? 100 : 0
        guard page.count > header + 8, page[header] == 13 else { return [] }
        var taken = Dictionary(
            RecordCell.cells(page, number).filter { record(page, $0) != nil }.map { ($0.start, end(of: $0)) },
            uniquingKeysWith: max)
        var lost: [RecordCell] = []
        var at = header + 8
        while at < page.count {
            if let end = taken[at], end > at {
                at = end
                continue
            }
            if let cell = RecordCell(page, at), cell.size >= Self.leastRecord, end(of: cell) <= page.count,
                Self.isRecord(page, cell.payload), let values = record(page, cell), Self.isTyped(values)
            {
                lost.append(cell)
                taken[at] = end(of: cell)
            } else {
                at += 1
            }
        }
        return lost
    }

    /// The shortest record that matters is that of a word: a header of five bytes, and a letter at least.
    private static let leastRecord = 7

    /// Whether a record's header may begin here: its own length, then a type for each of four to eleven columns.
    private static func isRecord(_ page: [UInt8], _ at: Int) -> Bool {
        at < page.count && (5..<64).contains(page[at])
    }

    private static func isTyped(_ values: [RecordValue]) -> Bool {
        switch (values.count, values.last) {
        case (11, .blob), (6, .blob), (5, .blob), (4, .text): true
        default: false
        }
    }

    /// Behind what stands of a cell on its own page.
    private func end(of cell: RecordCell) -> Int {
        cell.payload + (cell.size <= Self.size - 35 ? cell.size : Self.local(cell) + 4)
    }

    /// How much of a record stands on its own page when others follow.
    private static func local(_ cell: RecordCell) -> Int {
        let usable = size
        let least = (usable - 12) * 32 / 255 - 23
        let fitting = least + (cell.size - least) % (usable - 4)
        return fitting <= usable - 35 ? fitting : least
    }

    /// The values of a record; nil when it is none.
    func record(_ page: [UInt8], _ cell: RecordCell) -> [RecordValue]? {
        guard let bytes = payload(page, cell) else { return nil }
        var at = 0
        guard let headerEnd = RecordCell.varint(bytes, &at), headerEnd <= UInt64(bytes.count), headerEnd < 200 else {
            return nil
        }
        var types: [UInt64] = []
        while at < Int(headerEnd) {
            guard let type = RecordCell.varint(bytes, &at) else { return nil }
            types.append(type)
        }
        var values: [RecordValue] = []
        for type in types {
            guard let value = value(type, bytes, &at) else { return nil }
            values.append(value)
        }
        return values
    }

    private func value(_ type: UInt64, _ bytes: [UInt8], _ at: inout Int) -> RecordValue? {
        func take(_ count: UInt64) -> [UInt8]? {
            guard count <= UInt64(bytes.count - at) else { return nil }
            defer { at += Int(count) }
            return Array(bytes[at..<at + Int(count)])
        }
        switch type {
        case 0: return .null
        case 1...6:
            guard let digits = take([1, 2, 3, 4, 6, 8][Int(type) - 1]), let top = digits.first else { return nil }
            var number = Int64(Int8(bitPattern: top))
            for digit in digits.dropFirst() { number = number << 8 | Int64(digit) }
            return .number(number)
        case 7: return take(8).map { _ in .real }
        case 8, 9: return .number(Int64(type - 8))
        case 10, 11: return nil
        default:
            guard let bytes = take((type - 12) / 2) else { return nil }
            return type & 1 == 0 ? .blob(bytes) : .text(bytes)
        }
    }

    /// The bytes of a record, from its cell and the pages that follow.
    private func payload(_ page: [UInt8], _ cell: RecordCell) -> [UInt8]? {
        if cell.size <= Self.size - 35 {
            guard cell.payload + cell.size <= page.count else { return nil }
            return Array(page[cell.payload..<cell.payload + cell.size])
        }
        let local = Self.local(cell)
        guard cell.payload + local + 4 <= page.count else { return nil }
        var bytes = Array(page[cell.payload..<cell.payload + local])
        var next = Self.number(page, cell.payload + local)
        while bytes.count < cell.size {
            guard next > 0, next <= count, let more = self.page(next) else { return nil }
            next = Self.number(more, 0)
            bytes += more[4..<min(more.count, 4 + cell.size - bytes.count)]
        }
        return bytes
    }

    private static func number(_ bytes: [UInt8], _ at: Int) -> Int {
        Int(bytes[at]) << 24 | Int(bytes[at + 1]) << 16 | Int(bytes[at + 2]) << 8 | Int(bytes[at + 3])
    }
}
