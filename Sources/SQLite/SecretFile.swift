// A file with a secret: readable for its owner alone, written whole and durably, and never overwritten by chance.

import Foundation

/// A small file that only its owner may read. Blocking; any thread.
package struct SecretFile: Sendable, Equatable {
    package let path: String

    package init(_ path: String) { self.path = path }

    /// Why a secret cannot be read or written.
    package enum Failure: Error, Equatable {
        /// This user may not read it.
        case denied
        /// What is there is a folder or a device.
        case noFile
        /// Others than its owner may read or write it.
        case open
        /// It is longer than it may be, bytes.
        case tooLong(Int)
        case unreadable(String)
        case unwritable(String)
        /// A new name in its folder could not be made durable: the number of the error.
        case folder(Int32)
    }

    /// What is in it.
    ///
    /// - Parameter limit: the longest that it may be, bytes.
    /// - Returns: nil when there is no such file.
    package func read(limit: Int) throws(Failure) -> [UInt8]? {
        // A secret that the system provides is often a link.
        let file = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        let attributes: [FileAttributeKey: Any]
        switch FileAccess.look(at: file) {
        case .missing: return nil
        case .denied: throw .denied
        case .there:
            do { attributes = try FileManager.default.attributesOfItem(atPath: file) } catch {
                throw .unreadable(Self.cause(error))
            }
        }
        guard attributes[.type] as? FileAttributeType == .typeRegular else { throw .noFile }
        let mode = (attributes[.posixPermissions] as? NSNumber)?.intValue ?? 0o777
        guard mode & 0o077 == 0 else { throw .open }
        let size = (attributes[.size] as? NSNumber)?.intValue ?? 0
        guard size <= limit else { throw .tooLong(size) }
        guard let data = FileManager.default.contents(atPath: file) else { throw .unreadable("no bytes came") }
        return Array(data)
    }

    /// Makes the file; it is durable then.
    ///
    /// - Returns: false when another program was quicker: its file stays as it is.
    package func make(_ bytes: [UInt8]) throws(Failure) -> Bool {
        let draft = try writeDraft(bytes)
        defer { try? FileManager.default.removeItem(atPath: draft) }
        do {
            // Unlike a renaming, this fails when a file is there.
            try FileManager.default.linkItem(atPath: draft, toPath: path)
        } catch {
            if FileAccess.isThere(path) { return false }
            throw .unwritable(Self.cause(error))
        }
        try sync()
        return true
    }

    /// Puts other bytes in its place, in one step; they are durable then.
    package func replace(by bytes: [UInt8]) throws(Failure) {
        let draft = try writeDraft(bytes)
        do throws(FileAccess.Failure) { try FileAccess.rename(draft, to: path) } catch {
            try? FileManager.default.removeItem(atPath: draft)
            throw .unwritable("error \(error.number)")
        }
        try sync()
    }

    /// Writes a file beside the place of the secret; its contents are on disk then.
    private func writeDraft(_ bytes: [UInt8]) throws(Failure) -> String {
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
            throw .unwritable(Self.cause(error))
        }
        return draft
    }

    private func sync() throws(Failure) {
        do throws(FileAccess.Failure) { try FileAccess.syncFolder(FileAccess.folder(of: path)) } catch {
            throw .folder(error.number)
        }
    }

    private static func cause(_ error: any Error) -> String {
        let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
        return (underlying ?? error as NSError).localizedDescription
    }
}
