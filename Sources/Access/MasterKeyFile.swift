// The file of the master key: 32 random bytes from which the keys of all devices are derived, or 64 while a fleet is
// moved from one to the next.

package import Admission
import Bytes
import SQLite

/// The master key's file. What is written there is durable, and readable for its owner alone.
package struct MasterKeyFile: Sendable, Equatable {
    package let path: String

    package init(_ path: String) { self.path = path }

    private var file: SecretFile { SecretFile(path) }

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
        let bytes = randomBytes(MasterKeys.keyBytes)
        let isMade: Bool
        do throws(SecretFile.Failure) { isMade = try file.make(bytes) } catch { throw told(error) }
        if !isMade, let keys = try read() { return (keys, false) }
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
        try replace(by: randomBytes(MasterKeys.keyBytes) + bytes)
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
        do throws(SecretFile.Failure) { return try file.read(limit: 2 * MasterKeys.keyBytes) } catch {
            throw told(error)
        }
    }

    private func replace(by bytes: [UInt8]) throws(AccessError) {
        do throws(SecretFile.Failure) { try file.replace(by: bytes) } catch { throw told(error) }
    }

    private func told(_ failure: SecretFile.Failure) -> AccessError {
        switch failure {
        case .denied: .masterKey("this user may not read the master key \(path); run as the daemon's user")
        case .noFile: .masterKey("\(path) is no file, so it is no master key; name one in auth.master_key_file")
        case .open: .masterKey("others than its owner may read or write the master key: chmod 600 \(path)")
        case .tooLong(let bytes): wrongLength(bytes)
        case .unreadable(let cause): .masterKey("the master key \(path) cannot be read: \(cause)")
        case .unwritable(let cause): .masterKey("the master key cannot be written: \(path): \(cause)")
        case .folder(let number):
            .masterKey("the folder of \(path) cannot be written to disk (error \(number))")
        }
    }
}
