// A folder for one test.

import Foundation

/// Made on init, removed on deinit.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "tidings-test-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A copy of all files as they are at this moment, as a crash would leave them.
    func copy() throws -> TemporaryFolder {
        let other = try TemporaryFolder()
        try FileManager.default.removeItem(atPath: other.path)
        try FileManager.default.copyItem(atPath: path, toPath: other.path)
        return other
    }

    /// The segment files, oldest first.
    func segments() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path + "/log").filter { $0.hasSuffix(".tidings") }.sorted()
            .map { path + "/log/" + $0 }
    }
}
