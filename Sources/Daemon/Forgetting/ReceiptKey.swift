// The key that receipts of erasures are signed with: made at the first start, never changed.

import Crypto
import Foundation
import SQLite

/// An Ed25519 key, in a file that openssl reads as well.
package struct ReceiptKey: Sendable {
    private let key: Curve25519.Signing.PrivateKey

    /// The file's name within the data folder.
    package static let fileName = "receipt.key"
    private static let mostBytes = 1_024

    /// The key of a data folder, which is made when there is none.
    package init(in directory: String) throws(ForgettingError) {
        let file = SecretFile(directory + "/" + Self.fileName)
        let content: [UInt8]?
        do throws(SecretFile.Failure) {
            var read = try file.read(limit: Self.mostBytes)
            if read == nil {
                let key = Curve25519.Signing.PrivateKey()
                let text = Self.pem("PRIVATE KEY", Self.privatePrefix + Array(key.rawRepresentation))
                _ = try file.make(Array(text.utf8))
                read = try file.read(limit: Self.mostBytes)
            }
            content = read
        } catch {
            throw Self.told(error, file.path)
        }
        let body = String(decoding: content ?? [], as: UTF8.self).split(separator: "\n").dropFirst().prefix {
            !$0.hasPrefix("-")
        }
        guard let der = Data(base64Encoded: body.joined()), der.starts(with: Self.privatePrefix),
            let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: der.dropFirst(Self.privatePrefix.count))
        else { throw .configuration("\(file.path) is no Ed25519 key (PKCS #8, PEM); put the right file there") }
        self.key = key
    }

    private static func told(_ failure: SecretFile.Failure, _ path: String) -> ForgettingError {
        switch failure {
        case .denied: .configuration("this user may not read \(path); run as the daemon's user")
        case .open: .configuration("others than its owner may read or write \(path): chmod 600 \(path)")
        case .noFile, .tooLong: .configuration("\(path) is no key; put the right file there, or move it away")
        case .unreadable(let cause), .unwritable(let cause): .storage("\(path): \(cause)")
        case .folder(let number): .storage("the folder of \(path) cannot be written to disk (error \(number))")
        }
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
