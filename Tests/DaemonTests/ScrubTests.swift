// Damage in a sealed segment is found before somebody asks for it.

import Daemon
import Events
import Foundation
import Log
import Presentation
import SQLiteLog
import Testing
import TidingsTesting

@Suite struct ScrubTests {
    private func filled(_ path: String) async throws -> SQLiteEventLog {
        let log = try SQLiteEventLog(
            directory: path, readOnly: false, limits: SegmentLimits(bytes: 40_000, keyframeBytes: 6_000))
        var samples = SampleEvents(seed: 7)
        for _ in 0..<120 {
            let (batch, definitions) = samples.batch(50)
            _ = try await log.append(batch, defining: definitions)
        }
        return log
    }

    @Test(.timeLimit(.minutes(1))) func eachSealedSegmentHasItsTurnAndDamageIsNamed() async throws {
        let folder = NSTemporaryDirectory() + "tidings-scrub-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let log = try await filled(folder)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder + "/log")
            .filter { $0.hasSuffix(".tidings") }.sorted()
        #expect(names.count >= 4)
        let notes = ScrubNotes()
        let scrub = log.makeScrub()
        // Twice around: whole, and continuing each other.
        var seen: Set<Offset> = []
        for _ in 0..<2 * (names.count - 1) {
            let step = try #require(await checkNext(scrub))
            #expect(step.damages.isEmpty, "\(step)")
            seen.insert(step.segment)
            notes.note(step, at: Timestamp(rawValue: 1_000))
        }
        #expect(seen.count == names.count - 1, "all but the growing one")
        #expect(notes.status(from: .zero).segments == 2 * (names.count - 1))
        #expect(notes.status(from: .zero).damages == 0)
        #expect(notes.status(from: .zero).last == "1970-01-01T00:00:01.000Z")
        // A bit flips in the second one.
        let path = folder + "/log/" + names[1]
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        let end = try file.seekToEnd()
        try file.seek(toOffset: end / 2)
        let bytes = try #require(try file.read(upToCount: 64))
        try file.seek(toOffset: end / 2)
        try file.write(contentsOf: Data(bytes.map { $0 ^ 0x10 }))
        try file.close()
        var damages: [Damage] = []
        for _ in 1..<names.count {
            let step = try #require(await checkNext(scrub))
            notes.note(step, at: Timestamp(rawValue: 2_000))
            damages += step.damages
        }
        #expect(!damages.isEmpty && damages[0].segment == names[1], "\(damages)")
        let found = notes.status(from: .zero).damages
        #expect(found > 0)
        // The next round finds the same, not more; what retention drops is forgotten.
        for _ in 1..<names.count { notes.note(try #require(await checkNext(scrub)), at: Timestamp(rawValue: 3_000)) }
        #expect(notes.status(from: .zero).damages == found)
        #expect(notes.status(from: Offset(rawValue: .max)).damages == 0)
        try await log.close()
    }

    @Test func aLogWithoutASealedSegmentHasNothingToCheck() async throws {
        let folder = NSTemporaryDirectory() + "tidings-scrub-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let log = try SQLiteEventLog(directory: folder, readOnly: false)
        #expect(await checkNext(log.makeScrub()) == nil)
        #expect(await log.lastArrival == nil && log.bytes == 0)
        var samples = SampleEvents(seed: 8)
        let (batch, definitions) = samples.batch(50)
        _ = try await log.append(batch, defining: definitions)
        #expect(await checkNext(log.makeScrub()) == nil)
        #expect(await log.lastArrival == batch.events.map(\.arrival).max() && log.bytes > 0)
        try await log.close()
    }
}
