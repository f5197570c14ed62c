// Values of rows as they are found in a file: nothing is believed of them, for any bit of them may have changed.

package import GRDB

/// A row does not hold what the format says.
package struct MalformedRow: Error {
    package var column: Int

    package init(column: Int) { self.column = column }
}

extension Row {
    /// The whole number in a column. GRDB's own subscripts end the process when a value is of another type.
    package func number(_ column: Int) throws(MalformedRow) -> Int64 {
        guard case .int64(let number) = (self[column] as DatabaseValue).storage else {
            throw MalformedRow(column: column)
        }
        return number
    }

    /// The bytes of a BLOB.
    package func bytes(_ column: Int) throws(MalformedRow) -> [UInt8] {
        guard case .blob(let data) = (self[column] as DatabaseValue).storage else {
            throw MalformedRow(column: column)
        }
        return Array(data)
    }

    /// The UTF-8 of a column that the query cast to BLOB.
    package func optionalBytes(_ column: Int) -> [UInt8] { (try? bytes(column)) ?? [] }
}
