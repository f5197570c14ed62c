// docs/tls.md as a stranger would follow it: its commands, in their order, lead to devices with certificates, and to
// one that is revoked and told so.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct TLSDocumentTests {
    private static func blocks(_ kind: String) throws -> [String] {
        let document = try String(contentsOfFile: Binary.checkout + "/docs/tls.md", encoding: .utf8)
        return document.components(separatedBy: "```\(kind)\n").dropFirst().map { part in
            part.components(separatedBy: "\n```")[0]
        }
    }

    /// Runs a block in a folder, with the program of this build and without its lines that speak to a daemon.
    private func run(_ block: String, in folder: String) async throws {
        let lines = block.split(separator: "\n").filter { !$0.hasPrefix("tidings ") }.joined(separator: "\n")
        let ended = try await shell("cd '\(folder)' && set -e && \(lines)")
        #expect(ended.status == 0, "\(block): \(ended.errors)")
    }

    @Test func fromNothingToARevokedDevice() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let blocks = try Self.blocks("sh")
        try await run(blocks[0], in: folder.path)
        let makes = blocks.dropFirst(2).filter { $0.contains("openssl") }
        #expect(makes.count == 3)
        for block in makes.prefix(2) { try await run(block, in: folder.path) }
        let settings = try #require(try Self.blocks("yaml").last).replacing("tls/", with: folder.path + "/tls/")
        let file = folder.path + "/tidings.yaml"
        try ("listen: {tcp: {tls: on}, http: {tls: on}}\n" + settings + "\n").write(
            toFile: file, atomically: true, encoding: .utf8)
        #expect(try await tidings("check", "config", file).status == 0)

        let daemon = try await DaemonProcess(data: folder.path + "/data", "--config", file)
        func send(_ id: String, _ name: String) async throws -> Finished {
            let event = #"{"source":"kettle/k-1","id":"\#(id)","type":"feature.used","aspect":"boil"}"# + "\n"
            let tls = folder.path + "/tls/"
            return try await tidings(
                "send", "--port", "\(daemon.tcpPort)", "--tls", "--ca", tls + "ca.pem", "--cert", tls + name + ".pem",
                "--key", tls + name + ".key", input: Data(event.utf8))
        }
        let sent = try await send("1-1", "k-1")
        #expect(sent.status == 0, "\(sent)")
        try await run(makes[makes.startIndex + 2], in: folder.path)
        let reloaded = try await tidings("reload", "--wait", "--data", daemon.data)
        #expect(
            reloaded.status == 0
                && reloaded.output.contains(/what is revoked +0 certificates +1 certificates +applied/),
            "\(reloaded)")
        // Whatever openssl's libraries call it: who it was, and what helps; no path of whoever built this.
        for (id, name, says) in [("1-2", "k-1", "certificate"), ("1-3", "server", "extendedKeyUsage=clientAuth")] {
            let refused = try await send(id, name)
            #expect(refused.status == 69 && refused.errors.contains(says), "\(refused)")
            for wrong in ["start one with", "check the address", "checkouts", "OPENSSL"] {
                #expect(!refused.errors.contains(wrong), "\(refused)")
            }
        }
        #expect(await daemon.stop() == 0, "\(daemon.log)")
    }
}
