// Files of secrets that are made once and never change: 0600, beside the names they belong to.

import Crypto
import Foundation
import SQLite

/// A small file for its owner alone.
package struct SecretFile: Sendable {
    package let path: String

    /// From which the digests of forgotten names are made.
    package static let sealingName = "sealing.secret"
    /// With which receipts are signed.
    package static let receiptName = "receipt.key"
    private static let mostBytes = 4_096

    package init(_ path: String) { self.path = path }

    /// What is in it; nil when it is not there.
    package func read() throws(ForgettingError) -> [UInt8]? {
        switch FileAccess.look(at: path) {
        case .missing: return nil
        case .denied: throw .configuration("this user may not read \(path); run as the daemon's user")
        case .there: break
        }
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        let mode = (attributes?[.posixPermissions] as? NSNumber)?.intValue ?? 0o777
        guard mode & 0o077 == 0 else {
            throw .configuration("others than its owner may read or write a secret: chmod 600 \(path)")
        }
        guard let data = FileManager.default.contents(atPath: path), data.count <= Self.mostBytes else {
            throw .configuration("the secret \(path) cannot be read")
        }
        return Array(data)
    }

    /// What is in it, or what `make` gives when it is not there; on disk then.
    package func readOrMake(_ make: () -> [UInt8]) throws(ForgettingError) -> [UInt8] {
        if let bytes = try read() { return bytes }
        let draft = path + ".\(ProcessInfo.processInfo.processIdentifier).partial"
        try? FileManager.default.removeItem(atPath: draft)
        FileAccess.prepare(draft)
        defer { try? FileManager.default.removeItem(atPath: draft) }
        do {
            let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: draft))
            defer { try? handle.close() }
            try handle.write(contentsOf: Data(make()))
            try handle.synchronize()
            // Unlike a renaming, this fails when another program was quicker.
            try? FileManager.default.linkItem(atPath: draft, toPath: path)
        } catch {
            throw .storage("the secret \(path) cannot be made: \(error.localizedDescription)")
        }
        do throws(FileAccess.Failure) { try FileAccess.syncFolder(FileAccess.folder(of: path)) } catch {
            throw .storage("the folder of \(path) cannot be written to disk (error \(error.number))")
        }
        guard let bytes = try read() else { throw .storage("the secret \(path) cannot be made") }
        return bytes
    }
}

/// The key that receipts of erasures are signed with: a file that openssl reads as well.
package struct ReceiptKey: Sendable {
    private let key: Curve25519.Signing.PrivateKey

    package init(in directory: String) throws(ForgettingError) {
        let file = SecretFile(directory + "/" + SecretFile.receiptName)
        let text = try file.readOrMake {
            let key = Curve25519.Signing.PrivateKey()
            return Array(Self.pem("PRIVATE KEY", Self.privatePrefix + Array(key.rawRepresentation)).utf8)
        }
        let body = String(decoding: text, as: UTF8.self).split(separator: "\n").dropFirst().prefix {
            !$0.hasPrefix("-")
        }
        guard let der = Data(base64Encoded: body.joined()), der.starts(with: Self.privatePrefix),
            let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: der.dropFirst(Self.privatePrefix.count))
        else { throw .configuration("\(file.path) is no Ed25519 key (PKCS #8, PEM); put the right file there") }
        self.key = key
    }

    /// The signature of a text, base64.
    package func signature(of text: String) throws(ForgettingError) -> String {
        do { return try key.signature(for: Data(text.utf8)).base64EncodedString() } catch {
            throw .impossible("the receipt cannot be signed: \(error)")
        }
    }

    /// The public key, PEM.
    package var publicKey: String {
        Self.pem("PUBLIC KEY", Self.publicPrefix + Array(key.publicKey.rawRepresentation))
    }

    /// What stands before the 32 bytes of an Ed25519 key (RFC 8410).
    private static let privatePrefix: [UInt8] = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    ]
    private static let publicPrefix: [UInt8] = [
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ]

    private static func pem(_ label: String, _ bytes: [UInt8]) -> String {
        "-----BEGIN \(label)-----\n\(Data(bytes).base64EncodedString())\n-----END \(label)-----\n"
    }
}
