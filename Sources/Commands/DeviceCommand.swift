// tidings device: which devices and gateways have keys; a command of its own for each task.

import ArgumentParser

struct DeviceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "device",
        abstract: "Give devices and gateways keys, and take them away.",
        subcommands: [
            DeviceAddCommand.self, DeviceListCommand.self, DeviceShowCommand.self, DeviceRevokeCommand.self,
            DeviceRestoreCommand.self, DeviceRotateCommand.self,
        ])
}
