// Why a key or a token cannot be had, made or changed: one line with the cause and the remedy.

package import Log

package enum AccessError: Error, Equatable, CustomStringConvertible {
    /// The file access.sqlite cannot be read or written.
    case storage(LogError)
    /// What was asked for does not go with what is there.
    case refused(String)
    /// The file of the master key is missing, or is not as it must be.
    case masterKey(String)

    package var description: String {
        switch self {
        case .storage(.locked(let cause)): "another program is changing keys or tokens: \(cause); try again"
        case .storage(let error): error.description
        case .refused(let cause), .masterKey(let cause): cause
        }
    }
}

/// Runs what may fail with the file.
func storing<Result>(_ body: () throws(LogError) -> Result) throws(AccessError) -> Result {
    do throws(LogError) { return try body() } catch { throw .storage(error) }
}
