// tidings device list, tidings device show: who has keys.

import Access
import ArgumentParser
import Events
import Presentation

struct DeviceListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the keys of devices and gateways, without their secrets.",
        discussion: "Example: tidings device list --format csv")

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        let keys = try await KeyFolder(data).read(.deviceList) { store throws(AccessError) in try store.keys() }
        printOut(renderKeys(keys, as: format, style: .now))
    }
}

struct DeviceShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show what is known of one key; its secret is not.",
        discussion: "Example: tidings device show kettle/k-1 --format json")

    @OptionGroup var key: KeyArguments

    func run() async throws {
        let found = try await KeyFolder(key.data).read(.deviceShow) { store throws(AccessError) in
            try store.key(key.device)
        }
        key.show(found)
    }
}

/// What the commands take that are about one key.
struct KeyArguments: ParsableArguments {
    @Argument(help: "The source of a device, the prefix of a gateway, or the number of a key.")
    var device: String

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func show(_ key: StoredKey) { printOut(renderKeys([key], as: format, style: .now)) }
}
