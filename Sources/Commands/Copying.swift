// What `log backup`, `log restore` and `log salvage` share: progress, what an interruption leaves, and one check.
//
// They copy files, and files belong to an engine: these three are commands of the embedded engine (see Engine.swift).

import ArgumentParser
import Foundation
package import Log
import Presentation
import SQLiteLog
import Synchronization

/// Runs the copying of a log with its progress on the terminal; interrupted, it says what stands.
///
/// - Parameter target: the folder that is written.
/// - Throws: `Failure` for what is wrong with a log.
func guardingCopy<Report>(
    _ work: String, _ target: String,
    _ copy: (_ progress: @escaping @Sendable (CopyProgress) -> Void) async throws -> Report
) async throws -> Report {
    let latest = Mutex<CopyProgress?>(nil)
    defer { ProgressLine.shared.hide() }
    do {
        return try await Interruption.guarding(
            stands: { copyStanding(work, latest.withLock { $0 }, target) },
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
    } catch let error as LogError {
        throw Failure(error)
    }
}

private func text(_ work: String, _ step: CopyProgress.Step) -> ProgressText {
    switch step {
    case .copying: ProgressText(work, .bytes)
    case .salvaging: ProgressText(work, .events)
    case .checking: ProgressText(work + ", check", .events)
    }
}

/// What stands when `log backup`, `restore` or `salvage` is interrupted, in one line.
///
/// - Parameters:
///   - progress: how far it was; nil when it had not begun.
///   - target: the folder that is written.
package func copyStanding(_ work: String, _ progress: CopyProgress?, _ target: String) -> String {
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
func refuseSame(_ data: String, _ folder: String) throws {
    let (one, other) = (URL(fileURLWithPath: data), URL(fileURLWithPath: folder))
    guard one.resolvingSymlinksInPath().standardizedFileURL != other.resolvingSymlinksInPath().standardizedFileURL
    else { throw ValidationError("\(folder) is the data folder itself; name another folder") }
}
