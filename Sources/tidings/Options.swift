// The flags that several commands share.

import ArgumentParser
import Daemon
import Foundation

/// Where the data is, and the configuration that says so.
struct DataOptions: ParsableArguments {
    @Option(
        name: [.short, .customLong("config")], help: "The configuration file (default: tidings.yaml if it exists).")
    var config: String?

    @Option(name: .customLong("data"), help: "The data folder; overrides data_dir.")
    var data: String?

    /// The data folder that the flags, the environment and the file agree on.
    func directory() async throws -> String {
        let configuration = try await load()
        for warning in configuration.warnings { printError("tidings: \(warning)") }
        return configuration.dataDirectory
    }

    func load(_ flags: [String: String] = [:]) async throws -> DaemonConfiguration {
        var flags = flags
        flags["data_dir"] = data
        do {
            return try await DaemonConfiguration.load(
                file: config ?? ProcessInfo.processInfo.environment["TIDINGS_CONFIG"], flags: flags)
        } catch let error as ConfigurationError {
            throw Failure(error)
        }
    }
}

/// What standard output is, and what it may be sent.
enum Terminal {
    /// Whether colours may be used: a terminal, and nobody said NO_COLOR (https://no-color.org).
    static var hasColour: Bool {
        isOutput && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty
    }

    /// Whether progress may be shown on standard error.
    static var showsProgress: Bool { isatty(STDERR_FILENO) == 1 }

    /// Whether the terminal can be expected to draw block characters.
    static var isUTF8: Bool {
        let environment = ProcessInfo.processInfo.environment
        let locale = environment["LC_ALL"] ?? environment["LC_CTYPE"] ?? environment["LANG"] ?? "UTF-8"
        return locale.uppercased().contains("UTF-8") || locale.uppercased().contains("UTF8") || !isOutput
    }

    /// The columns of the terminal, or what COLUMNS says, or 120.
    static var width: Int {
        if let columns = StandardStreams.columns(STDOUT_FILENO) { return columns }
        let stated = ProcessInfo.processInfo.environment["COLUMNS"].flatMap { Int($0) } ?? 0
        return stated > 0 ? stated : 120
    }

    /// Whether data goes to it.
    static var isOutput: Bool { isatty(STDOUT_FILENO) == 1 }
}
