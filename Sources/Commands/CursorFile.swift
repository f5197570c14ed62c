// A file that says where in the log a reader is: one offset, in decimal digits.

import Events
import Foundation
import Presentation

/// The file of `log tail --cursor`. It is replaced as a whole, so that a power cut leaves the old one or the new one.
struct CursorFile {
    let path: String

    init(path: String) throws {
        guard !path.isEmpty else { throw Failure("--cursor needs the name of a file", .usage) }
        self.path = path
    }

    /// - Returns: nil when there is no such file yet.
    func read() throws -> Offset? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        guard let offset = UInt64(text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw Failure(
                "\(visible(path)) holds no offset; name another file, or remove it to begin at the newest events", .data
            )
        }
        return Offset(rawValue: offset)
    }

    func write(_ offset: Offset) throws {
        do { try Data("\(offset.rawValue)\n".utf8).write(to: URL(fileURLWithPath: path), options: .atomic) } catch {
            throw Failure("\(visible(path)) cannot be written: \(error.localizedDescription)", .inputOutput)
        }
    }
}
