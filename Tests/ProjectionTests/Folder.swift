// A folder of its own for a test.

import Foundation

/// Removes itself when the last reference is gone.
final class Folder {
    let path: String

    init() throws {
        let name = "tidings-projection-\(UUID().uuidString)"
        let url = FileManager.default.temporaryDirectory.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var summaries: String { path + "/summaries.sqlite" }

    /// The files as a kill would leave them, in a new folder.
    func copyAsKilled() throws -> Folder {
        let copy = try Folder()
        for name in try FileManager.default.contentsOfDirectory(atPath: path) where !name.hasSuffix("-shm") {
            try FileManager.default.copyItem(atPath: path + "/" + name, toPath: copy.path + "/" + name)
        }
        return copy
    }
}
