// The small files that a copy has beside the databases: what names are sealed and receipts are signed with, and who was
// forgotten. They are wherever the names are.

import Log

extension Backup {
    /// Files that are no databases; each is 0600.
    private static let plainFiles = ["sealing.secret", "receipt.key", "erasures"]

    /// Copies them, those that are there.
    ///
    /// - Parameter isKept: whether a file that is there already stays as it is.
    static func copyPlain(from data: String, to target: String, isKept: Bool = false) throws(LogError) {
        for name in plainFiles where Files.isThere(data + "/" + name) {
            let (path, copy) = (data + "/" + name, target + "/" + name)
            if isKept, Files.isThere(copy) { continue }
            let draft = copy + ".partial"
            try Files.copy(path, to: draft) { _ in }
            try Files.rename(draft, to: copy)
        }
    }
}
