// Names into a prepared statement: the few calls of SQLite's C interface that are made for every new name.

import Events
import GRDB
import GRDBSQLite

/// Inserts rows of an id, perhaps a product, and a name; one statement, any number of rows.
///
/// Lives no longer than the transaction; owned by one thread.
@safe struct NameRows: ~Copyable {
    private let statement: Statement
    private let handle: SQLiteStatement

    /// - Parameter sql: an insertion with a parameter for each column.
    /// - Throws: when the statement cannot be prepared.
    init(_ db: Database, _ sql: String) throws {
        statement = try db.cachedStatement(sql: sql)
        // SAFETY: the handle lives as long as `statement`, which this value keeps.
        unsafe handle = statement.sqliteStatement
    }

    /// Inserts a device's name, which is valid UTF-8.
    func insert(_ device: DeviceName) throws {
        try bind(1, Int64(device.id.rawValue))
        try bind(2, Int64(device.product.rawValue))
        try insert(device.name, at: 3)
    }

    /// Inserts a customer's name, which is valid UTF-8.
    func insert(_ customer: CustomerName) throws {
        try bind(1, Int64(customer.id.rawValue))
        try insert(customer.name, at: 2)
    }

    @inline(__always) private func bind(_ column: Int32, _ number: Int64) throws {
        // SAFETY: the handle is alive (see `init`); SQLite copies the number.
        let code = unsafe sqlite3_bind_int64(handle, column, number)
        if code != SQLITE_OK { throw failure(code) }
    }

    private func insert(_ name: [UInt8], at column: Int32) throws {
        // SAFETY: the handle is alive (see `init`). SQLite keeps a pointer to the name until the column is bound anew;
        // it reads it only within `sqlite3_step`, while the closure holds the name in place.
        let code = unsafe name.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) -> Int32 in
            let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
            let bound = unsafe sqlite3_bind_text(handle, column, start, Int32(clamping: bytes.count), nil)
            guard bound == SQLITE_OK else { return bound }
            let step = unsafe sqlite3_step(handle)
            let reset = unsafe sqlite3_reset(handle)
            return step == SQLITE_DONE ? reset : step
        }
        if code != SQLITE_OK { throw failure(code) }
    }

    private func failure(_ code: Int32) -> DatabaseError { DatabaseError(resultCode: ResultCode(rawValue: code)) }

    deinit {
        // SAFETY: the handle is alive (see `init`); after this it holds no pointer to a name.
        _ = unsafe sqlite3_clear_bindings(handle)
    }
}
