// A list of certificates that their issuer has taken back (RFC 5280, 5), and whether the issuer has signed it.

import Crypto
import CryptoExtras
import SwiftASN1

/// What one issuer has revoked.
package struct RevocationList: Sendable, Equatable {
    /// Why a list is not taken.
    package enum Fault: Error, Hashable, Sendable {
        case malformed
        /// None of the authorities has signed it.
        case notSigned
        /// It is of a kind that is to be refused by whoever does not know it, as a list of changes to another one.
        case unknownKind
        case unknownSignature
    }

    /// The encoded name of the issuer.
    let issuer: [UInt8]
    private let serials: Set<[UInt8]>
    /// When there is to be a newer one, in seconds since 1970; nil when it does not say.
    package let nextUpdate: Int64?

    /// How many certificates it names.
    package var count: Int { serials.count }

    package func revokes(_ certificate: CertificateFields) -> Bool {
        revokes(issuer: certificate.issuer, serial: certificate.serial)
    }

    func revokes(issuer: [UInt8], serial: [UInt8]) -> Bool { issuer == self.issuer && serials.contains(serial) }

    /// Reads a list and checks its signature.
    ///
    /// - Parameter authorities: the certificates of which one must have signed it.
    package init(der: [UInt8], authorities: [CertificateFields]) throws(Fault) {
        let signed: ASN1Node
        let algorithm: ASN1ObjectIdentifier
        let signature: [UInt8]
        do throws(MalformedDER) {
            let list = try readDER(der).children()
            guard list.count == 3 else { throw MalformedDER() }
            signed = list[0]
            var fields = try NodeReader(list[1])
            algorithm = try fields.take().objectIdentifier()
            signature = try list[2].bitString()
            (issuer, serials, nextUpdate) = try Self.read(signed)
        } catch {
            throw .malformed
        }
        guard try !Self.hasUnknownKind(signed) else { throw .unknownKind }
        guard let check = SignatureCheck(algorithm) else { throw .unknownSignature }
        let issuer = issuer
        let isSigned = authorities.contains {
            $0.subject == issuer && check.isValid(signature, of: Array(signed.encodedBytes), key: $0.publicKey)
        }
        guard isSigned else { throw .notSigned }
    }

    private static func read(
        _ list: ASN1Node
    ) throws(MalformedDER) -> (issuer: [UInt8], serials: Set<[UInt8]>, nextUpdate: Int64?) {
        var fields = try NodeReader(list)
        _ = fields.take { $0.identifier == .integer }
        _ = try fields.take()
        let issuer = Array(try fields.take().encodedBytes)
        _ = try fields.take().seconds()
        let next = fields.take { $0.identifier == .utcTime || $0.identifier == .generalizedTime }
        var serials: Set<[UInt8]> = []
        if let revoked = fields.take(if: { $0.identifier == .sequence }) {
            for entry in try revoked.children() {
                var entry = try NodeReader(entry)
                serials.insert(Array(try entry.take().primitive()))
            }
        }
        return (issuer, serials, try next?.seconds())
    }

    /// Whether there is an extension that only those may pass over who know it; we know none.
    private static func hasUnknownKind(_ list: ASN1Node) throws(Fault) -> Bool {
        do throws(MalformedDER) {
            guard let tagged = try list.children().last, tagged.isTagged(0) else { return false }
            guard let extensions = try tagged.children().first else { throw MalformedDER() }
            for node in try extensions.children() where try CertificateExtension(node).isCritical { return true }
            return false
        } catch {
            throw .malformed
        }
    }
}

/// A way to sign, by its number in certificates. Those with SHA-1 and MD5 are none.
private struct SignatureCheck {
    private enum Key { case ecdsa, rsa, ed25519 }
    private let key: Key
    private let hash: any HashFunction.Type

    init?(_ algorithm: ASN1ObjectIdentifier) {
        switch algorithm {
        case [1, 2, 840, 10_045, 4, 3, 2]: (key, hash) = (.ecdsa, SHA256.self)
        case [1, 2, 840, 10_045, 4, 3, 3]: (key, hash) = (.ecdsa, SHA384.self)
        case [1, 2, 840, 10_045, 4, 3, 4]: (key, hash) = (.ecdsa, SHA512.self)
        case [1, 2, 840, 113_549, 1, 1, 11]: (key, hash) = (.rsa, SHA256.self)
        case [1, 2, 840, 113_549, 1, 1, 12]: (key, hash) = (.rsa, SHA384.self)
        case [1, 2, 840, 113_549, 1, 1, 13]: (key, hash) = (.rsa, SHA512.self)
        case [1, 3, 101, 112]: (key, hash) = (.ed25519, SHA512.self)
        default: return nil
        }
    }

    /// - Parameter key: an encoded SubjectPublicKeyInfo.
    func isValid(_ signature: [UInt8], of bytes: [UInt8], key: [UInt8]) -> Bool {
        switch self.key {
        case .ecdsa: isValidECDSA(signature, digest(bytes, hash), key)
        case .rsa: isValidRSA(signature, digest(bytes, hash), key)
        case .ed25519:
            // The key is what follows the twelve bytes that say what it is.
            key.count == 44
                && (try? Curve25519.Signing.PublicKey(rawRepresentation: key[12...]))?
                    .isValidSignature(signature, for: bytes) == true
        }
    }

    private func digest(_ bytes: [UInt8], _ hash: any HashFunction.Type) -> any Digest { hash.hash(data: bytes) }

    private func isValidECDSA(_ signature: [UInt8], _ digest: some Digest, _ key: [UInt8]) -> Bool {
        if let key = try? P256.Signing.PublicKey(derRepresentation: key),
            let signature = try? P256.Signing.ECDSASignature(derRepresentation: signature)
        {
            return key.isValidSignature(signature, for: digest)
        }
        if let key = try? P384.Signing.PublicKey(derRepresentation: key),
            let signature = try? P384.Signing.ECDSASignature(derRepresentation: signature)
        {
            return key.isValidSignature(signature, for: digest)
        }
        if let key = try? P521.Signing.PublicKey(derRepresentation: key),
            let signature = try? P521.Signing.ECDSASignature(derRepresentation: signature)
        {
            return key.isValidSignature(signature, for: digest)
        }
        return false
    }

    private func isValidRSA(_ signature: [UInt8], _ digest: some Digest, _ key: [UInt8]) -> Bool {
        guard let key = try? _RSA.Signing.PublicKey(derRepresentation: key) else { return false }
        return key.isValidSignature(
            _RSA.Signing.RSASignature(rawRepresentation: signature), for: digest, padding: .insecurePKCS1v1_5)
    }
}
