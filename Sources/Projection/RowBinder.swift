// Rows into a prepared statement: the few calls of SQLite's C interface that a checkpoint makes for every row.

import GRDB
import GRDBSQLite

/// Binds the columns of a row from left to right, then inserts it; one statement, any number of rows.
///
/// Every column must be added for every row, in order. Texts and blobs are first written to `bytes`, from a mark on,
/// and stay there until the row is inserted. Lives no longer than the transaction; owned by one thread.
@safe struct RowBinder: ~Copyable {
    /// Texts and blobs of the row being made.
    var bytes: [UInt8] = []
    private let statement: Statement
    private let handle: SQLiteStatement
    private var column: Int32 = 0
    private var failure = SQLITE_OK
    private var pieces = InlineArray<4, Piece>(repeating: Piece())
    private var pieceCount = 0

    private struct Piece: BitwiseCopyable {
        var column: Int32 = 0
        var start = 0
        var end = 0
        var isText = false
    }

    /// - Throws: when the statement cannot be prepared.
    init(_ db: Database, insertInto table: String, columns: Int) throws {
        let marks = String(repeating: "?, ", count: columns - 1) + "?"
        statement = try db.cachedStatement(sql: "INSERT OR REPLACE INTO \(table) VALUES (\(marks))")
        // SAFETY: the handle lives as long as `statement`, which this value keeps.
        unsafe handle = statement.sqliteStatement
        bytes.reserveCapacity(64 * 1024)
    }

    @inline(__always) private mutating func note(_ code: Int32) {
        if code != SQLITE_OK { failure = code }
    }

    @inline(__always) mutating func add(_ number: Int64) {
        column += 1
        // SAFETY: the handle is alive (see `init`); SQLite copies the number.
        unsafe note(sqlite3_bind_int64(handle, column, number))
    }

    @inline(__always) mutating func add(_ number: UInt64) { add(Int64(clamping: number)) }
    @inline(__always) mutating func add(_ number: UInt32) { add(Int64(number)) }

    @inline(__always) mutating func add(_ number: Double) {
        column += 1
        // SAFETY: the handle is alive (see `init`); SQLite copies the number.
        unsafe note(sqlite3_bind_double(handle, column, number))
    }

    @inline(__always) mutating func addNull() {
        column += 1
        // SAFETY: the handle is alive (see `init`).
        unsafe note(sqlite3_bind_null(handle, column))
    }

    /// The bytes written to `bytes` since `start` are the next column. At most four such columns a row.
    mutating func add(from start: Int, isText: Bool = true) {
        column += 1
        pieces[pieceCount] = Piece(column: column, start: start, end: bytes.count, isText: isText)
        pieceCount += 1
    }

    /// The bytes `0 ..< end` are the next column, a blob.
    mutating func addBlob(upTo end: Int) {
        column += 1
        pieces[pieceCount] = Piece(column: column, start: 0, end: end, isText: false)
        pieceCount += 1
    }

    /// Inserts the row and begins the next one.
    ///
    /// - Parameter keepingBytes: whether `bytes` stays as it is, rather than being emptied for the next row.
    /// - Throws: SQLite's error, of this row's binding or of its insertion.
    mutating func insert(keepingBytes: Bool = false) throws {
        var code = failure
        // SAFETY: the handle is alive (see `init`). Each piece lies within `bytes`, which does not move during the
        // closure. SQLite keeps pointers to them until the statement is reset and bound anew; it reads them only
        // within `sqlite3_step`, and every row binds all its columns before that.
        unsafe bytes.withUnsafeBytes { (buffer: UnsafeRawBufferPointer) in
            for index in 0..<pieceCount {
                let piece = pieces[index]
                let part = unsafe UnsafeRawBufferPointer(rebasing: buffer[piece.start..<piece.end])
                let count = Int32(clamping: part.count)
                let bound =
                    piece.isText
                    ? unsafe sqlite3_bind_text(
                        handle, piece.column, part.baseAddress?.assumingMemoryBound(to: CChar.self) ?? nil, count, nil)
                    : unsafe sqlite3_bind_blob(handle, piece.column, part.baseAddress, count, nil)
                if bound != SQLITE_OK { code = bound }
            }
            guard code == SQLITE_OK else { return }
            let step = unsafe sqlite3_step(handle)
            let reset = unsafe sqlite3_reset(handle)
            code = step == SQLITE_DONE ? reset : step
        }
        if !keepingBytes { bytes.removeAll(keepingCapacity: true) }
        (column, pieceCount, failure) = (0, 0, SQLITE_OK)
        guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
    }

    deinit {
        // SAFETY: the handle is alive (see `init`); after this it holds no pointer into `bytes`.
        _ = unsafe sqlite3_clear_bindings(handle)
    }
}
