// What every engine of the log must do, as named checks that run over each of them.

package import Events
package import Log

/// How a check gets at the engine under test: an empty log at first, and the same log again after `close`.
package struct LogFixture: Sendable {
    /// What the engine says that it can do beside what each must; the checks hold it to that.
    package enum Capability: Sendable { case retention, scrubbing }

    package var open: @Sendable () async throws -> any EventLog
    /// Ruins the stored bytes of the block that holds an offset, beyond repair, while the log is closed. What would
    /// spare an opening from reading that block goes too. Without it the checks of damage have nothing to look at.
    package var damage: (@Sendable (Offset) async throws -> Void)?
    package var capabilities: Set<Capability>

    package init(
        capabilities: Set<Capability>, open: @escaping @Sendable () async throws -> any EventLog,
        damage: (@Sendable (Offset) async throws -> Void)? = nil
    ) {
        self.capabilities = capabilities
        self.open = open
        self.damage = damage
    }
}

/// What an engine did wrong.
package struct ConformanceFailure: Error, CustomStringConvertible {
    package var description: String

    package init(description: String) { self.description = description }
}

/// The suite. The fixture's log must seal its segments after at most 40 blocks of 50 events.
package struct EventLogConformance: Sendable, CustomStringConvertible {
    package var name: String
    /// Whether the log is damaged when the check is over.
    package var leavesDamage = false
    package var run: @Sendable (LogFixture) async throws -> Void

    package var description: String { name }

    package static let checks: [EventLogConformance] = [
        .init(name: "an empty log", run: checkEmpty),
        .init(name: "offsets have no gaps", run: checkOffsets),
        .init(name: "what is read is what was appended", run: checkContent),
        .init(name: "reading starts within a block", run: checkMiddle),
        .init(name: "offsets outside are refused", run: checkRange),
        .init(name: "an append that is refused leaves nothing", run: checkRefusal),
        .init(name: "words come again in every segment", run: checkSymbols),
        .init(name: "names and words survive reopening", run: checkVocabulary),
        .init(name: "the log survives reopening", run: checkReopen),
        .init(name: "verify and statistics agree with the content", run: checkReports),
        .init(name: "a follower catches up and waits", run: checkFollower),
        .init(name: "the identity stays", run: checkIdentity),
        .init(name: "the chain head is that of the reports, and is proven later", run: checkChainHead),
        .init(name: "bytes and the last arrival", run: checkFigures),
        .init(name: "a closed log refuses and is opened again", run: checkClose),
        .init(name: "a second writer is refused", run: checkSecondWriter),
        .init(name: "readers beside the writer see a prefix", run: checkConcurrentReaders),
        .init(name: "retention drops what is due", run: checkRetention),
        .init(name: "retention keeps words and chain", run: checkRetainedProof),
        .init(name: "retention goes no further than it is told", run: checkRetentionBounds),
        .init(name: "retention by age", run: checkRetentionByAge),
        .init(name: "damage is stepped over", leavesDamage: true, run: checkDamage),
        .init(name: "damage at the end is told when opening", leavesDamage: true, run: checkDamageAtEnd),
        .init(name: "a scrub finds damage, segment by segment", leavesDamage: true, run: checkScrub),
    ]

    static func expect(
        _ condition: Bool, _ what: @autoclosure () -> String
    ) throws(ConformanceFailure) {
        if !condition { throw ConformanceFailure(description: what()) }
    }

    /// Appends `blocks` batches of 50 events; returns them back to back.
    static func fill(
        _ log: any EventLog, _ samples: inout SampleEvents, blocks: Int
    ) async throws -> EventBatch {
        var all = EventBatch()
        for _ in 0..<blocks {
            let (batch, definitions) = samples.batch(50)
            let head = await log.head
            let offset = try await log.append(batch, defining: definitions)
            try expect(offset == head, "append returned \(offset) at head \(head)")
            all.add(batch)
        }
        return all
    }

    /// Reads everything from an offset on.
    static func readAll(
        _ log: any EventLog, from start: Offset = .zero, limit: Int = 7
    ) async throws -> [Block] {
        var follower = Follower(log, from: start, wakeup: .poll(every: .milliseconds(1)))
        var blocks: [Block] = []
        while true {
            let more = try await follower.nextAvailable(limit: limit)
            if more.isEmpty { return blocks }
            try expect(more.count <= limit, "\(more.count) blocks, limit \(limit)")
            blocks += more
        }
    }

    static func joined(_ blocks: [Block]) -> EventBatch {
        var all = EventBatch()
        for block in blocks { all.add(block.batch) }
        return all
    }

    private static func checkEmpty(_ fixture: LogFixture) async throws {
        let log = try await fixture.open()
        let head = await log.head
        let start = await log.start
        try expect(head == .zero && start == .zero, "head \(head), start \(start)")
        let blocks = try await log.read(from: .zero, limit: 10)
        try expect(blocks.isEmpty, "\(blocks.count) blocks")
        let offset = try await log.append(EventBatch(), defining: Definitions())
        try expect(offset == .zero, "an empty batch got \(offset)")
        let report = try await log.verify()
        try expect(report.isClean && report.events == 0, "\(report)")
        try await log.close()
    }

    private static func checkOffsets(_ fixture: LogFixture) async throws {
        let log = try await fixture.open()
        var samples = SampleEvents(seed: 1)
        _ = try await fill(log, &samples, blocks: 100)
        var next = Offset.zero
        for block in try await readAll(log) {
            try expect(block.firstOffset == next, "block at \(block.firstOffset), expected \(next)")
            next = block.endOffset
        }
        let head = await log.head
        try expect(next == head && head.rawValue == 5_000, "read up to \(next), head \(head)")
        try await log.close()
    }

    private static func checkContent(_ fixture: LogFixture) async throws {
        let log = try await fixture.open()
        var samples = SampleEvents(seed: 2)
        let written = try await fill(log, &samples, blocks: 100)
        let blocks = try await readAll(log)
        try expect(joined(blocks) == written, "the events differ")
        try expect(blocks.allSatisfy(\.isIdentityCertain), "a block is uncertain")
        try await log.close()
    }

    private static func checkMiddle(_ fixture: LogFixture) async throws {
        let log = try await fixture.open()
        var samples = SampleEvents(seed: 3)
        let written = try await fill(log, &samples, blocks: 90)
        for offset in [4_499, 0, 49, 50, 2_222, 2_221, 3_333, 4_000, 1] as [UInt64] {
            let raw = try await log.read(from: Offset(rawValue: offset), limit: 1)
            try expect(raw.first?.firstOffset.rawValue == offset / 50 * 50, "not the block of \(offset)")
            let events = joined(try await readAll(log, from: Offset(rawValue: offset))).events
            let same = zip(events, written.events[Int(offset)...]).allSatisfy { $0.isLike($1) }
            try expect(events.count == 4_500 - Int(offset) && same, "the events from \(offset) on differ")
        }
        try await log.close()
    }

    private static func checkRange(_ fixture: LogFixture) async throws {
        let log = try await fixture.open()
        var samples = SampleEvents(seed: 4)
        _ = try await fill(log, &samples, blocks: 2)
        let atHead = try await log.read(from: Offset(rawValue: 100), limit: 5)
        try expect(atHead.isEmpty, "blocks at the head")
        do {
            _ = try await log.read(from: Offset(rawValue: 101), limit: 5)
            throw ConformanceFailure(description: "an offset behind the head was accepted")
        } catch let error as LogError {
            guard case .outOfRange = error else { throw error }
        }
        try await log.close()
    }

    private static func checkRefusal(_ fixture: LogFixture) async throws {
        let log = try await fixture.open()
        var samples = SampleEvents(seed: 5)
        var written = try await fill(log, &samples, blocks: 3)
        var (bad, definitions) = samples.batch(50)
        let good = bad
        bad.events[49].aspect = SymbolID(rawValue: 99_999)
        for batch in [bad, EventBatch(repeating: good.events[0], count: Limits.blockEvents + 1)] {
            do {
                _ = try await log.append(batch, defining: definitions)
                throw ConformanceFailure(description: "a bad batch was accepted")
            } catch let error as LogError {
                guard case .refused = error else { throw error }
            }
        }
        let head = await log.head
        try expect(head.rawValue == 150, "head \(head)")
        _ = try await log.append(good, defining: definitions)
        written.add(good)
        definitions = Definitions()
        written.add(try await fill(log, &samples, blocks: 3))
        try expect(joined(try await readAll(log)) == written, "the events differ")
        let report = try await log.verify()
        try expect(report.isClean, "\(report)")
        try await log.close()
    }

    private static func checkSymbols(_ fixture: LogFixture) async throws {
        let log = try await fixture.open()
        var samples = SampleEvents(seed: 6)
        _ = try await fill(log, &samples, blocks: 120)
        let segments = try await log.statistics().segments
        try expect(segments.count >= 3, "\(segments.count) segments")
        for segment in segments {
            // Each segment, read on its own, must name every word that it uses, in time and with the right text.
            var words = Vocabulary()
            for block in try await readAll(log, from: segment.offsets.lowerBound)
            where segment.offsets.contains(block.firstOffset) {
                words.define(block.definitions)
                for event in block.batch.events {
                    let name = words.text(.aspect, event.aspect)
                    let right = samples.vocabulary.text(.aspect, event.aspect)
                    try expect(name == right, "aspect \(event.aspect.rawValue) in \(segment.file)")
                    let product = words.text(.product, event.product)
                    try expect(!product.isEmpty, "product \(event.product.rawValue) in \(segment.file)")
                }
            }
        }
        try await log.close()
    }

    private static func checkVocabulary(_ fixture: LogFixture) async throws {
        var log = try await fixture.open()
        var samples = SampleEvents(seed: 7)
        _ = try await fill(log, &samples, blocks: 60)
        try await log.close()
        log = try await fixture.open()
        let found = try await log.vocabulary()
        let right = samples.vocabulary
        for kind in SymbolKind.allCases {
            try expect(found.count(kind) == right.count(kind), "\(found.count(kind)) words of kind \(kind.name)")
            for id in 0...UInt32(right.count(kind)) {
                let symbol = SymbolID(rawValue: id)
                try expect(found.text(kind, symbol) == right.text(kind, symbol), "\(kind.name) \(id)")
            }
        }
        try expect(found.deviceCount == right.deviceCount, "\(found.deviceCount) devices")
        for id in 0...UInt32(right.deviceCount) {
            let device = DeviceID(rawValue: id)
            try expect(found.name(of: device) == right.name(of: device), "the name of device \(id)")
            try expect(found.product(of: device) == right.product(of: device), "the product of device \(id)")
        }
        for id in 0...UInt32(right.customerCount) {
            let customer = CustomerID(rawValue: id)
            try expect(found.name(of: customer) == right.name(of: customer), "the name of customer \(id)")
        }
        try await log.close()
    }

    private static func checkReopen(_ fixture: LogFixture) async throws {
        var samples = SampleEvents(seed: 8)
        var written = EventBatch()
        for round in 0..<6 {
            let log = try await fixture.open()
            let head = await log.head
            try expect(Int(head.rawValue) == written.count, "head \(head) in round \(round)")
            written.add(try await fill(log, &samples, blocks: 17))
            try expect(joined(try await readAll(log)) == written, "the events differ in round \(round)")
            try await log.close()
        }
    }

    private static func checkReports(_ fixture: LogFixture) async throws {
        let log = try await fixture.open()
        var samples = SampleEvents(seed: 9)
        let written = try await fill(log, &samples, blocks: 95)
        let report = try await log.verify()
        let statistics = try await log.statistics()
        try expect(report.isClean, "\(report.damages)")
        try expect(report.events == written.count && statistics.events == written.count, "events \(report.events)")
        try expect(report.blocks == 95 && statistics.blocks == 95, "blocks \(report.blocks)")
        try expect(report.segments == statistics.segments.count, "segments \(report.segments)")
        try expect(report.chainHead == statistics.chainHead && report.chainHead.utf8.count == 64, report.chainHead)
        try expect(statistics.bytes > 0, "no bytes")
        let times = statistics.segments.compactMap(\.times)
        let first = times.map(\.lowerBound).min()
        let last = times.map(\.upperBound).max()
        try expect(first == written.events.map(\.time).min() && last == written.events.map(\.time).max(), "times")
        let sealed = statistics.segments.map(\.isSealed)
        try expect(sealed.dropLast().allSatisfy { $0 } && sealed.last == false, "sealed: \(sealed)")
        try await log.close()
    }

    private static func checkFollower(_ fixture: LogFixture) async throws {
        let log = try await fixture.open()
        let signal = Signal()
        let written = try await withThrowingTaskGroup(of: EventBatch?.self) { group in
            group.addTask {
                var follower = Follower(log, from: .zero, wakeup: .signal(signal))
                var blocks: [Block] = []
                while follower.position.rawValue < 3_000 { blocks += try await follower.next(limit: 5) }
                return joined(blocks)
            }
            var samples = SampleEvents(seed: 10)
            var written = EventBatch()
            for _ in 0..<60 {
                written.add(try await fill(log, &samples, blocks: 1))
                signal.notify()
            }
            let followed = try await group.next() ?? nil
            try expect(followed == written, "the follower saw other events")
            group.addTask {
                var follower = Follower(log, from: Offset(rawValue: 3_000), wakeup: .signal(signal))
                return try await follower.next(limit: 1).first?.batch
            }
            group.cancelAll()
            let cancelled = try await group.next() ?? nil
            try expect(cancelled == nil, "a cancelled follower returned events")
            return written
        }
        try expect(written.count == 3_000, "\(written.count) events")
        try await log.close()
    }
}

extension EventBatch {
    /// Appends another batch's events and what they say.
    mutating func add(_ other: EventBatch) {
        let base = UInt32(text.count)
        for var event in other.events {
            var said = other.details(of: event)
            if event.textLength > 0 { event.textStart += base }
            for part in EventDetails.parts where !said[keyPath: part].isEmpty {
                said[keyPath: part].start += base
            }
            event.detail = 0
            setDetails(said, of: &event)
            events.append(event)
        }
        text += other.text
    }

    fileprivate init(repeating event: Event, count: Int) {
        self.init(capacity: count)
        for _ in 0..<count { events.append(event) }
    }
}

extension Event {
    /// Equal but for the places of the text and of the details.
    func isLike(_ other: Event) -> Bool {
        var moved = self
        moved.textStart = other.textStart
        moved.detail = moved.detail == 0 ? 0 : other.detail
        return moved == other
    }
}
