// Why the log could not do what it was asked, and what a person can do about it.

package import Events

/// Every way in which a log fails. `description` is one line: the cause and the remedy.
package enum LogError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The disk, a quota or a set limit has no room. Nothing was written; the same append may be tried again.
    case full(String)
    /// The system refused to read or write. After a failed append nothing of it is in the log.
    case io(String)
    /// A file may not be read by who asks.
    case denied(String)
    /// A file was not closed, and nothing can be written where it is: the cause and the remedy.
    case notClosed(String)
    /// Stored bytes are not what was written. Reading may go on at `offsets.upperBound`.
    case corrupt(segment: String, offsets: Range<Offset>, cause: String)
    /// Another process writes this log.
    case locked(String)
    /// The files are of a format that this release does not know, or not a log at all.
    case version(String)
    /// The offset is not in the log: before the first retained event or after the head.
    case outOfRange(Offset, retained: Range<Offset>)
    /// The batch breaks a bound of the format (`Limits`), or uses a word that was never defined.
    case refused(String)
    /// A folder holds something that would be overwritten: the cause and the remedy.
    case inTheWay(String, String)
    /// The log was opened for reading only, or is closed.
    case closed(String)

    package var description: String {
        switch self {
        case .full(let cause): "no room for the log: \(cause); free some space, the daemon goes on by itself"
        case .io(let cause): "the log cannot be read or written: \(cause); check the disk and its permissions"
        case .denied(let path): "not permitted to read \(path); ask as the daemon's user"
        case .notClosed(let cause): "the log cannot be read here: \(cause)"
        case .corrupt(let segment, let offsets, let cause):
            "damage in \(segment), "
                + (offsets.isEmpty
                    ? "at event \(offsets.lowerBound.rawValue)"
                    : "events \(offsets.lowerBound.rawValue) to \(offsets.upperBound.rawValue &- 1)")
                + ": \(cause); restore this file from a copy, or see `tidings log salvage`"
        case .locked(let cause): "the log is in use: \(cause); stop the other process or use another data folder"
        case .version(let cause): "not a log of this release: \(cause); use the release that wrote it"
        case .outOfRange(let offset, let retained):
            "offset \(offset.rawValue) is not in the log, which holds \(retained.lowerBound.rawValue) up to "
                + "\(retained.upperBound.rawValue); start at one of these"
        case .refused(let cause): "the log refused a batch: \(cause); this is a defect of the program, please report it"
        case .inTheWay(let cause, let remedy): "nothing was written: \(cause); \(remedy)"
        case .closed(let cause): "the log is closed: \(cause); open it again for writing"
        }
    }
}
