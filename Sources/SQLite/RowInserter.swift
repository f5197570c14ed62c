// Rows into a table, many with one call of SQLite: the few calls of its C interface that are made for every row.

package import GRDB
import GRDBSQLite

extension Database {
    /// Inserts rows within the open transaction; all of them are in the table on return.
    ///
    /// - Parameters:
    ///   - table: the table, with its columns in parentheses when not all of them are given.
    ///   - columns: how many columns each row has.
    ///   - conflict: what happens to a row whose key is there already.
    ///   - rowsAtOnce: how many rows one call of SQLite inserts; 1 when a row is large.
    ///   - body: adds the columns of each row in their order, then calls `endRow`.
    /// - Throws: SQLite's error, of preparing, binding or inserting; what `body` throws.
    package func insertRows(
        into table: String, columns: Int, onConflict conflict: RowInserter.Conflict = .replace,
        rowsAtOnce: Int = RowInserter.rowsAtOnce, _ body: (inout RowInserter) throws -> Void
    ) throws {
        var rows = RowInserter(columns, rowsAtOnce) { [self] count in
            let row = "(" + String(repeating: "?, ", count: columns - 1) + "?)"
            let all = Array(repeating: row, count: count).joined(separator: ", ")
            return try cachedStatement(sql: "INSERT OR \(conflict.rawValue) INTO \(table) VALUES \(all)")
        }
        try body(&rows)
        try rows.flush()
    }
}

/// Collects rows and inserts them a group at a time: a call of SQLite costs as much as some ten columns, and rows in
/// the order of their keys need no search within one call.
///
/// Lives no longer than the transaction; owned by one thread.
@safe package struct RowInserter: ~Copyable {
    package enum Conflict: String {
        case replace = "REPLACE"
        case ignore = "IGNORE"
    }

    package static let rowsAtOnce = 16

    /// The texts and blobs of the rows that wait.
    package var bytes: [UInt8] = []
    /// Where those of the row being made begin.
    package private(set) var rowStart = 0
    @usableFromInline var values: [Value] = []
    private var rowCount = 0
    private let rowsAtOnce: Int
    private let columns: Int
    /// For one row and for a group. Made when they are needed: to compile one costs more than some rows.
    private var (one, many): (Statement?, Statement?)
    /// Makes the statement for so many rows.
    private let prepare: (Int) throws -> Statement

    @usableFromInline struct Value: BitwiseCopyable {
        @usableFromInline enum Kind: UInt8, BitwiseCopyable {
            case null, whole, real, text, blob
        }
        @usableFromInline var kind: Kind
        /// Of a text or a blob: how long it is.
        @usableFromInline var count: Int32
        /// The number; of a text or a blob where it begins.
        @usableFromInline var bits: UInt64

        @inlinable init(_ kind: Kind, _ bits: UInt64 = 0, count: Int32 = 0) {
            (self.kind, self.bits, self.count) = (kind, bits, count)
        }
    }

    fileprivate init(_ columns: Int, _ rowsAtOnce: Int, prepare: @escaping (Int) throws -> Statement) {
        self.prepare = prepare
        (self.columns, self.rowsAtOnce) = (columns, rowsAtOnce)
        values.reserveCapacity(columns * rowsAtOnce)
        bytes.reserveCapacity(64 * 1_024)
    }

    @inlinable package mutating func add(_ number: Int64) {
        values.append(Value(.whole, UInt64(bitPattern: number)))
    }

    /// A count; SQLite's numbers end at 2^63 - 1.
    @inlinable package mutating func add(_ number: UInt64) { add(Int64(clamping: number)) }
    @inlinable package mutating func add(_ number: UInt32) { add(Int64(number)) }
    @inlinable package mutating func add(_ number: Double) { values.append(Value(.real, number.bitPattern)) }
    @inlinable package mutating func addNull() { values.append(Value(.null)) }
    /// A number; NULL when it is not known.
    @inlinable package mutating func add(_ number: Int64, if isKnown: Bool) {
        if isKnown { add(number) } else { addNull() }
    }
    @inlinable package mutating func add(_ number: Double, if isKnown: Bool) {
        if isKnown { add(number) } else { addNull() }
    }

    /// The bytes written to `bytes` since `start` are the next column, a text in UTF-8.
    package mutating func addText(from start: Int) { add(.text, start) }

    /// The bytes written to `bytes` since `start` are the next column, a blob.
    package mutating func addBlob(from start: Int) { add(.blob, start) }

    private mutating func add(_ kind: Value.Kind, _ start: Int) {
        values.append(Value(kind, UInt64(start), count: Int32(clamping: bytes.count - start)))
    }

    /// Ends a row, all of whose columns have been added: a row with one more or less would be taken for the next one's.
    /// - Throws: SQLite's error, of this row or of one before it.
    package mutating func endRow() throws {
        rowStart = bytes.count
        rowCount += 1
        precondition(values.count == rowCount &* columns, "a row has not as many values as its table has columns")
        if rowCount == rowsAtOnce { try flush() }
    }

    fileprivate mutating func flush() throws {
        guard rowCount > 0 else { return }
        if rowCount == rowsAtOnce {
            let many = try many ?? prepare(rowsAtOnce)
            self.many = many
            try insert(many, values.indices)
        } else {
            let one = try one ?? prepare(1)
            self.one = one
            for row in 0..<rowCount { try insert(one, row * columns..<(row + 1) * columns) }
        }
        rowCount = 0
        rowStart = 0
        values.removeAll(keepingCapacity: true)
        bytes.removeAll(keepingCapacity: true)
    }

    private func insert(_ statement: Statement, _ range: Range<Int>) throws {
        // SAFETY: the handle lives as long as the statement, which this value keeps. Texts and blobs lie within
        // `bytes`, which does not move during the closure; SQLite keeps pointers to them, and reads them only within
        // `sqlite3_step`: before the next one all columns are bound anew, or (`deinit`) to nothing.
        let code = unsafe bytes.withUnsafeBytes { (buffer: UnsafeRawBufferPointer) -> Int32 in
            let handle = unsafe statement.sqliteStatement
            var column: Int32 = 0
            for value in values[range] {
                column += 1
                let code = unsafe Self.bind(value, to: handle, column, buffer)
                if code != SQLITE_OK { return code }
            }
            let step = unsafe sqlite3_step(handle)
            let reset = unsafe sqlite3_reset(handle)
            return step == SQLITE_DONE ? reset : step
        }
        if code != SQLITE_OK { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
    }

    @unsafe @inline(__always) private static func bind(
        _ value: Value, to handle: SQLiteStatement, _ column: Int32, _ bytes: UnsafeRawBufferPointer
    ) -> Int32 {
        // SAFETY: the caller says that the handle is alive, and that `bytes` stay in place until it is stepped.
        switch value.kind {
        case .null: return unsafe sqlite3_bind_null(handle, column)
        case .whole: return unsafe sqlite3_bind_int64(handle, column, Int64(bitPattern: value.bits))
        case .real: return unsafe sqlite3_bind_double(handle, column, Double(bitPattern: value.bits))
        case .text, .blob:
            let start = Int(value.bits)
            let part = unsafe UnsafeRawBufferPointer(rebasing: bytes[start..<start + Int(value.count)])
            if value.kind == .blob {
                return unsafe sqlite3_bind_blob(handle, column, part.baseAddress, value.count, nil)
            }
            return unsafe sqlite3_bind_text(
                handle, column, part.baseAddress?.assumingMemoryBound(to: CChar.self), value.count, nil)
        }
    }

    deinit {
        // SAFETY: the handles live as long as the statements; after this they hold no pointer into `bytes`.
        if let one { _ = unsafe sqlite3_clear_bindings(one.sqliteStatement) }
        if let many { _ = unsafe sqlite3_clear_bindings(many.sqliteStatement) }
    }
}
