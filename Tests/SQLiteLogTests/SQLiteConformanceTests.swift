// The embedded engine keeps the log's promises, with segments that are sealed by size and by age.

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
            open: { try SQLiteEventLog(directory: folder.path, readOnly: false, limits: limits) },
            close: { log in try await (log as? SQLiteEventLog)?.close() })
        try await check.run(fixture)
        // Another process sees the same log, and finds it sound.
        let reader = try SQLiteEventLog(directory: folder.path, readOnly: true)
        let report = try await reader.verify()
        #expect(report.isClean, "\(report.damages)")
    }
}
