// The embedded engine: a data folder with a folder of segments, the names, and a lock.

import Bytes
import Dispatch
package import Events
import Identity
package import Log
import Synchronization

/// An `EventLog` in a data folder: `log/*.tidings`, `identity.sqlite`, `lock`.
///
/// Any thread. Calls run on two queues of their own, one for the writer and one for readers, so that no task's
/// thread ever waits for the disk.
package final class SQLiteEventLog: EventLog {
    let folder: String
    let identity: IdentityStore
    /// What opens sealed texts; nil when they are to stay sealed.
    private let sealer: PartSealer?
    private let lock: Mutex<FolderLock?>
    let writer: Mutex<SegmentWriter?>
    private let readers = Mutex<[SegmentReader]>([])
    private let isClosed = Mutex(false)
    let visible: Mutex<VisibleLog>
    let writerQueue = DispatchQueue(label: "tidings.log.write", qos: .userInitiated)
    let readerQueue = DispatchQueue(label: "tidings.log.read", qos: .userInitiated)
    package let isReadOnly: Bool
    /// Of a log that is open for reading, only if it serves what the chain proves.
    package let openingDamages: [Damage]
    /// Set when only what the chain proves is served.
    let proof: LogProof?

    /// What readers know of the log without asking the writer.
    struct VisibleLog {
        var segments: [Offset] = []
        var head = Offset.zero
        /// SHA-256 over everything before `head`; nil where it cannot be read.
        var chain: Chain?

        init() {}

        init(_ writer: borrowing SegmentWriter) {
            (segments, head, chain) = (writer.segments, writer.head, writer.chain)
        }

        mutating func look(at folder: String) throws(LogError) {
            segments = try SegmentWriter.findSegments(folder)
            if let last = segments.last { (head, chain) = try SQLiteEventLog.end(folder, last) }
        }
    }

    /// Opens the log in a data folder; makes it if it is not there and `readOnly` is false.
    ///
    /// Blocks while it reads the state at the head: about 0.1 us an event since the last keyframe.
    /// - Parameter proving: for a log opened for reading only: serve only what the chain proves. That reads the blocks
    ///   with which symbols were recorded twice.
    /// - Parameter opensParts: for a log opened for reading only: whether sealed texts are opened, as far as this user
    ///   may read the sealing secret.
    /// - Throws: `LogError.locked` when another process writes it, `.version` when it is no log of this release.
    package init(
        directory: String, readOnly: Bool, proving: Bool = false, opensParts: Bool = true,
        limits: SegmentLimits = SegmentLimits()
    ) throws(LogError) {
        let folder = directory + "/log"
        self.folder = folder
        isReadOnly = readOnly
        if readOnly {
            try Files.expect(folder)
            lock = Mutex(nil)
            let identity = try IdentityStore(path: directory + "/" + IdentityStore.fileName, readOnly: true)
            self.identity = identity
            // Who may not read the secret reads the log without its texts.
            let secret = opensParts ? (try? SealingSecret.read(in: directory)) ?? nil : nil
            sealer = secret.map { PartSealer($0, identity) }
            writer = Mutex(nil)
            var found = VisibleLog()
            try found.look(at: folder)
            let proof = proving ? LogProof(folder: folder, segments: found.segments) : nil
            (self.proof, openingDamages) = (proof, proof?.notes ?? [])
            visible = Mutex(found)
        } else {
            try Files.makeFolder(folder)
            lock = Mutex(try FolderLock(directory + "/lock"))
            let identity = try IdentityStore(path: directory + "/" + IdentityStore.fileName, readOnly: false)
            self.identity = identity
            let secret = try SealingSecret.readOrMake(in: directory, isNeeded: try identity.hasSeeds())
            let sealer = PartSealer(secret, identity)
            self.sealer = sealer
            let opened = try SegmentWriter(folder: folder, limits: limits, identity: identity, sealer: sealer)
            visible = Mutex(VisibleLog(opened))
            (proof, openingDamages) = (nil, opened.damages)
            writer = Mutex(opened)
        }
    }

    /// The first offsets of all segments, oldest first.
    var segments: [Offset] { visible.withLock { $0.segments } }

    package var logIdentity: String { hexadecimal(writer.withLock { $0?.logID } ?? []) }

    // MARK: EventLog

    package func append(
        _ batch: EventBatch, defining definitions: Definitions,
        report: @escaping @Sendable (Result<Offset, LogError>) -> Void
    ) {
        writerQueue.async { report(self.appendNow(batch, definitions)) }
    }

    private func appendNow(_ batch: EventBatch, _ definitions: Definitions) -> Result<Offset, LogError> {
        writer.withLock { writer -> Result<Offset, LogError> in
            do throws(LogError) {
                guard writer != nil else { throw notWritable }
                let offset = try writer?.append(batch, definitions, beforeSealing: releaseReaders) ?? .zero
                if let grown = writer.map({ VisibleLog($0) }) { visible.withLock { $0 = grown } }
                return .success(offset)
            } catch {
                return .failure(error)
            }
        }
    }

    package var head: Offset {
        get async {
            if isReadOnly { try? await run(on: readerQueue) { () throws(LogError) in try self.refresh() } }
            return visible.withLock { $0.head }
        }
    }

    package var start: Offset {
        get async { visible.withLock { $0.segments.first ?? $0.head } }
    }

    package func read(from offset: Offset, limit blocks: Int) async throws(LogError) -> [Block] {
        try await run(on: readerQueue) { () throws(LogError) in try self.readNow(offset, blocks) }
    }

    package func vocabulary() async throws(LogError) -> Vocabulary {
        try await run(on: readerQueue) { () throws(LogError) in
            try self.expectOpen()
            var vocabulary = Vocabulary()
            if let known = self.writer.withLock({ $0?.vocabulary }) {
                vocabulary = known
            } else if let proof = self.proof {
                vocabulary.define(words: proof.symbols)
            } else {
                try self.refresh()
                for first in self.visible.withLock({ $0.segments }) {
                    vocabulary.define(words: SegmentWriter.readableSymbols(self.folder, first).symbols)
                }
            }
            vocabulary.define(try self.identity.names())
            let reserved = try self.identity.reserved()
            vocabulary.reserve(customers: reserved.customer, devices: reserved.device)
            return vocabulary
        }
    }

    package func close() async throws(LogError) {
        // What reads takes its turn on this queue: nothing is opened behind this.
        let wasOpen = await withCheckedContinuation { continuation in
            readerQueue.async {
                self.readers.withLock { readers in
                    for reader in readers { reader.close() }
                    readers = []
                }
                let wasOpen = self.isClosed.withLock { isClosed in
                    defer { isClosed = true }
                    return !isClosed
                }
                continuation.resume(returning: wasOpen)
            }
        }
        guard wasOpen else { return }
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

    /// For what reads, on the readers' queue.
    func expectOpen() throws(LogError) {
        if isClosed.withLock({ $0 }) { throw Self.closed }
    }

    /// Why nothing can be appended or dropped.
    var notWritable: LogError { isReadOnly ? .closed("opened for reading only") : Self.closed }

    private static var closed: LogError { .closed("it was used after its end") }

    // MARK: Reading

    /// Looks at the files again, for a log that another process writes.
    func refresh() throws(LogError) {
        var visible = VisibleLog()
        try visible.look(at: folder)
        let found = visible
        self.visible.withLock { $0 = found }
    }

    /// Where the newest segment ends for readers, and the chain there, if it can be read. One that SQLite does not open
    /// at all ends where it begins; a check of the log names it.
    fileprivate static func end(_ folder: String, _ last: Offset) throws(LogError) -> (head: Offset, chain: Chain?) {
        do throws(LogError) {
            let reader = try SegmentReader(folder: folder, first: last, salvaging: true)
            defer { reader.close() }
            do throws(LogError) {
                return try reader.query { db in try Segment.end(db, try Segment.header(db, reader.file)) }
            } catch .corrupt {
                return (reader.lastReadable()?.head ?? last, nil)
            }
        } catch .corrupt {
            return (last, nil)
        }
    }

    private func readNow(_ offset: Offset, _ limit: Int) throws(LogError) -> [Block] {
        try expectOpen()
        if isReadOnly, offset >= visible.withLock({ $0.head }) { try refresh() }
        let visible = visible.withLock { $0 }
        let start = visible.segments.first ?? visible.head
        guard offset >= start, offset <= visible.head else {
            throw .outOfRange(offset, retained: start..<visible.head)
        }
        guard offset < visible.head, limit > 0 else { return [] }
        let result = readers.withLock { readers -> Result<[Block], LogError> in
            do throws(LogError) {
                var position = offset
                var blocks: [Block] = []
                while blocks.count < limit, position < visible.head {
                    var more: [Block] = []
                    do throws(LogError) {
                        more = try read(position, limit - blocks.count, visible, &readers)
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
        _ offset: Offset, _ limit: Int, _ visible: VisibleLog, _ readers: inout [SegmentReader]
    ) throws(LogError) -> [Block] {
        guard let index = visible.segments.lastIndex(where: { $0 <= offset }) else { return [] }
        let first = visible.segments[index]
        let end = index + 1 < visible.segments.count ? visible.segments[index + 1] : visible.head
        var reader: SegmentReader
        if let at = readers.firstIndex(where: { $0.first == first && $0.next == offset }) {
            reader = readers.remove(at: at)
        } else {
            do {
                reader = try SegmentReader(folder: folder, first: first, salvaging: true)
            } catch .corrupt(_, _, let cause) {
                throw .corrupt(segment: Segment.file(first), offsets: offset..<max(end, offset + 1), cause: cause)
            }
            if let cause = proof?.unknown[first] {
                reader.close()
                throw .corrupt(segment: Segment.file(first), offsets: offset..<max(end, offset + 1), cause: cause)
            }
            reader.sealer = sealer
            if let proof { reader.prove(by: proof) }
            if offset > first { try reader.seek(offset) }
        }
        defer {
            if reader.next >= end, end < visible.head { reader.close() } else { readers.append(reader) }
            while readers.count > SegmentLimits.openReaders { readers.removeFirst().close() }
        }
        return try reader.read(limit: limit, end: end)
    }

    /// Closes the readers of a segment that is to be sealed or dropped.
    func releaseReaders(of segment: Offset) {
        readers.withLock { readers in
            for reader in readers where reader.first == segment { reader.close() }
            readers.removeAll { $0.first == segment }
        }
    }

    /// Runs blocking work on a queue and waits for it without blocking this task's thread.
    func run<Success: Sendable>(
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
