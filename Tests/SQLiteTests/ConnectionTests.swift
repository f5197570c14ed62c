// Connections have the settings that durability rests on, and values that are of another type end nothing.

import Events
import Foundation
import GRDB
import Log
import SQLite
import Testing

@Suite struct ConnectionTests {
    /// A file of its own, in a folder that is removed with it.
    private final class File: Sendable {
        let folder = NSTemporaryDirectory() + "tidings-sqlite-" + UUID().uuidString
        var path: String { folder + "/file.sqlite" }

        init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

        deinit { try? FileManager.default.removeItem(atPath: folder) }
    }

    @Test func aWriterSynchronisesEachCommitAndCheckpointsByHand() throws {
        let file = try File()
        let queue = try Connection.open(file.path, Connection.Settings())
        defer { try? queue.close() }
        let found = try queue.read { db in
            try ["journal_mode", "synchronous", "wal_autocheckpoint", "trusted_schema", "page_size"].map {
                try String.fetchOne(db, sql: "PRAGMA \($0)")
            }
        }
        #expect(found == ["wal", "2", "0", "0", "4096"])
    }

    /// Two connections: the second one may not write while the first one does.
    @Test func aSecondWriterIsTold() throws {
        let file = try File()
        let first = try Connection.open(file.path, Connection.Settings())
        defer { try? first.close() }
        let second = try Connection.open(file.path, Connection.Settings())
        defer { try? second.close() }
        try first.writeWithoutTransaction { db in
            try db.inTransaction(.immediate) {
                #expect(throws: LogError.self) {
                    try translating(file.path) { try second.write { db in try db.execute(sql: "CREATE TABLE t (a)") } }
                }
                return .rollback
            }
        }
    }

    @Test func aValueOfAnotherTypeIsSaidAndEndsNothing() throws {
        let queue = try DatabaseQueue()
        let row = try queue.read { db in try Row.fetchOne(db, sql: "SELECT 1, 'text', x'0102', NULL") }
        let found = try #require(row)
        #expect(try found.number(0) == 1)
        #expect(try found.bytes(2) == [1, 2])
        #expect(found.optionalBytes(3).isEmpty)
        for column in 1...3 { #expect(throws: MalformedRow.self) { try found.number(column) } }
        for column in [0, 1, 3] { #expect(throws: MalformedRow.self) { try found.bytes(column) } }
        let damage = LogError.corrupt(
            segment: "file", offsets: .zero..<(.zero), cause: "column 2 of a row is damaged")
        #expect(throws: damage) { try translating("file") { _ = try found.number(1) } }
    }
}
