// Copies of a log: taken while the daemon runs, put back into an empty folder.

import Access
import Events
import GRDB
import Identity
package import Log
import SQLite

/// Copying of data folders. Blocking; any thread.
package enum Backup {
    /// What every copy has beside the log, where it is there: names, and who has keys and tokens. The master key is no
    /// part of it: whoever finds a copy must not be able to speak for the devices.
    ///
    /// The sealing secret goes wherever the names go: without it their texts could be read by nobody.
    static let besides = [SealingSecret.fileName, IdentityStore.fileName, AccessStore.fileName]

    /// Copies the log, the names and the list of keys of a data folder, whose daemon may run, into a folder, which may
    /// hold an earlier copy.
    ///
    /// The log comes first and the names after it: names are committed before the events that use them, so the copy
    /// has a name for each. Each file is written beside its place, flushed, and then renamed.
    /// - Parameter companions: other SQLite files of the data folder, copied before the log; those not there are left
    ///   out.
    /// - Parameter clean: called with the path of the copy of a companion, before it gets its name: takes out
    ///   what is not to be kept in copies.
    /// - Parameter progress: called after some megabytes or blocks each.
    /// - Throws: `LogError`; what was copied so far is whole. `.inTheWay` when the folder holds another log, or one
    ///   that is not a beginning of this one.
    package static func take(
        from data: String, to target: String, companions: [String],
        clean: (_ draft: String) throws(LogError) -> Void = { (_) throws(LogError) in },
        progress: @escaping @Sendable (CopyProgress) -> Void = { _ in }
    ) throws(LogError) -> CopyReport {
        let (source, folder) = (data + "/log", target + "/log")
        try Files.expect(source)
        try Files.makeFolder(folder)
        let lock = try FolderLock(target + "/lock")
        defer { withExtendedLifetime(lock) {} }
        _ = DataFolder.secure(target)
        removeDrafts(in: target)
        try checkThatItContinues(source, folder)
        var report = CopyReport()
        for name in companions where Files.isThere(data + "/" + name) {
            try draftFile(data + "/" + name, to: target + "/" + name)
            try clean(target + "/" + name + draft)
            try placeFile(target + "/" + name)
        }
        var tally = CopyTally(source, try SegmentWriter.findSegments(source), progress)
        for first in tally.segments {
            tally.begin()
            try copySegment(first, source, folder, &report, &tally)
        }
        for name in besides where Files.isThere(data + "/" + name) {
            try copyFile(data + "/" + name, to: target + "/" + name)
        }
        try copyErasures(from: data, to: target)
        try Files.syncFolder(target)
        report.verification = try verify(folder, progress)
        return report
    }

    /// Puts a copy into a data folder that has no log yet, after checking it. The log appears there at once or not at
    /// all.
    ///
    /// - Parameter progress: called after some megabytes or blocks each.
    /// - Throws: `LogError`; `.inTheWay` when something is in the way, or the copy is damaged.
    package static func restore(
        from copy: String, to data: String, companions: [String],
        progress: @escaping @Sendable (CopyProgress) -> Void = { _ in }
    ) throws(LogError) -> CopyReport {
        let (source, folder) = (copy + "/log", data + "/log")
        try Files.expect(source, "; it is no copy that `log backup` made")
        try Files.makeFolder(data)
        let lock = try FolderLock(data + "/lock")
        defer { withExtendedLifetime(lock) {} }
        _ = DataFolder.secure(data)
        for name in ["log"] + besides + companions where Files.isThere(data + "/" + name) {
            let inside = name == "log" ? try Files.list(folder) : [name]
            guard inside.allSatisfy({ [".", ".."].contains($0) }) else {
                throw .inTheWay("\(data)/\(name) is there already", "restore into an empty folder")
            }
        }
        var report = CopyReport()
        report.verification = try verify(source, progress)
        guard report.verification.isClean else { return report }
        let draft = folder + ".partial"
        try Files.makeFolder(draft)
        try empty(draft)
        var tally = CopyTally(source, try SegmentWriter.findSegments(source), progress)
        for first in tally.segments {
            tally.begin()
            let name = Segment.file(first)
            try Files.copy(source + "/" + name, to: draft + "/" + name) { tally.add($0) }
            Files.makeReadOnly(draft + "/" + name)
            report.copied += 1
            report.bytes += Files.size(draft + "/" + name)
        }
        try Files.syncFolder(draft)
        // All that takes time comes before the first name that would hinder another try.
        let others = (besides + companions).filter { Files.isThere(copy + "/" + $0) }
        for name in others { try draftFile(copy + "/" + name, to: data + "/" + name) }
        for name in others { try placeFile(data + "/" + name) }
        try copyErasures(from: copy, to: data, isKept: true)
        Files.removeFolder(folder)
        try Files.rename(draft, to: folder)
        try Files.syncFolder(data)
        return report
    }

    // MARK: Parts

    /// Copies one segment, unless the copy has it.
    private static func copySegment(
        _ first: Offset, _ source: String, _ folder: String, _ report: inout CopyReport, _ tally: inout CopyTally
    ) throws(LogError) {
        let name = Segment.file(first)
        let (path, copy) = (source + "/" + name, folder + "/" + name)
        let isPlain = !Files.isThere(path + "-wal") && !Files.isThere(path + "-journal")
        if Files.isThere(copy) {
            if isPlain, Files.isSame(path, copy) {
                report.skipped += 1
                tally.add(Files.size(copy))
                return
            }
            if isOnlyTheCopySound(first, source, folder) {
                report.kept.append(name)
                return
            }
        }
        let draft = copy + ".partial"
        do throws(LogError) {
            if isPlain {
                try Files.copy(path, to: draft) { tally.add($0) }
            } else {
                // All at once: a copy in steps would begin anew whenever the daemon writes.
                try copyPages(path, to: draft)
                tally.add(Files.size(draft))
            }
        } catch {
            // Retention may have dropped it since the list was made.
            if !Files.isThere(path) { return }
            throw error
        }
        Files.makeReadOnly(draft)
        try Files.rename(draft, to: copy)
        try Files.syncFolder(folder)
        report.copied += 1
        report.bytes += Files.size(copy)
    }

    /// Whether a segment has rotted since it was copied: then the copy is worth more than the original.
    private static func isOnlyTheCopySound(_ first: Offset, _ source: String, _ folder: String) -> Bool {
        func isSound(_ folder: String) -> Bool {
            guard let head = try? end(folder, first).head else { return false }
            var verification = Verification(folder: folder, head: head, claim: nil)
            verification.check(first, following: nil)
            return verification.report.isClean
        }
        return !isSound(source) && isSound(folder)
    }

    /// Where a segment ends, and the chain there.
    private static func end(
        _ folder: String, _ first: Offset
    ) throws(LogError) -> (head: Offset, chain: Chain, logID: [UInt8]) {
        let reader = try SegmentReader(folder: folder, first: first)
        defer { reader.close() }
        let header = try reader.header()
        let end = try reader.query { db in try Segment.end(db, header) }
        return (end.head, end.chain, header.logID)
    }

    /// An earlier copy must be a beginning of this log: else it would be overwritten with something else.
    private static func checkThatItContinues(_ source: String, _ folder: String) throws(LogError) {
        let segments = try SegmentWriter.findSegments(source)
        guard let start = segments.first, let last = try SegmentWriter.findSegments(folder).last else { return }
        guard let copy = try? end(folder, last) else { return }
        if let original = try? end(source, segments.last ?? start), original.logID != copy.logID {
            throw .inTheWay("\(folder) is a copy of another log", "use another folder")
        }
        guard last >= start else { return }
        let reader = segments.contains(last) ? try? SegmentReader(folder: source, first: last) : nil
        defer { reader?.close() }
        let found: Chain?
        do throws(LogError) {
            found = try reader?.chain(at: copy.head)
        } catch .corrupt {
            // The original is damaged there; the copy stays as it is.
            return
        }
        guard found == copy.chain else {
            throw .inTheWay(
                "\(folder) is not a beginning of this log: they differ before event \(copy.head.rawValue)",
                "use another folder")
        }
    }

    /// Checks a folder of segments.
    static func verify(
        _ folder: String, _ progress: @escaping @Sendable (CopyProgress) -> Void
    ) throws(LogError) -> VerifyReport {
        let segments = try SegmentWriter.findSegments(folder)
        let head = segments.last.flatMap { try? end(folder, $0).head } ?? segments.last ?? .zero
        var verification = Verification(
            folder: folder, head: head, claim: nil,
            progress: { done, total in progress(CopyProgress(.checking, done: done, total: total)) })
        for (index, first) in segments.enumerated() {
            verification.check(first, following: index + 1 < segments.count ? segments[index + 1] : nil)
        }
        return verification.report
    }

    /// Copies an SQLite file that may be in use, to its place, as a plain file.
    static func copyFile(_ path: String, to copy: String) throws(LogError) {
        try draftFile(path, to: copy)
        try placeFile(copy)
    }

    private static func draftFile(_ path: String, to copy: String) throws(LogError) {
        Segment.removeFiles(copy + draft)
        if path.hasSuffix(".sqlite") {
            try copyPages(path, to: copy + draft)
        } else {
            try Files.copy(path, to: copy + draft) { _ in }
        }
    }

    private static func placeFile(_ copy: String) throws(LogError) {
        try Files.rename(copy + draft, to: copy)
        for suffix in ["-wal", "-shm"] where Files.isThere(copy + suffix) { Files.remove(copy + suffix) }
    }

    /// One consistent state of an SQLite file, as SQLite's own backup gives it; flushed and without a write-ahead log.
    private static func copyPages(_ path: String, to draft: String) throws(LogError) {
        Segment.removeFiles(draft)
        var settings = Connection.Settings()
        settings.readOnly = true
        if path.hasSuffix(Segment.suffix) { settings.lock = FileAccess.folder(of: path) + "/../lock" }
        let source = try Connection.open(path, settings)
        defer { try? source.close() }
        settings.readOnly = false
        settings.isWAL = false
        let target = try Connection.open(draft, settings)
        try translating(path) {
            try source.backup(to: target)
            try target.close()
        }
        // What was copied says that it has a write-ahead log; it has none.
        let plain = try Connection.open(draft, settings)
        try translating(draft) { try plain.close() }
    }

    /// What the name of a file ends in that is not yet whole.
    private static let draft = ".partial"

    /// Removes what an interrupted backup, restore or salvage left in a folder; nothing that is not theirs.
    package static func removeDrafts(in target: String) {
        for folder in [target, target + "/log"] {
            for name in (try? Files.list(folder)) ?? []
            where name.contains(Segment.suffix + draft) || name.contains(".sqlite" + draft) {
                Files.remove(folder + "/" + name)
            }
        }
        let log = target + "/log" + draft
        if Files.isThere(log) {
            try? empty(log)
            Files.removeFolder(log)
        }
    }

    private static func empty(_ folder: String) throws(LogError) {
        for name in try Files.list(folder) where ![".", ".."].contains(name) { Files.remove(folder + "/" + name) }
    }
}
