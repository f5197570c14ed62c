// TLS on a sender's connection: whom it trusts, and what it shows of itself.

import NIOCore
import NIOSSL
import NIOTLS

/// How a connection speaks TLS, read from files once, for any number of connections.
///
/// ```swift
/// let tls = try TidingsTLS(authorityFile: "ca.pem", certificateFile: "device.pem", keyFile: "device.key")
/// let connection = TidingsConnection(host: "collector.example.org", port: 7411, tls: tls)
/// ```
///
/// The daemon's certificate must lead to an authority that is trusted and name the host, or the address, that the
/// connection is made to. There is no way to connect without that check.
public struct TidingsTLS: Sendable {
    let context: NIOSSLContext

    /// Reads the files.
    ///
    /// - Parameters:
    ///   - authorityFile: who must have vouched for the daemon's certificate, PEM; nil for whomever the system trusts.
    ///   - certificateFile: this sender's own certificate and those that lead to its authority, PEM; nil for none.
    ///   - keyFile: the certificate's key, PEM.
    /// - Throws: `SendError`, one line that names the file.
    public init(authorityFile: String? = nil, certificateFile: String? = nil, keyFile: String? = nil) throws {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if let path = authorityFile {
            guard let all = try? NIOSSLCertificate.fromPEMFile(path), !all.isEmpty else {
                throw SendError(description: "\(path) holds no certificate of an authority; give a PEM file")
            }
            configuration.trustRoots = .certificates(all)
        }
        guard (certificateFile == nil) == (keyFile == nil) else {
            throw SendError(description: "a certificate and its key belong together; give both files or neither")
        }
        if let path = certificateFile, let keyPath = keyFile {
            guard let all = try? NIOSSLCertificate.fromPEMFile(path), !all.isEmpty else {
                throw SendError(description: "\(path) holds no certificate; give a PEM file")
            }
            guard let key = try? NIOSSLPrivateKey(file: keyPath, format: .pem) else {
                throw SendError(description: "\(keyPath) holds no private key without a pass phrase; give a PEM file")
            }
            configuration.certificateChain = all.map { .certificate($0) }
            configuration.privateKey = .privateKey(key)
        }
        do {
            context = try NIOSSLContext(configuration: configuration)
        } catch {
            throw SendError(
                description:
                    "\(keyFile ?? "the key") does not belong to the certificate in \(certificateFile ?? "its file")")
        }
    }

    /// Speaks TLS from the first byte on.
    ///
    /// - Parameter done: succeeds when both sides are agreed.
    func addHandlers(
        to pipeline: ChannelPipeline.SynchronousOperations, host: String, done: EventLoopPromise<Void>
    ) throws {
        // An address has no name to be asked for; the certificate is compared with the address itself.
        let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
        try pipeline.addHandler(NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host))
        try pipeline.addHandler(HandshakeWaiter(done))
    }
}

/// Waits for the end of the handshake, good or bad.
private final class HandshakeWaiter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let done: EventLoopPromise<Void>

    init(_ done: EventLoopPromise<Void>) { self.done = done }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent { done.succeed() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        done.fail(error)
        context.fireErrorCaught(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        done.fail(ChannelError.eof)
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { done.fail(ChannelError.eof) }
}

/// Why TLS came to nothing, with what helps; nil when the error is of another kind.
func tlsFailure(_ error: any Error) -> String? {
    let text: String
    switch error {
    case let error as NIOSSLError: text = "\(error)"
    case let error as BoringSSLError: text = "\(error)"
    case let error as NIOSSLExtraError: text = "\(error)"
    default: return nil
    }
    let kinds: [(sign: String, told: String)] = [
        ("WRONG_VERSION_NUMBER", "the daemon does not speak TLS on this port; leave out --tls"),
        (
            "CERTIFICATE_VERIFY_FAILED",
            "the daemon's certificate leads to no authority that is trusted, or is out of date"
        ),
        ("FailedToValidateHostname", "the daemon's certificate is for another name or address"),
        ("failedToValidateHostname", "the daemon's certificate is for another name or address"),
        ("CERTIFICATE_REQUIRED", "the daemon wants a certificate of this sender; give --cert and --key"),
        ("ALERT_UNKNOWN_CA", "the daemon does not know the authority of this sender's certificate"),
        (
            "ALERT_UNSUPPORTED_CERTIFICATE",
            "this sender's certificate is not one for clients; issue it with extendedKeyUsage=clientAuth"
        ),
        ("ALERT_CERTIFICATE", "the daemon does not accept this sender's certificate"),
        ("ALERT_BAD_CERTIFICATE", "the daemon does not accept this sender's certificate"),
        ("uncleanShutdown", ""),
    ]
    if let known = kinds.first(where: { text.contains($0.sign) }) { return known.told }
    // Of what the library says the name of the error alone means something to others.
    return "TLS failed: \(text.firstMatch(of: #/OPENSSL_internal:(\w+)/#)?.output.1 ?? text[...])"
}
