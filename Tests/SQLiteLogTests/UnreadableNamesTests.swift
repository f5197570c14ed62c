// Names that cannot be read for a moment: what is read afterwards is what was written.

import Events
import Foundation
import GRDB
import Log
import SQLiteLog
import Testing
import TidingsTesting

struct UnreadableNamesTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// One device that changes its customer: each block says so by what the one before it left behind.
    private func write() async throws -> [EventBatch] {
        var vocabulary = Vocabulary()
        var written: [EventBatch] = []
        let log = try SQLiteEventLog(directory: folder.path, readOnly: false)
        for (index, name) in ["ann", "bob", "cid", "bob", "cid"].enumerated() {
            var (batch, event) = (EventBatch(), Event())
            event.kind = .feedbackText
            event.product = vocabulary.symbol(.product, Array("kettle".utf8).span) ?? .none
            event.device = vocabulary.device(product: event.product, name: Array("k-1".utf8).span) ?? .none
            event.customer = vocabulary.customer(Array(name.utf8).span) ?? .none
            event.identity = .sequence
            event.seq = UInt64(index + 1)
            batch.setText(Array("whisper of \(name)".utf8).span, of: &event)
            batch.events.append(event)
            _ = try await log.append(batch, defining: vocabulary.takeDefinitions())
            written.append(batch)
        }
        try await log.close()
        return written
    }

    private func names(_ sql: String) throws {
        let queue = try DatabaseQueue(path: folder.path + "/identity.sqlite")
        try queue.write { db in try db.execute(sql: sql) }
        try queue.close()
    }

    /// The block whose texts could not be opened was decoded all the same: it must not be gone through once more.
    @Test(arguments: [2, 5]) func theBlockBehindIsRight(_ limit: Int) async throws {
        let written = try await write()
        let log = try SQLiteEventLog(directory: folder.path, readOnly: true)
        #expect(try await log.read(from: .zero, limit: 2).map(\.batch) == Array(written[..<2]))
        try names("ALTER TABLE customer RENAME TO hidden")
        #expect(try await log.read(from: .zero, limit: limit).map(\.batch) == Array(written[..<2]))
        await #expect(throws: LogError.self) { try await log.read(from: Offset(rawValue: 2), limit: 1) }
        try names("ALTER TABLE hidden RENAME TO customer")
        for offset in [3, 2] {
            let blocks = try await log.read(from: Offset(rawValue: UInt64(offset)), limit: 5)
            #expect(blocks.map(\.batch) == Array(written[offset...]))
            let areCertain = blocks.allSatisfy { $0.isIdentityCertain }
            #expect(areCertain)
        }
        try await log.close()
    }
}
