// What reads files: the summaries' snapshot, a segment's rows and bytes, and the configuration.

import Bytes
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
            let ports = read.listeners.compactMap(\.port)
            precondition(!ports.isEmpty && ports.allSatisfy((0...65_535).contains) && !read.dataDirectory.isEmpty)
        } catch {
            // One line, whatever the input: it goes to a terminal and a log.
            precondition(error is ConfigurationError, "\(error)")
        }
    }
}

/// Changes one value of whole summaries, or some of the file's bytes; then restores them, folds on, and reads them.
final class SnapshotFuzz: Sendable {
    static let shared = SnapshotFuzz()
    private let path = folder + "/summaries.sqlite"
    private static let identity = "fuzz"
    /// What a first byte behind the snapshot's parts changes: table, column.
    private static let columns = SummaryTables.columns
    private static let blobs = ["device_set", "customer_set"]
    private static let texts = [
        "value", "text", "rating_histogram", "quarantine_reasons", "choices", "fault_codes", "rating_scales", "counts",
        "aspects",
    ]
    private static let parts = 17
    private let whole = Mutex<[UInt8]>([])

    private init() {
        do {
            var sample = SampleEvents(seed: 1)
            let (batch, definitions) = sample.batch(400)
            var state = SummaryState()
            var block = Block(firstOffset: .zero, batch: batch)
            block.definitions = definitions
            state.apply(block)
            var store = try SummaryStore(path: path, identity: Self.identity)
            try store.checkpoint(&state, updated: Timestamp(rawValue: 0), snapshot: true)
            try store.close()
            let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
            whole.withLock { $0 = bytes }
        } catch {
            preconditionFailure("\(error)")
        }
    }

    /// The pages of the whole snapshot.
    func pages() throws -> [(part: Int, body: [UInt8])] {
        let queue = try DatabaseQueue(path: path)
        return try queue.read { db in
            try Row.fetchAll(db, sql: "SELECT part, body FROM state ORDER BY part, page").map { row in
                let body: Data = row[1]
                return (row[0], [UInt8](body))
            }
        }
    }

    func read(_ input: [UInt8]) {
        guard input.count > 3 else { return }
        var bytes = whole.withLock { $0 }
        if input[0] == 255 { flip(&bytes, by: input) }
        for suffix in ["-journal", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
        _ = FileManager.default.createFile(atPath: path, contents: Data(bytes))
        if input[0] != 255, (try? change(input)) == nil { return }
        restore()
        try? readSummaries()
    }

    private func change(_ input: [UInt8]) throws {
        let queue = try DatabaseQueue(path: path)
        defer { try? queue.close() }
        try queue.write { db in
            if input[0] < Self.parts {
                let body = Array(input[1...])
                try db.execute(
                    sql: "UPDATE state SET body = ?, checksum = ? WHERE part = ? AND page = 0",
                    arguments: [Data(body), Int64(bitPattern: hashBytes(body.span, seed: 0)), Int(input[0])])
            } else {
                let (table, column) = Self.columns[(Int(input[0]) - Self.parts) % Self.columns.count]
                let new = value(Array(input[2...]), for: column, bytes: Self.blobs, texts: Self.texts)
                let row = table == "meta" ? "key" : table == "word" ? "kind * 1000 + id" : "rowid"
                try db.execute(
                    sql: """
                        UPDATE \(table) SET \(column) = ? WHERE \(row) = (SELECT \(row) FROM \(table) LIMIT 1 OFFSET ?)
                        """, arguments: [new, Int(input[1] & 15)])
            }
        }
    }

    private func restore() {
        do throws(ProjectionError) {
            var store = try SummaryStore(path: path, identity: Self.identity)
            guard var state = try store.restore() else { return }
            _ = state.dedupe
            // What was taken must bear being written, and events being folded into it.
            var sample = SampleEvents(seed: 2)
            let (batch, definitions) = sample.batch(50)
            var block = Block(firstOffset: state.offset, batch: batch)
            block.definitions = definitions
            state.apply(block)
            try store.checkpoint(&state, updated: Timestamp(rawValue: 0), snapshot: true)
        } catch {
            // Refused: the summaries are then rebuilt from the log.
        }
    }

    private func readSummaries() throws {
        let reader = try SummaryReader(path: path)
        _ = try reader.position()
        for line in try reader.products() {
            _ = try reader.summary(product: line.product)
            _ = try reader.summary(product: line.product, since: Day(rawValue: .min), until: Day(rawValue: .max))
        }
    }
}

/// Changes bytes of a file: after the input's first byte come places of three bytes, each with the bits to turn.
private func flip(_ bytes: inout [UInt8], by input: [UInt8]) {
    for at in stride(from: 1, to: input.count - 3, by: 4) {
        let place = Int(input[at]) | Int(input[at + 1]) << 8 | Int(input[at + 2]) << 16
        bytes[place % bytes.count] ^= input[at + 3]
    }
}

/// What a changed row of a table becomes: as many bytes of the input as it needs.
private func value(_ rest: [UInt8], for column: String, bytes: [String], texts: [String]) -> DatabaseValue {
    if texts.contains(column) { return String(decoding: rest, as: UTF8.self).databaseValue }
    if bytes.contains(column) { return Data(rest).databaseValue }
    let number = rest.prefix(8).enumerated().reduce(0 as UInt64) { $0 | UInt64($1.element) << ($1.offset * 8) }
    return Int64(bitPattern: number).databaseValue
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
        if input[0] == 255 { flip(&bytes, by: input) }
        for suffix in ["-journal", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
        _ = FileManager.default.createFile(atPath: path, contents: Data(bytes))
        if input[0] != 255, (try? change(path, input)) == nil { return }
        let data = data
        wait { await Self.readAll(data) }
    }

    private func change(_ path: String, _ input: [UInt8]) throws {
        let (table, column) = Self.columns[Int(input[0]) % Self.columns.count]
        let rest = Array(input[3...])
        let new = value(
            rest, for: column, bytes: ["chain", "body", "log_id", "previous_chain"], texts: ["text"])
        let queue = try DatabaseQueue(path: path)
        defer { try? queue.close() }
        try queue.write { db in
            let row = try Int.fetchOne(
                db, sql: "SELECT rowid FROM \(table) LIMIT 1 OFFSET ?", arguments: [Int(input[1] & 3)])
            guard let row else { return }
            try db.execute(sql: "UPDATE \(table) SET \(column) = ? WHERE rowid = ?", arguments: [new, row])
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
