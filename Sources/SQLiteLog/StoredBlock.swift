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

    /// Whether the body and the texts have their checksums.
    var isWhole: Bool { block.isIntact }

    /// Whether the digest beside the texts is theirs.
    var isDigestRight: Bool { block.text?.rehashed.digest == block.text?.digest }

    /// The columns that `init` reads.
    private static func columns(_ format: BlockFormat) -> String {
        let columns =
            "first_offset, count, time_min, time_max, arrival_min, arrival_max, raw_size, crc32, chain, body, codec"
        return format == .two
            ? columns
            : columns + ", text_size, text_crc32, text_sha256, relay_seq, writer, writer_number, text"
    }

    /// The format of the blocks of a segment, as its table says: the header may be damaged.
    static func format(_ db: Database) throws -> BlockFormat {
        let sql = "SELECT count(*) FROM pragma_table_info('block') WHERE name = 'text'"
        return try Int.fetchOne(db, sql: sql) == 0 ? .two : .three
    }

    /// - Throws: `MalformedRow` when not even the key is there.
    init(_ row: Row, _ format: BlockFormat) throws(MalformedRow) {
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
            block.format = format
            if format != .two { (block.text, block.relay) = (try Self.text(row), try Self.relay(row)) }
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
    static func fetch(
        _ db: Database, _ format: BlockFormat, from offset: Offset, limit: Int, before end: Offset
    ) throws -> [StoredBlock] {
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT \(columns(format)) FROM block WHERE first_offset >= ? AND first_offset < ?
                ORDER BY first_offset LIMIT ?
                """, arguments: [Int64(clamping: offset.rawValue), Int64(clamping: end.rawValue), limit])
        var blocks: [StoredBlock] = []
        while let row = try rows.next() { blocks.append(try StoredBlock(row, format)) }
        return blocks
    }

    /// The row that stands last in the tree, whatever its key says; nil when there is none.
    static func last(_ db: Database, _ format: BlockFormat) throws -> StoredBlock? {
        try Row.fetchOne(db, sql: "SELECT \(columns(format)) FROM block ORDER BY first_offset DESC LIMIT 1")
            .map { row in try StoredBlock(row, format) }
    }

    /// The texts; nil when the block has none. Without its bytes what the row says of them is kept.
    private static func text(_ row: Row) throws(MalformedRow) -> EncodedText? {
        guard !row.hasNull(atIndex: 11) || !row.hasNull(atIndex: 13) || !row.hasNull(atIndex: 17) else { return nil }
        let (size, digest) = (try row.number(11), try row.bytes(13))
        guard let crc32 = UInt32(exactly: try row.number(12)), (0...Int64(LogLimits.storedTextBytes)).contains(size),
            digest.count == 32
        else { throw MalformedRow(column: 12) }
        let bytes = row.hasNull(atIndex: 17) ? [] : try row.bytes(17)
        return EncodedText(stored: EncodedBody(body: bytes, rawSize: Int(size), crc32: crc32), digest: digest)
    }

    private static func relay(_ row: Row) throws(MalformedRow) -> RelayPosition? {
        guard !row.hasNull(atIndex: 14) || !row.hasNull(atIndex: 15) || !row.hasNull(atIndex: 16) else { return nil }
        let (sequence, number) = (try row.number(14), try row.number(16))
        let writer = try row.bytes(15)
        guard sequence > 0, number > 0, writer.count == 16 else { throw MalformedRow(column: 14) }
        return RelayPosition(sequence: UInt64(sequence), writer: writer, number: UInt64(number))
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
