// Rows of a segment as they are found in the file: nothing is believed of them, for any bit may have changed.

import Events
import FoundationEssentials
import GRDB
import Log
import SQLite

extension Row {
    /// An offset: a whole number that is not negative.
    func offset(_ column: Int) throws(MalformedRow) -> Offset {
        let number = try number(column)
        guard number >= 0 else { throw MalformedRow(column: column) }
        return Offset(rawValue: UInt64(number))
    }
}

/// A block as it is stored.
struct StoredBlock {
    var first: Offset
    var block: EncodedBlock
    var chain: [UInt8]
    var codec: Int64
    /// What is wrong with the row itself; the other values are then of no use, except `first`.
    var fault: String?

    /// Behind the last event, as the row says.
    var end: Offset { first + block.count }

    /// Whether the body has its checksum.
    var isWhole: Bool { block.stored.isIntact }

    /// The columns that `init` reads.
    static let columns =
        "first_offset, count, time_min, time_max, arrival_min, arrival_max, raw_size, crc32, chain, body, codec"

    /// - Throws: `MalformedRow` when not even the key is there.
    init(_ row: Row) throws(MalformedRow) {
        first = try row.offset(0)
        do throws(MalformedRow) {
            let count = try row.number(1)
            guard (1...Int64(Limits.blockEvents)).contains(count) else { throw MalformedRow(column: 1) }
            let crc = try row.number(7)
            let rawSize = try row.number(6)
            guard let crc32 = UInt32(exactly: crc), (0...Int64(LogLimits.blockBytes)).contains(rawSize) else {
                throw MalformedRow(column: 6)
            }
            let body = EncodedBody(body: try row.bytes(9), rawSize: Int(rawSize), crc32: crc32)
            block = EncodedBlock(
                stored: body, count: Int(count), times: try Self.bounds(row, 2, 3), arrivals: try Self.bounds(row, 4, 5)
            )
            chain = try row.bytes(8)
            codec = try row.number(10)
            if codec != Int64(Segment.codecZlib) { fault = "unknown codec \(codec)" }
        } catch {
            let nothing = Timestamp(rawValue: 0)...Timestamp(rawValue: 0)
            let body = EncodedBody(body: [], rawSize: 0, crc32: 0)
            block = EncodedBlock(stored: body, count: 0, times: nothing, arrivals: nothing)
            (chain, codec) = (row.optionalBytes(8), 0)
            fault = "column \(error.column + 1) of its row is damaged"
        }
    }

    /// Rows from `offset` on, before `end`.
    static func fetch(_ db: Database, from offset: Offset, limit: Int, before end: Offset) throws -> [StoredBlock] {
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT \(columns) FROM block WHERE first_offset >= ? AND first_offset < ?
                ORDER BY first_offset LIMIT ?
                """, arguments: [Int64(clamping: offset.rawValue), Int64(clamping: end.rawValue), limit])
        var blocks: [StoredBlock] = []
        while let row = try rows.next() { blocks.append(try StoredBlock(row)) }
        return blocks
    }

    private static func bounds(_ row: Row, _ low: Int, _ high: Int) throws(MalformedRow) -> ClosedRange<Timestamp> {
        let (low, high) = (try row.number(low), try row.number(high))
        guard low <= high else { throw MalformedRow(column: 2) }
        return Timestamp(rawValue: low)...Timestamp(rawValue: high)
    }
}

/// The symbols that a segment holds, and how far its numbers go.
struct StoredSymbols {
    /// Each symbol, and the first offset of the block with which it was recorded.
    var rows: [(offset: Offset, symbol: Symbol)] = []
    /// The highest number of each kind that the segment uses, by the raw value of the kind, as far as it can be told.
    var highest: [UInt8: UInt32] = [:]
    /// What is wrong, if some symbols could not be read.
    var fault: String?

    var symbols: [Symbol] { rows.map(\.symbol) }
}

/// Symbols by the block with which they were recorded, in the order of the rows.
func symbolsByBlock(_ rows: [(offset: Offset, symbol: Symbol)]) -> [Offset: [Symbol]] {
    Dictionary(grouping: rows, by: \.offset).mapValues { $0.map(\.symbol) }
}
