// An event log without files, for tests of everything that stands on a log.

package import Events
package import Log
import Synchronization

/// An `EventLog` that forgets everything when it goes. Any thread.
///
/// Batches pass through the block codec, so that what is read is what a file would give back.
package final class InMemoryEventLog: EventLog {
    private struct State {
        var encoder: BlockEncoder
        var decoder: BlockDecoder
        var blocks: [Block] = []
        var chain = Chain()
        /// Indices into `blocks` at which segments start.
        var segments: [Int] = []
        var recorded: Set<SymbolKey> = []
        var vocabulary = Vocabulary()
        var failure: LogError?

        var head: Offset { blocks.last?.endOffset ?? .zero }
    }

    private struct SymbolKey: Hashable {
        var kind: SymbolKind
        var id: SymbolID
    }

    private let state: Mutex<State>
    private let blocksPerSegment: Int

    /// - Parameter blocksPerSegment: after how many blocks a segment is sealed.
    package init(blocksPerSegment: Int = .max) throws(LogError) {
        self.blocksPerSegment = blocksPerSegment
        state = Mutex(State(encoder: try BlockEncoder(), decoder: try BlockDecoder()))
    }

    /// Makes every append throw `error`, until it is set to nil.
    package func fail(with error: LogError?) { state.withLock { $0.failure = error } }

    package func append(
        _ batch: EventBatch, defining definitions: Definitions,
        report: @escaping @Sendable (Result<Offset, LogError>) -> Void
    ) {
        let result = state.withLock { state -> Result<Offset, LogError> in
            do throws(LogError) {
                return .success(try append(batch, definitions, &state))
            } catch {
                return .failure(error)
            }
        }
        report(result)
    }

    private func append(
        _ batch: EventBatch, _ definitions: Definitions, _ state: inout State
    ) throws(LogError) -> Offset {
        state.vocabulary.define(definitions)
        if let failure = state.failure { throw failure }
        let offset = state.head
        guard !batch.isEmpty else { return offset }
        if state.segments.isEmpty || state.blocks.count - (state.segments.last ?? 0) >= blocksPerSegment {
            state.segments.append(state.blocks.count)
            state.recorded = []
            state.encoder.restart()
            state.decoder.restart()
        }
        let symbols = try missingSymbols(batch, &state)
        let encoded = try state.encoder.encode(batch)
        var block = Block(firstOffset: offset, batch: EventBatch(capacity: batch.count))
        if let fault = state.decoder.decode(encoded.stored, count: encoded.count, into: &block.batch) {
            throw .corrupt(segment: "memory", offsets: offset..<(offset + encoded.count), cause: fault)
        }
        block.definitions.symbols = symbols
        for symbol in symbols { state.recorded.insert(SymbolKey(kind: symbol.kind, id: symbol.id)) }
        state.chain = state.chain.adding(encoded, words: symbols, at: offset)
        state.blocks.append(block)
        return offset
    }

    private func missingSymbols(_ batch: EventBatch, _ state: inout State) throws(LogError) -> [Symbol] {
        var missing: Set<SymbolKey> = []
        for event in batch.events {
            var words: [(SymbolKind, SymbolID)] = [
                (.product, event.product), (.aspect, event.aspect), (.unit, event.unit), (.language, event.language),
                (.type, event.type),
            ]
            if case .symbol(let value) = event.value { words.append((.value, value)) }
            for (kind, id) in words where id != .none { missing.insert(SymbolKey(kind: kind, id: id)) }
        }
        var symbols: [Symbol] = []
        for key in missing.subtracting(state.recorded) {
            guard state.vocabulary.count(key.kind) >= Int(key.id.rawValue) else {
                throw .refused("\(key.kind.name) \(key.id.rawValue) was never defined")
            }
            symbols.append(Symbol(kind: key.kind, id: key.id, text: Array(state.vocabulary.text(key.kind, key.id))))
        }
        return symbols.sorted { ($0.kind.rawValue, $0.id) < ($1.kind.rawValue, $1.id) }
    }

    package var head: Offset {
        get async { state.withLock { $0.head } }
    }

    package var start: Offset {
        get async { .zero }
    }

    package func read(from offset: Offset, limit blocks: Int) async throws(LogError) -> [Block] {
        let (found, head) = state.withLock { state in
            let first = state.blocks.firstIndex { $0.endOffset > offset } ?? state.blocks.count
            return (Array(state.blocks[first...].prefix(blocks)), state.head)
        }
        guard offset <= head else { throw .outOfRange(offset, retained: .zero..<head) }
        return found
    }

    package func vocabulary() async throws(LogError) -> Vocabulary {
        state.withLock { $0.vocabulary }
    }

    package func verify() async throws(LogError) -> VerifyReport {
        state.withLock { state in
            var report = VerifyReport()
            report.segments = state.segments.count
            report.blocks = state.blocks.count
            report.events = Int(state.head.rawValue)
            report.chainHead = state.chain.description
            report.head = state.head
            return report
        }
    }

    package func statistics() async throws(LogError) -> LogStatistics {
        state.withLock { state in
            var statistics = LogStatistics(segments: [])
            for (number, start) in state.segments.enumerated() {
                let isLast = number + 1 == state.segments.count
                let blocks = state.blocks[start..<(isLast ? state.blocks.count : state.segments[number + 1])]
                let events = blocks.flatMap(\.batch.events)
                guard let first = blocks.first, let last = blocks.last, let one = events.first else { continue }
                let times = events.reduce(one.time...one.time) {
                    min($0.lowerBound, $1.time)...max($0.upperBound, $1.time)
                }
                let arrivals = events.reduce(one.arrival...one.arrival) {
                    min($0.lowerBound, $1.arrival)...max($0.upperBound, $1.arrival)
                }
                statistics.segments.append(
                    SegmentStatistics(
                        file: "memory-\(number)", offsets: first.firstOffset..<last.endOffset, blocks: blocks.count,
                        bytes: events.count * MemoryLayout<Event>.stride, times: times, arrivals: arrivals,
                        isSealed: !isLast, chainHead: isLast ? state.chain.description : ""))
            }
            return statistics
        }
    }
}
