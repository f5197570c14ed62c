// tidings check: is everything as it must be?

import ArgumentParser
import Bytes
import Daemon
import Presentation

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check the configuration before it is used.", subcommands: [CheckConfigCommand.self])
}

/// Prints every setting with its value and its source, or the first thing that is wrong.
struct CheckConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Check tidings.yaml, the environment and the flags; print what is in force.",
        discussion: """
            Example: tidings check config tidings.yaml
                     tidings check config --format json
            """)

    @Argument(help: "The configuration file (default: tidings.yaml if it exists).")
    var file: String?

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @Flag(help: "Print a tidings.yaml with every key, its default and its meaning, and check nothing.")
    var template = false

    func run() async throws {
        if template {
            printOut(configurationTemplate())
            return
        }
        do {
            let configuration = try await DaemonConfiguration.load(file: file)
            let warnings = try configuration.warnings + configuration.checkTLSFiles()
            for warning in warnings { printError("tidings: \(warning)") }
            printOut(renderSettings(configuration.effective, as: format))
        } catch let error as ConfigurationError {
            throw Failure(error)
        }
    }
}
