// Whether rows stand where they say: the key of a row has no checksum, so its neighbours and the chain have to agree.

import Events
import GRDB
import Log
import SQLite

/// Rows in order, and what follows them.
struct StoredRows {
    var rows: [StoredBlock]
    /// Where the block behind the last of them begins, as far as the caller looked; nil when it could not be read.
    var following: Offset?
    /// Whether they stand beside each other in the tree of the file. Rows that were found without it are in the order
    /// of their keys, which says nothing of the keys.
    var isInTree: Bool

    /// Where the row behind one of them begins.
    func follower(of index: Int) -> Offset? { index + 1 < rows.count ? rows[index + 1].first : following }
}

extension SegmentReader {
    /// Up to `limit` rows from `offset` on, and where the next one begins; `end` when there is none.
    func rows(from offset: Offset, limit: Int, before end: Offset) throws(LogError) -> StoredRows {
        let limit = min(limit, Int(Int32.max))
        var found: (rows: [StoredBlock], isInTree: Bool)
        do {
            found = try scan(from: offset, limit: limit + 1, before: end)
        } catch .corrupt where limit == 1 {
            // It is the one behind that cannot be read.
            found = try scan(from: offset, limit: 1, before: end)
            return StoredRows(rows: found.rows, following: nil, isInTree: found.isInTree)
        }
        let following = found.rows.count > limit ? found.rows.removeLast().first : end
        return StoredRows(rows: found.rows, following: following, isInTree: found.isInTree)
    }

    /// Whether the chain proves that a block stands where its row says: each of its values covers the offset of its
    /// block. Either the block continues what is before it, or the one behind continues it.
    func isProven(_ row: StoredBlock) -> Bool {
        guard row.fault == nil else { return false }
        let (link, symbols) = (ChainLink(row), self.symbols(at: row.first))
        var before = row.first == first ? (try? header()).map { [$0.previousChain] } ?? [] : []
        if row.first > first { before = chain(near: row.first) { body in try query(body) } }
        if link.after(before, symbols)?.isStored == true { return true }
        // A key that changed may have led SQLite astray.
        before = chain(near: row.first) { body in try pageSalvage?.salvage?.queue.read(body) }
        if link.after(before, symbols)?.isStored == true { return true }
        guard let chain = Chain(bytes: row.chain), let next = self.row(at: row.end) else { return false }
        return ChainLink(next).after([chain], self.symbols(at: next.first))?.isStored == true
    }

    private func isProven(at offset: Offset) -> Bool { row(at: offset).map { isProven($0) } ?? false }

    /// Where the next block begins, at `offset` or behind it, that is proven to stand there; `end` when there is none.
    func proven(from offset: Offset, before end: Offset) -> Offset {
        var at = offset
        while at < end {
            guard let rows = try? fetch(from: at, limit: 16, before: end) else {
                at = readable(after: at, before: end)
                continue
            }
            guard let last = rows.map(\.first).max() else { return end }
            if let row = rows.first(where: { isProven($0) }) { return row.first }
            at = max(last, at) + 1
        }
        return end
    }

    /// Where the block begins that contains an offset; nil when there is none that stands there for certain.
    func begin(ofBlockWith offset: Offset) -> Offset? {
        let first = first
        let found = try? sqlite { db in try Segment.place(db, of: offset, first) }
        if let place = found ?? nil, place.isTiled || isProven(at: place.first) { return place.first }
        // A key that changed may have led SQLite astray, or stand within the block.
        let others = try? pageSalvage?.salvage?.queue.read { db in try Segment.places(db, of: offset) }
        return (others ?? nil)?.first { isProven(at: $0) }
    }

    /// The row with a key; nil when it cannot be read.
    private func row(at offset: Offset) -> StoredBlock? {
        let row = (try? fetch(from: offset, limit: 1))?.first
        return row?.first == offset && row?.fault == nil ? row : nil
    }

    /// The chain before a block, wherever the row before it says that it ends.
    private func chain(near offset: Offset, _ read: ((Database) throws -> Chain?) throws -> Chain??) -> [Chain] {
        let found = try? read { db in
            try Row.fetchOne(
                db, sql: "SELECT chain FROM block WHERE first_offset < ? ORDER BY first_offset DESC LIMIT 1",
                arguments: [Int64(clamping: offset.rawValue)]
            ).flatMap { Chain(bytes: $0.optionalBytes(0)) }
        }
        return ((found ?? nil) ?? nil).map { [$0] } ?? []
    }

    private func symbols(at offset: Offset) -> [Symbol] {
        let found = try? query { db in try Segment.symbols(db, from: offset, to: offset + 1, by: .index) }
        return found.map { $0.map(\.symbol) } ?? []
    }

    /// The first block behind `offset` that SQLite can still read; `end` when there is none.
    ///
    /// A damaged page hides the rows on it: reading is tried at growing distances, then the gap is halved until its
    /// end is known.
    func readable(after offset: Offset, before end: Offset) -> Offset {
        guard offset < end else { return end }
        func attempt(_ from: UInt64) -> Offset? {
            do {
                return try fetch(from: Offset(rawValue: from), limit: 1, before: end).first?.first ?? end
            } catch {
                return nil
            }
        }
        var failing = offset.rawValue
        var step: UInt64 = 1
        var found: (at: UInt64, block: Offset) = (end.rawValue, end)
        while failing &+ step < end.rawValue {
            if let block = attempt(failing &+ step) {
                found = (failing &+ step, block)
                break
            }
            failing = failing &+ step
            step = step &* 2
        }
        while found.at - failing > 1 {
            let middle = failing + (found.at - failing) / 2
            if let block = attempt(middle) { found = (middle, block) } else { failing = middle }
        }
        return found.block
    }
}

extension Segment {
    /// The row that contains an offset, as SQLite is led to it, and whether the one beside it in the tree ends where it
    /// begins.
    fileprivate static func place(
        _ db: Database, of offset: Offset, _ start: Offset
    ) throws -> (first: Offset, isTiled: Bool)? {
        let rows = try Row.fetchAll(
            db,
            sql: """
                SELECT first_offset, count FROM block WHERE first_offset <= ? ORDER BY first_offset DESC LIMIT 2
                """, arguments: [Int64(clamping: offset.rawValue)])
        // Where a key changed, SQLite may come to a row behind the offset.
        guard let row = rows.first, try row.offset(0) <= offset, try end(row) > offset else { return nil }
        let before = rows.count > 1 ? try end(rows[1]) : start
        return (try row.offset(0), before == (try row.offset(0)))
    }

    /// The keys of rows that contain an offset, the highest first.
    fileprivate static func places(_ db: Database, of offset: Offset) throws -> [Offset] {
        let rows = try Row.fetchAll(
            db,
            sql: """
                SELECT first_offset FROM block WHERE first_offset <= ?1 AND first_offset > ?1 - \(Limits.blockEvents)
                AND first_offset + count > ?1 ORDER BY first_offset DESC
                """, arguments: [Int64(clamping: offset.rawValue)])
        return try rows.map { try $0.offset(0) }
    }

    /// Behind the events of a row that begins with its key and its count.
    private static func end(_ row: Row) throws(MalformedRow) -> Offset {
        try row.offset(0) + Int(clamping: max(0, min(try row.number(1), Int64(Limits.blockEvents))))
    }

    /// The offset after the last block, and the chain there.
    ///
    /// The key of the last row may be what has changed. Then the chain says where its block belongs, and no offset is
    /// given out that it has.
    static func end(_ db: Database, _ header: Header) throws -> (head: Offset, chain: Chain) {
        let rows = try Row.fetchAll(
            db, sql: "SELECT first_offset, count, chain FROM block ORDER BY first_offset DESC LIMIT 2")
        guard let last = rows.first else { return (header.firstOffset, header.previousChain) }
        let (first, count) = (try last.offset(0), try last.number(1))
        guard let chain = Chain(bytes: try last.bytes(2)), (1...Int64(Limits.blockEvents)).contains(count) else {
            throw MalformedRow(column: 1)
        }
        let before = rows.count > 1 ? try end(rows[1]) : header.firstOffset
        if first == before { return (first + Int(count), chain) }
        let previous = rows.count > 1 ? Chain(bytes: try rows[1].bytes(2)) : header.previousChain
        let stored = try StoredBlock.last(db, header.format)
        for place in [first, before] {
            let words = try symbols(db, from: place, to: place + 1, by: .table).map(\.symbol)
            if let stored, stored.first == first, stored.fault == nil,
                previous?.adding(stored.block, words: words, at: place) == chain
            {
                return (place + Int(count), chain)
            }
        }
        guard first >= header.firstOffset else { throw MalformedRow(column: 0) }
        return (max(first, before) + Int(count), chain)
    }
}
