// What the engine without files says of its contents, how it checks them, and how it drops the oldest.

package import Events
package import Log
import Synchronization

extension InMemoryEventLog {
    package func statistics() async throws(LogError) -> LogStatistics {
        try opened { state in
            LogStatistics(
                segments: state.contents.segments.map { segment in
                    let blocks = segment.rows.map(\.block)
                    return SegmentStatistics(
                        file: segment.name, offsets: segment.first..<segment.end, blocks: blocks.count,
                        bytes: segment.bytes, times: bounds(blocks.map(\.times)),
                        arrivals: bounds(blocks.map(\.arrivals)),
                        isSealed: segment.first != state.contents.segments.last?.first,
                        chainHead: segment.chain.description)
                })
        }
    }

    private func bounds(_ ranges: [ClosedRange<Timestamp>]) -> ClosedRange<Timestamp>? {
        guard let low = ranges.map(\.lowerBound).min(), let high = ranges.map(\.upperBound).max() else { return nil }
        return low...high
    }

    package func verify(
        claim: ChainClaim?, progress: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Void
    ) async throws(LogError) -> VerifyReport {
        let contents = try opened { state in state.contents }
        let total = contents.head.rawValue - contents.start.rawValue
        var report = VerifyReport()
        report.claim = claim
        (report.start, report.head, report.chainHead) = (contents.start, contents.head, contents.chain.description)
        var previous: InMemoryStore.Segment?
        for segment in contents.segments {
            report.segments += 1
            report.blocks += segment.rows.count
            report.events += Int(segment.end.rawValue - segment.first.rawValue)
            for damage in try check(segment, behind: previous) { report.note(damage) }
            for row in segment.rows where row.chain == claim?.chain { report.claim?.found = row.end }
            previous = segment
            progress(segment.end.rawValue - contents.start.rawValue, total)
        }
        if let found = report.claim?.found {
            report.claim?.isBehindDamage = report.damages.contains { $0.offsets.lowerBound < found }
        }
        return report
    }

    /// Recomputes a segment: its bytes, its chain, and that it continues the one before it.
    private func check(
        _ segment: InMemoryStore.Segment, behind previous: InMemoryStore.Segment?
    ) throws(LogError) -> [Damage] {
        var decoder = try BlockDecoder()
        var (chain, next) = (segment.previous, segment.first)
        var damages: [Damage] = []
        func note(_ offsets: Range<Offset>, _ cause: String) {
            damages.append(Damage(segment: segment.name, offsets: offsets, cause: cause))
        }
        if let previous, previous.chain != segment.previous || previous.end != segment.first {
            note(segment.first..<segment.first, "it does not continue the segment before it")
        }
        for row in segment.rows {
            var batch = EventBatch(capacity: row.block.count)
            let fault = decoder.decode(row.block, into: &batch)
            if let fault {
                decoder.pass(row.block)
                note(row.first..<row.end, fault)
            } else if row.first != next || chain.adding(row.block, words: row.words, at: row.first) != row.chain {
                note(row.first..<row.end, "the hash chain does not fit")
            }
            (chain, next) = (row.chain, row.end)
        }
        return damages
    }
}

extension InMemoryEventLog: RetainingLog {
    package func droppable(_ retention: Retention) async throws(LogError) -> Offset {
        try opened { state in
            var total = state.contents.bytes
            var end = state.contents.start
            for segment in state.contents.segments.dropLast() {
                let last = segment.rows.map(\.block.arrivals.upperBound).max()
                let isOld = retention.arrivedBefore.map { limit in last.map { $0 < limit } ?? false } ?? false
                guard isOld || retention.bytes.map({ total > $0 }) ?? false else { break }
                total -= segment.bytes
                end = segment.end
            }
            return end
        }
    }

    package func drop(before end: Offset) async throws(LogError) -> Dropped {
        try opened { state in
            let start = state.contents.start
            var dropped = Dropped(offsets: start..<start)
            let going = state.contents.segments.dropLast().prefix { $0.end <= end }
            guard !going.isEmpty else { return dropped }
            var kept = RecordedSymbols()
            for word in state.contents.segments.dropFirst(going.count).flatMap(\.rows).flatMap(\.words) {
                kept.insert(word.kind, word.id)
            }
            let words = going.flatMap(\.rows).flatMap(\.words)
            state.carried = words.filter { kept.insert($0.kind, $0.id) }
            guard state.carried.isEmpty else { return dropped }
            (dropped.segments, dropped.bytes) = (going.count, going.reduce(0) { $0 + $1.bytes })
            state.contents.segments.removeFirst(dropped.segments)
            state.readable.removeFirst(dropped.segments)
            dropped.offsets = start..<state.contents.start
            return dropped
        }
    }
}

extension InMemoryEventLog: ScrubbingLog {
    package func makeScrub() -> any LogScrub { Scrub(self) }

    private final class Scrub: LogScrub {
        private let log: InMemoryEventLog
        private let next = Mutex<Offset?>(nil)

        init(_ log: InMemoryEventLog) { self.log = log }

        func step(pause: () -> Void) -> ScrubStep? {
            guard let segments = try? log.opened({ state in state.contents.segments }), segments.count > 1 else {
                return nil
            }
            let sealed = segments.dropLast()
            let index = next.withLock { next in
                let wanted = next ?? sealed.randomElement()?.first ?? .zero
                let index = sealed.firstIndex { $0.first >= wanted } ?? 0
                next = sealed[index].end
                return index
            }
            let damages = try? log.check(sealed[index], behind: index > 0 ? sealed[index - 1] : nil)
            pause()
            return ScrubStep(segment: sealed[index].first, damages: damages ?? [])
        }
    }
}
