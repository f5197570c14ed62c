// Rows as they are found in summaries.sqlite: nothing is believed of them, for any bit of the file may have changed.

import Events
import Foundation
import GRDB
import SQLite

/// Words and texts of users. They may hold U+0000, where SQLite's texts end for GRDB, on their way out and in: they go
/// as bytes, whole.
enum StoredText {
    /// What to select instead of a column of texts; `Row.text` reads it.
    static func bytes(_ column: String) -> String { "CAST(\(column) AS BLOB)" }

    /// What stands for a text in a query, and its argument.
    static let parameter = "CAST(? AS TEXT)"
    static func argument(_ text: String) -> Data { Data(text.utf8) }
}

extension Row {
    /// A value of a column. GRDB's own subscripts end the process when it is of another type.
    func value<Value: DatabaseValueConvertible & StatementColumnConvertible>(
        _ column: some TableColumn
    ) throws -> Value {
        try decode(Value.self, forColumn: column.rawValue)
    }

    /// A text that the query selects as `StoredText.bytes`.
    func text(_ index: Int) throws -> String { String(decoding: try decode(Data.self, atIndex: index), as: UTF8.self) }

    /// The same, of a column that may be NULL.
    func textIfAny(_ index: Int) throws -> String? {
        try decode(Data?.self, atIndex: index).map { String(decoding: $0, as: UTF8.self) }
    }

    /// A count of events, devices or customers.
    func count(_ column: some TableColumn) throws -> Int { try plausible(value(column)) }

    /// A sum of what events say of themselves; it can be of any size.
    func total(_ column: some TableColumn) throws -> Int { Swift.max(0, try value(column)) }

    /// The arrays of a column that is an array of arrays; none for NULL.
    func arrays(_ column: some TableColumn) throws -> [NumberArray] {
        let json: String? = try value(column)
        return json.map { NumberArray($0).arrays } ?? []
    }

    /// A time in milliseconds; nil for none.
    func time(_ column: some TableColumn) throws -> Timestamp? {
        let milliseconds: Int64? = try value(column)
        return milliseconds.map { Timestamp(rawValue: $0) }
    }
}

extension KindCounts {
    /// Events by kind, from the fields of an array of which `first` is the first kind's.
    init(_ numbers: NumberArray, from first: some ArrayField) throws {
        try self.init(count: { try numbers.count(at: first.rawValue + $0) })
    }

    /// Events by kind, from the columns of these names.
    init(_ row: Row) throws {
        try self.init(count: { try plausible(row.decode(Int.self, forColumn: Self.names[$0])) })
    }
}

/// A sum that stops at the largest number.
func plus(_ a: Int, _ b: Int) -> Int {
    let (sum, isBeyond) = a.addingReportingOverflow(b)
    return isBeyond ? .max : sum
}

/// A count, if it can be one; so small that many can be added up.
func plausible(_ count: Int) throws -> Int {
    guard (0...ProjectionLimits.highestCount).contains(count) else {
        throw ProjectionError.damaged("a count of \(count)")
    }
    return count
}

extension ProjectionError {
    /// What a call of SQLite has thrown.
    init(_ error: any Error) {
        switch error {
        case let error as ProjectionError: self = error
        case is RowDecodingError: self = .damaged("\(error)")
        case UnreadableFile.denied(let path): self = .denied(path)
        case UnreadableFile.notClosed(let cause): self = .notClosed(cause)
        case let error as DatabaseError where error.resultCode == .SQLITE_FULL: self = .full(Self.words(error))
        case let error as DatabaseError where [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains(error.resultCode):
            self = .damaged("\(error)")
        case let error as DatabaseError: self = .storage(Self.words(error))
        default: self = .storage("\(error)")
        }
    }

    /// SQLite's own words in one line, without the statement.
    private static func words(_ error: DatabaseError) -> String {
        "\(error.message ?? "SQLite error") (\(error.extendedResultCode.rawValue))"
    }
}
