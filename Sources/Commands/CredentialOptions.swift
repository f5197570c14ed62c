// The credential that a command shows the daemon, from files: secrets are not for command lines, which others can read.

import ArgumentParser
import Foundation
import TidingsClient

/// Options of commands that send events.
struct CredentialOptions: ParsableArguments {
    @Option(help: "What `tidings device add --format json` has printed: the device's or gateway's key.")
    var credentials: String?

    @Option(help: "The number of the key, for --key-file.")
    var keyID: UInt32?

    @Option(help: "A file with the key alone, as it was printed; needs --key-id.")
    var keyFile: String?

    @Option(help: "A file with a token alone, as it was printed (over TCP, where nobody can read along).")
    var tokenFile: String?

    @Option(help: "With a key over UDP: where the last epoch is kept, which has to rise at each start.")
    var epochFile: String?

    func validate() throws {
        guard [credentials, keyFile, tokenFile].compactMap({ $0 }).count <= 1 else {
            throw ValidationError("give one of --credentials, --key-file and --token-file")
        }
        guard (keyID == nil) == (keyFile == nil) else { throw ValidationError("--key-id and --key-file go together") }
    }

    /// Nil when none is asked for.
    func credential() throws -> SenderCredential? {
        if let credentials { return try readCredentials(credentials) }
        if let tokenFile {
            guard let credential = SenderCredential(token: try InputFile.secret(tokenFile, of: "--token-file")) else {
                throw Failure("\(tokenFile) holds no token; write into it what `tidings token add` has printed", .data)
            }
            return credential
        }
        guard let keyFile, let keyID else { return nil }
        guard let credential = SenderCredential(keyID: keyID, key: try InputFile.secret(keyFile, of: "--key-file"))
        else {
            throw Failure(
                "\(keyFile) holds no key of 32 bytes in base64url; write into it what `tidings device add` has printed",
                .data)
        }
        return credential
    }

    /// The epoch to begin with, kept for the next start; nil when it need not rise.
    func nextEpoch() throws -> UInt32? {
        let seconds = Int64(Date.now.timeIntervalSince1970)
        guard let epochFile else { return TidingsDatagrams.epoch(after: 0, unixSeconds: seconds) }
        var last: UInt32 = 0
        if FileManager.default.fileExists(atPath: epochFile) {
            try InputFile.check(epochFile, of: "--epoch-file")
            let text = FileManager.default.contents(atPath: epochFile).map { String(decoding: $0, as: UTF8.self) } ?? ""
            guard let number = UInt32(text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
                throw Failure("\(epochFile) holds no number; remove it if the device's clock is right", .data)
            }
            last = number
        }
        let next = TidingsDatagrams.epoch(after: last, unixSeconds: seconds)
        try keep(epoch: next)
        return next
    }

    /// Keeps the epoch that the next start has to be above.
    func keep(epoch: UInt32) throws {
        guard let epochFile else { return }
        do {
            try Data("\(epoch)\n".utf8).write(to: URL(fileURLWithPath: epochFile), options: .atomic)
        } catch {
            throw InputFile.unwritable(epochFile, error, "check --epoch-file")
        }
    }

    private struct Printed: Decodable {
        var keyID: UInt32?
        var key: String?
        var token: String?
        var keys: [Printed]?

        enum CodingKeys: String, CodingKey {
            case keyID = "key_id"
            case key, token, keys
        }
    }

    private func readCredentials(_ path: String) throws -> SenderCredential {
        let text = try InputFile.secret(path, of: "--credentials")
        let printed = try? JSONDecoder().decode(Printed.self, from: Data(text.utf8))
        if let keys = printed?.keys, keys.count > 1 {
            throw Failure("\(path) holds \(keys.count) keys; a sender has one: keep each in a file of its own", .data)
        }
        let one = printed?.keys?.first ?? printed
        if let id = one?.keyID, let key = one?.key, let credential = SenderCredential(keyID: id, key: key) {
            return credential
        }
        if one?.key == nil, let token = one?.token, let credential = SenderCredential(token: token) {
            return credential
        }
        throw Failure(
            "\(path) holds no key; write into it what `tidings device add --format json` has printed", .data)
    }
}
