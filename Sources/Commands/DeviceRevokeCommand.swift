// tidings device revoke, tidings device restore: ends a key, and brings it back.

import Access
import ArgumentParser
import Events
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

    @OptionGroup var key: KeyArguments

    func run() async throws {
        try await key.setRevoked(true)
    }
}

struct DeviceRestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Bring a key back that was revoked; the device goes on with the one it has.",
        discussion: "Example: tidings device restore kettle/k-1")

    @OptionGroup var key: KeyArguments

    func run() async throws {
        try await key.setRevoked(false)
    }
}

extension KeyArguments {
    fileprivate func setRevoked(_ isRevoked: Bool) async throws {
        let use = isRevoked ? AuditedUse.deviceRevoke : .deviceRestore
        let changed = try await KeyFolder(data).change(use) { store throws(AccessError) in
            try store.setRevoked(isRevoked, device, now: wallClock())
        }
        show(changed)
    }
}
