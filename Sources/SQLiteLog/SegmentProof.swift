// Reading a segment by the chain: only what it proves is served.

import Events
import Log

/// What a reader needs to hold each block against the chain.
struct SegmentProof {
    /// The chains of which the first block may continue one.
    let start: [Chain]
    /// Symbols by their number, as `LogProof.key` makes it: those that are known from anywhere.
    let known: [UInt64: Symbol]
    /// The symbols that this segment has recorded.
    let recorded: SegmentSymbols
    /// The chains that may stand before the block at an offset, when they are more than what the row before says.
    var before: (offset: Offset, chains: [Chain])?
}

extension SegmentReader {
    /// From here on blocks are served only when the chain proves them.
    mutating func prove(by proof: LogProof) {
        self.proof = SegmentProof(
            start: proof.starts[first] ?? [], known: proof.known, recorded: recordedSymbols())
    }

    /// Holds a decoded block against the chain; returns what is wrong, or nil and the symbols as they were recorded.
    mutating func check(
        _ row: StoredBlock, _ batch: EventBatch, by proof: SegmentProof
    ) -> (fault: String?, symbols: [Symbol]) {
        var before = chains(before: row.first, start: proof.start)
        if let known = proof.before, known.offset == row.first {
            before += known.chains.filter { !before.contains($0) }
        }
        let readings = proof.recorded.readings(at: row.first)
        guard let found = link(row, readings[0], after: before, proof.recorded) else {
            return ("the block before it is lost, so that nothing proves this one", [])
        }
        self.proof?.before = (row.end, found.chains)
        if found.isProven { return (nil, readings[0]) }
        for symbols in readings.dropFirst() + readings.map({ proof.substitutes($0, batch) }) {
            guard let other = link(row, symbols, after: before, proof.recorded), other.isProven else { continue }
            self.proof?.before = (row.end, other.chains)
            return (nil, symbols)
        }
        return ("the hash chain does not fit: the row, its words or its chain value changed", [])
    }

    /// Whether the chain proves a block and its symbols, and the chains that it may have; nil when no chain before it
    /// is known.
    func link(
        _ row: StoredBlock, _ symbols: [Symbol], after before: [Chain], _ recorded: SegmentSymbols
    ) -> (isProven: Bool, chains: [Chain])? {
        guard let found = ChainLink(row).after(before, symbols) else { return nil }
        if found.isStored { return (true, found.chains) }
        // If the block behind it continues what was recomputed, only this block's chain value has changed.
        guard let next = (try? fetch(from: row.end, limit: 1))?.first, next.first == row.end, next.fault == nil else {
            return (false, found.chains)
        }
        let following = ChainLink(next)
        let isProven = recorded.readings(at: next.first).contains {
            following.after(found.chains, $0)?.isStored == true
        }
        return (isProven, found.chains)
    }
}

extension SegmentProof {
    /// The symbols of a block with the texts that are known from elsewhere, and with those that it uses and the segment
    /// lacks.
    fileprivate func substitutes(_ symbols: [Symbol], _ batch: EventBatch) -> [Symbol] {
        var others = symbols.map { known[LogProof.key($0.kind, $0.id)] ?? $0 }
        let here = Set(symbols.map { LogProof.key($0.kind, $0.id) })
        var used = RecordedSymbols()
        for (kind, id) in used.add(batch) {
            let key = LogProof.key(kind, id)
            if !recorded.numbers.contains(key), !here.contains(key), let symbol = known[key] { others.append(symbol) }
        }
        return others
    }
}
