// tidings log restore: puts a copy back.

import ArgumentParser
import Log
import Presentation
import Projection
import SQLiteLog

struct LogRestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Put a copy that `log backup` made into an empty data folder, after checking it.",
        discussion: """
            Example: tidings log restore /mnt/backup/tidings --data ./tidings-data

            Then start the daemon: it makes the summaries from the log. Devices send again what they still hold; what \
            the copy has already is recognised. Exits 1, and writes nothing, when the copy is damaged.
            """)

    @Argument(help: "The folder of the copy.")
    var folder: String

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        let directory = try await data.directory()
        try refuseSame(directory, folder)
        let report = try await guardingCopy("restore", directory) { progress in
            try Backup.restore(from: folder, to: directory, companions: [Projector.fileName], progress: progress)
        }
        guard report.verification.isClean else {
            printOut(renderVerification(report.verification, as: format))
            printError(
                "tidings: the copy is damaged and nothing was restored; use another copy, or `tidings log salvage`")
            throw ExitCode(FailureCode.checkFailed.rawValue)
        }
        printOut(renderCopy(report, verb: "restored", as: format))
    }
}
