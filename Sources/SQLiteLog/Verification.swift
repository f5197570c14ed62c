// `log verify`: everything recomputed from the stored bytes.

import Events
import GRDB
import Log

/// Walks through a log, segment by segment, and keeps what it finds.
struct Verification {
    let folder: String
    let head: Offset
    private(set) var report = VerifyReport()
    /// The chain and the offset that the next segment must start with; nil where it is not known.
    private var expected: (chain: Chain, offset: Offset)?

    init(folder: String, head: Offset) {
        self.folder = folder
        self.head = head
    }

    /// Checks one segment.
    ///
    /// - Parameter following: where the next segment starts; nil for the last one.
    mutating func check(_ first: Offset, following: Offset?) {
        report.segments += 1
        do throws(LogError) {
            let reader = try SegmentReader(folder: folder, first: first)
            defer { reader.close() }
            try check(reader, end: following ?? head)
        } catch {
            expected = nil
            note(Segment.file(first), first..<(following ?? head), "\(error)")
        }
        report.chainHead = expected?.chain.description ?? ""
    }

    private mutating func check(_ reader: SegmentReader, end: Offset) throws(LogError) {
        let header = try reader.query { db in try Segment.header(db, reader.file) }
        let isSound = try reader.query { db in try String.fetchOne(db, sql: "PRAGMA quick_check(1)") == "ok" }
        if !isSound { note(reader.file, header.firstOffset..<header.firstOffset, "SQLite finds the file damaged") }
        if let expected, expected.chain != header.previousChain || expected.offset != header.firstOffset {
            note(reader.file, header.firstOffset..<header.firstOffset, "does not continue the segment before it")
        }
        var chain = header.previousChain
        var next = header.firstOffset
        var decoder = try BlockDecoder()
        while true {
            let rows = try reader.fetch(from: next, limit: 16)
            if rows.isEmpty { break }
            for row in rows {
                if row.first != next {
                    note(reader.file, next..<max(row.first, next), "blocks are missing")
                    decoder.loseTrack()
                }
                try check(row, reader.file, &chain, &decoder)
                next = row.end
            }
        }
        if next < end { note(reader.file, next..<end, "blocks are missing") }
        expected = (chain, next)
    }

    private mutating func check(
        _ row: SegmentReader.Stored, _ file: String, _ chain: inout Chain, _ decoder: inout BlockDecoder
    ) throws(LogError) {
        report.blocks += 1
        report.events += row.block.count
        var batch = EventBatch(capacity: row.block.count)
        let fault = decoder.decode(row.block.stored, count: row.block.count, into: &batch)
        let recomputed = chain.adding(row.block, at: row.first)
        if let fault {
            note(file, row.first..<row.end, fault)
        } else if recomputed.bytes != row.chain {
            note(file, row.first..<row.end, "the hash chain does not fit")
        } else if batch.events.contains(where: { !row.block.times.contains($0.time) }) {
            note(file, row.first..<row.end, "times outside the bounds of the block")
        }
        chain = Chain(bytes: row.chain) ?? recomputed
    }

    private mutating func note(_ file: String, _ offsets: Range<Offset>, _ cause: String) {
        report.damages.append(Damage(segment: file, offsets: offsets, cause: cause))
    }
}
