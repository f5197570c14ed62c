// What a certificate says (RFC 5280): whose it is, how long, what for, and by which names.

import SwiftASN1

/// The fields of a certificate that Tidings goes by. That somebody has vouched for them is for TLS to check.
package struct CertificateFields: Sendable, Equatable {
    /// One of the subject's other names.
    package enum AlternativeName: Sendable, Hashable {
        case dns(String)
        case uri([UInt8])
        case address([UInt8])
    }

    /// The number that its issuer gave it, as it is encoded.
    package var serial: [UInt8] = []
    /// The encoded names of who has issued it, and of whose it is.
    package var issuer: [UInt8] = []
    package var subject: [UInt8] = []
    /// The subject for people, as in `CN=collector, O=Example`.
    package var subjectText = ""
    /// Seconds since 1970.
    package var notBefore: Int64 = 0
    package var notAfter: Int64 = 0
    /// The encoded SubjectPublicKeyInfo.
    package var publicKey: [UInt8] = []
    package var names: [AlternativeName] = []
    /// Whether a client may show it: the extended key usage names clientAuth. One without that extension is for
    /// anything, and so for nothing in particular: it does not count.
    package var isForClients = false

    /// - Parameter der: the whole certificate.
    package init(der: [UInt8]) throws(MalformedDER) {
        let certificate = try readDER(der).children()
        guard certificate.count == 3 else { throw MalformedDER() }
        var fields = try NodeReader(certificate[0])
        _ = fields.take { $0.isTagged(0) }
        serial = Array(try fields.take().primitive())
        _ = try fields.take()
        issuer = Array(try fields.take().encodedBytes)
        var validity = try NodeReader(fields.take())
        notBefore = try validity.take().seconds()
        notAfter = try validity.take().seconds()
        let subject = try fields.take()
        self.subject = Array(subject.encodedBytes)
        subjectText = try Self.text(of: subject)
        publicKey = Array(try fields.take().encodedBytes)
        _ = fields.take { $0.isTagged(1) }
        _ = fields.take { $0.isTagged(2) }
        guard let tagged = fields.take(if: { $0.isTagged(3) }) else { return }
        guard let extensions = try tagged.children().first else { throw MalformedDER() }
        for node in try extensions.children() { try take(CertificateExtension(node)) }
    }

    private mutating func take(_ part: CertificateExtension) throws(MalformedDER) {
        switch part.identifier {
        case .extendedKeyUsage:
            for purpose in try readDER(part.value).children() where try purpose.objectIdentifier() == .clientAuth {
                isForClients = true
            }
        case .subjectAlternativeName:
            for name in try readDER(part.value).children() {
                if name.isTagged(2) { names.append(.dns(String(decoding: try name.primitive(), as: UTF8.self))) }
                if name.isTagged(6) { names.append(.uri(Array(try name.primitive()))) }
                if name.isTagged(7) { names.append(.address(Array(try name.primitive()))) }
            }
        default: break
        }
    }

    /// `CN=collector, O=Example`, the most particular first.
    private static func text(of name: ASN1Node) throws(MalformedDER) -> String {
        var parts: [String] = []
        for set in try name.children() {
            for attribute in try set.children() {
                var attribute = try NodeReader(attribute)
                let kind = try attribute.take().objectIdentifier()
                let value = String(decoding: try attribute.take().primitive(), as: UTF8.self)
                parts.append("\(shortNames[kind] ?? kind.description)=\(value)")
            }
        }
        return parts.reversed().joined(separator: ", ")
    }

    private static let shortNames: [ASN1ObjectIdentifier: String] = [
        [2, 5, 4, 3]: "CN", [2, 5, 4, 6]: "C", [2, 5, 4, 7]: "L", [2, 5, 4, 8]: "ST", [2, 5, 4, 10]: "O",
        [2, 5, 4, 11]: "OU", [2, 5, 4, 5]: "serialNumber",
    ]
}

extension CertificateFields {
    /// Whole days until it ends; negative when it has ended.
    package func daysLeft(at now: Int64) -> Int64 {
        let left = notAfter - now
        return left >= 0 ? left / 86_400 : -((-left + 86_399) / 86_400)
    }

    /// The other names for people: `tidings.example.org`, `192.0.2.1`, a URI.
    package var nameTexts: [String] {
        names.map { name in
            switch name {
            case .dns(let text): text
            case .uri(let bytes): String(decoding: bytes, as: UTF8.self)
            case .address(let bytes): Self.text(ofAddress: bytes)
            }
        }
    }

    private static func text(ofAddress bytes: [UInt8]) -> String {
        if bytes.count == 4 { return bytes.map { "\($0)" }.joined(separator: ".") }
        return stride(from: 0, to: bytes.count - 1, by: 2)
            .map { String(Int(bytes[$0]) << 8 | Int(bytes[$0 + 1]), radix: 16) }.joined(separator: ":")
    }
}

/// An extension of a certificate or of a revocation list.
struct CertificateExtension {
    let identifier: ASN1ObjectIdentifier
    let isCritical: Bool
    let value: [UInt8]

    init(_ node: ASN1Node) throws(MalformedDER) {
        var fields = try NodeReader(node)
        identifier = try fields.take().objectIdentifier()
        isCritical = try fields.take(if: { $0.identifier == .boolean })?.primitive().first == 0xff
        value = Array(try fields.take().primitive())
    }
}

extension ASN1ObjectIdentifier {
    static let subjectAlternativeName: ASN1ObjectIdentifier = [2, 5, 29, 17]
    static let extendedKeyUsage: ASN1ObjectIdentifier = [2, 5, 29, 37]
    static let clientAuth: ASN1ObjectIdentifier = [1, 3, 6, 1, 5, 5, 7, 3, 2]
}
