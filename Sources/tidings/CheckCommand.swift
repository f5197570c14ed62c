// tidings check: is everything as it must be?

import ArgumentParser
import Bytes
import Daemon
import Foundation
import Presentation

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check the configuration before it is used.", subcommands: [CheckConfig.self])
}

/// Prints every setting with its value and its source, or the first thing that is wrong.
struct CheckConfig: AsyncParsableCommand {
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
        let settings: [DaemonConfiguration.Effective]
        do {
            let configuration = try await DaemonConfiguration.load(file: file)
            for warning in configuration.warnings { printError("tidings: \(warning)") }
            settings = configuration.effective
        } catch let error as ConfigurationError {
            throw Failure(error)
        }
        switch format {
        case .table:
            let width = settings.map(\.name.count).max() ?? 0
            for setting in settings {
                let name = setting.name.padding(toLength: width, withPad: " ", startingAt: 0)
                printOut("ok  \(name)  \(visible(setting.value))  (\(visible(setting.source)))\n")
            }
        case .json:
            let fields = settings.map {
                "{\"key\":\"\($0.name)\",\"value\":\(jsonString($0.value)),\"source\":\(jsonString($0.source))}"
            }
            printOut("[" + fields.joined(separator: ",") + "]\n")
        case .csv:
            printOut(csvLine(["key", "value", "source"]))
            for setting in settings { printOut(csvLine([setting.name, setting.value, setting.source])) }
        }
    }
}
