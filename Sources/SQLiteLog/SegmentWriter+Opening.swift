// How the writer finds and adopts the state of a log: at the start, and after every failure.

import Bytes
import Events
import GRDB
import Identity
import Log
import SQLite

extension SegmentWriter {
    /// What the files say, before anything of it is believed.
    struct Found {
        var segments: [Offset]
        var head = Offset.zero
        var chain = Chain()
        var logID: [UInt8] = []
        var damages: [Damage] = []
        /// How the last segment ends, if blocks may be added to it.
        var end: End?
        /// Whether the last segment is of an older format, so that nothing is added to it though it is whole.
        var isLastOlder = false
    }

    /// What is needed to go on with a segment.
    struct End {
        var header: Segment.Header
        var prediction: DevicePrediction
        var bytesSinceKeyframe: Int
        var keyframeBytes: Int
        var symbols: [Symbol]
    }

    /// Reads the files. Changes nothing but the vocabulary, which it completes, and undoes what was half done.
    mutating func find() throws(LogError) -> Found {
        try Segment.undoJournals(folder, settings)
        var found = Found(segments: try Self.findSegments(folder))
        for first in found.segments.dropLast() {
            let stored = Self.readableSymbols(folder, first)
            define(stored)
            if let fault = stored.fault { found.note(first, first..<first, "words cannot be read: \(fault)") }
        }
        guard let last = found.segments.last else {
            found.logID = logID.isEmpty ? randomBytes(16) : logID
            return found
        }
        try repairWriteAheadLog(last, &found)
        do {
            try readEnd(last, &found)
        } catch .corrupt(_, _, let cause) {
            try passOver(last, cause, &found)
        }
        return found
    }

    /// A flipped bit in the write-ahead log of a daemon that was killed would hide every commit behind it.
    private func repairWriteAheadLog(_ first: Offset, _ found: inout Found) throws(LogError) {
        let path = folder + "/" + Segment.file(first) + "-wal"
        guard let wal = WriteAheadLog(path), wal.isDamaged, let fault = wal.fault else { return }
        try wal.repair(path)
        Files.remove(folder + "/" + Segment.file(first) + "-shm")
        try Files.syncFolder(folder)
        found.note(
            first, first..<first,
            "frame \(fault.frame) of its write-ahead log was damaged; the \(fault.commits) commits from there on were "
                + "kept, and the damaged file as -wal.damaged")
    }

    private mutating func define(_ stored: StoredSymbols) {
        vocabulary.define(words: stored.symbols)
        for kind in SymbolKind.allCases {
            if let highest = stored.highest[kind.rawValue] { vocabulary.reserve(kind, upTo: highest) }
        }
    }

    static func findSegments(_ folder: String) throws(LogError) -> [Offset] {
        try Files.list(folder).compactMap { Segment.offset(ofFile: $0) }
    }

    /// The symbols of a segment, as far as they can be read.
    static func readableSymbols(_ folder: String, _ first: Offset) -> StoredSymbols {
        do throws(LogError) {
            let reader = try SegmentReader(folder: folder, first: first)
            defer { reader.close() }
            return try reader.query { db in Segment.readableSymbols(db) }
        } catch {
            return StoredSymbols(fault: "\(error)")
        }
    }

    /// Reads the last segment where it ends.
    private mutating func readEnd(_ first: Offset, _ found: inout Found) throws(LogError) {
        var reader = try SegmentReader(folder: folder, first: first)
        defer { reader.close() }
        let header = try reader.header()
        let (end, mode) = try reader.query { db in
            (try Segment.end(db, header), try String.fetchOne(db, sql: "PRAGMA journal_mode"))
        }
        (found.logID, found.head, found.chain) = (header.logID, end.head, end.chain)
        let symbols = try reader.query { db in Segment.readableSymbols(db) }
        define(symbols)
        let tail = try reader.tail(header, symbols, end: end.head)
        if let fault = symbols.fault { found.note(first, first..<first, "words cannot be read: \(fault)") }
        if let damage = tail.damage { found.damages.append(damage) }
        found.head = max(found.head, tail.head)
        // Nothing is added to a sealed segment, nor behind damage: the next block begins a new segment, which records
        // the chain that it continues. A plain file that is writable is the growing segment at rest.
        guard mode == "wal" || end.head == first || !FileAccess.isSealed(folder + "/" + reader.file) else { return }
        // Nor is one of an older format: it stays as it is for ever.
        guard header.format == .newest else {
            found.isLastOlder = true
            return
        }
        guard let prediction = tail.prediction, tail.damage == nil, symbols.fault == nil else { return }
        found.end = End(
            header: header, prediction: prediction, bytesSinceKeyframe: tail.bytesSinceKeyframe,
            keyframeBytes: tail.keyframeBytes, symbols: symbols.symbols)
    }

    /// Goes on behind a last segment whose header or end cannot be read. How many events it held is not known, so the
    /// next one gets an offset that no event of that file can have had.
    private func passOver(_ first: Offset, _ cause: String, _ found: inout Found) throws(LogError) {
        let file = Segment.file(first)
        found.head = first
        found.chain = Chain()
        if let reader = try? SegmentReader(folder: folder, first: first) {
            defer { reader.close() }
            if let header = try? reader.header() {
                found.logID = header.logID
                found.chain = header.previousChain
            }
            if let last = reader.lastReadable() { (found.head, found.chain) = last }
        }
        if found.logID.isEmpty { found.logID = logID }
        if found.logID.isEmpty { found.logID = try identity.logID() ?? [] }
        guard !found.logID.isEmpty else {
            throw .corrupt(segment: file, offsets: first..<first, cause: "not even its header can be read: \(cause)")
        }
        let bytes = Files.size(folder + "/" + file) + Files.size(folder + "/" + file + "-wal")
        let blocks = bytes / Limits.blockEvents + 1
        let begin = found.head
        found.head = begin + blocks * Limits.blockEvents
        found.note(first, begin..<found.head, "the end of the newest segment cannot be read: \(cause)")
    }

    /// Believes what was found: from here on it is the state of the log.
    mutating func adopt(_ found: Found) throws(LogError) {
        for name in try Files.list(folder) where name.hasSuffix(Segment.suffix + ".new") {
            Segment.removeFiles(folder + "/" + name)
        }
        try identity.bind(to: found.logID, isNew: found.segments.isEmpty)
        active = nil
        var noted = found.damages
        if let end = found.end, let first = found.segments.last, first != distrusted {
            do throws(LogError) {
                try resume(first, end)
            } catch .corrupt(_, _, let cause) {
                noted.append(Damage(segment: Segment.file(first), offsets: found.head..<found.head, cause: cause))
            }
        }
        if found.isLastOlder, let first = found.segments.last, first < found.head { sealOlder(first) }
        segments = found.segments
        (head, chain, logID) = (found.head, found.chain, found.logID)
        for damage in noted where !damages.contains(damage) { damages.append(damage) }
    }

    /// Opens the last segment for writing.
    private mutating func resume(_ first: Offset, _ end: End) throws(LogError) {
        let path = folder + "/" + Segment.file(first)
        let queue: DatabaseQueue
        do throws(LogError) {
            queue = try Connection.open(path, settings)
        } catch .locked where FileAccess.isPlain(path) {
            // Somebody has read the file at rest since before and does not stop: a new segment begins behind it.
            return
        }
        do {
            // What a failed sync may have left in memory only is written once more.
            try Connection.checkpoint(queue, .truncate)
        } catch .locked(let cause) {
            // A reader is in the way; that matters only after a failure.
            if !logID.isEmpty { throw .locked(cause) }
        }
        encoder.restart(after: end.prediction)
        var segment = Active(queue: queue, header: end.header, bytes: Files.size(path))
        segment.bytesSinceKeyframe = end.bytesSinceKeyframe
        segment.keyframeBytes = end.keyframeBytes
        for symbol in end.symbols { segment.recorded.insert(symbol.kind, symbol.id) }
        active = segment
    }

    /// Makes the last segment of an older format a plain file that never changes again, as if it had been full. If
    /// another process reads it, that happens when the log is opened next; it is complete in any case.
    private func sealOlder(_ first: Offset) {
        let path = folder + "/" + Segment.file(first)
        guard !FileAccess.isSealed(path), let queue = try? Connection.open(path, settings) else { return }
        try? Connection.checkpoint(queue, .truncate)
        let isPlain = queue.makePlain()
        try? queue.close()
        if isPlain { Files.makeReadOnly(path) }
    }

    /// Makes sure that the files still hold, at an offset that was acknowledged, the chain that they had there.
    func expect(_ found: Found, toHave chain: Chain, at offset: Offset) throws(LogError) {
        if found.head == offset, found.chain == chain { return }
        guard found.head >= offset else {
            throw lost(offset, "it ends at event \(found.head.rawValue)")
        }
        guard let first = found.segments.last(where: { $0 <= offset }) else {
            throw lost(offset, "the segment is gone")
        }
        let reader = try SegmentReader(folder: folder, first: first)
        defer { reader.close() }
        guard try reader.chain(at: offset) == chain else { throw lost(offset, "it is not what was written") }
    }

    private func lost(_ offset: Offset, _ cause: String) -> LogError {
        .io(
            "after a failed write \(folder) no longer holds what was acknowledged up to event \(offset.rawValue): "
                + cause + "; nothing is added to it. Restore the newest segment from a copy and restart")
    }
}

extension SegmentWriter.Found {
    /// Notes damage in a segment.
    mutating func note(_ first: Offset, _ offsets: Range<Offset>, _ cause: String) {
        damages.append(Damage(segment: Segment.file(first), offsets: offsets, cause: cause))
    }
}
