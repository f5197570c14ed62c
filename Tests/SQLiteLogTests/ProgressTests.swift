// Long work tells how far it has come.

import Events
import Foundation
import Log
import SQLiteLog
import Synchronization
import Testing
import TidingsTesting

struct ProgressTests {
    private let folder: TemporaryFolder

    init() async throws {
        folder = try TemporaryFolder()
        let log = try SQLiteEventLog(
            directory: folder.path, readOnly: false, limits: SegmentLimits(bytes: 40_000, keyframeBytes: 6_000))
        var samples = SampleEvents(seed: 71)
        for _ in 0..<120 {
            let (batch, definitions) = samples.batch(50)
            _ = try await log.append(batch, defining: definitions)
        }
        try await log.close()
    }

    /// What was told, step by step.
    private final class Told: Sendable {
        private let list = Mutex<[CopyProgress]>([])
        var all: [CopyProgress] { list.withLock { $0 } }
        func note(_ progress: CopyProgress) { list.withLock { $0.append(progress) } }
        func of(_ step: CopyProgress.Step) -> [CopyProgress] { all.filter { $0.step == step } }
    }

    private func expectSteady(_ told: [CopyProgress], total: UInt64) {
        #expect(told.count > 5)
        #expect(zip(told, told.dropFirst()).allSatisfy { $0.done <= $1.done })
        #expect(told.allSatisfy { $0.total == total })
        #expect(told.last?.done == total)
    }

    @Test func verify() async throws {
        let told = Told()
        let log = try SQLiteEventLog(directory: folder.path, readOnly: true)
        _ = try await log.verify(claim: nil) { told.note(CopyProgress(.checking, done: $0, total: $1)) }
        expectSteady(told.all, total: 6_000)
    }

    @Test func backupAndRestore() throws {
        let (copy, other, told) = (try TemporaryFolder(), try TemporaryFolder(), Told())
        let segments = try folder.segments()
        let bytes = try segments.reduce(UInt64(0)) {
            $0 + (try FileManager.default.attributesOfItem(atPath: $1)[.size] as? UInt64 ?? 0)
        }
        #expect(segments.count > 2)
        _ = try Backup.take(from: folder.path, to: copy.path, companions: [], progress: told.note)
        expectSteady(told.of(.copying), total: bytes)
        #expect(Set(told.of(.copying).map(\.segment)) == Set(1...segments.count))
        #expect(told.of(.copying).allSatisfy { $0.segments == segments.count })
        expectSteady(told.of(.checking), total: 6_000)
        let again = Told()
        _ = try Backup.take(from: folder.path, to: copy.path, companions: [], progress: again.note)
        expectSteady(again.of(.copying), total: bytes)
        let restored = Told()
        _ = try Backup.restore(from: copy.path, to: other.path, companions: [], progress: restored.note)
        #expect(restored.all.first?.step == .checking)
        expectSteady(restored.of(.copying), total: bytes)
    }

    @Test func salvage() async throws {
        let (copy, told) = (try TemporaryFolder(), Told())
        _ = try await Backup.salvage(
            folder.path, into: copy.path, companions: [], report: { _ in }, progress: told.note)
        #expect(told.all.first == CopyProgress(.salvaging))
        expectSteady(Array(told.of(.salvaging).dropFirst()), total: 6_000)
        expectSteady(told.of(.checking), total: 6_000)
    }

    @Test func onlyOurOwnDraftsAreRemoved() throws {
        let target = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: target.path + "/log.partial", withIntermediateDirectories: true)
        try FileManager.default.createDirectory(atPath: target.path + "/log", withIntermediateDirectories: true)
        let ours = [
            "identity.sqlite.partial", "summaries.sqlite.partial-journal", "log/00000000000000000000.tidings.partial",
            "log.partial/00000000000000000000.tidings",
        ]
        let others = ["film.partial", "notes.txt", "log/00000000000000000000.tidings", "identity.sqlite"]
        for name in ours + others {
            #expect(FileManager.default.createFile(atPath: target.path + "/" + name, contents: nil))
        }
        Backup.removeDrafts(in: target.path)
        for name in ours { #expect(!FileManager.default.fileExists(atPath: target.path + "/" + name), "\(name)") }
        for name in others { #expect(FileManager.default.fileExists(atPath: target.path + "/" + name), "\(name)") }
    }
}
