// The flags that several commands share.

import ArgumentParser
import Daemon
import Foundation
import Presentation

/// Where the data is, and the configuration that says so.
struct DataOptions: ParsableArguments {
    @Option(
        name: [.short, .customLong("config")], help: "The configuration file (default: tidings.yaml if it exists).")
    var config: String?

    @Option(name: .customLong("data"), help: "The data folder; overrides data_dir.")
    var data: String?

    /// The data folder that the flags, the environment and the file agree on.
    func directory() async throws -> String { try await configuration().dataDirectory }

    /// What the flags, the environment and the file agree on; what should be looked at is printed.
    func configuration() async throws -> DaemonConfiguration {
        let configuration = try await load()
        for warning in configuration.warnings { printError("tidings: \(warning)") }
        return configuration
    }

    /// Where `load` reads from.
    func source(_ flags: [String: String]) -> ConfigurationSource {
        ConfigurationSource(file: file, flags: flags.merging(folder) { $1 })
    }

    private var file: String? { config ?? ProcessInfo.processInfo.environment["TIDINGS_CONFIG"] }
    private var folder: [String: String] { data.map { ["data_dir": $0] } ?? [:] }

    func load(_ flags: [String: String] = [:]) async throws -> DaemonConfiguration {
        do {
            return try await DaemonConfiguration.load(file: file, flags: flags.merging(folder) { $1 })
        } catch let error as ConfigurationError {
            throw Failure(error)
        }
    }
}

extension OutputFormat: ExpressibleByArgument {}
