// Reading one segment in order: a connection, a decoder and the offset that they have reached.

import Events
import FoundationEssentials
import GRDB
import Log

/// A cursor within one segment. One owner at a time; the connection is for reading only and never checkpoints.
struct SegmentReader {
    let file: String
    let first: Offset
    private let queue: DatabaseQueue
    private var decoder: BlockDecoder
    /// The offset of the next block to be decoded.
    private(set) var next: Offset

    /// Opens a segment, at its start.
    init(folder: String, first: Offset) throws(LogError) {
        file = Segment.file(first)
        self.first = first
        var settings = Connection.Settings()
        settings.readOnly = true
        queue = try Connection.open(folder + "/" + file, settings)
        decoder = try BlockDecoder()
        next = first
        let name = file
        try translating(name) { [queue] in _ = try queue.read { db in try Segment.header(db, name) } }
    }

    func close() { try? queue.close() }

    /// A block as it is stored.
    struct Stored {
        var first: Offset
        var block: EncodedBlock
        var chain: [UInt8]
        var codec: Int

        var end: Offset { first + block.count }
    }

    /// Moves to the block that contains `offset`, by way of the last keyframe before it.
    mutating func seek(_ offset: Offset) throws(LogError) {
        let found = try query { db in
            let block = try Row.fetchOne(
                db,
                sql: """
                    SELECT first_offset, count FROM block WHERE first_offset <= ? ORDER BY first_offset DESC LIMIT 1
                    """,
                arguments: [Int64(clamping: offset.rawValue)])
            let target = block.map { block in
                // Behind the last block before `offset`, if that does not reach it: there, blocks are missing.
                let first = Offset(rawValue: UInt64(truncatingIfNeeded: block[0] as Int64))
                let end = first + max(0, block[1] as Int)
                return end > offset ? first : end
            }
            return (target: target, keyframe: try target.flatMap { try Segment.keyframe(db, atOrBefore: $0) })
        }
        let target = found.target ?? first
        let isUsable = decoder.isCertain && next <= target
        if let keyframe = found.keyframe, !isUsable || keyframe.offset > next {
            decoder.restart(after: keyframe.state)
            next = keyframe.offset
        } else if !isUsable {
            decoder.restart()
            next = first
        }
        try decode(upTo: target)
    }

    /// The prediction after every block before `head`, where the segment ends; nil when a damaged block hides it.
    mutating func prediction(at head: Offset) throws(LogError) -> DevicePrediction? {
        let keyframe = try query { db in try Segment.keyframe(db, atOrBefore: head) }
        decoder.restart(after: keyframe?.state ?? DevicePrediction())
        next = keyframe?.offset ?? first
        try decode(upTo: head)
        return decoder.isCertain ? decoder.state : nil
    }

    /// Decodes blocks for their prediction only.
    private mutating func decode(upTo target: Offset) throws(LogError) {
        while next < target {
            let stored = try fetch(from: next, limit: 16)
            guard !stored.isEmpty else { break }
            for block in stored where next < target {
                var ignored = EventBatch(capacity: block.block.count)
                if block.first != next { decoder.loseTrack() }
                _ = decoder.decode(block.block.stored, count: block.block.count, into: &ignored)
                next = block.end
            }
        }
        next = target
    }

    /// Up to `limit` blocks from `next` on. Ends before a damaged block, and throws when that is the first.
    ///
    /// - Parameter end: where the segment ends, as far as the caller knows: what is missing before it is damage.
    mutating func read(limit: Int, end: Offset) throws(LogError) -> [Block] {
        let stored = try fetch(from: next, limit: limit, before: end)
        if stored.isEmpty, next < end {
            throw skip(to: end, "blocks are missing")
        }
        guard let last = stored.last else { return [] }
        let start = next
        let symbols = try query { db in try Segment.symbols(db, from: start, to: last.end) }
        var symbol = 0
        var blocks: [Block] = []
        for stored in stored {
            if stored.first > next {
                if !blocks.isEmpty { break }
                throw skip(to: stored.first, "blocks are missing")
            }
            if let fault = try step(stored, into: &blocks) {
                if !blocks.isEmpty { break }
                throw skip(to: stored.end, fault)
            }
            while symbol < symbols.count, symbols[symbol].offset <= stored.first {
                blocks[blocks.count - 1].definitions.symbols.append(symbols[symbol].symbol)
                symbol += 1
            }
        }
        return blocks
    }

    /// Steps over what cannot be read.
    private mutating func skip(to offset: Offset, _ cause: String) -> LogError {
        let damaged = next..<max(offset, next + 1)
        next = damaged.upperBound
        decoder.loseTrack()
        return .corrupt(segment: file, offsets: damaged, cause: cause)
    }

    /// Decodes one block behind the others; returns what is wrong with it, if anything is.
    private mutating func step(_ stored: Stored, into blocks: inout [Block]) throws(LogError) -> String? {
        guard stored.codec == Segment.codecZlib else { return "unknown codec \(stored.codec)" }
        if !decoder.isCertain {
            let keyframe = try query { db in try Segment.keyframe(db, atOrBefore: stored.first) }
            if let keyframe, keyframe.offset == stored.first { decoder.restart(after: keyframe.state) }
        }
        var batch = EventBatch(capacity: stored.block.count)
        if let fault = decoder.decode(stored.block.stored, count: stored.block.count, into: &batch) { return fault }
        blocks.append(Block(firstOffset: stored.first, batch: batch, isIdentityCertain: decoder.isCertain))
        next = stored.end
        return nil
    }

    /// The stored rows from `offset` on. `end` keeps out what the writer has added since the caller looked.
    func fetch(
        from offset: Offset, limit: Int, before end: Offset = Offset(rawValue: .max)
    ) throws(LogError) -> [Stored] {
        try query { db in
            let rows = try Row.fetchCursor(
                db,
                sql: """
                    SELECT first_offset, count, time_min, time_max, arrival_min, arrival_max, raw_size, crc32, chain,
                        body, codec FROM block WHERE first_offset >= ? AND first_offset < ?
                    ORDER BY first_offset LIMIT ?
                    """, arguments: [Int64(clamping: offset.rawValue), Int64(clamping: end.rawValue), limit])
            var blocks: [Stored] = []
            while let row = try rows.next() { blocks.append(Self.stored(row)) }
            return blocks
        }
    }

    private static func stored(_ row: Row) -> Stored {
        func bounds(_ low: Int, _ high: Int) -> ClosedRange<Timestamp> {
            let (a, b): (Int64, Int64) = (row[low], row[high])
            return Timestamp(rawValue: min(a, b))...Timestamp(rawValue: max(a, b))
        }
        let body = EncodedBody(
            body: Array(row[9] as Data), rawSize: row[6], crc32: UInt32(truncatingIfNeeded: row[7] as Int64))
        let count = max(0, min(row[1] as Int, Limits.blockEvents))
        return Stored(
            first: Offset(rawValue: UInt64(truncatingIfNeeded: row[0] as Int64)),
            block: EncodedBlock(stored: body, count: count, times: bounds(2, 3), arrivals: bounds(4, 5)),
            chain: Array(row[8] as Data), codec: row[10])
    }

    /// The whole segment in figures.
    func statistics(folder: String, isSealed: Bool) throws(LogError) -> SegmentStatistics {
        let name = file
        return try query { db in
            let header = try Segment.header(db, name)
            let end = try Segment.end(db, header)
            let row = try Row.fetchOne(
                db,
                sql: """
                    SELECT count(*), min(time_min), max(time_max), min(arrival_min), max(arrival_max) FROM block
                    """)
            func bounds(_ low: Int, _ high: Int) -> ClosedRange<Timestamp>? {
                guard let row, let a = row[low] as Int64?, let b = row[high] as Int64?, a <= b else { return nil }
                return Timestamp(rawValue: a)...Timestamp(rawValue: b)
            }
            let path = folder + "/" + name
            return SegmentStatistics(
                file: name, offsets: header.firstOffset..<end.head, blocks: row?[0] ?? 0,
                bytes: Files.size(path) + Files.size(path + "-wal"), times: bounds(1, 2), arrivals: bounds(3, 4),
                isSealed: isSealed, chainHead: end.chain.description)
        }
    }

    /// Runs queries in one snapshot.
    func query<Result>(_ body: (Database) throws -> Result) throws(LogError) -> Result {
        do {
            return try translating(file) { try queue.read(body) }
        } catch .corrupt(_, _, let cause) {
            throw .corrupt(segment: file, offsets: next..<(next + 1), cause: cause)
        }
    }
}
