// The one writer of a log: blocks into the active segment, sealing, and coming back after a crash.

import Events
import FoundationEssentials
import GRDB
import Log

/// The writing side of `SQLiteEventLog`. One owner at a time (a mutex); every call may wait for the disk.
struct SegmentWriter {
    private let folder: String
    private let limits: SegmentLimits
    private let identity: IdentityStore
    private var encoder: BlockEncoder
    private var active: Active?
    /// The words of the log; the names of devices and customers are only in the identity store.
    private(set) var vocabulary = Vocabulary()
    /// First offsets of all segments, oldest first.
    private(set) var segments: [Offset] = []
    private(set) var head = Offset.zero
    private var chain = Chain()
    /// Which log this is: random, given when it is made, in every segment's header.
    private(set) var logID: [UInt8] = []
    /// A batch whose commit failed in a way that leaves open whether it is in the file.
    private var doubtful: EventBatch?
    /// Set by a failure: nothing in memory is trusted before the files were read again.
    private var mustReopen = false

    /// The segment that is being written.
    private struct Active {
        var queue: DatabaseQueue
        var header: Segment.Header
        /// About the size of the file.
        var bytes: Int
        var bytesSinceKeyframe = 0
        var keyframeBytes = 0
        var recorded = RecordedSymbols()
        /// About how much the write-ahead log holds that the file does not have yet.
        var bytesToCopy = 0

        /// Counts what was stored.
        mutating func note(_ block: EncodedBlock, _ keyframe: EncodedBody?) {
            let size = block.stored.body.count
            bytes += size + 256 + (keyframe?.body.count ?? 0)
            bytesToCopy += size + 8_192 + (keyframe?.body.count ?? 0)
            bytesSinceKeyframe += size
            if let keyframe {
                bytesSinceKeyframe = size
                keyframeBytes = keyframe.body.count
            }
        }
    }

    /// Opens the log in `folder` for writing, and brings back the state at its head.
    init(folder: String, limits: SegmentLimits, identity: IdentityStore) throws(LogError) {
        self.folder = folder
        self.limits = limits
        self.identity = identity
        encoder = try BlockEncoder()
        try reopen()
    }

    private var settings: Connection.Settings {
        var settings = Connection.Settings()
        settings.maximumPages = limits.maximumPages
        return settings
    }

    // MARK: Appending

    /// See `EventLog.append`.
    ///
    /// - Parameter beforeSealing: called when a segment is about to be sealed: readers must let go of it.
    mutating func append(
        _ batch: EventBatch, _ definitions: Definitions, beforeSealing: (Offset) -> Void
    ) throws(LogError) -> Offset {
        if !definitions.symbols.isEmpty { vocabulary.define(words: definitions.symbols) }
        try identity.record(definitions)
        if mustReopen {
            let expected = head
            try reopen()
            let isStored = head > expected && batch == doubtful
            doubtful = nil
            if isStored { return expected }
        }
        guard let first = batch.events.first else { return head }
        try turnOver(arrival: first.arrival, beforeSealing)
        // Taken out while it changes, so that nothing in it is copied; on any failure the files are read again.
        guard var segment = active.take() else { throw .closed("no segment is open") }
        let queue = segment.queue
        do {
            let symbols = try missingSymbols(batch, &segment.recorded)
            let keyframe = try dueKeyframe(segment)
            let block = try encoder.encode(batch)
            let next = chain.adding(block, at: head)
            try commit(queue, block, symbols, keyframe, next)
            segment.note(block, keyframe)
            chain = next
        } catch {
            encoder.rollback()
            doubtful = batch
            mustReopen = true
            try? queue.close()
            throw error
        }
        let offset = head
        head = head + batch.count
        checkpointIfDue(&segment)
        active = segment
        return offset
    }

    private func commit(
        _ queue: DatabaseQueue, _ block: EncodedBlock, _ symbols: [Symbol], _ keyframe: EncodedBody?, _ chain: Chain
    ) throws(LogError) {
        let offset = Int64(head.rawValue)
        try translating(queue.path) {
            try queue.writeWithoutTransaction { db in
                try db.inTransaction(.immediate) {
                    try Self.insert(db, symbols, offset)
                    if let keyframe { try Self.insert(db, keyframe, offset) }
                    let statement = try db.cachedStatement(
                        sql: "INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
                    try statement.execute(arguments: [
                        offset, block.count, block.times.lowerBound.rawValue, block.times.upperBound.rawValue,
                        block.arrivals.lowerBound.rawValue, block.arrivals.upperBound.rawValue, Segment.codecZlib,
                        block.stored.rawSize, Int64(block.stored.crc32), Data(chain.bytes), Data(block.stored.body),
                    ])
                    return .commit
                }
            }
        }
    }

    private static func insert(_ db: Database, _ symbols: [Symbol], _ offset: Int64) throws {
        guard !symbols.isEmpty else { return }
        let statement = try db.cachedStatement(sql: "INSERT INTO symbol VALUES (?, ?, ?, ?)")
        for symbol in symbols {
            try statement.execute(arguments: [
                Int64(symbol.kind.rawValue), Int64(symbol.id.rawValue), offset,
                String(decoding: symbol.text, as: UTF8.self),
            ])
        }
    }

    private static func insert(_ db: Database, _ keyframe: EncodedBody, _ offset: Int64) throws {
        let statement = try db.cachedStatement(sql: "INSERT OR IGNORE INTO keyframe VALUES (?, ?, ?, ?, ?)")
        try statement.execute(arguments: [
            offset, Segment.codecZlib, keyframe.rawSize, Int64(keyframe.crc32), Data(keyframe.body),
        ])
    }

    /// Words that the batch uses and the segment has not recorded.
    private func missingSymbols(_ batch: EventBatch, _ recorded: inout RecordedSymbols) throws(LogError) -> [Symbol] {
        let missing = recorded.add(batch)
        var symbols: [Symbol] = []
        for (kind, id) in missing {
            let text = vocabulary.text(kind, id)
            guard !text.isEmpty || vocabulary.count(kind) >= Int(id.rawValue) else {
                throw .refused("\(kind.name) \(id.rawValue) was never defined")
            }
            symbols.append(Symbol(kind: kind, id: id, text: Array(text)))
        }
        return symbols
    }

    private func dueKeyframe(_ segment: Active) throws(LogError) -> EncodedBody? {
        guard segment.bytesSinceKeyframe > max(limits.keyframeBytes, 32 * segment.keyframeBytes) else { return nil }
        return try encoder.state.keyframe()
    }

    /// Copies the write-ahead log into the file when it has grown. A failure leaves everything in the write-ahead
    /// log, where it is durable; the next block tries again.
    private func checkpointIfDue(_ segment: inout Active) {
        guard segment.bytesToCopy > limits.walBytes else { return }
        segment.bytesToCopy = 0
        try? Connection.checkpoint(segment.queue, .passive)
    }

    // MARK: Segments

    /// Makes sure that there is an active segment with room for an event of this arrival.
    private mutating func turnOver(arrival: Timestamp, _ beforeSealing: (Offset) -> Void) throws(LogError) {
        if let segment = active, head > segment.header.firstOffset {
            let age = arrival.rawValue &- segment.header.created
            guard segment.bytes >= limits.bytes || age > limits.ageMilliseconds else { return }
            beforeSealing(segment.header.firstOffset)
            try seal(segment)
        } else if active != nil {
            return
        }
        let header = Segment.Header(
            logID: logID, firstOffset: head, created: arrival.rawValue, previousChain: chain)
        let queue = try Segment.create(folder, header, settings)
        segments.append(head)
        encoder.restart()
        active = Active(queue: queue, header: header, bytes: 0)
    }

    /// Turns the active segment into a plain immutable file. If another process reads it, it stays as it is until
    /// the log is opened next; it is complete in any case.
    private mutating func seal(_ segment: Active) throws(LogError) {
        let path = segment.queue.path
        do {
            try Connection.checkpoint(segment.queue, .truncate)
        } catch .locked {
            // A reader is in the way; what it reads stays in the write-ahead log.
        }
        active = nil
        let isPlain = try? segment.queue.writeWithoutTransaction { db in
            try String.fetchOne(db, sql: "PRAGMA journal_mode = DELETE") == "delete"
        }
        try? segment.queue.close()
        if isPlain == true { Files.makeReadOnly(path) }
    }

    /// Copies everything into the segment's file and closes it.
    mutating func close() throws(LogError) {
        guard let segment = active else { return }
        active = nil
        if !mustReopen, segment.bytesSinceKeyframe > limits.keyframeBytes / 4 {
            let keyframe = try encoder.state.keyframe()
            let offset = Int64(head.rawValue)
            try translating(segment.queue.path) {
                try segment.queue.write { db in try Self.insert(db, keyframe, offset) }
            }
        }
        do {
            try Connection.checkpoint(segment.queue, .truncate)
        } catch .locked {
            // As above.
        }
        try? segment.queue.close()
    }

    // MARK: Coming back

    /// Reads the files anew: after the start, and after a failure.
    private mutating func reopen() throws(LogError) {
        try? active?.queue.close()
        active = nil
        mustReopen = true
        segments = try Self.findSegments(folder)
        for name in try Files.list(folder) where name.hasSuffix(Segment.suffix + ".new") {
            Segment.removeFiles(folder + "/" + name)
        }
        head = .zero
        chain = Chain()
        for first in segments.dropLast() { vocabulary.define(try Self.words(folder, first)) }
        if let last = segments.last {
            try resume(last)
        } else {
            var generator = SystemRandomNumberGenerator()
            logID = (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) }
        }
        mustReopen = false
    }

    static func findSegments(_ folder: String) throws(LogError) -> [Offset] {
        try Files.list(folder).compactMap { Segment.offset(ofFile: $0) }
    }

    /// The words of a segment.
    static func words(_ folder: String, _ first: Offset) throws(LogError) -> Definitions {
        let reader = try SegmentReader(folder: folder, first: first)
        defer { reader.close() }
        var words = Definitions()
        words.symbols = try reader.query { db in
            try Segment.symbols(db, from: .zero, to: Offset(rawValue: .max)).map(\.symbol)
        }
        return words
    }

    /// Takes up the last segment where it ends; if it is sealed, the next append makes a new one.
    private mutating func resume(_ first: Offset) throws(LogError) {
        var reader = try SegmentReader(folder: folder, first: first)
        let path = folder + "/" + reader.file
        let found = try reader.query { [reader] db in
            let header = try Segment.header(db, reader.file)
            let end = try Segment.end(db, header)
            let mode = try String.fetchOne(db, sql: "PRAGMA journal_mode")
            let words = try Segment.symbols(db, from: .zero, to: Offset(rawValue: .max)).map(\.symbol)
            let keyframe = try Segment.keyframe(db, atOrBefore: end.head)
            let since = try Int.fetchOne(
                db, sql: "SELECT total(length(body)) FROM block WHERE first_offset >= ?",
                arguments: [Int64((keyframe?.offset ?? first).rawValue)])
            return (header: header, end: end, mode: mode, words: words, keyframe: keyframe, since: since ?? 0)
        }
        var definitions = Definitions()
        definitions.symbols = found.words
        vocabulary.define(definitions)
        logID = found.header.logID
        head = found.end.head
        chain = found.end.chain
        let prediction = try reader.prediction(at: head)
        reader.close()
        // Nothing may be added to a sealed segment, nor to one whose end a damaged block hides.
        guard found.mode == "wal" || head == first, let prediction else {
            if found.mode == "delete" { Files.makeReadOnly(path) }
            return
        }
        encoder.restart(after: prediction)
        let queue = try Connection.open(path, settings)
        do {
            // What a failed sync may have left in memory only is written once more.
            try Connection.checkpoint(queue, .truncate)
        } catch .locked(let cause) {
            // A reader is in the way; that matters only after a failure.
            if doubtful != nil { throw .locked(cause) }
        }
        var segment = Active(queue: queue, header: found.header, bytes: Files.size(path))
        segment.bytesSinceKeyframe = found.since
        segment.keyframeBytes = found.keyframe?.bytes ?? 0
        for symbol in found.words { segment.recorded.insert(symbol.kind, symbol.id) }
        active = segment
    }
}

/// Which words a segment has recorded: a bit for each, by kind.
struct RecordedSymbols {
    private var products = Bits()
    private var aspects = Bits()
    private var values = Bits()
    private var units = Bits()
    private var languages = Bits()
    private var types = Bits()

    private struct Bits {
        private var words: [UInt64] = []

        /// Whether the bit was not set before; 0 is no word.
        @inline(__always) mutating func insert(_ id: SymbolID) -> Bool {
            let index = Int(id.rawValue >> 6)
            let bit: UInt64 = 1 << UInt64(id.rawValue & 63)
            if index < words.count, words[index] & bit != 0 { return false }
            return add(id, index, bit)
        }

        private mutating func add(_ id: SymbolID, _ index: Int, _ bit: UInt64) -> Bool {
            guard id.rawValue != 0 else { return false }
            if index >= words.count { words.append(contentsOf: repeatElement(0, count: index + 1 - words.count)) }
            words[index] |= bit
            return true
        }
    }

    @discardableResult
    mutating func insert(_ kind: SymbolKind, _ id: SymbolID) -> Bool {
        switch kind {
        case .product: products.insert(id)
        case .aspect: aspects.insert(id)
        case .value: values.insert(id)
        case .unit: units.insert(id)
        case .language: languages.insert(id)
        case .type: types.insert(id)
        }
    }

    /// Notes the words of a batch; returns the new ones.
    mutating func add(_ batch: EventBatch) -> [(SymbolKind, SymbolID)] {
        var fresh: [(SymbolKind, SymbolID)] = []
        let events = batch.events.span
        for index in events.indices {
            let (product, aspect) = (events[index].product, events[index].aspect)
            if products.insert(product) { fresh.append((.product, product)) }
            if aspects.insert(aspect) { fresh.append((.aspect, aspect)) }
            if case .symbol = events[index].valueKind {
                let value = SymbolID(rawValue: UInt32(truncatingIfNeeded: events[index].valueBits))
                if values.insert(value) { fresh.append((.value, value)) }
            }
            let (unit, language, type) = (events[index].unit, events[index].language, events[index].type)
            guard unit.rawValue | language.rawValue | type.rawValue != 0 else { continue }
            if units.insert(unit) { fresh.append((.unit, unit)) }
            if languages.insert(language) { fresh.append((.language, language)) }
            if types.insert(type) { fresh.append((.type, type)) }
        }
        return fresh
    }
}
