// Files that options name: looked at before they are used, so that one that is missing is told as that.

import Foundation
import Presentation
import SQLite

enum InputFile {
    /// Checks that a file can be read.
    ///
    /// - Parameter option: the one that names it.
    /// - Throws: `Failure`, 66 when it is not there, 77 when it may not be read.
    static func check(_ path: String, of option: String) throws {
        switch FileAccess.look(at: path) {
        case .there: return
        case .missing: throw Failure("there is no file \(visible(path)); check \(option)", .noInput)
        case .denied: throw Failure("not permitted to read \(visible(path)), which \(option) names", .notPermitted)
        }
    }

    /// Why a file or folder cannot be written: 77 when this user may not, else 74.
    static func unwritable(_ path: String, _ error: any Error, _ remedy: String) -> Failure {
        let name = visible(path)
        return switch (error as? CocoaError)?.code {
        case .fileWriteNoPermission?: Failure("not permitted to write \(name); \(remedy)", .notPermitted)
        case .fileNoSuchFile?: Failure("\(name) cannot be written, its folder does not exist; \(remedy)", .inputOutput)
        default: Failure("\(name) cannot be written (\(error.localizedDescription)); \(remedy)", .inputOutput)
        }
    }

    /// What stands in a file with a secret, without the line's end. Warns when others may read it, too.
    static func secret(_ path: String, of option: String) throws -> String {
        try check(path, of: option)
        guard let bytes = FileManager.default.contents(atPath: path), bytes.count <= 65_536 else {
            throw Failure("\(visible(path)) is no file of at most 65536 bytes; check \(option)", .data)
        }
        let mode = try? FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber
        if let mode, mode.intValue & 0o077 != 0 {
            printError("tidings: others than its owner may read the secret: chmod 600 \(visible(path))")
        }
        return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
