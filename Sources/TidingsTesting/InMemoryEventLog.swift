// An event log without files, for tests of everything that stands on a log, and as the second engine that keeps its
// promises.

package import Events
package import Log
import Synchronization

/// An `EventLog` whose contents are in an `InMemoryStore`. Any thread.
///
/// What is stored is the bytes that a file would hold; what is read is decoded from them.
package final class InMemoryEventLog: EventLog {
    /// What reading a stored block gives.
    enum Readable {
        case block(Block)
        case damage(Damage)

        var damage: Damage? { if case .damage(let damage) = self { damage } else { nil } }
    }

    struct State {
        var contents: InMemoryStore.Contents
        /// For each segment, what its rows give.
        var readable: [[Readable]] = []
        var encoder: BlockEncoder
        var decoder: BlockDecoder
        /// Of the growing segment; nil when the next block begins a new one.
        var recorded: RecordedSymbols?
        /// Words of segments that are to be dropped and that no other segment has: they go with the next block.
        var carried: [Symbol] = []
        var vocabulary = Vocabulary()
        var failure: LogError?
    }

    /// Nil when the log is closed.
    private let state: Mutex<State?>
    private let store: InMemoryStore
    private let blocksPerSegment: Int
    package let logIdentity: String
    package let openingDamages: [Damage]
    /// What is told of the log after its end.
    private let last = Mutex<(start: Offset, head: Offset, chain: Chain)?>(nil)

    /// Opens a store.
    ///
    /// - Parameter blocksPerSegment: after how many blocks a segment is sealed.
    /// - Throws: `LogError.locked` when another log has it open.
    package init(in store: InMemoryStore = InMemoryStore(), blocksPerSegment: Int = .max) throws(LogError) {
        let (encoder, decoder) = (try BlockEncoder(), try BlockDecoder())
        guard let contents = store.take() else { throw .locked("another log has the store open") }
        self.store = store
        self.blocksPerSegment = blocksPerSegment
        logIdentity = contents.identity
        var state = State(contents: contents, encoder: encoder, decoder: decoder)
        for names in contents.names { state.vocabulary.define(names) }
        var damages: [Damage] = []
        for segment in contents.segments {
            for row in segment.rows { state.vocabulary.define(words: row.words) }
            let readable = state.decode(segment)
            state.readable.append(readable)
            damages = readable.compactMap(\.damage)
        }
        // As with files, opening looks at the end only; a new segment begins behind damage.
        openingDamages = damages
        if damages.isEmpty, let growing = contents.segments.last {
            var recorded = RecordedSymbols()
            for word in growing.rows.flatMap(\.words) { recorded.insert(word.kind, word.id) }
            state.recorded = recorded
            state.encoder.restart(after: state.decoder.state)
        }
        self.state = Mutex(state)
    }

    /// Makes every append throw `error`, until it is set to nil.
    package func fail(with error: LogError?) { state.withLock { $0?.failure = error } }

    func opened<Result: Sendable>(
        _ body: @Sendable (inout State) throws(LogError) -> Result
    ) throws(LogError) -> Result {
        let result = state.withLock { state -> Swift.Result<Result, LogError> in
            guard var open = state else { return .failure(.closed("it was used after its end")) }
            // Taken out while it changes, so that nothing in it is copied.
            state = nil
            defer { state = open }
            do throws(LogError) { return .success(try body(&open)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    // MARK: EventLog

    package func append(
        _ batch: EventBatch, defining definitions: Definitions,
        report: @escaping @Sendable (Result<Offset, LogError>) -> Void
    ) {
        let result: Result<Offset, LogError>
        do throws(LogError) {
            result = .success(
                try opened { [blocksPerSegment] (state) throws(LogError) in
                    try state.append(batch, definitions, blocksPerSegment)
                })
        } catch {
            result = .failure(error)
        }
        report(result)
    }

    package var head: Offset {
        get async { extent.head }
    }

    package var start: Offset {
        get async { extent.start }
    }

    package var chainHead: String {
        let extent = extent
        return "\(extent.head.rawValue):\(extent.chain.description)"
    }

    private var extent: (start: Offset, head: Offset, chain: Chain) {
        let now = state.withLock { state in state.map { ($0.contents.start, $0.contents.head, $0.contents.chain) } }
        return now ?? last.withLock { $0 } ?? (.zero, .zero, Chain())
    }

    package var bytes: Int { state.withLock { $0?.contents.bytes ?? 0 } }

    package var lastArrival: Timestamp? {
        get async {
            state.withLock { state in
                for case .block(let block) in (state?.readable ?? []).joined().reversed() {
                    return block.batch.events.map(\.arrival).max()
                }
                return nil
            }
        }
    }

    package func read(from offset: Offset, limit blocks: Int) async throws(LogError) -> [Block] {
        try opened { (state) throws(LogError) in try state.read(from: offset, limit: blocks) }
    }

    package func vocabulary() async throws(LogError) -> Vocabulary {
        try opened { state in state.vocabulary }
    }

    package func close() async throws(LogError) {
        let contents = state.withLock { state in
            defer { state = nil }
            return state?.contents
        }
        guard let contents else { return }
        last.withLock { $0 = (contents.start, contents.head, contents.chain) }
        store.give(contents)
    }
}

extension InMemoryEventLog.State {
    mutating func append(
        _ batch: EventBatch, _ definitions: Definitions, _ blocksPerSegment: Int
    ) throws(LogError) -> Offset {
        vocabulary.define(definitions)
        if let failure { throw failure }
        var names = definitions
        names.symbols = []
        if !names.isEmpty { contents.names.append(names) }
        let offset = contents.head
        guard !batch.isEmpty else { return offset }
        if let growing = contents.segments.last, growing.rows.count >= blocksPerSegment { recorded = nil }
        var words = recorded ?? RecordedSymbols()
        if recorded == nil {
            encoder.restart()
            decoder.restart()
        }
        let symbols = try missingSymbols(batch, &words)
        let encoded = try encoder.encode(batch)
        var block = Block(firstOffset: offset, batch: EventBatch(capacity: batch.count))
        if let fault = decoder.decode(encoded, into: &block.batch) {
            throw .corrupt(segment: "memory", offsets: offset..<(offset + encoded.count), cause: fault)
        }
        block.definitions.symbols = symbols
        if recorded == nil {
            contents.segments.append(InMemoryStore.Segment(first: offset, previous: contents.chain))
            readable.append([])
        }
        let chain = contents.chain.adding(encoded, words: symbols, at: offset)
        contents.segments[contents.segments.count - 1].rows.append(
            InMemoryStore.Row(first: offset, block: encoded, words: symbols, chain: chain))
        readable[readable.count - 1].append(.block(block))
        recorded = words
        carried = []
        return offset
    }

    /// Words that the batch uses and the segment has not recorded, and those that would be lost with others.
    private func missingSymbols(_ batch: EventBatch, _ recorded: inout RecordedSymbols) throws(LogError) -> [Symbol] {
        var symbols: [Symbol] = []
        for (kind, id) in recorded.add(batch) {
            guard vocabulary.count(kind) >= Int(id.rawValue) else {
                throw .refused("\(kind.name) \(id.rawValue) was never defined")
            }
            symbols.append(Symbol(kind: kind, id: id, text: Array(vocabulary.text(kind, id))))
        }
        for word in carried where recorded.insert(word.kind, word.id) { symbols.append(word) }
        return symbols.sorted { ($0.kind.rawValue, $0.id) < ($1.kind.rawValue, $1.id) }
    }

    /// What the rows of a segment give, from its start.
    mutating func decode(_ segment: InMemoryStore.Segment) -> [InMemoryEventLog.Readable] {
        decoder.restart()
        return segment.rows.map { row in
            var block = Block(firstOffset: row.first, batch: EventBatch(capacity: row.block.count))
            if let fault = decoder.decode(row.block, into: &block.batch) {
                decoder.pass(row.block)
                return .damage(Damage(segment: segment.name, offsets: row.first..<row.end, cause: fault))
            }
            block.definitions.symbols = row.words
            block.isIdentityCertain = decoder.isCertain
            return .block(block)
        }
    }

    func read(from offset: Offset, limit: Int) throws(LogError) -> [Block] {
        let (start, head) = (contents.start, contents.head)
        guard offset >= start, offset <= head else { throw .outOfRange(offset, retained: start..<head) }
        var blocks: [Block] = []
        for (segment, rows) in zip(contents.segments, readable) where segment.end > offset {
            let from = segment.rows.firstIndex { $0.end > offset } ?? 0
            for row in rows[from...] {
                if blocks.count >= limit { return blocks }
                switch row {
                case .block(let block): blocks.append(block)
                case .damage(let damage):
                    if !blocks.isEmpty { return blocks }
                    throw .corrupt(segment: damage.segment, offsets: damage.offsets, cause: damage.cause)
                }
            }
        }
        return blocks
    }
}
