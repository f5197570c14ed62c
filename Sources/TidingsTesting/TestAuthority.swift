// A certificate authority of the tests' own, made by the openssl command in a folder that goes with it.

import Foundation

/// An authority with an ECDSA key that issues what it is asked for, wrong things too.
package final class TestAuthority: Sendable {
    /// A certificate and its key, as files.
    package struct Issued: Sendable {
        package let certificateFile: String
        package let keyFile: String

        package init(certificateFile: String, keyFile: String) {
            (self.certificateFile, self.keyFile) = (certificateFile, keyFile)
        }
    }

    /// What a certificate is said to be for.
    package enum Purpose: String, Sendable {
        case client = "extendedKeyUsage=clientAuth"
        case server = "extendedKeyUsage=serverAuth"
        /// No such extension.
        case any = ""
    }

    package let folder: String
    package var certificateFile: String { folder + "/ca.pem" }
    private var configuration: String { folder + "/openssl.cnf" }

    package struct OpenSSLFailure: Error { package var text: String }

    /// - Parameter parent: who vouches for it; nil for itself.
    package init(_ name: String = "Test CA", rsa: Bool = false, under parent: TestAuthority? = nil) throws {
        folder = NSTemporaryDirectory() + "tidings-ca-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try write(
            """
            [ca]
            default_ca=this
            [this]
            database=\(folder)/index.txt
            serial=\(folder)/serial
            crlnumber=\(folder)/crlnumber
            new_certs_dir=\(folder)
            certificate=\(folder)/ca.pem
            private_key=\(folder)/ca.key
            default_md=sha256
            default_crl_days=30
            policy=any
            unique_subject=no
            [any]
            commonName=supplied
            """, to: "openssl.cnf")
        try write("", to: "index.txt")
        try write("01", to: "serial")
        try write("01", to: "crlnumber")
        guard let parent else {
            try openssl(
                ["req", "-x509", "-nodes", "-keyout", folder + "/ca.key", "-out", certificateFile, "-days", "30"]
                    + ["-subj", "/CN=\(name)"] + Self.newKey(rsa: rsa))
            return
        }
        try openssl(
            ["req", "-nodes", "-keyout", folder + "/ca.key", "-out", folder + "/ca.csr", "-subj", "/CN=\(name)"]
                + Self.newKey(rsa: rsa))
        try write("[this]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n", to: "ca.ext")
        try parent.sign(folder + "/ca", days: -1...30)
    }

    /// Signs `base`.csr with the extensions in `base`.ext as `base`.pem.
    private func sign(_ base: String, days: ClosedRange<Int>) throws {
        try openssl([
            "ca", "-config", configuration, "-batch", "-notext", "-in", base + ".csr", "-out", base + ".pem",
            "-startdate", Self.time(days.lowerBound), "-enddate", Self.time(days.upperBound), "-extfile",
            base + ".ext", "-extensions", "this",
        ])
    }

    /// Its certificate, as one that can be revoked.
    package var issued: Issued { Issued(certificateFile: certificateFile, keyFile: folder + "/ca.key") }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// Issues a certificate.
    ///
    /// - Parameters:
    ///   - names: as `IP:127.0.0.1`, `DNS:localhost`, `URI:tidings:kettle/k-1`.
    ///   - days: from which day to which it is good, from now.
    package func issue(
        _ name: String, _ purpose: Purpose = .server, names: [String] = ["IP:127.0.0.1", "DNS:localhost"],
        days: ClosedRange<Int> = -1...30, rsa: Bool = false
    ) throws -> Issued {
        let base = folder + "/" + name
        try openssl(
            ["req", "-nodes", "-keyout", base + ".key", "-out", base + ".csr", "-subj", "/CN=\(name)"]
                + Self.newKey(rsa: rsa))
        let lines = [purpose.rawValue] + (names.isEmpty ? [] : ["subjectAltName=" + names.joined(separator: ",")])
        try write("[this]\nbasicConstraints=CA:FALSE\n" + lines.joined(separator: "\n") + "\n", to: name + ".ext")
        try sign(base, days: days)
        return Issued(certificateFile: base + ".pem", keyFile: base + ".key")
    }

    package func revoke(_ issued: Issued) throws {
        try openssl(["ca", "-config", configuration, "-revoke", issued.certificateFile])
    }

    /// Writes the list of what is revoked so far; returns its path.
    package func revocationList() throws -> String {
        try openssl(["ca", "-config", configuration, "-gencrl", "-out", folder + "/crl.pem"])
        return folder + "/crl.pem"
    }

    private static func newKey(rsa: Bool) -> [String] {
        ["-newkey"] + (rsa ? ["rsa:2048"] : ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
    }

    private static func time(_ days: Int) -> String {
        let parts = Date(timeIntervalSinceNow: Double(days) * 86_400).formatted(.iso8601)
        return parts.filter(\.isNumber) + "Z"
    }

    private func write(_ text: String, to name: String) throws {
        try text.write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
    }

    private func openssl(_ arguments: [String]) throws {
        let ended = try runToEnd("openssl", arguments)
        guard ended.status == 0 else { throw OpenSSLFailure(text: "\(arguments): \(ended.output)") }
    }
}

/// Runs a program of the system's to its end, or for so many seconds; what it printed comes from a file, so that
/// nothing it starts can hold a pipe open.
///
/// - Parameter input: kept open until the program ends when `holdsInput` is set, as a terminal would.
/// - Returns: its status, and what it printed on both its outputs.
package func runToEnd(
    _ program: String, _ arguments: [String], input: String = "", seconds: Int = 20, holdsInput: Bool = false
) throws -> (status: Int32, output: String) {
    let path = NSTemporaryDirectory() + "tidings-run-" + UUID().uuidString
    _ = FileManager.default.createFile(atPath: path, contents: nil)
    defer { try? FileManager.default.removeItem(atPath: path) }
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    // A thread of a test has most signals blocked, and what it starts inherits that: nothing could end it in time.
    let unblock = """
        import os, signal, sys
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.execvp(sys.argv[1], sys.argv[1:])
        """
    process.arguments = ["python3", "-c", unblock, "timeout", "\(seconds)", program] + arguments
    let output = try FileHandle(forWritingTo: URL(filePath: path))
    let source = Pipe()
    (process.standardOutput, process.standardError, process.standardInput) = (output, output, source)
    try process.run()
    try source.fileHandleForWriting.write(contentsOf: Data(input.utf8))
    if !holdsInput { try source.fileHandleForWriting.close() }
    process.waitUntilExit()
    try? source.fileHandleForWriting.close()
    try output.close()
    return (process.terminationStatus, (try? String(contentsOfFile: path, encoding: .utf8)) ?? "")
}
