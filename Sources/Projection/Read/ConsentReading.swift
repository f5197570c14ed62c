// Consents as the last snapshot has them: what is left of those whose events retention has dropped.

package import Admission
import GRDB
import SQLite

extension SummaryReader {
    /// The consents of all customers as of the last snapshot, which covers every event that is no longer in the log.
    package func consents() throws(ProjectionError) -> [Consent] {
        try read { db in
            let sql = """
                SELECT \(StateColumn.body) FROM \(StateColumn.table)
                WHERE \(StateColumn.part) = \(SnapshotPart.consents.rawValue) ORDER BY \(StateColumn.page)
                """
            var consents: [Consent] = []
            let rows = try Row.fetchCursor(db, sql: sql)
            while let row = try rows.next() {
                guard consents.restore(row.optionalBytes(0)) else {
                    throw ProjectionError.damaged("the snapshot's consents")
                }
            }
            return consents
        }
    }
}
