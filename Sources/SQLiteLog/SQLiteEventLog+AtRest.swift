// Whether a log that no daemon uses may grow: a copy must stay what it is.

import Log
import SQLite

extension SQLiteEventLog {
    /// Why a command appends nothing to the log of a folder that no daemon uses; nil when it may. A copy is not
    /// appended to: the next backup would find another log in it.
    package static func whyNothingIsAppended(in directory: String) -> String? {
        let folder = directory + "/log"
        guard let last = (try? SegmentWriter.findSegments(folder))?.last else {
            return "\(folder) has no events that can be read"
        }
        return FileAccess.isSealed(folder + "/" + Segment.file(last))
            ? "\(folder) is sealed, as a copy is, and is left as it is" : nil
    }
}
