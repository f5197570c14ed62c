// The sealing secret: without it no seed makes a key. Made at the first start, beside identity.sqlite; never changed.

import Bytes
package import Log
import SQLite
import Wire

/// 32 random bytes in a file of its own. With them and a seed, the key of a customer or a product is made.
package struct SealingSecret: Sendable {
    /// The file's name within the data folder.
    package static let fileName = "sealing.secret"
    package static let byteCount = 32

    /// Has taken the secret in; a copy goes on from there.
    private let prepared: KeyExpansion

    /// - Parameter bytes: 32; nil for another length.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        prepared = KeyExpansion(bytes)
    }

    /// A key of 32 bytes, made of the secret for a label and what it is made for.
    package func expanded(_ label: [UInt8], _ bytes: [UInt8]) -> [UInt8] { prepared.expanded(label + bytes) }

    /// The secret of a data folder.
    ///
    /// - Returns: nil when there is none.
    /// - Throws: `LogError.denied` when this user may not read it, `.inTheWay` when it is not as it must be.
    package static func read(in folder: String) throws(LogError) -> SealingSecret? {
        let file = SecretFile(folder + "/" + fileName)
        do throws(SecretFile.Failure) {
            guard let bytes = try file.read(limit: byteCount) else { return nil }
            guard let secret = SealingSecret(bytes) else { throw .tooLong(bytes.count) }
            return secret
        } catch {
            throw told(error, file.path)
        }
    }

    /// The secret of a data folder, or a new one when there is none.
    ///
    /// - Parameter isNeeded: whether texts are sealed with one already; then a new one would be of no use for them.
    package static func readOrMake(in folder: String, isNeeded: Bool) throws(LogError) -> SealingSecret {
        if let secret = try read(in: folder) { return secret }
        let file = SecretFile(folder + "/" + fileName)
        guard !isNeeded else {
            throw .inTheWay(
                "\(file.path) is not there, and texts of this log are sealed with it",
                "put it back from where identity.sqlite is kept too; without it these texts cannot be read by anybody")
        }
        let bytes = randomBytes(byteCount)
        do throws(SecretFile.Failure) {
            if try file.make(bytes), let secret = SealingSecret(bytes) { return secret }
        } catch {
            throw told(error, file.path)
        }
        guard let secret = try read(in: folder) else { throw .io("\(file.path) is gone again") }
        return secret
    }

    private static func told(_ failure: SecretFile.Failure, _ path: String) -> LogError {
        switch failure {
        case .denied: .denied(path)
        case .noFile: .inTheWay("\(path) is no file", "put the sealing secret there, or move away what is there")
        case .open: .inTheWay("others than its owner may read or write \(path)", "chmod 600 \(path)")
        case .tooLong(let bytes):
            .inTheWay(
                "\(path) has \(bytes) bytes, and a sealing secret has \(byteCount)", "put the right file there")
        case .unreadable(let cause), .unwritable(let cause): .io("\(path): \(cause)")
        case .folder(let number): .io("the folder of \(path) cannot be written to disk (error \(number))")
        }
    }
}
