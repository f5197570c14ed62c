// tidings log backup: a copy of the log while the daemon runs, or does not.

import ArgumentParser
import Events
import Log
import Presentation
import Projection
import SQLiteLog

struct LogBackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copy the log and the names into a folder, while the daemon runs or not.",
        discussion: """
            Example: tidings log backup /mnt/backup/tidings --data ./tidings-data

            Incremental: a segment that the folder has already, byte by byte, is not copied again. The copy is checked \
            at the end. Keep the line that says `chain head` somewhere else: `tidings log verify --head` takes it.
            Exits 1 when the copy is damaged, because the log is.
            """)

    @Argument(help: "The folder of the copy; made if it is not there.")
    var folder: String

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        let directory = try await data.directory()
        try refuseSame(directory, folder)
        // A log whose beginning was dropped starts from the snapshot in the summaries; else these are made anew.
        let report = try await guardingCopy("backup", folder) { progress in try await take(directory, progress) }
        printOut(renderCopy(report, verb: "backup", as: format))
        guard report.verification.isClean, report.kept.isEmpty else {
            throw ExitCode(FailureCode.checkFailed.rawValue)
        }
    }

    /// Once more when retention dropped segments meanwhile: the snapshot in the copy must cover where its log begins.
    private func take(
        _ directory: String, _ progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws -> CopyReport {
        let log = try openLog(directory)
        while true {
            let start = await log.start
            let report = try Backup.take(
                from: directory, to: folder, companions: start > .zero ? [Projector.fileName] : [],
                clean: { (draft) throws(LogError) in
                    // What people have said is sealed in the log, and nowhere plain in a copy.
                    do throws(ProjectionError) { try SummaryStore.removeTexts(of: draft) } catch {
                        throw .io(error.description)
                    }
                }, progress: progress)
            _ = await log.head
            if await log.start == start { return report }
        }
    }
}
