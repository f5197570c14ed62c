// `log verify`: everything recomputed from the stored bytes.

import Events
import GRDB
import Log

/// Walks through a log, segment by segment, and keeps what it finds. Damage never ends the walk.
struct Verification {
    let folder: String
    let head: Offset
    private(set) var report = VerifyReport()
    /// What the next segment must continue: the chains that would fit (more than one behind a damaged block, none where
    /// it is not known) and the offset.
    private var expected: (chains: [Chain], offset: Offset)?
    private var logID: [UInt8]?
    /// The symbols of the segments so far: a number means the same symbol in all of them.
    private var vocabulary = Vocabulary()
    /// The lowest offset at which damage was found.
    private var firstDamage: Offset?
    private let progress: @Sendable (UInt64, UInt64) -> Void

    /// - Parameters:
    ///   - head: where the log ends.
    ///   - claim: a chain value to be looked for.
    ///   - progress: called with the events that were looked at and those there are, after some blocks each.
    init(
        folder: String, head: Offset, claim: ChainClaim?,
        progress: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Void = { _, _ in }
    ) {
        self.folder = folder
        self.progress = progress
        self.head = head
        report.claim = claim
        report.head = head
    }

    /// Checks one segment.
    ///
    /// - Parameters:
    ///   - following: where the next segment starts; nil for the last one.
    ///   - pause: called now and then, to let others have their turn.
    mutating func check(_ first: Offset, following: Offset?, pause: () -> Void = {}) {
        if report.segments == 0 { report.start = first }
        report.segments += 1
        tell(first)
        let end = max(following ?? head, first)
        do throws(LogError) {
            let reader = try SegmentReader(folder: folder, first: first, salvaging: true)
            defer { reader.close() }
            try check(reader, end: end, isLast: following == nil, pause)
        } catch {
            expected = nil
            note(Segment.file(first), first..<end, error.cause)
        }
        let isKnown = expected?.chains.count == 1
        report.chainHead = isKnown ? expected?.chains.first?.description ?? "" : ""
        report.head = expected?.offset ?? end
        if let found = report.claim?.found, let firstDamage { report.claim?.isBehindDamage = firstDamage < found }
    }

    private func tell(_ next: Offset) {
        let start = report.start
        progress(max(next, start).rawValue - start.rawValue, max(head, start).rawValue - start.rawValue)
    }

    /// The damage that was found since the last call.
    mutating func takeDamages() -> [Damage] {
        defer { report = VerifyReport() }
        return report.damages
    }

    /// Whether a segment says that a salvage left out what is missing before it.
    private func isDeclaredGap(before header: Segment.Header) -> Bool {
        guard let expected, expected.offset < header.firstOffset else { return false }
        return expected.chains.contains { $0.skipping(expected.offset..<header.firstOffset) == header.previousChain }
    }

    private mutating func check(
        _ reader: SegmentReader, end: Offset, isLast: Bool, _ pause: () -> Void
    ) throws(LogError) {
        let file = reader.file
        checkFile(reader)
        var walk = SegmentWalk(reader, try BlockDecoder(devices: reader.devices), end: end)
        do throws(LogError) {
            let header = try reader.header()
            if isDeclaredGap(before: header) {
                report.leftOut += header.firstOffset.rawValue - (expected?.offset.rawValue ?? 0)
            } else if let expected, expected.offset < reader.first {
                note(file, expected.offset..<reader.first, "blocks are missing")
            } else if let expected, !expected.chains.isEmpty, !expected.chains.contains(header.previousChain) {
                note(file, reader.first..<reader.first, "does not continue the segment before it")
            }
            if let logID, logID != header.logID { note(file, reader.first..<reader.first, "belongs to another log") }
            logID = header.logID
            walk.chains = [header.previousChain]
            if expected == nil { claim(header.previousChain, at: reader.first) }
        } catch {
            note(file, reader.first..<reader.first, "its header is damaged: \(error.cause)")
            walk.chains = expected?.offset == reader.first ? expected?.chains ?? [] : []
        }
        while let rows = read(&walk, end: end, isLast: isLast) {
            for row in rows { check(row, &walk) }
            tell(walk.next)
            pause()
        }
        // What is missing before a following segment is judged there.
        if walk.next < end, isLast { note(file, walk.next..<end, "blocks are missing") }
        for offset in walk.keyframes.sorted() where offset != walk.next && !walk.isInDamage(offset) {
            note(file, offset..<offset, "a keyframe stands where no block begins")
        }
        for (offset, symbols) in walk.unclaimed.sorted(by: { $0.key < $1.key }) where !walk.isInDamage(offset) {
            note(file, offset..<offset, "\(symbols.count) words were recorded without a block")
        }
        for symbol in walk.symbols.values.joined() {
            let known = vocabulary.text(symbol.kind, symbol.id)
            if !known.isEmpty, !known.elementsEqual(symbol.text) {
                note(
                    file, reader.first..<reader.first,
                    "\(symbol.kind.name) \(symbol.id.rawValue) is another word before")
            }
            vocabulary.define(words: [symbol])
        }
        expected = (walk.chains, isLast ? max(walk.next, end) : walk.next)
    }

    /// Whether both places in the file say the same format, which a reader that helps itself does not need.
    private mutating func checkFormat(_ reader: SegmentReader) {
        let stated = try? reader.sqlite { db in
            try Int.fetchOne(
                db, sql: "SELECT format FROM segment, pragma_user_version WHERE id = 1 AND format <> user_version")
        }
        guard let stated = stated ?? nil else { return }
        note(
            reader.file, reader.first..<reader.first,
            "its header is damaged: it says format \(stated), and the file says another")
    }

    /// What SQLite itself finds wrong with the file.
    private mutating func checkFile(_ reader: SegmentReader) {
        if let wal = WriteAheadLog(folder + "/" + reader.file + "-wal"), wal.isDamaged, let fault = wal.fault {
            note(
                reader.file, reader.first..<reader.first,
                "frame \(fault.frame) of its write-ahead log is damaged and hides \(fault.commits) commits; the daemon "
                    + "keeps them when it starts")
        }
        do throws(LogError) {
            // The quick check leaves out whether an index says what its table says. Only symbols have indexes.
            let faults = try reader.sqlite { db in
                let found = try String.fetchAll(db, sql: "PRAGMA quick_check(4)")
                return found == ["ok"] ? try String.fetchAll(db, sql: "PRAGMA integrity_check(symbol)") : found
            }
            guard faults != ["ok"] else { return checkFormat(reader) }
            let fault = faults.joined(separator: "; ").split(separator: "\n").joined(separator: " ")
            note(reader.file, reader.first..<reader.first, "SQLite finds the file damaged: \(fault.prefix(300))")
        } catch {
            note(reader.file, reader.first..<reader.first, "SQLite finds the file damaged: \(error.cause)")
        }
    }

    /// The next rows; nil at the end. What cannot be read is noted and passed over.
    private mutating func read(_ walk: inout SegmentWalk, end: Offset, isLast: Bool) -> [StoredBlock]? {
        let bound = isLast ? Offset(rawValue: .max) : end
        while true {
            let from = max(walk.next, walk.passed)
            for limit in [16, 1] {
                if let rows = try? walk.reader.fetch(from: from, limit: limit, before: bound) {
                    return rows.isEmpty ? nil : rows
                }
            }
            let next = walk.reader.readable(after: from, before: end)
            note(&walk, walk.next..<max(next, walk.next + 1), "the rows cannot be read")
            walk.lose(to: max(next, walk.next + 1))
            if walk.next >= end { return nil }
        }
    }

    private mutating func check(_ row: StoredBlock, _ walk: inout SegmentWalk) {
        if row.first < walk.next { return }
        if row.first > walk.next {
            // Its key may be what has changed: the block is missing where it belongs, and is not where the key says.
            guard row.fault != nil || walk.reader.isProven(row) else {
                walk.passed = row.first + 1
                return
            }
            note(&walk, walk.next..<row.first, "blocks are missing")
            walk.lose(to: row.first)
        }
        checkKeyframe(&walk)
        report.blocks += 1
        report.events += row.block.count
        let symbols = walk.takeSymbols(of: row.first)
        let (fault, batch) = walk.decode(row)
        let recomputed = symbols.map { symbols in
            // Of the texts the chain covers the digest, which is held against them below.
            walk.chains.map { $0.adding(row.block, words: symbols, at: row.first) }
        }
        let stored = Chain(bytes: row.chain)
        let isChained = recomputed.map { chains in chains.isEmpty || chains.contains { $0 == stored } } ?? true
        // The count of a damaged row is not believed: the next row says where this block ends.
        let end = fault == nil ? row.end : walk.reader.readable(after: row.first, before: max(walk.end, row.first + 1))
        if let fault {
            note(&walk, row.first..<end, fault)
        } else if !row.isWhole {
            note(&walk, row.first..<end, "bad checksum: one byte changed; readers know which and put it right")
        } else if symbols == nil {
            note(&walk, row.first..<end, "its words cannot be read")
        } else if !row.isDigestRight {
            note(&walk, row.first..<end, "its texts are not those of which the digest was stored")
        } else if !isChained {
            note(&walk, row.first..<end, "the hash chain does not fit: the row, its words or its chain value changed")
        } else if batch.events.contains(where: { !row.block.times.contains($0.time) }) {
            note(&walk, row.first..<end, "times outside the bounds of the block")
        }
        if !isChained { walk.decoder.loseTrack() }
        // Behind a block that does not fit, both what it says and what was recomputed may be right.
        let both = (stored.map { [$0] } ?? []) + (isChained || row.fault != nil ? [] : recomputed ?? [])
        for chain in both { claim(chain, at: end) }
        walk.chains = both
        walk.next = end
    }

    /// Compares a keyframe that stands here with what the blocks before it say.
    private mutating func checkKeyframe(_ walk: inout SegmentWalk) {
        guard walk.keyframes.remove(walk.next) != nil else { return }
        do throws(LogError) {
            let keyframe = try walk.reader.query { [next = walk.next, devices = walk.reader.devices] db in
                try Segment.keyframe(db, atOrBefore: next, devices)
            }
            guard let keyframe, keyframe.offset == walk.next else {
                note(&walk, walk.next..<walk.next, "the keyframe is damaged")
                return
            }
            if walk.decoder.isCertain, !keyframe.state.says(sameAs: walk.decoder.state) {
                note(&walk, walk.next..<walk.next, "the keyframe contradicts the blocks before it")
            }
            if !walk.decoder.isCertain { walk.decoder.restart(after: keyframe.state) }
        } catch {
            note(&walk, walk.next..<walk.next, "the keyframe cannot be read: \(error.cause)")
        }
    }

    private mutating func claim(_ chain: Chain, at offset: Offset) {
        if report.claim?.chain == chain, report.claim?.found == nil { report.claim?.found = offset }
    }

    private mutating func note(_ walk: inout SegmentWalk, _ offsets: Range<Offset>, _ cause: String) {
        walk.damaged.append(offsets)
        note(walk.reader.file, offsets, cause)
    }

    private mutating func note(_ file: String, _ offsets: Range<Offset>, _ cause: String) {
        firstDamage = min(firstDamage ?? offsets.lowerBound, offsets.lowerBound)
        report.note(Damage(segment: file, offsets: offsets, cause: cause))
    }
}

/// The state of the walk through one segment.
private struct SegmentWalk {
    let reader: SegmentReader
    var decoder: BlockDecoder
    /// The chains that would fit before the next block; none where it is not known.
    var chains: [Chain] = []
    var next: Offset
    /// Behind the rows that were passed over, as nothing proves that they stand where they belong.
    var passed = Offset.zero
    /// Where the segment ends, as far as is known.
    let end: Offset
    /// Offsets of keyframes that the walk has not met yet.
    var keyframes: Set<Offset> = []
    /// All symbols of the segment, by the block with which they were recorded; nil when they cannot be read at once.
    var symbols: [Offset: [Symbol]] = [:]
    /// Those of which no block was met yet.
    var unclaimed: [Offset: [Symbol]] = [:]
    var damaged: [Range<Offset>] = []
    private var areSymbolsWhole = false

    init(_ reader: SegmentReader, _ decoder: BlockDecoder, end: Offset) {
        self.reader = reader
        self.end = end
        self.decoder = decoder
        next = reader.first
        let offsets = try? reader.query { db in try Int64.fetchAll(db, sql: "SELECT offset FROM keyframe") }
        keyframes = Set((offsets ?? []).filter { $0 >= 0 }.map { Offset(rawValue: UInt64($0)) })
        let all = try? reader.query { db in try Segment.symbols(db, by: .table) }
        if let all {
            symbols = symbolsByBlock(all)
            areSymbolsWhole = true
        }
        unclaimed = symbols
    }

    /// The symbols recorded with a block; nil when they cannot be read.
    mutating func takeSymbols(of block: Offset) -> [Symbol]? {
        if areSymbolsWhole { return unclaimed.removeValue(forKey: block) ?? [] }
        let found = try? reader.query { db in
            try Segment.symbols(db, from: block, to: block + 1, by: .index).map(\.symbol)
        }
        symbols[block] = found
        return found
    }

    mutating func decode(_ row: StoredBlock) -> (fault: String?, events: EventBatch) {
        var batch = EventBatch(capacity: row.block.count)
        if let fault = row.fault {
            decoder.loseTrack()
            return (fault, batch)
        }
        let fault = decoder.decode(row.block, into: &batch)
        if fault != nil { decoder.pass(row.block) }
        return (fault, batch)
    }

    /// Goes on behind blocks that are not there.
    mutating func lose(to offset: Offset) {
        decoder.loseTrack()
        chains = []
        next = offset
    }

    func isInDamage(_ offset: Offset) -> Bool { damaged.contains { $0.contains(offset) } }
}

extension LogError {
    /// The cause alone, where the place is said apart.
    var cause: String {
        if case .corrupt(_, _, let cause) = self { return cause }
        return description
    }
}
