// A folder for one test, and the files of keys in it.

import Access
import Events
import Foundation

final class KeyFolder: Sendable {
    let path = NSTemporaryDirectory() + "/tidings-keys-" + UUID().uuidString
    let now = Timestamp(rawValue: 1_796_000_000_000)
    var file: String { path + "/" + AccessStore.fileName }
    var master: MasterKeyFile { MasterKeyFile(path + "/master.key") }

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func open(readOnly: Bool = false) throws -> AccessStore { try AccessStore(path: file, readOnly: readOnly) }

    func write(_ bytes: [UInt8], mode: Int = 0o600) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: master.path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: master.path)
    }

    func mode(_ path: String) throws -> Int? {
        (try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber)?.intValue
    }

    var bytes: [UInt8] { [UInt8](FileManager.default.contents(atPath: master.path) ?? Data()) }
}

/// The line of what a body throws; empty when it throws nothing.
func refusal(_ body: () throws -> Void) -> String {
    do { try body() } catch { return "\(error)" }
    return ""
}
