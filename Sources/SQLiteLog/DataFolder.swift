// Who may look into a data folder, or into a copy of one: put right whenever it is opened for writing.

import Access
import Identity
package import SQLite

/// The permissions of a data folder's own files; what else is in it is left alone.
package enum DataFolder {
    private static let suffixes = ["", "-wal", "-shm", "-journal"]

    /// Takes from a data folder what only its owner may have, and lets a group to the summaries if there is one.
    ///
    /// - Parameters:
    ///   - group: nil lets nobody in, and takes back what an earlier group had.
    ///   - shared: the name of the file that the group may read.
    package static func secure(_ folder: String, sharing shared: String = "", with group: UInt32? = nil)
        -> FileAccess.Report
    {
        var report = FileAccess.Report()
        let most = group == nil ? FileAccess.folderMode : FileAccess.sharedFolderMode
        FileAccess.set(folder, most: most, group: group, isFolderOfOthersLeft: true, report: &report)
        FileAccess.set(folder + "/log", most: FileAccess.folderMode, report: &report)
        for name in (try? Files.list(folder + "/log")) ?? [] where name.contains(Segment.suffix) {
            FileAccess.set(folder + "/log/" + name, most: FileAccess.fileMode, report: &report)
        }
        for name in (try? Files.list(folder)) ?? [] {
            if suffixes.contains(where: { name == shared + $0 }) {
                let most = group == nil ? FileAccess.fileMode : FileAccess.sharedFileMode
                FileAccess.set(folder + "/" + name, most: most, group: group, report: &report)
            } else if name == "lock" || name == "control.sock" || name.hasPrefix(IdentityStore.fileName)
                || name.hasPrefix(AccessStore.fileName) || name.hasPrefix("summaries.sqlite")
            {
                FileAccess.set(folder + "/" + name, most: FileAccess.fileMode, report: &report)
            }
        }
        return report
    }
}
