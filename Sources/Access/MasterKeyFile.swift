// The file of the master key: 32 random bytes from which the keys of all devices are derived, or 64 while a fleet is
// moved from one to the next.

package import Admission
import Foundation
import SQLite

/// The master key's file. What is written there is durable, and readable for its owner alone.
package struct MasterKeyFile: Sendable, Equatable {
    package let path: String

    package init(_ path: String) { self.path = path }

    /// What is in it.
    ///
    /// - Returns: nil when there is no such file.
    /// - Throws: `AccessError.masterKey` when others may read it, or it is none.
    package func read() throws(AccessError) -> MasterKeys? {
        guard let bytes = try bytes() else { return nil }
        guard let keys = MasterKeys(bytes) else { throw wrongLength(bytes.count) }
        return keys
    }

    /// What is in it, or a new key when there is none.
    ///
    /// - Parameter isNeeded: whether keys were made of one; then a new one would be of no use for them.
    /// - Returns: the keys, and whether they are new.
    /// - Throws: `AccessError.masterKey`.
    package func readOrMake(isNeeded: Bool) throws(AccessError) -> (keys: MasterKeys, isNew: Bool) {
        if let keys = try read() { return (keys, false) }
        guard !isNeeded else { throw missing }
        let bytes = Self.random()
        let draft = try writeDraft(bytes)
        defer { try? FileManager.default.removeItem(atPath: draft) }
        do {
            // Unlike a renaming, this fails when another program was quicker: its file is never overwritten.
            try FileManager.default.linkItem(atPath: draft, toPath: path)
        } catch {
            if let keys = try read() { return (keys, false) }
            throw .masterKey("the master key cannot be made: \(path): \(Self.cause(error))")
        }
        try sync()
        guard let keys = MasterKeys(bytes) else { throw wrongLength(bytes.count) }
        return (keys, true)
    }

    /// Puts a new key before the one that is there: keys are made of the new one from now on, and those that were made
    /// of the other are good until `finishRotation`.
    ///
    /// - Throws: `AccessError.masterKey`, `.refused` when there are two already.
    package func rotate() throws(AccessError) {
        guard let bytes = try bytes() else { throw missing }
        guard bytes.count == MasterKeys.keyBytes else {
            if MasterKeys(bytes) == nil { throw wrongLength(bytes.count) }
            throw .refused(
                "\(path) has two master keys already; when all devices have the new one's keys, "
                    + "`tidings device rotate --finish` removes the old one")
        }
        try replace(by: Self.random() + bytes)
    }

    /// Removes the older of two keys: what was made of it is over.
    ///
    /// - Throws: `AccessError.masterKey`, `.refused` when there is one alone.
    package func finishRotation() throws(AccessError) {
        guard let bytes = try bytes() else { throw missing }
        guard bytes.count == 2 * MasterKeys.keyBytes else {
            if MasterKeys(bytes) == nil { throw wrongLength(bytes.count) }
            throw .refused("\(path) has one master key alone; `tidings device rotate --master` begins with another")
        }
        try replace(by: Array(bytes.prefix(MasterKeys.keyBytes)))
    }

    /// Why keys that are registered are of no use.
    package var missing: AccessError {
        .masterKey(
            "the master key \(path) is not there, and devices have keys that were made of it; put it back from where "
                + "you keep a copy, or name its place in auth.master_key_file")
    }

    private func wrongLength(_ count: Int) -> AccessError {
        .masterKey(
            "\(path) has \(count) bytes; a master key has \(MasterKeys.keyBytes), or twice as many during a rotation: "
                + "put the right file there")
    }

    private func bytes() throws(AccessError) -> [UInt8]? {
        // A secret that the system provides is often a link.
        let file = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        let attributes: [FileAttributeKey: Any]
        switch FileAccess.look(at: file) {
        case .missing: return nil
        case .denied: throw .masterKey("this user may not read the master key \(path); run as the daemon's user")
        case .there:
            do { attributes = try FileManager.default.attributesOfItem(atPath: file) } catch {
                throw .masterKey("the master key \(path) cannot be read: \(Self.cause(error))")
            }
        }
        guard attributes[.type] as? FileAttributeType == .typeRegular else {
            throw .masterKey("\(path) is no file, so it is no master key; name one in auth.master_key_file")
        }
        let mode = (attributes[.posixPermissions] as? NSNumber)?.intValue ?? 0o777
        guard mode & 0o077 == 0 else {
            throw .masterKey("others than its owner may read or write the master key: chmod 600 \(path)")
        }
        let size = (attributes[.size] as? NSNumber)?.intValue ?? 0
        guard size <= 2 * MasterKeys.keyBytes else { throw wrongLength(size) }
        guard let data = FileManager.default.contents(atPath: file) else {
            throw .masterKey("the master key \(path) cannot be read")
        }
        return Array(data)
    }

    private func replace(by bytes: [UInt8]) throws(AccessError) {
        let draft = try writeDraft(bytes)
        do throws(FileAccess.Failure) { try FileAccess.rename(draft, to: path) } catch {
            try? FileManager.default.removeItem(atPath: draft)
            throw .masterKey("the master key cannot be replaced: \(path) (error \(error.number))")
        }
        try sync()
    }

    /// Writes a file beside the place of the master key, readable for its owner alone; its contents are on disk then.
    private func writeDraft(_ bytes: [UInt8]) throws(AccessError) -> String {
        let draft = path + ".\(ProcessInfo.processInfo.processIdentifier).partial"
        try? FileManager.default.removeItem(atPath: draft)
        FileAccess.prepare(draft)
        do {
            let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: draft))
            defer { try? handle.close() }
            try handle.write(contentsOf: Data(bytes))
            try handle.synchronize()
        } catch {
            try? FileManager.default.removeItem(atPath: draft)
            throw .masterKey("the master key cannot be written beside \(path): \(Self.cause(error))")
        }
        return draft
    }

    private func sync() throws(AccessError) {
        do throws(FileAccess.Failure) { try FileAccess.syncFolder(FileAccess.folder(of: path)) } catch {
            throw .masterKey("the folder of \(path) cannot be written to disk (error \(error.number))")
        }
    }

    private static func random() -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<MasterKeys.keyBytes).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }

    private static func cause(_ error: any Error) -> String {
        let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
        return (underlying ?? error as NSError).localizedDescription
    }
}
