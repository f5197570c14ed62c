// The file `erasures`: a line for everybody who was forgotten, to be kept elsewhere too, for a log that comes back from
// an older copy knows nothing of it.

package import Admission
import Events
import Foundation
import SQLite

/// Why somebody could not be forgotten, or a list not be used; one line with the remedy.
package enum ForgettingError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A secret or a list is missing, or is not the right one.
    case configuration(String)
    /// A file could not be read or written.
    case storage(String)
    /// This log, or the daemon in this state, cannot do it.
    case impossible(String)

    package var description: String {
        switch self {
        case .configuration(let text), .storage(let text), .impossible(let text): text
        }
    }
}

/// The erasure list of a data folder. Owned by one task at a time; only the owner of the folder's lock appends.
package struct ErasureFile: Sendable {
    package let path: String
    /// The file's name within the data folder.
    package static let fileName = "erasures"

    package init(_ path: String) { self.path = path }

    package init(in directory: String) { self.init(directory + "/" + Self.fileName) }

    /// The lines, in their order. What follows the last line end was never finished, and does not count.
    ///
    /// - Parameters:
    ///   - log: the identity of the log that they must be of; nil for any one.
    ///   - check: what tells the secret that they must be made with; nil for any.
    /// - Throws: `ForgettingError.configuration` for another log's list, or a damaged one.
    package func read(of log: String?, check: [UInt8]?) throws(ForgettingError) -> [ErasureLine] {
        guard let content = FileManager.default.contents(atPath: path) else {
            if FileAccess.look(at: path) == .missing { return [] }
            throw .storage("the erasure list \(path) cannot be read; it is needed to know who was forgotten")
        }
        let bytes = [UInt8](content)
        var lines: [ErasureLine] = []
        lines.reserveCapacity(bytes.count / 150)
        var start = 0
        while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            guard let line = ErasureLine(bytes.span.extracting(start..<end)) else {
                throw .configuration(
                    "line \(lines.count + 1) of the erasure list \(path) is damaged; put a copy of the list in its "
                        + "place")
            }
            if let log, line.log != log {
                throw .configuration(
                    "the erasure list \(path) is of another log (\(line.log), not \(log)); put the right one in its "
                        + "place")
            }
            if let check, line.check != check {
                throw .configuration(
                    "the erasure list \(path) was made with another sealing.secret; put the one back that "
                        + "belongs to it")
            }
            lines.append(line)
            start = end + 1
        }
        return lines
    }

    /// Appends lines; durable on return.
    package func append(_ lines: [ErasureLine]) throws(ForgettingError) {
        let text = lines.map { $0.text + "\n" }.joined()
        let isNew = !FileAccess.isThere(path)
        FileAccess.prepare(path)
        do {
            let handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
            defer { try? handle.close() }
            let content = try handle.readToEnd() ?? Data()
            let end = content.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
            // What a power cut has left of a line.
            if end < content.count { try handle.truncate(atOffset: UInt64(end)) }
            try handle.seek(toOffset: UInt64(end))
            try handle.write(contentsOf: Data(text.utf8))
            try handle.synchronize()
        } catch {
            throw .storage("the erasure list \(path) cannot be written: \(error.localizedDescription)")
        }
        if isNew { try sync() }
    }

    /// Makes an empty list, if there is none: it says that nobody was forgotten yet.
    package func make() throws(ForgettingError) {
        guard !FileAccess.isThere(path) else { return }
        FileAccess.prepare(path)
        try sync()
    }

    private func sync() throws(ForgettingError) {
        do throws(FileAccess.Failure) { try FileAccess.syncFolder(FileAccess.folder(of: path)) } catch {
            throw .storage("the folder of \(path) cannot be written to disk (error \(error.number))")
        }
    }
}
