// One product's rows, read and put together within one transaction.

import Events
import GRDB

/// The reading of one product; lives no longer than its transaction.
struct SummaryReading {
    let db: Database
    let id: UInt32
    var summary: ProductSummary
    private var names: [UInt64: String] = [:]

    init(_ db: Database, id: UInt32, product: String, position: SummaryPosition) {
        self.db = db
        self.id = id
        summary = ProductSummary(product: product, position: position)
    }

    /// Everything from the log's beginning on.
    mutating func whole() throws -> ProductSummary? {
        guard let row = try product() else { return nil }
        summary.kinds = try KindCounts(row)
        summary.devices = try row.count(ProductColumn.devices)
        summary.customers = try row.count(ProductColumn.customers)
        try readApart(row)
        summary.first = try row.time(ProductColumn.first)
        summary.last = try row.time(ProductColumn.last)
        summary.rating = try rating(row)
        try readAspects()
        try readDays(.always)
        try readTexts()
        return summary
    }

    mutating func sortAspects() {
        summary.aspects.sort { ($1.kinds.total, $0.aspect) < ($0.kinds.total, $1.aspect) }
    }

    func fetch(_ sql: String) throws -> [Row] {
        try Row.fetchAll(db.cachedStatement(sql: sql), arguments: [id])
    }

    mutating func name(_ kind: SymbolKind, _ id: UInt32) throws -> String {
        let key = UInt64(kind.rawValue) << 32 | UInt64(id)
        if let known = names[key] { return known }
        let sql = """
            SELECT \(StoredText.bytes("\(SymbolColumn.text)")) FROM \(SymbolColumn.table)
            WHERE \(SymbolColumn.kind) = ? AND \(SymbolColumn.id) = ?
            """
        let row = try Row.fetchOne(db.cachedStatement(sql: sql), arguments: [kind.rawValue, id])
        let text = try row.map { try $0.text(0) } ?? "\(kind.name)#\(id)"
        names[key] = text
        return text
    }
}
