// The checks of an engine that can drop its oldest segments.

import Events
import Log

extension EventLogConformance {
    /// The log as one that drops; nil when the fixture says that it is none.
    private static func retaining(_ log: any EventLog, _ fixture: LogFixture) throws -> (any RetainingLog)? {
        let found = log as? any RetainingLog
        try expect((found != nil) == fixture.capabilities.contains(.retention), "retention, against what is said of it")
        return found
    }

    /// Drops what is before `end`. Words that must be safe elsewhere first go with another block, which is added to
    /// `written`.
    private static func drop(
        _ log: any RetainingLog, before end: Offset, _ samples: inout SampleEvents, _ written: inout EventBatch
    ) async throws -> Dropped {
        let start = await log.start
        for _ in 0..<3 {
            let dropped = try await log.drop(before: end)
            if dropped.segments > 0 { return dropped }
            try expect(dropped == Dropped(offsets: start..<start), "\(dropped) and no segments")
            written.add(try await fill(log, &samples, blocks: 1))
        }
        throw ConformanceFailure(description: "nothing is dropped before \(end)")
    }

    static func checkRetention(_ fixture: LogFixture) async throws {
        var opened = try await fixture.open()
        guard let log = try retaining(opened, fixture) else { return try await opened.close() }
        var samples = SampleEvents(seed: 21)
        var written = try await fill(log, &samples, blocks: 120)
        let before = try await log.statistics()
        let everything = try await log.droppable(Retention())
        try expect(everything == .zero, "without a limit, \(everything) is due")
        let due = try await log.droppable(Retention(bytes: before.bytes / 2))
        let going = before.segments.filter { $0.offsets.upperBound <= due }
        try expect(before.segments.contains { $0.offsets.lowerBound == due }, "\(due) is no start of a segment")
        let left = before.bytes - going.reduce(0) { $0 + $1.bytes }
        let more = left + (going.last?.bytes ?? 0)
        // Enough goes and not more; if the growing segment alone is too large, all others.
        let isEnough = left <= before.bytes / 2 || due == before.segments.last?.offsets.lowerBound
        try expect(!going.isEmpty && isEnough && more > before.bytes / 2, "\(due) is due")
        let untouched = await log.start
        try expect(untouched == .zero, "to ask has dropped something")

        let dropped = try await drop(log, before: due, &samples, &written)
        try expect(dropped.segments == going.count && dropped.offsets == .zero..<due, "\(dropped), due \(due)")
        try expect(dropped.bytes == going.reduce(0) { $0 + $1.bytes }, "\(dropped.bytes) bytes")
        let (start, head) = (await log.start, await log.head)
        try expect(start == due && Int(head.rawValue) == written.count, "start \(start), head \(head)")
        let again = try await log.drop(before: due)
        try expect(again == Dropped(offsets: due..<due), "dropped twice: \(again)")
        try await expectGone(log, due)
        // What is left is as it was, and goes on.
        var kept = EventBatch()
        for block in try await readAll(log, from: due) { kept.add(block.batch) }
        try expect(kept.isTail(of: written, from: due), "the events from \(due) on differ")
        _ = try await fill(log, &samples, blocks: 1)
        try await log.close()
        opened = try await fixture.open()
        let reopened = await opened.start
        try expect(reopened == due, "start \(reopened) after reopening")
        try await expectGone(opened, due)
        try await opened.close()
    }

    /// What is before `start` is refused in a way that says where to begin.
    private static func expectGone(_ log: any EventLog, _ start: Offset) async throws {
        for offset in [Offset.zero, Offset(rawValue: start.rawValue - 1)] {
            do {
                let blocks = try await log.read(from: offset, limit: 5)
                throw ConformanceFailure(description: "\(blocks.count) blocks from \(offset) on, which is gone")
            } catch LogError.outOfRange(let refused, let retained) {
                let head = await log.head
                try expect(refused == offset && retained == start..<head, "\(refused) is not in \(retained)")
            }
        }
    }

    static func checkRetainedProof(_ fixture: LogFixture) async throws {
        var opened = try await fixture.open()
        guard let log = try retaining(opened, fixture) else { return try await opened.close() }
        var samples = SampleEvents(seed: 22)
        // A word that only the first segment uses.
        var (batch, definitions) = samples.batch(50)
        let rare = SymbolID(rawValue: 5_000)
        definitions.symbols.append(Symbol(kind: .aspect, id: rare, text: Array("only.once".utf8)))
        batch.events[7].aspect = rare
        _ = try await log.append(batch, defining: definitions)
        let early = log.chainHead
        var written = try await fill(log, &samples, blocks: 119)
        let noted = log.chainHead
        let due = try await log.droppable(Retention(bytes: log.bytes / 2))
        _ = try await drop(log, before: due, &samples, &written)
        for round in 0..<2 {
            let report = try await opened.verify(claim: ChainClaim(noted))
            try expect(report.isClean && report.start == due, "round \(round): \(report.damages), \(report.start)")
            try expect(report.claim?.isProven == true, "the chain does not prove what is left")
            try expect("\(report.head.rawValue):\(report.chainHead)" == opened.chainHead, "chain head")
            let gone = try await opened.verify(claim: ChainClaim(early)).claim
            try expect(gone?.isProven == false, "what is gone is proven")
            let statistics = try await opened.statistics()
            try expect(statistics.start == due && statistics.chainHead == report.chainHead, "statistics")
            let (found, right) = (try await opened.vocabulary(), samples.vocabulary)
            try expect(found.text(.aspect, rare).elementsEqual("only.once".utf8), "a word went with its segment")
            for kind in SymbolKind.allCases {
                for id in 0...UInt32(right.count(kind)) {
                    let symbol = SymbolID(rawValue: id)
                    try expect(found.text(kind, symbol) == right.text(kind, symbol), "\(kind.name) \(id)")
                }
            }
            try expect(found.deviceCount == right.deviceCount, "\(found.deviceCount) devices")
            try await opened.close()
            opened = try await fixture.open()
        }
        try await opened.close()
    }

    static func checkRetentionBounds(_ fixture: LogFixture) async throws {
        let opened = try await fixture.open()
        guard let log = try retaining(opened, fixture) else { return try await opened.close() }
        var samples = SampleEvents(seed: 23)
        var written = try await fill(log, &samples, blocks: 120)
        let segments = try await log.statistics().segments
        try expect(segments.count >= 3, "\(segments.count) segments")
        // However little may be kept, the growing segment stays.
        let most = try await log.droppable(Retention(bytes: 0))
        try expect(most == segments.last?.offsets.lowerBound, "\(most) of \(segments.count) segments is due")
        // A snapshot that covers the second segment but for its last event covers the first one only.
        let almost = Offset(rawValue: segments[1].offsets.upperBound.rawValue - 1)
        let dropped = try await drop(log, before: almost, &samples, &written)
        try expect(dropped.offsets == segments[0].offsets, "\(dropped.offsets), covered up to \(almost)")
        let none = try await log.drop(before: segments[0].offsets.upperBound)
        try expect(none.segments == 0, "\(none) before the start")
        // Up to the head, and beyond: the growing segment stays.
        for end in [await log.head, Offset(rawValue: .max)] {
            for _ in 0..<3 {
                _ = try await log.drop(before: end)
                written.add(try await fill(log, &samples, blocks: 1))
            }
            let (start, head) = (await log.start, await log.head)
            try expect(start < head, "nothing is left")
            var kept = EventBatch()
            for block in try await readAll(log, from: start) { kept.add(block.batch) }
            try expect(!kept.isEmpty && kept.isTail(of: written, from: start), "the events from \(start) on differ")
        }
        let left = try await log.statistics().segments
        try expect(left.count <= 2, "\(left.count) segments are left")
        try await log.close()
    }

    static func checkRetentionByAge(_ fixture: LogFixture) async throws {
        let opened = try await fixture.open()
        guard let log = try retaining(opened, fixture) else { return try await opened.close() }
        var samples = SampleEvents(seed: 24)
        _ = try await fill(log, &samples, blocks: 120)
        let segments = try await log.statistics().segments
        try expect(segments.count >= 3, "\(segments.count) segments")
        let last = segments[1].arrivals?.upperBound ?? Timestamp(rawValue: 0)
        let cases = [
            (last, segments[1].offsets.lowerBound),
            (Timestamp(rawValue: last.rawValue + 1), segments[2].offsets.lowerBound),
            (Timestamp(rawValue: .max), segments[segments.count - 1].offsets.lowerBound),
            (Timestamp(rawValue: 0), Offset.zero),
        ]
        for (limit, wanted) in cases {
            let due = try await log.droppable(Retention(arrivedBefore: limit))
            try expect(due == wanted, "\(due) is due of what arrived before \(limit), not \(wanted)")
        }
        try await log.close()
    }
}

extension EventBatch {
    /// Whether these are the last events of others, which begin at offset 0.
    fileprivate func isTail(of whole: EventBatch, from start: Offset) -> Bool {
        guard count == whole.count - Int(start.rawValue) else { return false }
        return zip(events, whole.events.suffix(count)).allSatisfy { mine, other in
            mine.isLike(other) && text(of: mine).elementsEqual(whole.text(of: other))
        }
    }
}
