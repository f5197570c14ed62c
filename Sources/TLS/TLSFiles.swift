// Reads certificates, key and revocation lists from their files, and makes of them what listeners need.

import Foundation
package import NIOSSL
import SwiftASN1

/// The contents of the files, checked. Made anew at each reload; connections keep what they began with.
package struct TLSFiles: Sendable {
    /// The server's own certificate.
    package let certificate: CertificateFields
    /// What stops nothing and should be looked at, a line each.
    package let warnings: [String]

    private let chain: [NIOSSLCertificate]
    private let key: NIOSSLPrivateKey
    private let policy: TLSSettings.ClientCertificatePolicy
    private let authorities: [NIOSSLCertificate]
    private let clients: ClientCertificates?
    /// What is revoked; empty where no list is read.
    package let revocations: [RevocationList]

    /// Who vouches for clients' certificates: how many.
    package var authorityCount: Int { authorities.count }

    /// Whether the authorities of clients' certificates are those of other files.
    package func hasAuthorities(of other: TLSFiles) -> Bool { authorities == other.authorities }

    /// Reads all of them.
    ///
    /// - Throws: `TLSFileError`; nothing is used then.
    package init(_ settings: TLSSettings) throws(TLSFileError) {
        let (chainKey, keyKey) = ("tls.certificate_file", "tls.key_file")
        guard let chainPath = settings.certificateFile, let keyPath = settings.keyFile else {
            throw TLSFileError(
                settings.certificateFile == nil ? chainKey : keyKey, "none",
                "a listener speaks TLS and needs both; set it (docs/tls.md makes one), or listen.NAME.tls to off")
        }
        chain = try Self.certificates(chainKey, chainPath)
        certificate = try Self.fields(of: chain[0], chainKey, chainPath)
        key = try Self.privateKey(keyKey, keyPath)
        policy = settings.clients
        var warnings: [String] = []
        if settings.clients == .off {
            (authorities, clients, revocations) = ([], nil, [])
        } else {
            guard let path = settings.clientCAFile else {
                throw TLSFileError(
                    "tls.client_certificates", settings.clients.rawValue,
                    "there is no authority to check them by; set tls.client_ca_file")
            }
            authorities = try Self.certificates("tls.client_ca_file", path)
            if let listPath = settings.clientCRLFile {
                var known: [CertificateFields] = []
                for one in authorities { known.append(try Self.fields(of: one, "tls.client_ca_file", path)) }
                revocations = try Self.revocationLists(listPath, known)
                let now = Int64(Date.now.timeIntervalSince1970)
                if revocations.contains(where: { $0.nextUpdate ?? .max < now }) {
                    warnings.append(
                        "\(listPath) holds a revocation list that is out of date; what it revokes is still refused; "
                            + "fetch the next one from the authority")
                }
                clients = ClientCertificates(revocations: revocations, authorities: known)
            } else {
                (clients, revocations) = (ClientCertificates(revocations: nil), [])
            }
        }
        self.warnings = warnings
        // Whether key and certificate belong together shows when both are used.
        do {
            _ = try makeContext(protocols: [])
        } catch {
            throw TLSFileError(
                keyKey, keyPath,
                "does not belong to the certificate in \(chainPath); give the two that were made together"
            )
        }
    }

    /// What a listener needs to speak TLS.
    ///
    /// - Parameter protocols: what it names when a client asks by ALPN.
    package func context(protocols: [String]) throws(TLSFileError) -> TLSContext {
        do {
            return try makeContext(protocols: protocols)
        } catch {
            throw TLSFileError("tls.certificate_file", "", "\(error)")
        }
    }

    private func makeContext(protocols: [String]) throws -> TLSContext {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.cipherSuites = TLSLimits.cipherSuites
        configuration.applicationProtocols = protocols
        configuration.renegotiationSupport = .none
        switch policy {
        case .off: configuration.certificateVerification = .none
        case .ask: configuration.certificateVerification = .optionalVerification
        case .require: configuration.certificateVerification = .noHostnameVerification
        }
        if policy != .off {
            configuration.trustRoots = .certificates(authorities)
            configuration.sendCANameList = true
        }
        return TLSContext(
            ssl: try NIOSSLContext(configuration: configuration), clients: clients)
    }
}

/// What every connection of a listener begins with. Its tickets for resuming sessions are worth nothing to another one.
package struct TLSContext: Sendable {
    package let ssl: NIOSSLContext
    /// Nil when clients are not asked for certificates.
    package let clients: ClientCertificates?
}

extension TLSLimits {
    /// For TLS 1.2: forward secrecy and authenticated encryption. TLS 1.3 has no others.
    static var cipherSuites: String { "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!eNULL" }
}

// MARK: One file

extension TLSFiles {
    private static func certificates(_ key: String, _ path: String) throws(TLSFileError) -> [NIOSSLCertificate] {
        let bytes = try read(key, path)
        guard let all = try? NIOSSLCertificate.fromPEMBytes(bytes), !all.isEmpty else {
            throw TLSFileError(key, path, "holds no certificate; give a PEM file with -----BEGIN CERTIFICATE-----")
        }
        return all
    }

    private static func fields(
        of certificate: NIOSSLCertificate, _ key: String, _ path: String
    ) throws(TLSFileError) -> CertificateFields {
        do { return try CertificateFields(der: certificate.toDERBytes()) } catch {
            throw TLSFileError(key, path, "holds a certificate that is not of RFC 5280; make it anew")
        }
    }

    private static func privateKey(_ key: String, _ path: String) throws(TLSFileError) -> NIOSSLPrivateKey {
        let bytes = try read(key, path)
        try checkPrivacy(key, path)
        guard let read = try? NIOSSLPrivateKey(bytes: bytes, format: .pem) else {
            let isEncrypted = String(decoding: bytes, as: UTF8.self).contains("ENCRYPTED")
            throw TLSFileError(
                key, path,
                isEncrypted
                    ? "is locked by a pass phrase; write it without one: openssl pkey -in \(path) -out OTHER"
                    : "holds no private key; give a PEM file with -----BEGIN PRIVATE KEY-----")
        }
        return read
    }

    /// A key that others can read is no secret: of the daemon's own user only, or of root and one group.
    private static func checkPrivacy(_ key: String, _ path: String) throws(TLSFileError) {
        let facts = try? FileManager.default.attributesOfItem(
            atPath: URL(filePath: path).resolvingSymlinksInPath().path(percentEncoded: false))
        guard let mode = (facts?[.posixPermissions] as? NSNumber)?.intValue else { return }
        let isOfRoot = (facts?[.ownerAccountID] as? NSNumber)?.intValue == 0
        guard mode & (isOfRoot ? 0o027 : 0o077) != 0 else { return }
        throw TLSFileError(
            key, path, "others can read it (mode 0\(String(mode, radix: 8))); chmod 600 \(path), and consider a new key"
        )
    }

    private static func revocationLists(
        _ path: String, _ authorities: [CertificateFields]
    ) throws(TLSFileError) -> [RevocationList] {
        let key = "tls.client_crl_file"
        let text = String(decoding: try read(key, path), as: UTF8.self)
        let documents = ((try? PEMDocument.parseMultiple(pemString: text)) ?? [])
            .filter { $0.discriminator == "X509 CRL" }
        guard !documents.isEmpty else {
            throw TLSFileError(key, path, "holds no revocation list; give a PEM file with -----BEGIN X509 CRL-----")
        }
        var lists: [RevocationList] = []
        for document in documents {
            do throws(RevocationList.Fault) {
                lists.append(try RevocationList(der: document.derBytes, authorities: authorities))
            } catch {
                throw TLSFileError(key, path, Self.text(of: error))
            }
        }
        return lists
    }

    private static func text(of fault: RevocationList.Fault) -> String {
        switch fault {
        case .malformed: "holds a revocation list that is not of RFC 5280; fetch it again"
        case .notSigned: "holds a revocation list that no authority in tls.client_ca_file has signed"
        case .unknownKind: "holds a list of changes or of a part of all certificates; give the authority's whole list"
        case .unknownSignature: "is signed in a way that is not known; use ECDSA, RSA (PKCS 1) or Ed25519 with SHA-2"
        }
    }

    private static func read(_ key: String, _ path: String) throws(TLSFileError) -> [UInt8] {
        let handle: FileHandle
        do {
            handle = try FileHandle(forReadingFrom: URL(filePath: path))
        } catch {
            let isThere = FileManager.default.fileExists(atPath: path)
            throw TLSFileError(
                key, path,
                isThere ? "the daemon's user may not read it; see its owner and mode" : "there is no such file")
        }
        defer { try? handle.close() }
        guard let bytes = try? handle.read(upToCount: TLSLimits.fileBytes + 1) else {
            throw TLSFileError(key, path, "is empty, or cannot be read")
        }
        guard bytes.count <= TLSLimits.fileBytes else {
            throw TLSFileError(key, path, "is larger than \(TLSLimits.fileBytes) bytes")
        }
        return [UInt8](bytes)
    }
}
