// What a copy has of those who were forgotten: the list of them, and the key that receipts are signed with.

import Bytes
import Identity
package import Log

extension Backup {
    private static let erasureFiles = ["receipt.key", "erasures"]

    /// Copies the files, those that are there.
    ///
    /// - Parameter isKept: whether a file that is there already stays as it is: the list in a data folder is newer than
    ///   that of a copy.
    static func copyErasures(from data: String, to target: String, isKept: Bool = false) throws(LogError) {
        for name in erasureFiles where Files.isThere(data + "/" + name) {
            let copy = target + "/" + name
            if isKept, Files.isThere(copy) { continue }
            try copyFile(data + "/" + name, to: copy)
        }
    }

    /// The identity of the log that a copy's names belong to; nil when it has none, or they do not say.
    package static func logIdentity(ofCopy copy: String) throws(LogError) -> String? {
        let path = copy + "/" + IdentityStore.fileName
        guard Files.isThere(path) else { return nil }
        let store = try IdentityStore(path: path, readOnly: true)
        defer { store.close() }
        return try store.logID().map(hexadecimal)
    }
}
