// The texts of the latest feedback and copies of the file: a copy has none, and gets them back from the log.

import Events
import Foundation
import GRDB
package import Log
import SQLite

extension SummaryStore {
    /// Takes all texts out of a copy that nobody has open, so that no byte of them is left in the file.
    package static func removeTexts(of path: String) throws(ProjectionError) {
        var configuration = Configuration()
        configuration.label = "summaries"
        configuration.prepareDatabase { db in
            // What is overwritten must not stand in a journal either: a copy that is not finished is made anew.
            try db.execute(sql: "PRAGMA secure_delete = ON; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = FULL")
        }
        do {
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            try queue.writeWithoutTransaction { db in
                guard try db.tableExists(FeedbackColumn.table) else { return }
                try db.execute(sql: "UPDATE \(FeedbackColumn.table) SET \(FeedbackColumn.text) = NULL")
                try db.execute(sql: "VACUUM")
            }
            try queue.close()
        } catch {
            throw ProjectionError(error)
        }
    }

    /// The offsets of the events whose texts are not there.
    func missingTexts() throws(ProjectionError) -> Set<UInt64> {
        do {
            return try queue.read { db in
                let sql = """
                    SELECT \(FeedbackColumn.offset) FROM \(FeedbackColumn.table) WHERE \(FeedbackColumn.text) IS NULL
                    """
                return Set(try Int64.fetchAll(db, sql: sql).map { UInt64(bitPattern: $0) })
            }
        } catch {
            throw ProjectionError(error)
        }
    }

    /// Puts texts in where none is.
    func fill(_ texts: [UInt64: [UInt8]]) throws(ProjectionError) {
        do {
            try queue.write { db in
                let statement = try db.cachedStatement(
                    sql: """
                        UPDATE \(FeedbackColumn.table) SET \(FeedbackColumn.text) = CAST(? AS TEXT)
                        WHERE \(FeedbackColumn.offset) = ? AND \(FeedbackColumn.text) IS NULL
                        """)
                for (offset, text) in texts {
                    try statement.execute(arguments: [Data(text), Int64(bitPattern: offset)])
                }
            }
        } catch {
            throw ProjectionError(error)
        }
    }
}

/// Texts that are looked for in the log, and who said them.
private struct FoundTexts {
    private struct Text {
        var bytes: [UInt8]
        var customer: CustomerID
        var device: DeviceID
    }

    private let sought: Set<UInt64>
    private var found: [UInt64: Text] = [:]

    init(_ sought: Set<UInt64>) { self.sought = sought }

    mutating func add(_ block: Block) {
        for (index, event) in block.batch.events.enumerated() {
            let offset = (block.firstOffset + index).rawValue
            if event.kind == .customerErased, event.quarantine == .none {
                forget(event)
            } else if event.textLength > 0, sought.contains(offset) {
                found[offset] = Text(
                    bytes: Array(block.batch.text(of: event)), customer: event.customer, device: event.device)
            }
        }
    }

    /// What somebody has said before being forgotten is not shown again, also where it was never sealed.
    private mutating func forget(_ event: Event) {
        found = found.filter { _, text in
            !(event.customer != .none && text.customer == event.customer
                || event.device != .none && text.device == event.device)
        }
    }

    var texts: [UInt64: [UInt8]] { found.mapValues(\.bytes) }
}

extension Projector {
    /// Puts those texts back into the summaries of a folder that their log still has and can be read. The others stay
    /// away: their segments were dropped, or who said them was forgotten. No projector may be open on the folder.
    ///
    /// - Returns: how many were put back.
    package static func refillTexts(
        from log: some EventLog, in directory: String
    ) async throws(ProjectionError) -> Int {
        let path = directory + "/" + fileName
        guard FileAccess.isThere(path) else { return 0 }
        let store = try SummaryStore(path: path, identity: log.logIdentity)
        let missing = try store.missingTexts()
        let start = await log.start
        guard let first = missing.filter({ $0 >= start.rawValue }).min() else {
            try store.close()
            return 0
        }
        var found = FoundTexts(missing)
        do throws(LogError) {
            try await log.scan(from: Offset(rawValue: first)) { blocks, _, _ in
                for block in blocks { found.add(block) }
            }
        } catch {
            throw .log(error.description)
        }
        let texts = found.texts
        try store.fill(texts)
        try store.close()
        return texts.count
    }
}
