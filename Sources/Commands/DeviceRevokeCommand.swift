// tidings device revoke, tidings device restore: ends a key, and brings it back.

import Access
import ArgumentParser
import Ingest
import Presentation

struct DeviceRevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "End a key: what was opened with it is closed, and nothing more is taken.",
        discussion: """
            Example: tidings device revoke kettle/k-1

            Counts at once in a running daemon. `tidings device restore` takes it back; after a loss of the key \
            `tidings device rotate` gives the device another one.
            """)

    @Argument(help: "The source of a device, the prefix of a gateway, or the number of a key.")
    var device: String

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        let key = try await KeyFolder(data).change { store throws(AccessError) in
            try store.setRevoked(true, device, now: wallClock())
        }
        printOut(renderKeys([key], as: format, style: .now))
    }
}

struct DeviceRestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Bring a key back that was revoked; the device goes on with the one it has.",
        discussion: "Example: tidings device restore kettle/k-1")

    @Argument(help: "The source of a device, the prefix of a gateway, or the number of a key.")
    var device: String

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        let key = try await KeyFolder(data).change { store throws(AccessError) in
            try store.setRevoked(false, device, now: wallClock())
        }
        printOut(renderKeys([key], as: format, style: .now))
    }
}
