// tidings rebuild: the summaries from the log, anew.

import ArgumentParser
import Daemon
import Events
import Ingest
import Log
import Presentation
import Projection

struct RebuildCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rebuild",
        abstract: "Fold the whole log into new summaries and put them in the place of the old ones.",
        discussion: """
            Example: tidings rebuild --data ./tidings-data

            The daemon must be stopped. Readers of the old summaries keep reading them until they close the file. The \
            result is the same, row by row, however often this is done.
            """)

    @OptionGroup var data: DataOptions

    @Option(help: "How to print the result: table, json or csv.")
    var format: OutputFormat = .table

    func run() async throws {
        let directory = try await data.directory()
        let start = ContinuousClock.now
        let events: UInt64
        do {
            let log = try openLogForWriting(directory)
            events = try await rebuild(log, directory)
            try await log.close()
        } catch {
            throw Failure.of(error)
        }
        printOut(renderRebuild(events: events, seconds: start.duration(to: .now) / .seconds(1), as: format))
    }

    private func rebuild(_ log: some EventLog, _ directory: String) async throws -> UInt64 {
        try await showingProgress(
            ProgressText("rebuild", .events),
            stands: { done, total in
                "rebuild stopped after \(grouped(done)) of \(grouped(total)) events: "
                    + Projector.standing(in: directory)
            },
            cleanUp: { Projector.removeDraft(in: directory) },
            { progress in
                try await Projector.rebuild(
                    log: log, identity: log.logIdentity, into: directory, now: { wallClock() }, progress: progress)
            })
    }
}
