// The embedded engine keeps the log's promises, with segments that are sealed by size and by age.

import Events
import GRDB
import Log
import SQLiteLog
import Testing
import TidingsTesting

struct SQLiteConformanceTests {
    @Test(arguments: EventLogConformance.checks)
    func sealedBySize(_ check: EventLogConformance) async throws {
        try await run(check, SegmentLimits(bytes: 30_000, walBytes: 100_000, keyframeBytes: 5_000))
    }

    @Test(arguments: EventLogConformance.checks)
    func sealedByAge(_ check: EventLogConformance) async throws {
        // The samples are half a second apart, so this is about 1,000 events.
        try await run(check, SegmentLimits(ageMilliseconds: 500_000, keyframeBytes: 20_000))
    }

    private func run(_ check: EventLogConformance, _ limits: SegmentLimits) async throws {
        let folder = try TemporaryFolder()
        let fixture = LogFixture(
            capabilities: [.retention, .scrubbing],
            open: { try SQLiteEventLog(directory: folder.path, readOnly: false, limits: limits) },
            damage: { try ruin($0, in: folder) })
        try await check.run(fixture)
        // Another process sees the same log, and finds what was done to it.
        let reader = try SQLiteEventLog(directory: folder.path, readOnly: true)
        let report = try await reader.verify()
        #expect(report.isClean != check.leavesDamage, "\(report.damages)")
    }
}

/// Zeros the body of a block, and removes the keyframes behind it: with them the daemon need not read it at its start.
private func ruin(_ offset: Offset, in folder: TemporaryFolder) throws {
    let number = Int64(clamping: offset.rawValue)
    for path in try folder.segments() {
        let count = try editSegment(path) { db in
            try db.execute(
                sql: """
                    UPDATE block SET body = zeroblob(length(body))
                    WHERE first_offset <= ?1 AND ?1 < first_offset + count
                    """,
                arguments: [number])
            let count = db.changesCount
            if count > 0 { try db.execute(sql: "DELETE FROM keyframe WHERE offset > ?", arguments: [number]) }
            return count
        }
        if count == 1 { return }
    }
    throw ConformanceFailure(description: "no block holds \(offset)")
}
