// A data folder for one test.

import Foundation
import Identity

/// A folder for one test, removed with it.
final class Folder: Sendable {
    let path = NSTemporaryDirectory() + "tidings-names-" + UUID().uuidString
    var file: String { path + "/" + IdentityStore.fileName }

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
