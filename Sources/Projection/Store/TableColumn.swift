// What a table is called and which columns it has: from this one list its schema, its rows and its readers are made.

import GRDB
import SQLite

/// The columns of a table: the cases, in the order in which a row has them.
///
/// Whoever writes a row goes through all of them and says for each, in a `switch` without a `default`, what stands in
/// it; whoever reads one, or writes SQL, names the case. So there is no second list that could be out of step, and the
/// compiler names every `switch` that a new column is missing from.
protocol TableColumn: CaseIterable, RawRepresentable, CustomStringConvertible, Sendable
where RawValue == String, AllCases == [Self] {
    /// The name of the table.
    static var table: String { get }
    /// The columns of the primary key, when it has several; then the rows have no number of their own besides, unless
    /// they are large.
    static var primaryKey: [Self] { get }
    static var areRowsLarge: Bool { get }
    var type: ColumnType { get }
}

extension TableColumn {
    static var primaryKey: [Self] { [] }
    static var areRowsLarge: Bool { false }

    /// The name of the column, as SQL takes it.
    var description: String { rawValue }

    /// The SQL that makes the table, if it is not there.
    static var definition: String {
        var lines = allCases.map { $0.description + " " + $0.type.sql }
        let key = primaryKey.map { $0.description }.joined(separator: ", ")
        if !key.isEmpty { lines.append("PRIMARY KEY (\(key))") }
        let options = primaryKey.isEmpty || areRowsLarge ? "STRICT" : "STRICT, WITHOUT ROWID"
        return "CREATE TABLE IF NOT EXISTS \(table) (\(lines.joined(separator: ", "))) \(options);"
    }
}

/// What a column holds.
struct ColumnType: Sendable {
    let sql: String

    /// A number that is the row's key.
    static let key = ColumnType(sql: "INTEGER PRIMARY KEY")
    static let integer = ColumnType(sql: "INTEGER")
    static let real = ColumnType(sql: "REAL")
    static let text = ColumnType(sql: "TEXT")
    static let blob = ColumnType(sql: "BLOB")

    /// The same, and never NULL.
    var required: ColumnType { ColumnType(sql: sql + " NOT NULL") }
}

extension Database {
    /// Inserts rows with all columns of a table; `body` is given the columns in their order.
    func insertRows<Column: TableColumn>(
        of table: Column.Type, rowsAtOnce: Int = RowInserter.rowsAtOnce,
        _ body: ([Column], inout RowInserter) throws -> Void
    ) throws {
        let columns = table.allCases
        try insertRows(into: table.table, columns: columns.count, rowsAtOnce: rowsAtOnce) { rows in
            try body(columns, &rows)
        }
    }
}
