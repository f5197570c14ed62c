// Reading one segment in order: a connection, a decoder and the offset that they have reached.

import Events
import FoundationEssentials
import GRDB
import Identity
import Log
import SQLite

/// A cursor within one segment. One owner at a time; the connection is for reading only and never checkpoints.
struct SegmentReader {
    let file: String
    let first: Offset
    private let path: String
    /// Nil when SQLite does not open the file.
    private let queue: DatabaseQueue?
    let pageSalvage: LazyPageSalvage?
    /// The devices that are believed.
    let devices: DeviceBound
    private var decoder: BlockDecoder
    /// Of the segment's blocks, as SQLite reads them.
    private var format = BlockFormat.newest
    /// The offset of the next block to be decoded.
    private(set) var next: Offset
    /// Whether a block is known to begin there.
    private var isNextKnown = true
    /// Set when only what the chain proves is to be served.
    var proof: SegmentProof?
    /// Set when sealed texts are to be opened.
    var sealer: PartSealer?

    /// Opens a segment, at its start.
    ///
    /// - Parameter salvaging: find rows without SQLite where it does not find them. Not for a writer: what it does not
    ///   see may be there all the same.
    init(folder: String, first: Offset, salvaging: Bool = false) throws(LogError) {
        file = Segment.file(first)
        path = folder + "/" + file
        self.first = first
        pageSalvage = salvaging ? LazyPageSalvage(path) : nil
        devices = DeviceBound(namesIn: folder + "/../" + IdentityStore.fileName)
        decoder = try BlockDecoder(devices: devices)
        next = first
        let name = file
        var settings = Connection.Settings()
        settings.readOnly = true
        settings.lock = folder + "/../lock"
        do {
            queue = try Connection.open(path, settings)
        } catch .corrupt(let segment, let offsets, let cause) {
            guard let pageSalvage, pageSalvage.isUseful else {
                throw .corrupt(segment: segment, offsets: offsets, cause: cause)
            }
            queue = nil
            return
        }
        do {
            format = try translating(name) { [queue] in try queue?.read(StoredBlock.format) ?? .newest }
            try translating(name) { [queue] in _ = try queue?.read { db in try Segment.header(db, name) } }
        } catch .corrupt {
            // Blocks may be readable all the same; `header` says what is wrong.
        } catch {
            try? queue?.close()
            throw error
        }
    }

    func close() { try? queue?.close() }

    /// What stands in table `segment`.
    func header() throws(LogError) -> Segment.Header {
        try query { [file] db in try Segment.header(db, file) }
    }

    /// Moves to the block that contains `offset`, by way of the last keyframe before it.
    mutating func seek(_ offset: Offset) throws(LogError) {
        do {
            try find(offset)
        } catch .corrupt {
            decoder.loseTrack()
            (next, isNextKnown) = (offset, false)
        }
    }

    private mutating func find(_ offset: Offset) throws(LogError) {
        let begin = begin(ofBlockWith: offset)
        let target = begin ?? offset
        isNextKnown = begin != nil
        let keyframe = (try? query { db in try Segment.keyframe(db, atOrBefore: target, devices) }) ?? nil
        // Without keyframes the segment is read from its start.
        let isUsable = decoder.isCertain && next <= target
        if let keyframe, !isUsable || keyframe.offset > next {
            decoder.restart(after: keyframe.state)
            next = keyframe.offset
        } else if !isUsable {
            decoder.restart()
            next = first
        }
        try decode(upTo: target)
    }

    /// Goes to an offset with the prediction that is right there.
    mutating func restart(after prediction: DevicePrediction, at offset: Offset) {
        decoder.restart(after: prediction)
        next = offset
    }

    /// The prediction at `next`.
    var state: DevicePrediction { decoder.state }

    /// Decodes a block for the prediction only, and goes behind it; returns what is wrong with it.
    mutating func decodeForState(_ stored: StoredBlock) -> String? {
        var ignored = EventBatch(capacity: stored.block.count)
        guard stored.first >= next else {
            decoder.loseTrack()
            return Self.misplaced
        }
        defer { next = max(stored.end, stored.first + 1) }
        if stored.first != next || stored.fault != nil { decoder.loseTrack() }
        if let fault = stored.fault { return fault }
        if let fault = decoder.decode(stored.block, into: &ignored) {
            pass(stored)
            return fault
        }
        guard let proof else { return nil }
        let fault = check(stored, ignored, by: proof).fault
        if fault != nil { decoder.loseTrack() }
        return fault
    }

    /// Decodes blocks for their prediction only. What cannot be decoded is passed over, and the prediction is doubtful.
    private mutating func decode(upTo target: Offset) throws(LogError) {
        while next < target {
            let begin = next
            let found: (rows: [StoredBlock], isInTree: Bool)
            do {
                found = try scan(from: next, limit: 16, before: target)
            } catch .corrupt {
                decoder.loseTrack()
                break
            }
            for block in found.rows where next < target {
                if found.isInTree || isProven(block) {
                    _ = decodeForState(block)
                } else {
                    decoder.loseTrack()
                    next = max(next, block.first + 1)
                }
            }
            if next == begin { break }
        }
        if next < target { decoder.loseTrack() }
        next = target
    }

    /// Up to `limit` blocks from `next` on. Ends before a damaged block, and throws when that is the first.
    ///
    /// - Parameter end: where the segment ends, as far as the caller knows: what is missing before it is damage.
    mutating func read(limit: Int, end: Offset) throws(LogError) -> [Block] {
        let found: StoredRows
        let symbols: [(offset: Offset, symbol: Symbol)]
        do {
            found = try rows(from: next, limit: limit, before: end)
            // What is proven brings its own.
            symbols = proof == nil ? try self.symbols(recordedWith: found.rows) : []
        } catch .corrupt(_, _, let cause) {
            if limit > 1 { return try read(limit: 1, end: end) }
            decoder.loseTrack()
            throw skip(to: readable(after: next, before: end), cause, isKnown: false)
        }
        if found.rows.isEmpty, next < end {
            decoder.loseTrack()
            throw skip(to: end, "blocks are missing")
        }
        var index = 0
        var blocks: [Block] = []
        for (number, stored) in found.rows.enumerated() {
            // A key has no checksum. The row that fits on both sides is believed, any other must be proven, as all are
            // where only what the chain proves is served.
            let isFitting = found.isInTree && isNextKnown && stored.end == found.follower(of: number)
            guard stored.first == next, isFitting || proof != nil || stored.fault != nil || isProven(stored) else {
                if !blocks.isEmpty { break }
                decoder.loseTrack()
                let cause = stored.first == next ? Self.misplaced : "blocks are missing"
                throw skip(to: proven(from: next, before: end), cause)
            }
            var own: [Symbol] = []
            while index < symbols.count, symbols[index].offset <= stored.first {
                own.append(symbols[index].symbol)
                index += 1
            }
            if let (fault, isBehind) = step(stored, own, into: &blocks) {
                guard blocks.isEmpty else {
                    // It is read once more, by a cursor that comes from elsewhere when this one is behind it.
                    if isBehind { next = stored.end }
                    break
                }
                // The row's count may be what is damaged: the next row says where this one ends.
                if !isBehind { pass(stored) }
                throw skip(
                    to: decoder.isCertain ? stored.end : readable(after: stored.first, before: end), fault,
                    isKnown: decoder.isCertain)
            }
        }
        return blocks
    }

    /// What is said of a row that does not fit between its neighbours and that the chain does not prove.
    static let misplaced = "its row stands where nothing proves that it belongs"

    /// The symbols recorded with some blocks. A block whose symbols cannot be read is served without them: they may be
    /// known from elsewhere.
    private func symbols(recordedWith blocks: [StoredBlock]) throws(LogError) -> [(offset: Offset, symbol: Symbol)] {
        guard let first = blocks.first, let last = blocks.last else { return [] }
        do {
            return try query { db in
                try Segment.symbols(db, from: first.first, to: max(last.end, last.first + 1), by: .index)
            }
        } catch .corrupt where blocks.count == 1 {
            return []
        }
    }

    /// Goes behind a block of which something is wrong: its prediction may be sound all the same.
    private mutating func pass(_ stored: StoredBlock) {
        if stored.fault == nil, stored.first == next { decoder.pass(stored.block) } else { decoder.loseTrack() }
    }

    /// Steps over what cannot be read.
    private mutating func skip(to offset: Offset, _ cause: String, isKnown: Bool = true) -> LogError {
        let damaged = next..<max(offset, next + 1)
        (next, isNextKnown) = (damaged.upperBound, isKnown)
        return .corrupt(segment: file, offsets: damaged, cause: cause)
    }

    /// Decodes one block behind the others; returns what is wrong with it, if anything is, and
    /// whether the decoder is behind it all the same.
    private mutating func step(
        _ stored: StoredBlock, _ symbols: [Symbol], into blocks: inout [Block]
    ) -> (fault: String, isBehind: Bool)? {
        if let fault = stored.fault { return (fault, false) }
        if !decoder.isCertain {
            let keyframe = try? query { db in try Segment.keyframe(db, atOrBefore: stored.first, devices) }
            if let keyframe, keyframe.offset == stored.first { decoder.restart(after: keyframe.state) }
        }
        var batch = EventBatch(capacity: stored.block.count)
        if let fault = decoder.decode(stored.block, into: &batch) {
            // Only what is proven may be built on, also where it is not served.
            if let proof, decoder.isCertain, check(stored, batch, by: proof).fault != nil { decoder.loseTrack() }
            return (fault, false)
        }
        var definitions = Definitions()
        definitions.symbols = symbols
        if let proof {
            let checked = check(stored, batch, by: proof)
            if let fault = checked.fault {
                // The decoder is behind the block, though nothing was served: it must not go through it once more.
                decoder.loseTrack()
                return (fault, false)
            }
            definitions.symbols = checked.symbols
        }
        do throws(LogError) { try sealer?.open(&batch, at: stored.first) } catch {
            return ("its texts cannot be opened: \(error)", true)
        }
        blocks.append(
            Block(
                firstOffset: stored.first, batch: batch, definitions: definitions,
                isIdentityCertain: decoder.isCertain))
        (next, isNextKnown) = (stored.end, true)
        return nil
    }

    /// The stored rows from `offset` on. `end` keeps out what the writer has added since the caller looked.
    func fetch(
        from offset: Offset, limit: Int, before end: Offset = Offset(rawValue: .max)
    ) throws(LogError) -> [StoredBlock] {
        try scan(from: offset, limit: limit, before: end).rows
    }

    /// As `fetch`, and whether the rows stand beside each other in the tree of the file.
    func scan(
        from offset: Offset, limit: Int, before end: Offset
    ) throws(LogError) -> (rows: [StoredBlock], isInTree: Bool) {
        guard let pageSalvage else { return (try stored(from: offset, limit, end), true) }
        let rows: [StoredBlock]
        do {
            // Where a page is damaged, SQLite may come to rows that were not asked for.
            rows = try stored(from: offset, limit, end).filter { $0.first >= offset && $0.first < end }
        } catch .corrupt(let segment, let offsets, let cause) {
            let others = pageSalvage.rows(from: offset, limit, end)
            if others.isEmpty { throw .corrupt(segment: segment, offsets: offsets, cause: cause) }
            return (others, false)
        }
        // Rows that are not there may be where SQLite is not led to any more.
        var follows = offset
        for row in rows {
            guard row.first == follows, row.fault == nil else {
                return (pageSalvage.rows(from: offset, limit, end, or: rows), false)
            }
            follows = row.end
        }
        let isWhole = rows.count == limit || follows >= end || end.rawValue == .max
        return isWhole ? (rows, true) : (pageSalvage.rows(from: offset, limit, end, or: rows), false)
    }

    private func stored(from offset: Offset, _ limit: Int, _ end: Offset) throws(LogError) -> [StoredBlock] {
        try sqlite { db in try StoredBlock.fetch(db, format, from: offset, limit: limit, before: end) }
    }

    /// The last block's row; nil when it cannot be read.
    func lastRow() -> StoredBlock? {
        let last = try? query { db in try Int64.fetchOne(db, sql: "SELECT max(first_offset) FROM block") }
        guard let last = last ?? nil, let offset = UInt64(exactly: last) else { return nil }
        let row = (try? fetch(from: Offset(rawValue: offset), limit: 1))?.first
        return row?.fault == nil ? row : nil
    }

    /// The whole segment in figures.
    func statistics(folder: String, isSealed: Bool) throws(LogError) -> SegmentStatistics {
        let name = file
        return try query { db in
            let header = try Segment.header(db, name)
            let end = try Segment.end(db, header)
            let figures = try Row.fetchOne(
                db,
                sql: """
                    SELECT count(*), min(time_min), max(time_max), min(arrival_min), max(arrival_max) FROM block
                    """)
            func bounds(_ low: Int, _ high: Int) -> ClosedRange<Timestamp>? {
                guard let a = try? figures?.number(low), let b = try? figures?.number(high), a <= b else { return nil }
                return Timestamp(rawValue: a)...Timestamp(rawValue: b)
            }
            let path = folder + "/" + name
            return SegmentStatistics(
                file: name, offsets: header.firstOffset..<end.head,
                blocks: Int(clamping: (try? figures?.number(0)) ?? 0),
                bytes: Files.size(path) + Files.size(path + "-wal"), times: bounds(1, 2), arrivals: bounds(3, 4),
                isSealed: isSealed, chainHead: end.chain.description)
        }
    }

    /// Runs queries in one snapshot; where SQLite finds damage, on the rows that are found without it.
    func query<Result>(_ body: (Database) throws -> Result) throws(LogError) -> Result {
        do {
            return try sqlite(body)
        } catch .corrupt(let segment, let offsets, let cause) {
            if let salvage = pageSalvage?.salvage, let result = try? salvage.queue.read(body) { return result }
            throw .corrupt(segment: segment, offsets: offsets, cause: cause)
        }
    }

    /// Runs queries in one snapshot, by SQLite alone.
    func sqlite<Result>(_ body: (Database) throws -> Result) throws(LogError) -> Result {
        var read: Result?
        do {
            return try translating(file) {
                guard let queue else {
                    throw DatabaseError(resultCode: .SQLITE_NOTADB, message: "file is not a database")
                }
                return try queue.read { db in
                    let result = try body(db)
                    read = result
                    return result
                }
            }
        } catch .corrupt(_, _, let cause) {
            // Damage that the queries have passed over is told once more when the transaction ends. Who can search the
            // pages for the rest does so.
            if let read, pageSalvage == nil { return read }
            throw .corrupt(segment: file, offsets: next..<(next + 1), cause: cause)
        }
    }
}
