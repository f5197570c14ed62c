// Which SQLite this process uses.

import GRDBSQLite

/// As in `3.40.1`.
package func sqliteVersion() -> String {
    let number = sqlite3_libversion_number()
    return "\(number / 1_000_000).\(number / 1_000 % 1_000).\(number % 1_000)"
}
