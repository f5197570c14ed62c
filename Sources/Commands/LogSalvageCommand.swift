// tidings log salvage: takes what is whole out of a damaged log.

import ArgumentParser
import Events
import Log
import Presentation
import Projection
import SQLiteLog

struct LogSalvageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "salvage",
        abstract: "Copy what is whole of a damaged log into a new data folder.",
        discussion: """
            Example: tidings log salvage ./salvaged --data ./tidings-data

            Events keep their offsets, names and identity. The new log has a hash chain of its own, which says where \
            events were left out. Each place is named on standard error. The old folder is not changed.
            """)

    @Argument(help: "The new data folder; it must have no log yet.")
    var folder: String

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        let directory = try await data.directory()
        try refuseSame(directory, folder)
        let lines = DamageLines()
        let report = try await guardingCopy("salvage", folder) { progress in
            let start = await (try openLog(directory)).start
            return try await Backup.salvage(
                directory, into: folder, companions: start > .zero ? [Projector.fileName] : [],
                report: { lines.note($0) }, progress: progress)
        }
        lines.finish()
        printOut(renderSalvage(report, as: format))
        guard report.verification.isClean else { throw ExitCode(FailureCode.checkFailed.rawValue) }
    }
}
