// The embedded engine: a data folder with a folder of segments, the names, and a lock.

import Dispatch
package import Events
package import Log
import Synchronization

/// An `EventLog` in a data folder: `log/*.tidings`, `identity.sqlite`, `lock`.
///
/// Any thread. Calls run on two queues of their own, one for the writer and one for readers, so that no task's
/// thread ever waits for the disk.
package final class SQLiteEventLog: EventLog {
    private let folder: String
    private let identity: IdentityStore
    private let lock: Mutex<FolderLock?>
    private let writer: Mutex<SegmentWriter?>
    private let readers = Mutex<[SegmentReader]>([])
    private let extent: Mutex<Extent>
    private let writerQueue = DispatchQueue(label: "tidings.log.write", qos: .userInitiated)
    private let readerQueue = DispatchQueue(label: "tidings.log.read", qos: .userInitiated)
    package let isReadOnly: Bool

    /// What readers know of the log without asking the writer.
    private struct Extent {
        var segments: [Offset] = []
        var head = Offset.zero
    }

    /// How many cursors are kept open for followers at different places.
    private static let readerLimit = 4

    /// Opens the log in a data folder; makes it if it is not there and `readOnly` is false.
    ///
    /// Blocks while it reads the state at the head: about 0.1 us an event since the last keyframe.
    /// - Throws: `LogError.locked` when another process writes it, `.version` when it is no log of this release.
    package init(directory: String, readOnly: Bool, limits: SegmentLimits = SegmentLimits()) throws(LogError) {
        let folder = directory + "/log"
        self.folder = folder
        isReadOnly = readOnly
        if readOnly {
            guard Files.isThere(folder) else { throw .io("\(folder) is not there") }
            lock = Mutex(nil)
            identity = try IdentityStore(path: directory + "/identity.sqlite", readOnly: true)
            writer = Mutex(nil)
            extent = Mutex(Extent())
            try refresh()
        } else {
            try Files.makeFolder(folder)
            lock = Mutex(try FolderLock(directory + "/lock"))
            identity = try IdentityStore(path: directory + "/identity.sqlite", readOnly: false)
            let opened = try SegmentWriter(folder: folder, limits: limits, identity: identity)
            extent = Mutex(Extent(segments: opened.segments, head: opened.head))
            writer = Mutex(opened)
        }
    }

    /// Which log this is, as 32 hex digits: what is derived from it names it. Empty for a log opened for reading only.
    package var logIdentity: String {
        let digits = Array("0123456789abcdef")
        return String((writer.withLock { $0?.logID } ?? []).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }

    // MARK: EventLog

    package func append(
        _ batch: EventBatch, defining definitions: Definitions
    ) async throws(LogError) -> Offset {
        try await run(on: writerQueue) { () throws(LogError) in try self.appendNow(batch, definitions) }
    }

    private func appendNow(_ batch: EventBatch, _ definitions: Definitions) throws(LogError) -> Offset {
        let result = writer.withLock { writer -> Result<Offset, LogError> in
            do throws(LogError) {
                guard writer != nil else { throw isReadOnly ? .closed("opened for reading only") : .closed("closed") }
                let offset = try writer?.append(batch, definitions, beforeSealing: letGo) ?? .zero
                let grown = Extent(segments: writer?.segments ?? [], head: writer?.head ?? .zero)
                extent.withLock { $0 = grown }
                return .success(offset)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    package var head: Offset {
        get async {
            if isReadOnly { try? await run(on: readerQueue) { () throws(LogError) in try self.refresh() } }
            return extent.withLock { $0.head }
        }
    }

    package var start: Offset {
        get async { extent.withLock { $0.segments.first ?? $0.head } }
    }

    package func read(from offset: Offset, limit blocks: Int) async throws(LogError) -> [Block] {
        try await run(on: readerQueue) { () throws(LogError) in try self.readNow(offset, blocks) }
    }

    package func vocabulary() async throws(LogError) -> Vocabulary {
        try await run(on: readerQueue) { () throws(LogError) in
            var vocabulary = Vocabulary()
            if let words = self.writer.withLock({ $0?.vocabulary }) {
                vocabulary = words
            } else {
                try self.refresh()
                for first in self.extent.withLock({ $0.segments }) {
                    vocabulary.define(try SegmentWriter.words(self.folder, first))
                }
            }
            vocabulary.define(try self.identity.names())
            return vocabulary
        }
    }

    package func statistics() async throws(LogError) -> LogStatistics {
        try await run(on: readerQueue) { () throws(LogError) in
            if self.isReadOnly { try self.refresh() }
            let segments = self.extent.withLock { $0.segments }
            var statistics = LogStatistics(segments: [])
            for first in segments {
                let reader = try SegmentReader(folder: self.folder, first: first)
                defer { reader.close() }
                statistics.segments.append(
                    try reader.statistics(folder: self.folder, isSealed: first != segments.last))
            }
            return statistics
        }
    }

    package func verify() async throws(LogError) -> VerifyReport {
        try await run(on: readerQueue) { () throws(LogError) in
            if self.isReadOnly { try self.refresh() }
            let extent = self.extent.withLock { $0 }
            var verification = Verification(folder: self.folder, head: extent.head)
            for (index, first) in extent.segments.enumerated() {
                let following = index + 1 < extent.segments.count ? extent.segments[index + 1] : nil
                verification.check(first, following: following)
            }
            return verification.report
        }
    }

    /// Copies everything into the files and closes them; the log is of no use afterwards.
    package func close() async throws(LogError) {
        readers.withLock { readers in
            for reader in readers { reader.close() }
            readers = []
        }
        try await run(on: writerQueue) { () throws(LogError) in
            let result = self.writer.withLock { writer -> Result<Void, LogError> in
                do throws(LogError) {
                    try writer?.close()
                    writer = nil
                    return .success(())
                } catch {
                    writer = nil
                    return .failure(error)
                }
            }
            self.identity.close()
            self.lock.withLock { $0 = nil }
            try result.get()
        }
    }

    // MARK: Reading

    /// Looks at the files again, for a log that another process writes.
    private func refresh() throws(LogError) {
        let segments = try SegmentWriter.findSegments(folder)
        var head = Offset.zero
        if let last = segments.last {
            let reader = try SegmentReader(folder: folder, first: last)
            defer { reader.close() }
            head = try reader.query { db in try Segment.end(db, try Segment.header(db, reader.file)).head }
        }
        extent.withLock { $0 = Extent(segments: segments, head: head) }
    }

    private func readNow(_ offset: Offset, _ limit: Int) throws(LogError) -> [Block] {
        if isReadOnly, offset >= extent.withLock({ $0.head }) { try refresh() }
        let extent = extent.withLock { $0 }
        let start = extent.segments.first ?? extent.head
        guard offset >= start, offset <= extent.head else {
            throw .outOfRange(offset, retained: start..<extent.head)
        }
        guard offset < extent.head, limit > 0 else { return [] }
        let result = readers.withLock { readers -> Result<[Block], LogError> in
            do throws(LogError) {
                var position = offset
                var blocks: [Block] = []
                while blocks.count < limit, position < extent.head {
                    var more: [Block] = []
                    do throws(LogError) {
                        more = try read(position, limit - blocks.count, extent, &readers)
                    } catch {
                        if blocks.isEmpty { throw error }
                        break
                    }
                    guard let last = more.last else { break }
                    position = last.endOffset
                    blocks += more
                }
                return .success(blocks)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Reads from one segment, with a cursor that stands there if there is one.
    private func read(
        _ offset: Offset, _ limit: Int, _ extent: Extent, _ readers: inout [SegmentReader]
    ) throws(LogError) -> [Block] {
        guard let index = extent.segments.lastIndex(where: { $0 <= offset }) else { return [] }
        let first = extent.segments[index]
        let end = index + 1 < extent.segments.count ? extent.segments[index + 1] : extent.head
        var reader: SegmentReader
        if let at = readers.firstIndex(where: { $0.first == first && $0.next == offset }) {
            reader = readers.remove(at: at)
        } else {
            reader = try SegmentReader(folder: folder, first: first)
            if offset > first { try reader.seek(offset) }
        }
        defer {
            if reader.next >= end, end < extent.head { reader.close() } else { readers.append(reader) }
            while readers.count > Self.readerLimit { readers.removeFirst().close() }
        }
        return try reader.read(limit: limit, end: end)
    }

    /// Closes the readers of a segment that is to be sealed.
    private func letGo(of segment: Offset) {
        readers.withLock { readers in
            for reader in readers where reader.first == segment { reader.close() }
            readers.removeAll { $0.first == segment }
        }
    }

    /// Runs blocking work on a queue and waits for it without blocking this task's thread.
    private func run<Success: Sendable>(
        on queue: DispatchQueue, _ work: @escaping @Sendable () throws(LogError) -> Success
    ) async throws(LogError) -> Success {
        typealias Continuation = CheckedContinuation<Result<Success, LogError>, Never>
        let result = await withCheckedContinuation { (continuation: Continuation) in
            queue.async {
                do throws(LogError) {
                    continuation.resume(returning: .success(try work()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }
}
