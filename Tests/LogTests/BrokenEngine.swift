// An engine that keeps all promises of the log but one.

import Events
import Log
import Synchronization
import TidingsTesting

/// What is wrong with an engine, and the check that must say so.
enum Fault: String, CaseIterable {
    case newIdentity, chainHeadLags, provesAnything, noLastArrival, noBytes, storesAfterEnd, readsAfterEnd
    case twoWriters, tears, passesOver, headLags
    case dueWithoutLimit, startStays, readsNothingBelowStart, wrongRange, forgetsWords, forgetsChain
    case growingIsDue, dropsMore, ageIsIgnored
    case silentDamage, alwaysCertain, stepsTooFar, verifiesAnything, silentOpening, invents, headGoesBack
    case scrubFindsNothing, scrubStays

    /// The name of the check, or how it begins.
    var check: String {
        switch self {
        case .newIdentity: "the identity stays"
        case .chainHeadLags, .provesAnything: "the chain head"
        case .noLastArrival, .noBytes, .invents: "bytes and the last arrival"
        case .storesAfterEnd, .readsAfterEnd: "a closed log refuses"
        case .twoWriters: "a second writer is refused"
        case .tears, .passesOver, .headLags: "readers beside the writer"
        case .dueWithoutLimit, .startStays, .readsNothingBelowStart, .wrongRange: "retention drops what is due"
        case .forgetsWords, .forgetsChain: "retention keeps words and chain"
        case .growingIsDue, .dropsMore: "retention goes no further"
        case .ageIsIgnored: "retention by age"
        case .silentDamage, .alwaysCertain, .stepsTooFar, .verifiesAnything: "damage is stepped over"
        case .silentOpening, .headGoesBack: "damage at the end"
        case .scrubFindsNothing, .scrubStays: "a scrub finds damage"
        }
    }
}

/// The in-memory engine with a fault; without one it only passes everything on.
final class BrokenLog: RetainingLog, ScrubbingLog {
    private let log: InMemoryEventLog
    private let fault: Fault?
    private let identity = String(UInt64.random(in: 1 << 60...UInt64.max), radix: 16) + "0123456789abcdef"
    private let state = Mutex((isClosed: false, chainHead: ""))

    init(_ log: InMemoryEventLog, _ fault: Fault?) {
        self.log = log
        self.fault = fault
    }

    private var isClosed: Bool { state.withLock { $0.isClosed } }

    var logIdentity: String { fault == .newIdentity ? identity : log.logIdentity }
    var bytes: Int { fault == .noBytes ? 0 : log.bytes }
    var chainHead: String { fault == .chainHeadLags ? state.withLock { $0.chainHead } : log.chainHead }
    var lastArrival: Timestamp? {
        get async { fault == .noLastArrival ? nil : await log.lastArrival }
    }
    var openingDamages: [Damage] {
        switch fault {
        case .silentOpening: []
        case .invents: [Damage(segment: "memory-0", offsets: .zero..<(.zero), cause: "nothing")]
        default: log.openingDamages
        }
    }
    var head: Offset {
        get async {
            let head = await log.head
            switch fault {
            case .headLags: return Offset(rawValue: head.rawValue - min(head.rawValue, 50))
            case .headGoesBack: return log.openingDamages.first?.offsets.lowerBound ?? head
            default: return head
            }
        }
    }
    var start: Offset {
        get async { fault == .startStays ? .zero : await log.start }
    }

    func append(
        _ batch: EventBatch, defining definitions: Definitions,
        report: @escaping @Sendable (Result<Offset, LogError>) -> Void
    ) {
        if fault == .storesAfterEnd, isClosed { return report(.success(Offset(rawValue: 150))) }
        let before = log.chainHead
        state.withLock { $0.chainHead = before }
        log.append(batch, defining: definitions, report: report)
    }

    func read(from offset: Offset, limit: Int) async throws(LogError) -> [Block] {
        if fault == .readsAfterEnd, isClosed { return [] }
        var blocks: [Block] = []
        do throws(LogError) { blocks = try await log.read(from: offset, limit: limit) } catch {
            switch (fault, error) {
            case (.silentDamage, .corrupt(_, let offsets, _)):
                return try await log.read(from: offsets.upperBound, limit: limit)
            case (.stepsTooFar, .corrupt(let segment, let offsets, let cause)):
                throw .corrupt(segment: segment, offsets: offsets.lowerBound..<offsets.upperBound + 50, cause: cause)
            case (.readsNothingBelowStart, .outOfRange): return []
            case (.wrongRange, .outOfRange(_, let retained)):
                throw .outOfRange(offset, retained: .zero..<retained.upperBound)
            default: throw error
            }
        }
        switch fault {
        case .tears:
            if let last = blocks.last, last.endOffset == (await log.head) {
                blocks[blocks.count - 1].batch.events.removeLast()
            }
        case .passesOver: if blocks.count > 2 { blocks.remove(at: 1) }
        case .alwaysCertain: for index in blocks.indices { blocks[index].isIdentityCertain = true }
        default: break
        }
        return blocks
    }

    func vocabulary() async throws(LogError) -> Vocabulary {
        let whole = try await log.vocabulary()
        guard fault == .forgetsWords else { return whole }
        var kept = Vocabulary()
        var names = Definitions()
        for id in 1...UInt32(whole.deviceCount) {
            let device = DeviceID(rawValue: id)
            names.add(device: device, product: whole.product(of: device), name: Array(whole.name(of: device)).span)
        }
        // What the first segment alone had.
        for kind in SymbolKind.allCases where whole.count(kind) > 0 {
            names.symbols += (1...UInt32(whole.count(kind))).filter { $0 != 5_000 }.map { id in
                let symbol = SymbolID(rawValue: id)
                return Symbol(kind: kind, id: symbol, text: Array(whole.text(kind, symbol)))
            }
        }
        kept.define(names)
        return kept
    }

    func verify(
        claim: ChainClaim?, progress: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Void
    ) async throws(LogError) -> VerifyReport {
        var report = try await log.verify(claim: claim, progress: progress)
        if fault == .provesAnything, let wanted = report.claim { report.claim?.found = wanted.offset ?? report.head }
        if fault == .forgetsChain, report.start > .zero { report.claim?.found = nil }
        guard fault == .verifiesAnything else { return report }
        var clean = VerifyReport()
        (clean.segments, clean.blocks, clean.events) = (report.segments, report.blocks, report.events)
        (clean.start, clean.head, clean.chainHead) = (report.start, report.head, report.chainHead)
        return clean
    }

    func statistics() async throws(LogError) -> LogStatistics { try await log.statistics() }

    func close() async throws(LogError) {
        state.withLock { $0.isClosed = true }
        try await log.close()
    }

    func droppable(_ retention: Retention) async throws(LogError) -> Offset {
        switch fault {
        case .growingIsDue: return await log.head
        case .dueWithoutLimit where retention == Retention(): return try await log.droppable(Retention(bytes: 0))
        case .ageIsIgnored: return try await log.droppable(Retention(bytes: retention.bytes))
        default: return try await log.droppable(retention)
        }
    }

    func drop(before end: Offset) async throws(LogError) -> Dropped {
        guard fault == .dropsMore else { return try await log.drop(before: end) }
        // The whole of the segment in which the end lies.
        let segments = try await log.statistics().segments
        let whole = segments.first { $0.offsets.contains(end) }.map(\.offsets)
        return try await log.drop(before: whole.map { $0.lowerBound == end ? end : $0.upperBound } ?? end)
    }

    func makeScrub() -> any LogScrub { BrokenScrub(scrub: log.makeScrub(), fault: fault) }
}

private struct BrokenScrub: LogScrub {
    let scrub: any LogScrub
    let fault: Fault?

    func step(pause: () -> Void) -> ScrubStep? {
        guard var step = scrub.step(pause: pause) else { return nil }
        if fault == .scrubFindsNothing { step.damages = [] }
        if fault == .scrubStays { (step.segment, step.damages) = (.zero, []) }
        return step
    }
}
