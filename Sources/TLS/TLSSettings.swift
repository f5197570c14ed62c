// How TLS is set up: the files, and what is asked of clients.

/// The keys below `tls` in tidings.yaml.
package struct TLSSettings: Sendable, Equatable {
    /// Whether clients show certificates of their own.
    package enum ClientCertificatePolicy: String, CaseIterable, Sendable {
        /// They are not asked.
        case off
        /// Who shows one is held to it; who shows none is known by other means, or not at all.
        case ask
        /// Who shows none is not let in.
        case require
    }

    /// The server's certificate and those that lead from it to its authority, PEM. Nil when there is none, and then no
    /// listener can speak TLS.
    package var certificateFile: String?
    package var keyFile: String?
    package var clients = ClientCertificatePolicy.off
    /// The authorities that clients' certificates are to lead to; nil when there are none.
    package var clientCAFile: String?
    package var clientCRLFile: String?

    package init(certificateFile: String? = nil, keyFile: String? = nil) {
        (self.certificateFile, self.keyFile) = (certificateFile, keyFile)
    }
}

/// What is wrong with a file, in one line with the cause and the remedy.
package struct TLSFileError: Error, CustomStringConvertible, Sendable, Equatable {
    package var description: String

    /// - Parameter key: the key of tidings.yaml that names the file.
    init(_ key: String, _ path: String, _ fault: String) { description = "\(key) = \(path): \(fault)" }
}
