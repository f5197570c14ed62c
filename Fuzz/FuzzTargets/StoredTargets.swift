// What reads files: the summaries' snapshot, a segment's rows and bytes, and the configuration.

import Daemon
import Dispatch
import Events
import Foundation
import GRDB
import Log
import Projection
import SQLiteLog
import Synchronization
import TidingsTesting

/// Waits for asynchronous work: libFuzzer's loop is a plain thread that nobody else needs.
private func wait(_ body: @escaping @Sendable () async -> Void) {
    let done = DispatchSemaphore(value: 0)
    Task {
        await body()
        done.signal()
    }
    done.wait()
}

/// A folder of this process, in memory where the system has such a place.
private let folder: String = {
    let memory = "/dev/shm"
    let base = FileManager.default.isWritableFile(atPath: memory) ? memory : NSTemporaryDirectory()
    let path = base + "/tidings-fuzz-\(ProcessInfo.processInfo.processIdentifier)"
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
}()

func readConfiguration(_ input: [UInt8]) {
    let path = folder + "/tidings.yaml"
    _ = FileManager.default.createFile(atPath: path, contents: Data(input))
    wait {
        do {
            let read = try await DaemonConfiguration.load(file: path, environment: [:])
            precondition((0...65_535).contains(read.tcp.port) && !read.dataDirectory.isEmpty)
        } catch {
            // One line, whatever the input: it goes to a terminal and a log.
            precondition(error is ConfigurationError, "\(error)")
        }
    }
}

/// Replaces one page of a whole snapshot by the input; its first byte says which part.
final class SnapshotFuzz: Sendable {
    static let shared = SnapshotFuzz()
    let path = folder + "/summaries.sqlite"
    private static let identity = "fuzz"

    private init() {
        do {
            var sample = SampleEvents(seed: 1)
            let (batch, definitions) = sample.batch(400)
            var state = SummaryState()
            var block = Block(firstOffset: .zero, batch: batch)
            block.definitions = definitions
            state.apply(block)
            var store = try SummaryStore(path: path + ".whole", identity: Self.identity)
            try store.checkpoint(&state, updated: Timestamp(rawValue: 0), snapshot: true)
            try store.close()
        } catch {
            preconditionFailure("\(error)")
        }
    }

    /// The pages of the whole snapshot.
    func pages() throws -> [(part: Int, body: [UInt8])] {
        let queue = try DatabaseQueue(path: path + ".whole")
        return try queue.read { db in
            try Row.fetchAll(db, sql: "SELECT part, body FROM state ORDER BY part, page").map { row in
                let body: Data = row[1]
                return (row[0], [UInt8](body))
            }
        }
    }

    func read(_ input: [UInt8]) {
        do {
            for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
            try FileManager.default.copyItem(atPath: path + ".whole", toPath: path)
            let body = Array(input[1...])
            let queue = try DatabaseQueue(path: path)
            try queue.write { db in
                try db.execute(
                    sql: "UPDATE state SET body = ?, checksum = ? WHERE part = ? AND page = 0",
                    arguments: [Data(body), Int64(bitPattern: hashBytes(body.span, seed: 0)), Int(input[0])])
            }
            try queue.close()
            restore()
        } catch {
            preconditionFailure("\(error)")
        }
    }

    private func restore() {
        do throws(ProjectionError) {
            var store = try SummaryStore(path: path, identity: Self.identity)
            guard var state = try store.restore() else { return }
            _ = state.dedupe
            // A state that was taken must bear being written, and events being folded into it.
            if ProcessInfo.processInfo.environment["TIDINGS_FUZZ_FOLD"] != nil {
                var sample = SampleEvents(seed: 2)
                let (batch, definitions) = sample.batch(50)
                var block = Block(firstOffset: state.offset, batch: batch)
                block.definitions = definitions
                state.apply(block)
                try store.checkpoint(&state, updated: Timestamp(rawValue: 0), snapshot: true)
            }
        } catch {
            // Refused: the summaries are then rebuilt from the log.
        }
    }
}

/// Changes one value in one row of a segment, or some of its bytes, and reads the whole log.
final class SegmentFuzz: Sendable {
    static let shared = SegmentFuzz()
    private static let file = "00000000000000000000.tidings"
    private static let columns = [
        ("block", "first_offset"), ("block", "count"), ("block", "time_min"), ("block", "arrival_max"),
        ("block", "codec"), ("block", "raw_size"), ("block", "crc32"), ("block", "chain"), ("block", "body"),
        ("symbol", "kind"), ("symbol", "id"), ("symbol", "first_offset"), ("symbol", "text"),
        ("segment", "format"), ("segment", "log_id"), ("segment", "first_offset"), ("segment", "created_ms"),
        ("segment", "previous_chain"), ("keyframe", "offset"), ("keyframe", "codec"), ("keyframe", "raw_size"),
        ("keyframe", "crc32"), ("keyframe", "body"),
    ]
    private let whole = Mutex<[UInt8]>([])
    private let data = folder + "/data"

    private init() {
        let data = data
        wait {
            do {
                let log = try SQLiteEventLog(directory: data, readOnly: false, limits: SegmentLimits(keyframeBytes: 1))
                var sample = SampleEvents(seed: 1)
                for count in [40, 1, 90, 30] {
                    let (batch, definitions) = sample.batch(count)
                    _ = try await log.append(batch, defining: definitions)
                }
                try await log.close()
            } catch {
                preconditionFailure("\(error)")
            }
        }
        do {
            let path = data + "/log/" + Self.file
            let queue = try DatabaseQueue(path: path)
            try queue.writeWithoutTransaction { db in
                try db.execute(sql: "PRAGMA journal_mode = DELETE")
                for table in ["segment", "symbol", "block", "keyframe"] {
                    try db.execute(sql: "DROP TRIGGER \(table)_no_update; DROP TRIGGER \(table)_no_delete")
                }
            }
            try queue.close()
            let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
            whole.withLock { $0 = bytes }
        } catch {
            preconditionFailure("\(error)")
        }
    }

    func read(_ input: [UInt8]) {
        guard input.count > 3 else { return }
        let path = data + "/log/" + Self.file
        var bytes = whole.withLock { $0 }
        if input[0] == 255 {
            for at in stride(from: 1, to: input.count - 3, by: 4) {
                let place = Int(input[at]) | Int(input[at + 1]) << 8 | Int(input[at + 2]) << 16
                bytes[place % bytes.count] ^= input[at + 3]
            }
        }
        for suffix in ["-journal", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
        _ = FileManager.default.createFile(atPath: path, contents: Data(bytes))
        if input[0] != 255, (try? change(path, input)) == nil { return }
        let data = data
        wait { await Self.readAll(data) }
    }

    private func change(_ path: String, _ input: [UInt8]) throws {
        let (table, column) = Self.columns[Int(input[0]) % Self.columns.count]
        let rest = Array(input[3...])
        let number = Int64(
            bitPattern: rest.prefix(8).enumerated().reduce(0) { $0 | UInt64($1.element) << ($1.offset * 8) })
        let isBytes = ["chain", "body", "log_id", "previous_chain"].contains(column)
        let value: DatabaseValue =
            column == "text"
            ? String(decoding: rest, as: UTF8.self).databaseValue
            : isBytes ? Data(rest).databaseValue : number.databaseValue
        let queue = try DatabaseQueue(path: path)
        defer { try? queue.close() }
        try queue.write { db in
            let row = try Int.fetchOne(
                db, sql: "SELECT rowid FROM \(table) LIMIT 1 OFFSET ?", arguments: [Int(input[1] & 3)])
            guard let row else { return }
            try db.execute(sql: "UPDATE \(table) SET \(column) = ? WHERE rowid = ?", arguments: [value, row])
            if column == "body", input[2] & 1 == 0 {
                try db.execute(
                    sql: "UPDATE \(table) SET crc32 = ? WHERE rowid = ?", arguments: [Int64(crc32(rest.span)), row])
            }
        }
    }

    @Sendable private static func readAll(_ data: String) async {
        guard let log = try? SQLiteEventLog(directory: data, readOnly: true) else { return }
        _ = try? await log.verify()
        _ = try? await log.statistics()
        _ = try? await log.vocabulary()
        var at = Offset.zero
        var reads = 0
        while reads < 20 {
            reads += 1
            do throws(LogError) {
                let blocks = try await log.read(from: at, limit: 8)
                guard let last = blocks.last else { break }
                precondition(last.endOffset > at)
                at = last.endOffset
            } catch {
                guard case .corrupt(_, let offsets, _) = error, offsets.upperBound > at else { break }
                at = offsets.upperBound
            }
        }
        try? await log.close()
    }
}
