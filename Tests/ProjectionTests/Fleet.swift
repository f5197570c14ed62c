// A small simulated fleet: seeded events with everything that goes wrong in the field.

import Events
import Log
import TidingsTesting

/// Makes events and the names that go with them.
struct Fleet {
    var vocabulary = Vocabulary()
    private var random: SeededGenerator
    private var seqs: [UInt32: UInt64] = [:]
    private var epochs: [UInt32: UInt32] = [:]
    static let start: Int64 = 1_767_225_600_000

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    mutating func word(_ kind: SymbolKind, _ text: String) -> SymbolID {
        vocabulary.symbol(kind, Array(text.utf8).span) ?? .none
    }

    mutating func device(_ product: SymbolID, _ name: String) -> DeviceID {
        vocabulary.device(product: product, name: Array(name.utf8).span) ?? .none
    }

    mutating func customer(_ name: String) -> CustomerID { vocabulary.customer(Array(name.utf8).span) ?? .none }

    /// An event of a device of a product, with its next sequence number.
    mutating func event(_ kind: EventKind, product: String, device: String, aspect: String = "a") -> Event {
        var event = Event()
        event.kind = kind
        event.product = word(.product, product)
        event.device = self.device(event.product, device)
        event.aspect = word(.aspect, aspect)
        event.identity = .sequence
        event.epoch = epochs[event.device.rawValue, default: 1]
        seqs[event.device.rawValue, default: 0] += 1
        event.seq = seqs[event.device.rawValue, default: 0]
        event.time = Timestamp(rawValue: Self.start)
        event.arrival = event.time
        return event
    }

    /// A batch of random events of four products, with late, repeated, forwarded and quarantined ones, gaps, epochs,
    /// texts and all kinds of values.
    mutating func batch(count: Int) -> EventBatch {
        var batch = EventBatch()
        while batch.count < count {
            let product = Int.random(in: 0..<4, using: &random)
            let device = Int.random(in: 0..<30, using: &random)
            let aspect = Int.random(in: 0..<7, using: &random)
            let kinds: [EventKind] = [
                .preferenceSet, .preferenceSet, .preferenceSet, .ratingGiven, .featureUsed, .feedbackText, .faultSeen,
                .consentGiven,
            ]
            let kind = kinds[Int.random(in: 0..<kinds.count, using: &random)]
            var event = event(kind, product: "p\(product)", device: "d\(device)", aspect: "aspect.n\(aspect)")
            if Int.random(in: 0..<20, using: &random) == 0 {
                epochs[event.device.rawValue, default: 1] += 1
                seqs[event.device.rawValue] = 0
            }
            fill(&event, aspect, &batch)
            disturb(&event)
            batch.events.append(event)
            if Int.random(in: 0..<15, using: &random) == 0 { batch.events.append(event) }
            if batch.count > 4, Int.random(in: 0..<8, using: &random) == 0 {
                batch.events.swapAt(batch.count - 1, Int.random(in: batch.count - 4..<batch.count, using: &random))
            }
        }
        return batch
    }

    private mutating func fill(_ event: inout Event, _ aspect: Int, _ batch: inout EventBatch) {
        event.customer = customer("c\(Int.random(in: 0..<50, using: &random))")
        event.time = Timestamp(rawValue: Self.start + Int64.random(in: 0..<3 * 86_400_000, using: &random))
        event.arrival = event.time
        switch event.kind {
        case .preferenceSet:
            switch aspect % 4 {
            case 0: event.value = .symbol(word(.value, "choice\(Int.random(in: 0..<5, using: &random))"))
            case 1: event.value = .whole(Int64.random(in: -20..<100, using: &random))
            case 2: event.value = .real(Double.random(in: -1e6...1e6, using: &random))
            default: event.value = .flag(Bool.random(using: &random))
            }
        case .ratingGiven:
            event.scale = [0, 0, 0, 1, 10, 7, 100].randomElement(using: &random) ?? 0
            event.value = .whole(Int64.random(in: event.ratingBounds, using: &random))
        case .featureUsed: event.count = UInt32.random(in: 1..<50, using: &random)
        case .feedbackText: batch.setText(Array("text \(random.next() % 1_000)".utf8).span, of: &event)
        case .faultSeen:
            event.value = .symbol(word(.value, "E\(Int.random(in: 0..<4, using: &random))"))
            event.severity = UInt8.random(in: 0...24, using: &random)
        default:
            let words = ["analytics", "dpv:ServiceOptimisation", "contact", "purpose"]
            event.value = .symbol(word(.value, words.randomElement(using: &random) ?? "purpose"))
            if Int.random(in: 0..<3, using: &random) == 0 { event.kind = .consentWithdrawn }
        }
    }

    private mutating func disturb(_ event: inout Event) {
        switch Int.random(in: 0..<40, using: &random) {
        case 0: event.quarantine = .outOfRange
        case 1:
            event.kind = .gap
            event.count = 3
        case 2: (event.identity, event.epoch) = (.none, 0)
        case 3: (event.identity, event.epoch, event.seq) = (.hash, 0, random.next() % 50)
        case 4: event.device = .none
        default: break
        }
    }
}

/// A log in memory, with blocks as they were appended.
struct ListLog: EventLog {
    var blocks: [Block]

    func append(
        _ batch: EventBatch, defining definitions: Definitions,
        report: @escaping @Sendable (Result<Offset, LogError>) -> Void
    ) {
        report(.failure(.closed("this log is for reading")))
    }
    var head: Offset { get async { blocks.last?.endOffset ?? .zero } }
    var start: Offset { get async { blocks.first?.firstOffset ?? .zero } }
    func read(from offset: Offset, limit: Int) async throws(LogError) -> [Block] {
        Array(blocks.drop { $0.endOffset <= offset }.prefix(limit))
    }
    func vocabulary() async throws(LogError) -> Vocabulary { Vocabulary() }
    func verify(
        claim: ChainClaim?, progress: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Void
    ) async throws(LogError) -> VerifyReport { VerifyReport() }
    func statistics() async throws(LogError) -> LogStatistics { LogStatistics(segments: []) }
    func close() async throws(LogError) {}
    var logIdentity: String { "log" }
    var openingDamages: [Damage] { [] }
    var chainHead: String { "" }
    var bytes: Int { 0 }
    var lastArrival: Timestamp? { get async { blocks.last?.batch.events.last?.arrival } }
}

/// Cuts a batch into blocks of random sizes; all names stand with the first.
func cut(_ batch: EventBatch, _ definitions: Definitions, _ random: inout SeededGenerator, most: Int) -> [Block] {
    var blocks: [Block] = []
    var start = 0
    while start < batch.count {
        let end = min(batch.count, start + Int.random(in: 1...most, using: &random))
        var part = EventBatch()
        for event in batch.events[start..<end] { part.append(event, of: batch) }
        let names = start == 0 ? definitions : Definitions()
        blocks.append(Block(firstOffset: Offset(rawValue: UInt64(start)), batch: part, definitions: names))
        start = end
    }
    return blocks
}
