// What the chain proves of a log apart from its events: how segments continue each other, and what symbols mean.

import Events
import GRDB
import Log

/// The result of one pass over the segments, before their events are read.
///
/// It reads the blocks with which symbols were recorded (few: a segment's first ones, mostly) and the ends of the
/// segments. A plain value.
struct LogProof {
    /// The symbols that the chain proves in any segment, and those that nothing contradicts, by `key`.
    private(set) var known: [UInt64: Symbol] = [:]
    /// By segment: the chains of which its first block may continue one.
    private(set) var starts: [Offset: [Chain]] = [:]
    /// Segments of unknown origin, with the cause: they continue nothing, so nothing proves that they are of this log.
    private(set) var unknown: [Offset: String] = [:]
    /// What is not as it should be and concerns no event.
    private(set) var notes: [Damage] = []

    private var logID: [UInt8]?
    /// Where the segment before ends, the chains that it may have there, and whether its last block is proven; nil
    /// where that is not known.
    private var previous: (end: Offset, chains: [Chain], isProven: Bool)?

    init(folder: String, segments: [Offset]) {
        var doubted: [Doubt] = []
        for first in segments {
            do throws(LogError) {
                let reader = try SegmentReader(folder: folder, first: first, salvaging: true)
                defer { reader.close() }
                let recorded = reader.recordedSymbols()
                checkStart(reader, recorded, isFirst: first == segments.first)
                if unknown[first] == nil { take(reader, recorded, &doubted) }
            } catch {
                previous = nil
                note(first, first..<first, error.cause)
            }
        }
        resolve(doubted)
    }

    /// The symbols in the order of kind and number.
    var symbols: [Symbol] { known.sorted { $0.key < $1.key }.map(\.value) }

    /// A number of a symbol, whatever its kind.
    static func key(_ kind: SymbolKind, _ id: SymbolID) -> UInt64 { UInt64(kind.rawValue) << 32 | UInt64(id.rawValue) }

    /// Symbols that their block does not prove.
    private struct Doubt {
        var segment: Offset
        var block: Offset
        var symbols: [Symbol]
        /// The block is there and whole, so that it is the symbols, or the row, that changed.
        var isContradicted: Bool
    }

    // MARK: Segments

    private mutating func checkStart(_ reader: SegmentReader, _ recorded: SegmentSymbols, isFirst: Bool) {
        let first = reader.first
        var before = isFirst && first == .zero ? [Chain()] : []
        if let previous, previous.end == first { before = previous.chains }
        let header: Segment.Header
        do throws(LogError) { header = try reader.header() } catch {
            note(first, first..<first, "its header is damaged: \(error.cause)")
            starts[first] = before
            return
        }
        if let logID, logID != header.logID { note(first, first..<first, "belongs to another log") }
        let isOther = logID != nil && logID != header.logID
        if logID == nil { logID = header.logID }
        let own = [header.previousChain]
        if before.isEmpty, !isOther || isDeclaredGap(before: header) || reader.continues(before, recorded) {
            starts[first] = own
        } else if before.contains(header.previousChain) {
            starts[first] = own
        } else if !before.isEmpty, reader.continues(before, recorded) || !reader.continues(own, recorded) {
            note(first, first..<first, "its header is damaged: its blocks continue another chain than it says")
            starts[first] = before + own
        } else if !isOther, previous?.isProven == false {
            // What it says of the segment before cannot be held against it.
            note(first, first..<first, "the segment before it ends in damage, so that it may not continue it")
            starts[first] = own
        } else {
            unknown[first] = "does not continue the segment before it: nothing proves that it is of this log"
            starts[first] = own
        }
    }

    private func isDeclaredGap(before header: Segment.Header) -> Bool {
        guard let previous, previous.end < header.firstOffset else { return false }
        return previous.chains.contains { $0.skipping(previous.end..<header.firstOffset) == header.previousChain }
    }

    // MARK: Symbols

    private mutating func take(_ reader: SegmentReader, _ recorded: SegmentSymbols, _ doubted: inout [Doubt]) {
        let first = reader.first
        if let fault = recorded.fault { note(first, first..<first, "words cannot be read: \(fault)") }
        let start = starts[first] ?? []
        if recorded.isIndexWrong { note(first, first..<first, "the index of its words does not say what they say") }
        for offset in recorded.offsets {
            let rows = (try? reader.fetch(from: offset, limit: 1)) ?? []
            let row = rows.first.flatMap { $0.first == offset && $0.fault == nil ? $0 : nil }
            let before = reader.chains(before: offset, start: start)
            let readings = recorded.readings(at: offset)
            let proven = row.flatMap { row in
                readings.first { reader.link(row, $0, after: before, recorded)?.isProven == true }
            }
            if let proven {
                keep(proven)
            } else {
                doubted.append(
                    Doubt(
                        segment: first, block: offset, symbols: readings[0],
                        isContradicted: !before.isEmpty && row?.isWhole == true))
            }
        }
        previous = reader.end(start: start, recorded)
    }

    /// Symbols of a block that is lost are kept, for nothing contradicts them; those that contradict a whole block are
    /// not, unless another segment proves them.
    private mutating func resolve(_ doubted: [Doubt]) {
        for doubt in doubted {
            let symbols = doubt.symbols.filter { known[Self.key($0.kind, $0.id)] == nil }
            if doubt.isContradicted {
                let lost = symbols.isEmpty ? "other segments have them" : "\(symbols.count) are left out"
                note(
                    doubt.segment, doubt.block..<doubt.block,
                    "the words recorded here, or their block, changed: \(lost)")
                continue
            }
            guard !symbols.isEmpty else { continue }
            note(
                doubt.segment, doubt.block..<doubt.block,
                "\(symbols.count) words of a lost block are kept, though nothing proves them")
            keep(symbols)
        }
    }

    private mutating func keep(_ symbols: [Symbol]) {
        for symbol in symbols where known[Self.key(symbol.kind, symbol.id)] == nil {
            known[Self.key(symbol.kind, symbol.id)] = symbol
        }
    }

    private mutating func note(_ segment: Offset, _ offsets: Range<Offset>, _ cause: String) {
        notes.append(Damage(segment: Segment.file(segment), offsets: offsets, cause: cause))
    }
}

/// A stored block as a link of the chain.
struct ChainLink {
    let row: StoredBlock
    /// What body and texts may have been: one changed byte is put right, and the chain tells which it was.
    private let readings: [EncodedBlock]

    init(_ row: StoredBlock) {
        self.row = row
        readings = row.block.originals
    }

    /// The chains behind the block that follow from those before it; `isStored` when one of them is the stored one.
    /// Nil when no chain before it is known.
    func after(_ before: [Chain], _ symbols: [Symbol]) -> (chains: [Chain], isStored: Bool)? {
        guard !before.isEmpty else { return nil }
        let stored = Chain(bytes: row.chain)
        var chains: [Chain] = []
        for block in readings {
            for chain in before {
                let next = chain.adding(block, words: symbols, at: row.first)
                if next == stored { return ([next], true) }
                chains.append(next)
            }
        }
        return (chains, false)
    }
}

/// The symbols of one segment, as far as they can be read.
struct SegmentSymbols {
    /// By the block with which they were recorded, as the rows of their table say.
    private var groups: [Offset: [Symbol]] = [:]
    /// What their index says, where that is something else: the chain tells which of the two is right.
    private var indexed: [Offset: [Symbol]] = [:]
    /// The numbers that are there, as `LogProof.key` makes them.
    private(set) var numbers: Set<UInt64> = []
    var fault: String?

    init() {}

    init(_ db: Database) {
        let stored = Segment.readableSymbols(db)
        fault = stored.fault
        groups = symbolsByBlock(stored.rows)
        numbers = Set(stored.rows.map { LogProof.key($0.symbol.kind, $0.symbol.id) })
        guard let rows = try? Segment.symbols(db, by: .index) else { return }
        let others = symbolsByBlock(rows)
        for offset in Set(groups.keys).union(others.keys) where groups[offset] != others[offset] {
            indexed[offset] = others[offset] ?? []
        }
    }

    /// Where symbols were recorded, in order.
    var offsets: [Offset] { Set(groups.keys).union(indexed.keys).sorted() }

    /// Whether table and index differ though the table can be read.
    var isIndexWrong: Bool { fault == nil && !indexed.isEmpty }

    /// The symbols of a block: what the table says first, then what the index says, if that is something else. Never
    /// empty.
    func readings(at offset: Offset) -> [[Symbol]] {
        [groups[offset] ?? []] + (indexed[offset].map { [$0] } ?? [])
    }
}

extension SegmentReader {
    func recordedSymbols() -> SegmentSymbols {
        do throws(LogError) {
            return try query { db in SegmentSymbols(db) }
        } catch {
            var nothing = SegmentSymbols()
            nothing.fault = error.cause
            return nothing
        }
    }

    /// The chains that may stand before a block; none when the block before it is lost.
    func chains(before offset: Offset, start: [Chain]) -> [Chain] {
        if offset == first { return start }
        return ((try? chain(at: offset)) ?? nil).map { [$0] } ?? []
    }

    /// Whether the first block continues one of some chains.
    func continues(_ chains: [Chain], _ recorded: SegmentSymbols) -> Bool {
        guard let row = (try? fetch(from: first, limit: 1))?.first, row.first == first, row.fault == nil else {
            return false
        }
        let link = ChainLink(row)
        return recorded.readings(at: first).contains { link.after(chains, $0)?.isStored == true }
    }

    /// Where the segment ends, the chains that the last block may have, and whether it is proven; nil when that cannot
    /// be read.
    func end(start: [Chain], _ recorded: SegmentSymbols) -> (end: Offset, chains: [Chain], isProven: Bool)? {
        guard let row = lastRow() else { return lastReadable().map { ($0.head, [$0.chain], false) } }
        let (link, before) = (ChainLink(row), chains(before: row.first, start: start))
        let found = recorded.readings(at: row.first).compactMap { link.after(before, $0) }
        let chains = (Chain(bytes: row.chain).map { [$0] } ?? []) + found.flatMap(\.chains)
        return (row.end, chains, found.contains(where: \.isStored))
    }
}
