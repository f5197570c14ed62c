// tidings reload: the running daemon reads its configuration again.

import ArgumentParser
import Daemon
import Foundation
import Presentation

struct ReloadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Have the running daemon read its configuration again.",
        discussion: """
            Example: tidings reload --wait

            The daemon reads the file, flags and environment that it was started with, checks all of it and applies \
            what can change while it runs; connections stay open. For each key that has changed it says whether it was \
            applied or needs a restart (docs/configuration.md lists them). When anything is wrong, everything stays as \
            it was. SIGHUP does the same. Exits 0 when the configuration is good, 78 when it is wrong, 69 when no \
            daemon answers, 77 when this user may not ask it.
            """)

    @OptionGroup var data: DataOptions

    @Flag(help: "Return only when everything that was applied is in force.")
    var wait = false

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    func run() async throws {
        // A folder that is named is not looked up in the configuration, which may be what is wrong.
        let directory = if let named = data.data { named } else { try await data.directory() }
        let answer: Data
        do {
            answer = try await ControlClient.ask(wait ? .reloadAndWait : .reload, dataDirectory: directory)
        } catch let error as ControlError {
            throw Failure(error)
        }
        guard let report = try? JSONDecoder().decode(ReloadReport.self, from: answer) else {
            throw Failure(
                "the daemon at \(directory) is of another release; restart it, or ask with its own program",
                .unreachable)
        }
        if let error = report.error { throw Failure(error, .configuration) }
        printOut(renderReload(report, as: format, style: .now))
    }
}
