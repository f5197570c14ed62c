// The one writer of a log: blocks into the active segment, sealing, and reopening after a failure.

import Events
import FoundationEssentials
import GRDB
import Identity
import Log
import SQLite

/// The writing side of `SQLiteEventLog`. One owner at a time (a mutex); every call may wait for the disk.
struct SegmentWriter {
    let folder: String
    let limits: SegmentLimits
    let identity: IdentityStore
    var encoder: BlockEncoder
    var active: Active?
    /// The symbols of the log; the names of devices and customers are only in the identity store.
    var vocabulary = Vocabulary()
    /// First offsets of all segments, oldest first.
    var segments: [Offset] = []
    /// Behind the last event that was acknowledged, and the chain there. A failure does not change them: what is found
    /// in the files afterwards must begin with what they say.
    var head = Offset.zero
    var chain = Chain()
    /// Which log this is: random, given when it is made, in every segment's header.
    var logID: [UInt8] = []
    /// What was found damaged when the log was opened; each is said once.
    var damages: [Damage] = []
    /// Symbols of segments that are to be dropped and that no other segment has: they go with the next block.
    var carried: [Symbol] = []
    /// A segment to which SQLite could not add a block because the file is damaged: a new one begins behind it.
    var distrusted: Offset?
    /// A batch whose commit failed in a way that leaves open whether it is in the file, and the chain behind it.
    private var doubtful: (batch: EventBatch, chain: Chain)?
    /// Seals what people say; nil for a copy, which keeps everything as it is.
    private let sealer: PartSealer?
    /// The last batch with its parts sealed; its memory is used again.
    private var sealed = EventBatch()
    /// Set by a failure: nothing in memory is trusted before the files were read again.
    private var mustReopen = false

    /// The segment that is being written.
    struct Active {
        var queue: DatabaseQueue
        /// The file's number: whether the one under its name is still the one that is open.
        let fileNumber: UInt64
        var header: Segment.Header
        /// About the size of the file.
        var bytes: Int
        var bytesSinceKeyframe = 0
        var keyframeBytes = 0
        var recorded = RecordedSymbols()
        /// About how much the write-ahead log holds that the file does not have yet.
        var bytesToCopy = 0

        init(queue: DatabaseQueue, header: Segment.Header, bytes: Int) {
            (self.queue, self.header, self.bytes) = (queue, header, bytes)
            fileNumber = Files.number(queue.path)
        }

        /// What is written to a file that was removed is gone when the daemon stops: that must never be acknowledged.
        func checkFile() throws(LogError) {
            guard Files.number(queue.path) != fileNumber else { return }
            throw .io("\(queue.path) was removed or replaced while it was open; put the file back, or restart")
        }

        /// Counts what was stored.
        mutating func note(_ block: EncodedBlock, _ keyframe: EncodedBody?) {
            let size = block.storedBytes
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
    init(
        folder: String, limits: SegmentLimits, identity: IdentityStore, sealer: PartSealer? = nil
    ) throws(LogError) {
        self.folder = folder
        self.limits = limits
        self.identity = identity
        self.sealer = sealer
        encoder = try BlockEncoder()
        try adopt(try find())
    }

    var settings: Connection.Settings {
        var settings = Connection.Settings()
        settings.maximumPages = limits.maximumPages
        return settings
    }

    // MARK: Appending

    /// See `EventLog.append`.
    ///
    /// - Parameter beforeSealing: called when a segment is about to be sealed: its readers must close it.
    mutating func append(
        _ batch: EventBatch, _ definitions: Definitions, beforeSealing: (Offset) -> Void
    ) throws(LogError) -> Offset {
        if !definitions.symbols.isEmpty { vocabulary.define(words: definitions.symbols) }
        try identity.record(definitions)
        if mustReopen, let offset = try reopen(batch) { return offset }
        guard let first = batch.events.first else { return head }
        try rotate(arrival: first.arrival, beforeSealing)
        // Taken out while it changes, so that nothing in it is copied; on any failure the files are read again.
        guard var segment = active.take() else { throw .closed("no segment is open") }
        let queue = segment.queue
        var next: Chain?
        do {
            try segment.checkFile()
            let symbols = try missingSymbols(batch, &segment.recorded)
            let keyframe = try dueKeyframe(segment)
            let isSealed = try sealer?.seal(batch, at: head, into: &sealed) ?? false
            let block = try encoder.encode(isSealed ? sealed : batch)
            let following = chain.adding(block, words: symbols, at: head)
            next = following
            try commit(queue, block, symbols, keyframe, following)
            segment.note(block, keyframe)
            chain = following
            carried = []
        } catch {
            encoder.rollback()
            doubtful = next.map { (batch, $0) }
            mustReopen = true
            try? queue.close()
            guard case .corrupt(_, _, let cause) = error else { throw error }
            distrusted = segment.header.firstOffset
            let file = Segment.file(segment.header.firstOffset)
            damages.append(Damage(segment: file, offsets: head..<head, cause: cause))
            throw .corrupt(segment: file, offsets: head..<head, cause: cause)
        }
        let offset = head
        head = head + batch.count
        checkpointIfDue(&segment)
        active = segment
        return offset
    }

    /// Reads the files again after a failure, and goes on only if they still begin with what was acknowledged.
    ///
    /// - Returns: the offset of `batch` when the commit that seemed to fail had stored it; nil when it is to be stored.
    private mutating func reopen(_ batch: EventBatch) throws(LogError) -> Offset? {
        let acknowledged = head
        try? active?.queue.close()
        active = nil
        let found = try find()
        try expect(found, toHave: chain, at: acknowledged)
        let isStored =
            doubtful.map { $0.batch == batch && $0.chain == found.chain && acknowledged + batch.count == found.head }
        try adopt(found)
        doubtful = nil
        mustReopen = false
        return isStored == true ? acknowledged : nil
    }

    private func commit(
        _ queue: DatabaseQueue, _ block: EncodedBlock, _ symbols: [Symbol], _ keyframe: EncodedBody?, _ chain: Chain
    ) throws(LogError) {
        let offset = Int64(head.rawValue)
        try storing(queue) {
            try queue.writeWithoutTransaction { db in
                try db.inTransaction(.immediate) {
                    try Self.insert(db, symbols, offset)
                    if let keyframe { try Self.insert(db, keyframe, offset) }
                    let statement = try db.cachedStatement(
                        sql: """
                            INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL, ?)
                            """)
                    let text = block.text
                    try statement.execute(arguments: [
                        offset, block.count, block.times.lowerBound.rawValue, block.times.upperBound.rawValue,
                        block.arrivals.lowerBound.rawValue, block.arrivals.upperBound.rawValue, Segment.codecZlib,
                        block.stored.rawSize, Int64(block.stored.crc32), Data(chain.bytes), Data(block.stored.body),
                        text?.stored.rawSize, text.map { Int64($0.stored.crc32) }, text.map { Data($0.digest) },
                        text.map { Data($0.stored.body) },
                    ])
                    return .commit
                }
            }
        }
    }

    /// As `translating`. A key that is taken is damage too: it was not there when the file was read, or a bit of it has
    /// changed since it was written.
    private func storing(_ queue: DatabaseQueue, _ body: () throws -> Void) throws(LogError) {
        try translating(queue.path) {
            do {
                try body()
            } catch let error as DatabaseError where error.resultCode == .SQLITE_CONSTRAINT {
                let cause = "SQLite says: \(error.message ?? "error") (\(error.extendedResultCode.rawValue))"
                throw LogError.corrupt(segment: queue.path, offsets: head..<head, cause: cause)
            }
        }
    }

    private static func insert(_ db: Database, _ symbols: [Symbol], _ offset: Int64) throws {
        guard !symbols.isEmpty else { return }
        // Every byte of the text is kept, for the chain covers it.
        let statement = try db.cachedStatement(sql: "INSERT INTO symbol VALUES (?, ?, ?, CAST(? AS TEXT))")
        for symbol in symbols {
            try statement.execute(arguments: [
                Int64(symbol.kind.rawValue), Int64(symbol.id.rawValue), offset, Data(symbol.text),
            ])
        }
    }

    private static func insert(_ db: Database, _ keyframe: EncodedBody, _ offset: Int64) throws {
        let statement = try db.cachedStatement(sql: "INSERT OR IGNORE INTO keyframe VALUES (?, ?, ?, ?, ?)")
        try statement.execute(arguments: [
            offset, Segment.codecZlib, keyframe.rawSize, Int64(keyframe.crc32), Data(keyframe.body),
        ])
    }

    /// Symbols that the batch uses and the segment has not recorded.
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
        for symbol in carried where recorded.insert(symbol.kind, symbol.id) { symbols.append(symbol) }
        return symbols
    }

    private func dueKeyframe(_ segment: Active) throws(LogError) -> EncodedBody? {
        guard segment.bytesSinceKeyframe > max(limits.keyframeBytes, 32 * segment.keyframeBytes) else { return nil }
        return try encoder.state.keyframe(at: head)
    }

    /// Copies the write-ahead log into the file when it has grown. A failure leaves everything in the write-ahead
    /// log, where it is durable; the next block tries again.
    private func checkpointIfDue(_ segment: inout Active) {
        guard segment.bytesToCopy > limits.walBytes else { return }
        segment.bytesToCopy = 0
        try? Connection.checkpoint(segment.queue, .passive)
    }

    // MARK: Segments

    /// Makes sure that an active segment has room for an event of this arrival: one that is full or old is sealed.
    private mutating func rotate(arrival: Timestamp, _ beforeSealing: (Offset) -> Void) throws(LogError) {
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
        if segments.last != head { segments.append(head) }
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
        let isPlain = segment.queue.makePlain()
        try? segment.queue.close()
        if isPlain { Files.makeReadOnly(path) }
    }

    /// Leaves a gap: the next event gets a later offset, in a segment of its own, whose chain says what is missing.
    mutating func skip(to offset: Offset) throws(LogError) {
        guard offset > head else { return }
        if let segment = active { try seal(segment) }
        chain = chain.skipping(head..<offset)
        head = offset
    }

    /// Begins a segment at the head if none is open, so that the head is in the files.
    mutating func beginSegment(arrival: Timestamp) throws(LogError) { try rotate(arrival: arrival) { _ in } }

    /// Copies everything into the segment's file and closes it. It rests as a plain file, which can be read where
    /// nothing can be written; being writable tells it from one that is sealed.
    mutating func close() throws(LogError) {
        guard let segment = active else { return }
        active = nil
        if !mustReopen, segment.bytesSinceKeyframe > limits.keyframeBytes / 4 {
            let keyframe = try encoder.state.keyframe(at: head)
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
        _ = segment.queue.makePlain(attempts: 10)
        try? segment.queue.close()
    }
}
