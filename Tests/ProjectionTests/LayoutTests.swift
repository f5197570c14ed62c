// Tables and rows are what the code states of them: no list of columns and no number of bytes is out of step.

import GRDB
import Projection
import Testing

@Suite struct LayoutTests {
    @Test(arguments: RowLayout.facts.indices) func rowsLieInMemoryAsTheCodeStates(index: Int) {
        let fact = RowLayout.facts[index]
        #expect(fact.found == fact.stated, "\(fact.name)")
    }

    @Test func aCountOfADayStopsAtItsBound() {
        var count = UInt32.max - 3
        count.count(2)
        #expect(count == UInt32.max - 1)
        count.count(2)
        #expect(count == UInt32.max)
        count.count()
        #expect(count == UInt32.max)
    }

    /// The file has the tables and the columns that the descriptors name, in their order.
    @Test func tablesHaveTheColumnsOfTheirDescriptors() throws {
        let folder = try Folder()
        let store = try SummaryStore(path: folder.summaries, identity: "log")
        try store.close()
        let queue = try DatabaseQueue(path: folder.summaries)
        let found = try queue.read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT t.name || '.' || c.name AS name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
                    WHERE t.type = 'table' ORDER BY t.rowid, c.cid
                    """
            ).map { $0["name"] as String }
        }
        #expect(found == SummaryTables.columns.map { "\($0.table).\($0.column)" })
        #expect(found.count > 50)
    }

    /// A row of the fold has a column for each kind of event, or they are within an array.
    @Test func viewsGiveEachKindOfEvent() throws {
        let folder = try Folder()
        let store = try SummaryStore(path: folder.summaries, identity: "log")
        try store.close()
        let queue = try DatabaseQueue(path: folder.summaries)
        for view in ["product_summary", "aspect_summary", "daily_product", "daily_aspect"] {
            let columns = try queue.read { db in try db.columns(in: view).map(\.name) }
            let start = try #require(columns.firstIndex(of: "events"))
            #expect(Array(columns[(start + 1)..<(start + 7)]) == KindCounts.names, "\(view)")
        }
    }
}
