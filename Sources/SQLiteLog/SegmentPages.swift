// The pages of a segment's file and the records on them, as SQLite lays them out.
//
// The layout: https://www.sqlite.org/fileformat2.html

import FoundationEssentials
import GRDB
import Log
import SQLite

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

    init?(_ page: [UInt8], _ start: Int) {
        self.start = start
        var at = start
        guard let size = RecordCell.varint(page, &at), size <= SegmentLimits.recordBytes,
            let key = RecordCell.varint(page, &at)
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
        guard count < SegmentLimits.pages else { throw .io("\(path) is larger than a segment can be") }
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

    /// The shortest record that matters is that of a symbol: a header of five bytes, and a letter at least.
    private static let leastRecord = 7

    /// Whether a record's header may begin here: its own length, then a type for each of four to eighteen columns.
    private static func isRecord(_ page: [UInt8], _ at: Int) -> Bool {
        at < page.count && (5..<64).contains(page[at])
    }

    private static func isTyped(_ values: [RecordValue]) -> Bool {
        switch (values.count, values.last) {
        case (18, .blob), (18, .null), (11, .blob), (7, .null), (7, .text), (6, .blob), (5, .blob), (4, .text): true
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
