// What is whole of a damaged log, as a new log.

import Access
import Events
import Identity
package import Log

extension Backup {
    /// Copies everything that the chain proves into a new data folder, under the same offsets.
    ///
    /// The events are stored anew, so the new log has a chain of its own; where events were left out a new segment
    /// begins, and its chain says so. Names and the log's identity are those of the old one.
    /// - Parameters:
    ///   - report: called for each place that is left out, in log order.
    ///   - progress: called after some blocks each.
    /// - Throws: `LogError`; `.inTheWay` when the folder is not empty.
    package static func salvage(
        _ data: String, into target: String, companions: [String], report: @escaping @Sendable (Damage) -> Void,
        progress: @escaping @Sendable (CopyProgress) -> Void = { _ in }
    ) async throws(LogError) -> SalvageReport {
        let log = try SQLiteEventLog(directory: data, readOnly: true, proving: true, opensParts: false)
        try Files.makeFolder(target + "/log")
        let lock = try FolderLock(target + "/lock")
        defer { withExtendedLifetime(lock) {} }
        _ = DataFolder.secure(target)
        guard try SegmentWriter.findSegments(target + "/log").isEmpty,
            !Files.isThere(target + "/" + IdentityStore.fileName)
        else { throw .inTheWay("\(target) holds a log already", "salvage into an empty folder") }
        progress(CopyProgress(.salvaging))
        try copyErasures(from: data, to: target)
        for name in besides + companions where Files.isThere(data + "/" + name) {
            do throws(LogError) {
                try copyFile(data + "/" + name, to: target + "/" + name)
            } catch {
                report(Damage(segment: name, offsets: .zero..<(.zero), cause: error.cause))
                Segment.removeFiles(target + "/" + name)
            }
        }
        let identity = try IdentityStore(path: target + "/" + IdentityStore.fileName, readOnly: false)
        var writer = try SegmentWriter(folder: target + "/log", limits: SegmentLimits(), identity: identity)
        try writer.adopt(logID: try knownIdentity(data) ?? writer.logID)
        for damage in log.openingDamages { report(damage) }
        let result = try await copy(log, into: &writer, report, progress)
        try writer.close()
        identity.close()
        var done = result
        done.verification = try verify(target + "/log", progress)
        return done
    }

    private static func copy(
        _ log: SQLiteEventLog, into writer: inout SegmentWriter, _ report: @escaping @Sendable (Damage) -> Void,
        _ progress: @Sendable (CopyProgress) -> Void
    ) async throws(LogError) -> SalvageReport {
        var definitions = Definitions()
        definitions.symbols = log.proof?.symbols ?? []
        let (start, end, segments) = (await log.start, await log.head, log.segments)
        var follower = PassingFollower(
            Follower(log, from: start, wakeup: .poll(every: .seconds(1))),
            report: { damage in
                var named = damage
                if named.segment.isEmpty, let segment = segments.last(where: { $0 <= damage.offsets.lowerBound }) {
                    named.segment = Segment.file(segment)
                }
                report(named)
            })
        var done = SalvageReport()
        var arrival = Timestamp(rawValue: 0)
        while follower.position < end {
            let blocks = try await follower.nextAvailable(limit: 16)
            if blocks.isEmpty { break }
            for block in blocks {
                try writer.skip(to: block.firstOffset)
                writer.reserveSymbols(of: block.batch)
                _ = try writer.append(block.batch, definitions) { _ in }
                definitions = Definitions()
                done.events += UInt64(block.count)
                arrival = block.batch.events.last?.arrival ?? arrival
            }
            progress(
                CopyProgress(
                    .salvaging, done: follower.position.rawValue - start.rawValue,
                    total: end.rawValue - start.rawValue))
        }
        done.leftOut = follower.unreadable
        if writer.head < end {
            try writer.skip(to: end)
            try writer.beginSegment(arrival: arrival)
        }
        return done
    }

    /// The identity of a log, from any file that still says it.
    private static func knownIdentity(_ data: String) throws(LogError) -> [UInt8]? {
        for first in try SegmentWriter.findSegments(data + "/log") {
            guard let reader = try? SegmentReader(folder: data + "/log", first: first, salvaging: true) else {
                continue
            }
            defer { reader.close() }
            if let header = try? reader.header() { return header.logID }
        }
        return try IdentityStore(path: data + "/" + IdentityStore.fileName, readOnly: true).logID()
    }
}

extension SegmentWriter {
    /// Goes on as another log, of which this one has nothing yet.
    mutating func adopt(logID: [UInt8]) throws(LogError) {
        self.logID = logID
        try identity.bind(to: logID, isNew: true)
    }

    /// Events may use symbols whose text was lost; their numbers stay what they were.
    mutating func reserveSymbols(of batch: EventBatch) {
        for event in batch.events {
            vocabulary.reserve(.product, upTo: event.product.rawValue)
            vocabulary.reserve(.aspect, upTo: event.aspect.rawValue)
            if case .symbol(let value) = event.value { vocabulary.reserve(.value, upTo: value.rawValue) }
            vocabulary.reserve(.unit, upTo: event.unit.rawValue)
            vocabulary.reserve(.language, upTo: event.language.rawValue)
            vocabulary.reserve(.type, upTo: event.type.rawValue)
            let details = batch.details(of: event)
            vocabulary.reserve(.value, upTo: max(details.notice.rawValue, details.method.rawValue))
        }
    }
}
