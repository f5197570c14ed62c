// Who was forgotten since a copy of a log was made: the list that a restore goes by.

import Daemon
import Events
import Foundation
import Log
import Presentation
import Projection
import SQLiteLog

/// Which erasure list holds for a copy that is put back.
struct RestoredErasures {
    /// What is to stand in the data folder; nil for what is there, or comes with the copy.
    private let content: Data?

    /// - Throws: `Failure` when nobody can know who was forgotten since the copy was made, which was not allowed for.
    init(copy: String, data: String, file: String?, isUnknownAllowed: Bool) throws {
        let own = data + "/" + ErasureFile.fileName
        let log: String?
        do throws(LogError) { log = try Backup.logIdentity(ofCopy: copy) } catch { throw Failure(error) }
        do throws(ForgettingError) { _ = try ErasureFile(file ?? own).read(of: log, check: nil) } catch {
            throw Failure(error)
        }
        if let file {
            guard let content = FileManager.default.contents(atPath: file) else {
                throw Failure("the erasure list \(file) cannot be read", .inputOutput)
            }
            self.content = content
            return
        }
        content = nil
        guard !FileManager.default.fileExists(atPath: own), !isUnknownAllowed else { return }
        // A copy without names cannot bring any back.
        let names = copy + "/identity.sqlite"
        guard FileManager.default.fileExists(atPath: names) else { return }
        let attributes = try? FileManager.default.attributesOfItem(atPath: names)
        let made = (attributes?[.modificationDate] as? Date).map {
            " (\(rfc3339(Timestamp(rawValue: Int64($0.timeIntervalSince1970 * 1_000)))))"
        }
        throw Failure(
            "who was forgotten since the copy was made\(made ?? "") is not known: put the file `erasures` into "
                + "\(data), or name a list with --erasures FILE, or go on with --erasures-unknown", .data)
    }

    /// Forgets again whom the copy has brought back.
    func replay(in directory: String, backupDays: Int) async throws {
        if let content {
            let path = directory + "/" + ErasureFile.fileName
            guard
                FileManager.default.createFile(atPath: path, contents: content, attributes: [.posixPermissions: 0o600])
            else { throw Failure("the erasure list \(path) cannot be written", .inputOutput) }
        }
        do {
            let again = try await FolderForgetting.run(
                nil, in: directory, log: try openLogForWriting(directory), backupDays: backupDays
            ).again
            if again > 0 { printError("tidings: forgotten again: \(grouped(again)) of the copy's names") }
        } catch {
            throw Failure.of(error)
        }
    }
}
