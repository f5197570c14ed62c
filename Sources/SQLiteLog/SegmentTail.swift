// The end of a segment, looked at before anything is added behind it.

import Events
import GRDB
import Log
import SQLite

/// What the end of a segment looks like.
struct SegmentTail {
    /// The state of the prediction behind the last block; nil when a damaged block hides it.
    var prediction: DevicePrediction?
    /// The first damage between the last keyframe and the end.
    var damage: Damage?
    /// Behind the last event; later than the rows say when the count of the last row cannot be trusted.
    var head: Offset
    var bytesSinceKeyframe = 0
    var keyframeBytes = 0
}

extension SegmentReader {
    /// Decodes the blocks from the last keyframe to the end and checks each against the chain.
    ///
    /// - Parameter symbols: those of the segment, as far as they can be read.
    mutating func tail(
        _ header: Segment.Header, _ symbols: StoredSymbols, end: Offset
    ) throws(LogError) -> SegmentTail {
        var tail = SegmentTail(head: end)
        // A damaged keyframe costs time only: the one before it serves too, or the segment's start.
        let keyframe = (try? query { db in try Segment.keyframe(db, atOrBefore: end, devices) }) ?? nil
        tail.keyframeBytes = keyframe?.bytes ?? 0
        restart(after: keyframe?.state ?? DevicePrediction(), at: keyframe?.offset ?? first)
        var chain = next == first ? header.previousChain : try chain(at: next)
        let recorded = symbolsByBlock(symbols.rows.filter { $0.offset >= next })
        while next < end {
            let begin = next
            for row in try fetch(from: next, limit: 16, before: end) {
                if row.first < next {
                    tail.note(file, row.first..<row.end, Self.misplaced)
                    continue
                }
                if row.first > next { tail.note(file, next..<row.first, "blocks are missing") }
                check(row, chain, recorded[row.first] ?? [], &tail)
                tail.bytesSinceKeyframe += row.block.storedBytes
                chain = Chain(bytes: row.chain)
            }
            if next == begin { break }
        }
        // A row whose key changed may hide those behind it.
        if next < end { tail.note(file, next..<end, "blocks are missing") }
        // A keyframe at the end hides the last row from the walk.
        let last = try? query { db in
            try Int64.fetchOne(db, sql: "SELECT first_offset + count FROM block ORDER BY first_offset DESC LIMIT 1")
        }
        if let last = last ?? nil, last != Int64(clamping: end.rawValue) {
            tail.note(file, end..<end, "the key of its last row changed")
        }
        if tail.damage == nil { tail.prediction = state }
        return tail
    }

    private mutating func check(_ row: StoredBlock, _ chain: Chain?, _ symbols: [Symbol], _ tail: inout SegmentTail) {
        let fault = decodeForState(row)
        let isChained = chain.map { $0.adding(row.block, words: symbols, at: row.first).bytes == row.chain } ?? true
        if let fault {
            tail.note(file, row.first..<max(row.end, row.first + 1), fault)
            // The body is whole, the row around it is not: its count may be what has changed.
            if row.isWhole, !isChained { tail.head = max(tail.head, row.first + Limits.blockEvents) }
        } else if !isChained {
            tail.note(file, row.first..<row.end, "the hash chain does not fit")
        }
    }

    /// The chain behind the block that ends at an offset; nil when no block ends there.
    func chain(at offset: Offset) throws(LogError) -> Chain? {
        if offset == first { return try header().previousChain }
        return try query { db in
            let row = try Row.fetchOne(
                db,
                sql: """
                    SELECT first_offset, count, chain FROM block WHERE first_offset < ?
                    ORDER BY first_offset DESC LIMIT 1
                    """, arguments: [Int64(clamping: offset.rawValue)])
            guard let row, try row.offset(0) + Int(clamping: max(0, try row.number(1))) == offset else { return nil }
            return Chain(bytes: try row.bytes(2))
        }
    }

    /// The end of the last block that can be read, and the chain there, where SQLite cannot read all of the file.
    func lastReadable() -> (head: Offset, chain: Chain)? {
        let end = Offset(rawValue: UInt64(Int64.max))
        var found: (head: Offset, chain: Chain)?
        var at = first
        while at < end {
            if let rows = try? fetch(from: at, limit: 1, before: end) {
                guard let row = rows.first else { break }
                if row.fault == nil, let chain = Chain(bytes: row.chain) { found = (row.end, chain) }
                at = row.first + 1
            } else {
                at = readable(after: at, before: end)
            }
        }
        return found
    }
}

extension SegmentTail {
    fileprivate mutating func note(_ file: String, _ offsets: Range<Offset>, _ cause: String) {
        if damage == nil { damage = Damage(segment: file, offsets: offsets, cause: cause) }
    }
}
