// tidings log backup, restore, salvage: copies of a log of the embedded engine (see Engine.swift).

import ArgumentParser
import Events
import Foundation
import Log
import Presentation
import Projection
import SQLiteLog
import Synchronization

/// Takes a copy of the log while the daemon runs, or does not.
struct LogBackup: AsyncParsableCommand {
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
        let report: CopyReport
        do {
            // A log whose beginning was dropped starts from the snapshot in the summaries; else these are made anew.
            report = try await guardingCopy("backup", folder) { progress in try await take(directory, progress) }
        } catch let error as LogError {
            throw Failure(error)
        }
        printOut(renderCopy(report, verb: "backup", as: format))
        guard report.verification.isClean, report.kept.isEmpty else {
            throw ExitCode(ExitStatus.checkFailed.rawValue)
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
                from: directory, to: folder, companions: start > .zero ? [Projector.fileName] : [], progress: progress)
            _ = await log.head
            if await log.start == start { return report }
        }
    }
}

/// Puts a copy back.
struct LogRestore: AsyncParsableCommand {
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
        let report: CopyReport
        do {
            report = try await guardingCopy("restore", directory) { progress in
                try Backup.restore(
                    from: folder, to: directory, companions: [Projector.fileName], progress: progress)
            }
        } catch let error as LogError {
            throw Failure(error)
        }
        guard report.verification.isClean else {
            printOut(renderVerification(report.verification, as: format))
            printError(
                "tidings: the copy is damaged and nothing was restored; use another copy, or `tidings log salvage`")
            throw ExitCode(ExitStatus.checkFailed.rawValue)
        }
        printOut(renderCopy(report, verb: "restored", as: format))
    }
}

/// Takes what is whole out of a damaged log.
struct LogSalvage: AsyncParsableCommand {
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
        let report: SalvageReport
        do {
            let start = await (try openLog(directory)).start
            report = try await guardingCopy("salvage", folder) { progress in
                try await Backup.salvage(
                    directory, into: folder, companions: start > .zero ? [Projector.fileName] : [],
                    report: { lines.note($0) }, progress: progress)
            }
        } catch let error as LogError {
            throw Failure(error)
        }
        lines.finish()
        printOut(renderSalvage(report, as: format))
        guard report.verification.isClean else { throw ExitCode(ExitStatus.checkFailed.rawValue) }
    }
}

/// Runs the copying of a log with its progress on the terminal; interrupted, it says what stands.
///
/// - Parameter target: the folder that is written.
private func guardingCopy<Report>(
    _ work: String, _ target: String,
    _ copy: (_ progress: @escaping @Sendable (CopyProgress) -> Void) async throws -> Report
) async throws -> Report {
    let latest = Mutex<CopyProgress?>(nil)
    defer { ProgressLine.shared.hide() }
    return try await Interruption.guarding(
        stands: { standing(work, latest.withLock { $0 }, target) },
        cleanUp: { if latest.withLock({ $0 }) != nil { Backup.removeDrafts(in: target) } },
        {
            try await copy { progress in
                let isNew = latest.withLock { latest in
                    defer { latest = progress }
                    return latest?.step != progress.step
                }
                if isNew { ProgressLine.shared.begin(text(work, progress.step)) }
                ProgressLine.shared.show(progress.done, of: progress.total)
            }
        })
}

private func text(_ work: String, _ step: CopyProgress.Step) -> ProgressText {
    switch step {
    case .copying: ProgressText(work, .bytes)
    case .salvaging: ProgressText(work, .events)
    case .checking: ProgressText(work + ", check", .events)
    }
}

private func standing(_ work: String, _ progress: CopyProgress?, _ target: String) -> String {
    guard let progress else {
        return "\(work) stopped before it began: nothing was " + (work == "restore" ? "restored" : "copied")
    }
    let events = "\(grouped(progress.done)) of \(grouped(progress.total)) events"
    switch (work, progress.step) {
    case ("restore", .checking): return "restore stopped after \(events) of the copy were checked: nothing was restored"
    case ("restore", _):
        return
            "restore stopped at segment \(progress.segment) of \(progress.segments): nothing was restored; run it again"
    case ("salvage", .salvaging):
        return "salvage stopped after \(events): \(target) is incomplete; remove it and run it again"
    case (_, .checking):
        return "\(work) stopped after \(events) of the copy were checked: it is complete; check it with "
            + "`tidings log verify --data \(target)`"
    default:
        return "\(work) stopped at segment \(progress.segment) of \(progress.segments): the copy is incomplete; "
            + "run it again to go on"
    }
}

/// A copy onto itself would be no copy.
private func refuseSame(_ data: String, _ folder: String) throws {
    let (one, other) = (URL(fileURLWithPath: data), URL(fileURLWithPath: folder))
    guard one.resolvingSymlinksInPath().standardizedFileURL != other.resolvingSymlinksInPath().standardizedFileURL
    else { throw ValidationError("\(folder) is the data folder itself; name another folder") }
}
