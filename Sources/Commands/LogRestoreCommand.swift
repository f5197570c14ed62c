// tidings log restore: puts a copy back.

import ArgumentParser
import Daemon
import Events
import Foundation
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

            Whoever was forgotten since the copy was made is forgotten again, by the erasure list: the file `erasures` \
            of the data folder, or --erasures FILE. Without one it is not known who that is; --erasures-unknown goes on.
            """)

    @Argument(help: "The folder of the copy.")
    var folder: String

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @Option(help: "The erasure list, as it was kept elsewhere; for that of the data folder.")
    var erasures: String?

    @Flag(help: "Restore though it is not known who was forgotten since the copy was made.")
    var erasuresUnknown = false

    @OptionGroup var data: DataOptions

    func run() async throws {
        let configuration = try await data.load()
        for warning in configuration.warnings { printError("tidings: \(warning)") }
        let directory = configuration.dataDirectory
        try refuseSame(directory, folder)
        let list = try RestoredErasures(
            copy: folder, data: directory, file: erasures, isUnknownAllowed: erasuresUnknown)
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
        try await list.replay(in: directory, backupDays: configuration.backupMaxDays)
        try await refillTexts(directory)
    }

    /// A copy of summaries has no texts; the log has those that were not dropped.
    private func refillTexts(_ directory: String) async throws {
        guard FileManager.default.fileExists(atPath: directory + "/" + Projector.fileName) else { return }
        do {
            let log = try openLogForWriting(directory)
            // Segments that were dropped since an earlier backup stay in the copy: it may be whole all the same.
            _ = try await Projector.refillTexts(from: log, in: directory)
            try await log.close()
        } catch {
            throw Failure.of(error)
        }
    }
}
