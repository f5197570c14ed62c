// The public views of a summaries.sqlite that an earlier release has made.

import GRDB
import Projection
import Testing

@Suite struct ViewTests {
    @Test func viewsOfAnEarlierReleaseAreMadeAnew() throws {
        let folder = try Folder()
        let path = folder.summaries
        let first = try SummaryStore(path: path, identity: "log")
        try first.close()
        func definitions() throws -> [String] {
            let queue = try DatabaseQueue(path: path)
            defer { try? queue.close() }
            return try queue.read { db in
                try String.fetchAll(db, sql: "SELECT sql FROM sqlite_schema WHERE type = 'view' ORDER BY name")
            }
        }
        let made = try definitions()
        #expect(made.count > 5)
        let queue = try DatabaseQueue(path: path)
        try queue.write { db in try db.execute(sql: "DROP VIEW rating; CREATE VIEW rating AS SELECT 1 AS product") }
        try queue.close()
        #expect(try definitions() != made)
        let second = try SummaryStore(path: path, identity: "log")
        try second.close()
        #expect(try definitions() == made)
    }
}
