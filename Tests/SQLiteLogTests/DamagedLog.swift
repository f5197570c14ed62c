// What the tests of damage share: a log to damage, and a way to change its rows.

import Events
import Foundation
import GRDB
import Log
import SQLiteLog
import TidingsTesting

extension TemporaryFolder {
    /// Makes a log with 50 events in each block, closed again; returns what was written.
    func fill(_ blocks: Int, seed: UInt64, _ limits: SegmentLimits) async throws -> [EventBatch] {
        var samples = SampleEvents(seed: seed)
        let log = try SQLiteEventLog(directory: path, readOnly: false, limits: limits)
        var written: [EventBatch] = []
        for _ in 0..<blocks {
            let (batch, definitions) = samples.batch(50)
            _ = try await log.append(batch, defining: definitions)
            written.append(batch)
        }
        try await log.close()
        return written
    }
}

/// Everything that a passing reader gets, by offset, and how much it left out.
func readAll(_ log: SQLiteEventLog) async throws -> (blocks: [Block], unreadable: UInt64) {
    var follower = PassingFollower(
        Follower(log, from: await log.start, wakeup: .poll(every: .seconds(1))), report: { _ in })
    var blocks: [Block] = []
    while true {
        let more = try await follower.nextAvailable(limit: 7)
        if more.isEmpty { return (blocks, follower.unreadable) }
        blocks += more
    }
}

/// Changes a segment's rows as SQLite would, past its triggers: no page is damaged.
func editSegment<Result>(_ path: String, _ body: (Database) throws -> Result) throws -> Result {
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
    let queue = try DatabaseQueue(path: path)
    let result = try queue.write { db in
        for trigger in try String.fetchAll(db, sql: "SELECT name FROM sqlite_schema WHERE type = 'trigger'") {
            try db.execute(sql: "DROP TRIGGER \(trigger)")
        }
        return try body(db)
    }
    try queue.close()
    return result
}
