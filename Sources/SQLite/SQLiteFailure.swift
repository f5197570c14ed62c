// SQLite's errors in the words of the log, for whoever keeps rows that the log's promises rest on.

import Events
import GRDB
package import Log

/// Runs a body of SQLite calls and translates what it throws.
package func translating<Result>(_ path: String, _ body: () throws -> Result) throws(LogError) -> Result {
    do {
        return try body()
    } catch let error as LogError {
        throw error
    } catch let error as DatabaseError {
        let cause = "\(path): \(error.message ?? "SQLite error") (\(error.extendedResultCode.rawValue))"
        switch error.resultCode {
        case .SQLITE_FULL: throw .full(cause)
        case .SQLITE_BUSY, .SQLITE_LOCKED: throw .locked(cause)
        // A schema that lacks what every file of ours has, and a file that ends too early, are damage too.
        case .SQLITE_CORRUPT, .SQLITE_NOTADB, .SQLITE_ERROR, .SQLITE_FORMAT:
            throw damage(path, "SQLite says: \(error.message ?? "error") (\(error.extendedResultCode.rawValue))")
        case .SQLITE_IOERR where error.extendedResultCode == .SQLITE_IOERR_SHORT_READ:
            throw damage(path, "the file ends too early")
        default: throw .io(cause)
        }
    } catch UnreadableFile.denied(let path) {
        throw .denied(path)
    } catch UnreadableFile.notClosed(let cause) {
        throw .notClosed(cause)
    } catch let error as MalformedRow {
        throw damage(path, "column \(error.column + 1) of a row is damaged")
    } catch {
        throw .io("\(path): \(error)")
    }
}

/// Damage of which the caller knows better where in the log it is.
private func damage(_ path: String, _ cause: String) -> LogError {
    .corrupt(segment: path, offsets: .zero..<(.zero), cause: cause)
}
