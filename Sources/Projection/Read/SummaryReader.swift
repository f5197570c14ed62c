// Answers from summaries.sqlite, while the daemon runs or not.

import Events
import Foundation
import GRDB
import SQLite

/// A read-only view of a summaries.sqlite. Each call is one consistent read; any thread.
package struct SummaryReader: Sendable {
    private let queue: DatabaseQueue

    /// - Throws: `missing` when there is no such file, `denied` when it may not be read, `mismatch` for another
    ///   version's, `notClosed` when it was not closed and nothing can be written there, `storage` otherwise.
    package init(path: String) throws(ProjectionError) {
        switch FileAccess.look(at: path) {
        case .there: break
        case .missing: throw .missing(path)
        case .denied: throw .denied(path)
        }
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        configuration.label = "summary reader"
        do {
            queue = try DatabaseQueue.openForReading(
                path, lock: FileAccess.folder(of: path) + "/lock", configuration: configuration)
            let version = try queue.read { db in try Self.meta(db, .version) }
            guard version == SummaryTables.version else {
                throw ProjectionError.mismatch(
                    "version \(version ?? "unknown"), this release has \(SummaryTables.version)")
            }
        } catch {
            throw ProjectionError(error)
        }
    }

    /// Where the summaries stand.
    package func position() throws(ProjectionError) -> SummaryPosition {
        try read { db in try Self.position(db) }
    }

    /// Every product with its totals, most events first.
    package func products() throws(ProjectionError) -> [ProductLine] {
        try read { db in
            let names = try Self.names(db, .product)
            let order = "\(ProductColumn.events) DESC, \(ProductColumn.product)"
            let sql = "SELECT * FROM \(ProductColumn.table) ORDER BY \(order)"
            var lines: [ProductLine] = []
            let rows = try Row.fetchCursor(db.cachedStatement(sql: sql))
            while let row = try rows.next() {
                let id: UInt32 = try row.value(ProductColumn.product)
                lines.append(try ProductLine(row, name: names[id] ?? "product#\(id)"))
            }
            return lines
        }
    }

    /// One product, as of the last checkpoint; nil when it is unknown.
    ///
    /// - Parameters:
    ///   - since: the first day of the window; nil is the beginning.
    ///   - until: the last day of the window; nil is the end.
    /// - Throws: `window` when `since` is after `until`; `storage`, `damaged`.
    package func summary(
        product: String, since: Day? = nil, until: Day? = nil
    ) throws(ProjectionError) -> ProductSummary? {
        let window = try DayWindow(since: since, until: until)
        return try read { db in
            guard let id = try Self.id(db, product) else { return nil }
            var reading = SummaryReading(db, id: id, product: product, position: try Self.position(db))
            return since == nil && until == nil ? try reading.whole() : try reading.window(window)
        }
    }

    /// The names of known products that look most like `name`, nearest first.
    package func nearest(to name: String, limit: Int = 3) throws(ProjectionError) -> [String] {
        try read { db in
            let names = try Self.names(db, .product).values
            let wanted = Array(name.lowercased().utf8)
            let ranked = names.map { (editDistance(wanted, $0.lowercased().utf8), $0) }.sorted { $0 < $1 }
            let bound = max(2, wanted.count / 2)
            return ranked.filter { $0.0 <= bound }.prefix(limit).map(\.1)
        }
    }

    func read<Result>(_ body: (Database) throws -> Result) throws(ProjectionError) -> Result {
        do { return try queue.read(body) } catch { throw ProjectionError(error) }
    }

    private static func meta(_ db: Database, _ key: MetaKey) throws -> String? {
        let sql = "SELECT \(MetaColumn.value) FROM \(MetaColumn.table) WHERE \(MetaColumn.key) = ?"
        return try String.fetchOne(db, sql: sql, arguments: [key.rawValue])
    }

    static func position(_ db: Database) throws -> SummaryPosition {
        let offset = try meta(db, .offset).flatMap { UInt64($0) } ?? 0
        let updated = try meta(db, .updated).flatMap { Int64($0) }.map { Timestamp(rawValue: $0) }
        let skipped = try meta(db, .skipped).flatMap { UInt64($0) } ?? 0
        return SummaryPosition(offset: Offset(rawValue: offset), updated: updated, skipped: skipped)
    }

    private static func id(_ db: Database, _ product: String) throws -> UInt32? {
        let sql = """
            SELECT \(SymbolColumn.id) FROM \(SymbolColumn.table)
            WHERE \(SymbolColumn.kind) = \(SymbolKind.product.rawValue)
                AND \(SymbolColumn.text) = \(StoredText.parameter)
                AND \(SymbolColumn.id) IN (SELECT \(ProductColumn.product) FROM \(ProductColumn.table))
            """
        return try UInt32.fetchOne(db.cachedStatement(sql: sql), arguments: [StoredText.argument(product)])
    }

    private static func names(_ db: Database, _ kind: SymbolKind) throws -> [UInt32: String] {
        var names: [UInt32: String] = [:]
        let sql = """
            SELECT \(SymbolColumn.id), \(StoredText.bytes("\(SymbolColumn.text)")) FROM \(SymbolColumn.table)
            WHERE \(SymbolColumn.kind) = \(kind.rawValue)
            """
        let rows = try Row.fetchCursor(db.cachedStatement(sql: sql))
        while let row = try rows.next() {
            names[try row.decode(UInt32.self, atIndex: 0)] = try row.text(1)
        }
        return names
    }
}
