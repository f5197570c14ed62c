// The checks of how a log is used: its identity, its figures, its end, and many readers at once.

import Events
import Log

extension EventLogConformance {
    static func checkIdentity(_ fixture: LogFixture) async throws {
        var samples = SampleEvents(seed: 11)
        var identity = ""
        for round in 0..<3 {
            let log = try await fixture.open()
            let found = log.logIdentity
            try expect(
                found.utf8.count == 32 && found.allSatisfy { $0.isHexDigit && !$0.isUppercase }, "identity \(found)")
            if round == 0 { identity = found }
            try expect(found == identity, "identity \(found) in round \(round), \(identity) before")
            _ = try await fill(log, &samples, blocks: 40)
            try expect(log.logIdentity == identity, "identity \(log.logIdentity) after appending")
            try await log.close()
        }
    }

    static func checkChainHead(_ fixture: LogFixture) async throws {
        var samples = SampleEvents(seed: 12)
        var noted: [String] = []
        for blocks in [1, 2, 60, 7] {
            let log = try await fixture.open()
            // What was written down before the log was closed still stands.
            if let last = noted.last { try expect(log.chainHead == last, "\(log.chainHead), \(last) before") }
            _ = try await fill(log, &samples, blocks: blocks)
            let head = log.chainHead
            let statistics = try await log.statistics()
            try expect(head == "\(statistics.head.rawValue):\(statistics.chainHead)", "statistics differ: \(head)")
            let report = try await log.verify()
            try expect(head == "\(report.head.rawValue):\(report.chainHead)", "verify differs: \(head)")
            noted.append(head)
            for text in noted {
                let proof = try await log.verify(claim: ChainClaim(text)).claim
                try expect(proof?.isProven == true, "\(text) is not proven")
            }
            let foreign = String(head.reversed().prefix(64))
            let claim = try await log.verify(claim: ChainClaim(foreign)).claim
            try expect(claim != nil && claim?.isProven == false, "\(foreign) is proven")
            let moved = try await log.verify(claim: ChainClaim("1" + head)).claim
            try expect(moved?.isProven == false, "a chain at another offset is proven")
            try await log.close()
        }
    }

    static func checkFigures(_ fixture: LogFixture) async throws {
        var samples = SampleEvents(seed: 13)
        var (atRest, last) = (0, nil as Timestamp?)
        for round in 0..<4 {
            let log = try await fixture.open()
            // A log that grows may take more for a while than one at rest.
            if round > 1 { try expect(log.bytes > atRest, "\(log.bytes) bytes after \(atRest)") }
            if round > 0 { atRest = log.bytes }
            let found = await log.lastArrival
            try expect(found == last, "last arrival in round \(round)")
            try expect(log.openingDamages.isEmpty, "\(log.openingDamages)")
            let written = try await fill(log, &samples, blocks: 30)
            last = written.events.map(\.arrival).max()
            let grown = await log.lastArrival
            try expect(grown == last && log.bytes > 0, "last arrival or bytes after appending in round \(round)")
            try await log.close()
        }
    }

    static func checkClose(_ fixture: LogFixture) async throws {
        var log = try await fixture.open()
        var samples = SampleEvents(seed: 14)
        var written = try await fill(log, &samples, blocks: 3)
        let chain = log.chainHead
        try await log.close()
        try await log.close()
        let (batch, definitions) = samples.batch(50)
        let closed = log
        try await expectClosed("append") { _ = try await closed.append(batch, defining: definitions) }
        try await expectClosed("read") { _ = try await closed.read(from: .zero, limit: 1) }
        try await expectClosed("vocabulary") { _ = try await closed.vocabulary() }
        try await expectClosed("verify") { _ = try await closed.verify() }
        try await expectClosed("statistics") { _ = try await closed.statistics() }
        if let retaining = closed as? any RetainingLog {
            try await expectClosed("droppable") { _ = try await retaining.droppable(Retention(bytes: 1)) }
            try await expectClosed("drop") { _ = try await retaining.drop(before: Offset(rawValue: 100)) }
        }
        log = try await fixture.open()
        let head = await log.head
        try expect(head.rawValue == 150 && log.chainHead == chain, "head \(head) after reopening, \(log.chainHead)")
        _ = try await log.append(batch, defining: definitions)
        written.add(batch)
        try expect(joined(try await readAll(log)) == written, "the events differ")
        try await log.close()
    }

    private static func expectClosed(_ call: String, _ body: () async throws -> Void) async throws {
        do { try await body() } catch LogError.closed(let cause) {
            try expect(!cause.isEmpty, "\(call) says nothing")
            return
        }
        throw ConformanceFailure(description: "\(call) was served after the end")
    }

    static func checkSecondWriter(_ fixture: LogFixture) async throws {
        let log = try await fixture.open()
        do {
            try await fixture.open().close()
            throw ConformanceFailure(description: "the log was opened for writing twice")
        } catch LogError.locked {
        }
        var samples = SampleEvents(seed: 15)
        _ = try await fill(log, &samples, blocks: 1)
        try await log.close()
        try await fixture.open().close()
    }

    // MARK: Readers

    /// How many blocks are written while others read, and how many read along.
    private static let (raceBlocks, raceFollowers) = (150, 4)

    static func checkConcurrentReaders(_ fixture: LogFixture) async throws {
        let log = try await fixture.open()
        var samples = SampleEvents(seed: 16)
        let batches = (0..<raceBlocks).map { _ in samples.batch(50) }
        let written = batches.map(\.batch)
        let signal = Signal()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<raceFollowers {
                let wakeup: Wakeup = number % 2 == 0 ? .signal(signal) : .poll(every: .microseconds(200))
                group.addTask { try await follow(log, written, wakeup, limit: 1 + number * 3) }
            }
            group.addTask { try await look(log, written) }
            group.addTask {
                for (batch, definitions) in batches {
                    _ = try await log.append(batch, defining: definitions)
                    signal.notify()
                }
            }
            // Not all of them: when one has found a fault, the others may wait in vain.
            while try await group.next() != nil {}
        }
        let report = try await log.verify()
        try expect(report.isClean && report.blocks == raceBlocks, "\(report)")
        try await log.close()
    }

    /// Reads along from the start to the end: all blocks in order, each as it was written, with its words in time.
    private static func follow(
        _ log: any EventLog, _ written: [EventBatch], _ wakeup: Wakeup, limit: Int
    ) async throws {
        var follower = Follower(log, from: .zero, wakeup: wakeup)
        var next = 0
        while next < written.count, !Task.isCancelled {
            for block in try await follower.next(limit: limit) {
                try expect(block.firstOffset.rawValue == UInt64(next * 50), "\(block.firstOffset) is block \(next)")
                try expect(block.batch == written[next], "block \(next) is torn")
                try expect(block.isIdentityCertain, "block \(next) is uncertain")
                next += 1
            }
            let head = await log.head
            try expect(head >= follower.position, "head \(head) behind what was read")
        }
    }

    /// Looks at any place and at the figures, until all is written: each time a state that the log was in.
    private static func look(_ log: any EventLog, _ written: [EventBatch]) async throws {
        var generator = SeededGenerator(seed: 17)
        var known = Offset.zero
        while known.rawValue < UInt64(written.count * 50), !Task.isCancelled {
            let head = await log.head
            try expect(head >= known && head.rawValue % 50 == 0, "head \(head) after \(known)")
            known = head
            let chain = log.chainHead.prefix { $0 != ":" }
            try expect(UInt64(chain).map { $0 >= head.rawValue } == true, "chain head \(chain), head \(head)")
            let statistics = try await log.statistics()
            try expect(
                statistics.head >= head && statistics.events == statistics.blocks * 50, "statistics: \(statistics)")
            guard head > .zero else { continue }
            let index = Int.random(in: 0..<Int(head.rawValue / 50), using: &generator)
            let blocks = try await log.read(from: Offset(rawValue: UInt64(index * 50 + 7)), limit: 2)
            try expect(blocks.first?.batch == written[index], "block \(index) is torn")
        }
    }
}
