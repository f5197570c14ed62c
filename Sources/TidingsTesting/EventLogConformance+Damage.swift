// The checks of what an engine does about bytes that have rotted.

import Events
import Log
import Synchronization

extension EventLogConformance {
    /// Damages the block of an offset while the log is closed; returns the events in it. Nil when the fixture cannot.
    private static func ruin(_ fixture: LogFixture, _ offset: UInt64) async throws -> Range<Offset>? {
        guard let damage = fixture.damage else { return nil }
        try await damage(Offset(rawValue: offset))
        return Offset(rawValue: offset / 50 * 50)..<Offset(rawValue: offset / 50 * 50 + 50)
    }

    static func checkDamage(_ fixture: LogFixture) async throws {
        var samples = SampleEvents(seed: 31)
        var log = try await fixture.open()
        var written: [EventBatch] = []
        for _ in 0..<120 { written.append(try await fill(log, &samples, blocks: 1)) }
        let segments = try await log.statistics().segments
        let (noted, sealed) = (log.chainHead, segments[1].offsets)
        try await log.close()
        let inside = sealed.lowerBound.rawValue + 2 * 50 + 17
        guard let gone = try await ruin(fixture, inside) else { return }
        log = try await fixture.open()
        let (head, start) = (await log.head, await log.start)
        try expect(head.rawValue == 6_000 && start == .zero, "head \(head), start \(start)")
        // A reader that begins before it ends before it; one that begins in it is told where to go on.
        let before = try await log.read(from: sealed.lowerBound, limit: 50)
        try expect(before.last?.endOffset == gone.lowerBound, "\(before.count) blocks before the damage")
        for offset in [gone.lowerBound, Offset(rawValue: inside)] {
            do {
                let blocks = try await log.read(from: offset, limit: 3)
                throw ConformanceFailure(description: "\(blocks.count) blocks where one is damaged")
            } catch LogError.corrupt(_, let offsets, let cause) {
                try expect(
                    offsets.upperBound == gone.upperBound && offsets.contains(gone.lowerBound) && !cause.isEmpty,
                    "step over \(offsets), damaged are \(gone)")
            }
        }
        try await expectPassed(log, gone, sealed, written)
        // A check names that block and no other, and what was noted before is there but not proven.
        let report = try await log.verify(claim: ChainClaim(noted))
        try expect(report.damageCount == 1 && report.damages.first?.offsets == gone, "\(report.damages)")
        try expect(report.blocks == 120 && report.events == 6_000, "\(report.blocks) blocks, \(report.events) events")
        let claim = report.claim
        try expect(claim?.found == head && claim?.isProven == false, "\(String(describing: claim))")
        // Events still come in.
        let written121 = try await fill(log, &samples, blocks: 1)
        let last = try await log.read(from: head, limit: 1)
        try expect(last.first?.batch == written121 && last.first?.isIdentityCertain == true, "the block behind")
        try await log.close()
    }

    /// All that is said to be certain is true, all that is left out is counted, and none of it is of other segments.
    private static func expectPassed(
        _ log: any EventLog, _ gone: Range<Offset>, _ segment: Range<Offset>, _ written: [EventBatch]
    ) async throws {
        let behind = try await log.read(from: gone.upperBound, limit: 1)
        try expect(behind.first?.firstOffset == gone.upperBound, "no block behind the damage")
        let left = Mutex<[Range<Offset>]>([])
        var follower = PassingFollower(
            Follower(log, from: .zero, wakeup: .poll(every: .milliseconds(1))),
            report: { damage in left.withLock { $0.append(damage.offsets) } })
        var served: UInt64 = 0
        var next = Offset.zero
        while true {
            let blocks = try await follower.nextAvailable(limit: 5)
            if blocks.isEmpty { break }
            for block in blocks {
                try expect(block.batch == written[Int(block.firstOffset.rawValue / 50)], "block \(block.firstOffset)")
                try expect(block.firstOffset >= next, "block \(block.firstOffset) after \(next)")
                next = block.endOffset
                served += UInt64(block.count)
            }
        }
        let ranges = left.withLock { $0 }
        try expect(ranges.first == gone, "left out first: \(ranges)")
        try expect(ranges.allSatisfy { $0.upperBound <= segment.upperBound }, "left out of other segments: \(ranges)")
        try expect(served + follower.unreadable == 6_000, "\(served) served, \(follower.unreadable) counted")
    }

    static func checkDamageAtEnd(_ fixture: LogFixture) async throws {
        var samples = SampleEvents(seed: 32)
        var log = try await fixture.open()
        var written: [EventBatch] = []
        for _ in 0..<70 { written.append(try await fill(log, &samples, blocks: 1)) }
        try await log.close()
        guard let gone = try await ruin(fixture, 3_470) else { return }
        log = try await fixture.open()
        // What was acknowledged has its offsets for ever.
        let head = await log.head
        try expect(head.rawValue == 3_500, "head \(head)")
        try expect(log.openingDamages.count == 1, "\(log.openingDamages.count) places are told when opening")
        let told = log.openingDamages.first
        try expect(told?.offsets == gone && told?.cause.isEmpty == false, "told when opening: \(log.openingDamages)")
        let arrival = await log.lastArrival
        try expect(arrival != nil, "no last arrival")
        written.append(try await fill(log, &samples, blocks: 1))
        let last = try await log.read(from: head, limit: 2)
        try expect(last.count == 1 && last[0].batch == written[70] && last[0].isIdentityCertain, "the block behind it")
        var follower = PassingFollower(
            Follower(log, from: .zero, wakeup: .poll(every: .milliseconds(1))), report: { _ in })
        var events = 0
        while true {
            let blocks = try await follower.nextAvailable(limit: 9)
            if blocks.isEmpty { break }
            events += blocks.reduce(0) { $0 + $1.count }
        }
        try expect(events == 3_500 && follower.unreadable == 50, "\(events) events, \(follower.unreadable) left out")
        let report = try await log.verify()
        try expect(report.damageCount == 1 && report.damages.first?.offsets == gone, "\(report.damages)")
        try await log.close()
    }

    static func checkScrub(_ fixture: LogFixture) async throws {
        var samples = SampleEvents(seed: 33)
        var log = try await fixture.open()
        let isOne = log is any ScrubbingLog
        try expect(isOne == fixture.capabilities.contains(.scrubbing), "scrubbing, against what is said of it")
        if let fresh = (log as? any ScrubbingLog)?.makeScrub() {
            try expect(fresh.step(pause: {}) == nil, "an empty log has something to check")
            _ = try await fill(log, &samples, blocks: 1)
            try expect(fresh.step(pause: {}) == nil, "the growing segment is checked")
        }
        _ = try await fill(log, &samples, blocks: 119)
        let sealed = try await log.statistics().segments.dropLast().map(\.offsets)
        try await log.close()
        guard let gone = try await ruin(fixture, sealed[1].lowerBound.rawValue + 120) else { return }
        log = try await fixture.open()
        guard let scrub = (log as? any ScrubbingLog)?.makeScrub() else { return try await log.close() }
        // Twice around: each has its turn, and the same is found again.
        for round in 0..<2 {
            var found: [Offset: [Damage]] = [:]
            for _ in sealed {
                guard let step = scrub.step(pause: {}) else { continue }
                found[step.segment] = step.damages
            }
            try expect(Set(found.keys) == Set(sealed.map(\.lowerBound)), "round \(round): \(found.keys.sorted())")
            for (segment, damages) in found {
                let wanted = segment == sealed[1].lowerBound ? [gone] : []
                try expect(damages.map(\.offsets) == wanted, "round \(round): \(segment): \(damages)")
            }
        }
        try await log.close()
    }
}
