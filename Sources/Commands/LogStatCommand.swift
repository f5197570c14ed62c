// tidings log stat: the segments of the log and their sizes.

import ArgumentParser
import Log
import Presentation

struct LogStatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stat",
        abstract: "Print the log's segments, sizes, times and the head of its hash chain.",
        discussion: "Example: tidings log stat --format json")

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        let log = try openLog(try await data.directory())
        do {
            printOut(renderStatistics(try await log.statistics(), as: format, style: .now))
        } catch {
            throw Failure(error)
        }
    }
}
