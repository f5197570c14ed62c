// What the commands of keys and tokens share: the file, the master key, and the running daemon that is told.

import Access
import Admission
import Daemon
import Events
import Foundation
import Ingest
import Presentation
import SQLite

/// Where the keys and tokens of a data folder are.
struct KeyFolder {
    let configuration: DaemonConfiguration

    init(_ data: DataOptions) async throws {
        configuration = try await data.load()
        for warning in configuration.warnings { printError("tidings: \(warning)") }
    }

    /// Looks at keys and tokens; without a file there are none.
    func read<Value>(
        _ use: AuditedUse, _ body: (AccessStore) throws(AccessError) -> Value
    ) async throws -> Value {
        let value = try open(readOnly: true, body)
        await note(use)
        return value
    }

    /// Changes keys or tokens; what was changed is on disk then. A running daemon goes by it when this returns, or
    /// within a second.
    func change<Value>(
        _ use: AuditedUse, _ body: (AccessStore) throws(AccessError) -> Value
    ) async throws -> Value {
        let isThere = FileAccess.isThere(configuration.dataDirectory)
        do {
            try FileManager.default.createDirectory(
                atPath: configuration.dataDirectory, withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700])
        } catch {
            throw InputFile.unwritable(configuration.dataDirectory, error, "ask as the daemon's user, or check --data")
        }
        if !isThere { try? FileAccess.syncFolder(FileAccess.folder(of: configuration.dataDirectory)) }
        let value = try open(readOnly: false, body)
        await tellDaemon()
        await note(use)
        return value
    }

    /// Notes in the log what was done.
    func note(_ use: AuditedUse) async {
        var audit = Audit(use, in: configuration.dataDirectory)
        await audit.note()
    }

    private func open<Value>(readOnly: Bool, _ body: (AccessStore) throws(AccessError) -> Value) throws -> Value {
        do throws(AccessError) {
            let store = try AccessStore(path: configuration.accessFile, readOnly: readOnly)
            defer { store.close() }
            return try body(store)
        } catch {
            throw Failure(error)
        }
    }

    func tellDaemon() async {
        do {
            let answer = try await ControlClient.ask(.access, dataDirectory: configuration.dataDirectory)
            if let standing = try? JSONDecoder().decode(AccessStanding.self, from: answer), standing.problem != "good" {
                printError("tidings: done, but the daemon does not go by it: \(standing.problem)")
            }
        } catch ControlError.noDaemon {
        } catch {
            printError("tidings: done; the daemon does not say that it knows: \(error)")
        }
    }

    /// The master key, which is made when there is none and no device has a key yet.
    ///
    /// - Parameter store: of the same folder.
    func masters(for store: AccessStore) throws(AccessError) -> MasterKeys {
        let file = configuration.masterKey
        let (keys, isNew) = try file.readOrMake(isNeeded: try store.keysInForce() > 0)
        if isNew {
            printError(
                "tidings: made the master key \(file.path); keep a copy of it elsewhere: without it every device needs "
                    + "a new key, and `tidings log backup` leaves it out")
        }
        return keys
    }

    /// A key with its secret, which is derived from the newest master key.
    func issued(_ key: StoredKey, _ masters: MasterKeys) throws(AccessError) -> IssuedKey {
        guard let secret = masters.keys(id: key.id, generation: key.generation).first else {
            throw configuration.masterKey.missing
        }
        return IssuedKey(key, secret)
    }
}
