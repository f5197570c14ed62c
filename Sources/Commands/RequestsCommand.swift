// tidings requests: which customers have asked for their data, or to be forgotten.

import ArgumentParser
import Events
import Log
import Presentation

struct RequestsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "requests",
        abstract: "List who has asked on a device for a copy of their data, or to be forgotten.",
        discussion: """
            Example: tidings requests --format json

            `tidings forget --requested` forgets those whose device was heard with that customer before they asked; \
            for the others somebody has to make sure who asks, and type the name. Reads the whole log.
            """)

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        printOut(renderRequests(try await openRequests(in: try await data.directory()), as: format, style: .now))
    }
}

/// The requests of the log whose customers have names.
func openRequests(in directory: String) async throws -> [DataRequest] {
    let log = try openLog(directory)
    do throws(LogError) {
        var search = RequestSearch()
        try await log.scan { blocks, _, _ in for block in blocks { search.add(block) } }
        return search.requests(try await log.vocabulary())
    } catch {
        throw Failure(error)
    }
}
