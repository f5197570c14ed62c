// Why the summaries could not do what they were asked, and what a person can do about it.

/// Every way in which the projection fails. `description` is one line: the cause and the remedy.
package enum ProjectionError: Error, Hashable, Sendable, CustomStringConvertible {
    /// summaries.sqlite could not be read or written.
    case storage(String)
    /// The disk, a quota or a set limit has no room. Nothing was written; the same may be tried again.
    case full(String)
    /// The file may not be read by who asks.
    case denied(String)
    /// The file was not closed, and nothing can be written where it is: the cause and the remedy.
    case notClosed(String)
    /// There is no summaries.sqlite there.
    case missing(String)
    /// The file is of another projection version, or of another log.
    case mismatch(String)
    /// The log could not be read.
    case log(String)
    /// The beginning of the log is gone and no usable snapshot covers it.
    case horizon(String)
    /// The snapshot is damaged.
    case damaged(String)
    /// A window of days that ends before it begins.
    case window(String)

    package var description: String {
        switch self {
        case .storage(let cause): "summaries.sqlite cannot be used: \(cause); check the disk, or run `tidings rebuild`"
        case .full(let cause): "no room for the summaries: \(cause); free some space, the daemon goes on by itself"
        case .denied(let path): "not permitted to read \(path); ask as the daemon's user, or see data_group"
        case .notClosed(let cause): "the summaries cannot be read here: \(cause)"
        case .missing(let path): "there are no summaries at \(path) yet; start the daemon, or run `tidings rebuild`"
        case .mismatch(let cause): "these summaries do not fit: \(cause); run `tidings rebuild`"
        case .log(let cause): "the summaries cannot follow the log: \(cause)"
        case .horizon(let cause):
            "the summaries cannot be rebuilt: \(cause); restore summaries.sqlite or the older segments from a copy"
        case .window(let cause): "no days to look at: \(cause); swap them"
        case .damaged(let cause): "the summaries' snapshot is damaged: \(cause); run `tidings rebuild`"
        }
    }
}
