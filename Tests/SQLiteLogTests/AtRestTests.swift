// A log at rest: plain files of their owner, which go on where they ended, whoever reads them meanwhile.

import Events
import Foundation
import GRDB
import Log
import SQLite
import SQLiteLog
import Testing
import TidingsTesting

struct AtRestTests {
    private let folder: TemporaryFolder
    private static let limits = SegmentLimits(bytes: 40_000, keyframeBytes: 6_000)

    init() throws { folder = try TemporaryFolder() }

    private func open(_ limits: SegmentLimits = SegmentLimits()) throws -> SQLiteEventLog {
        try SQLiteEventLog(directory: folder.path, readOnly: false, limits: limits)
    }

    private func fill(_ log: SQLiteEventLog, _ samples: inout SampleEvents, _ blocks: Int) async throws {
        for _ in 0..<blocks {
            let (batch, definitions) = samples.batch(50)
            _ = try await log.append(batch, defining: definitions)
        }
    }

    private func mode(_ path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return try #require(attributes[.posixPermissions] as? NSNumber).intValue
    }

    private func all() throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: folder.path).map { folder.path + "/" + $0 }
    }

    @Test func noFileNeedsAnotherAtRestAndTheSegmentGoesOn() async throws {
        var samples = SampleEvents(seed: 3)
        for round in 1...4 {
            let log = try open()
            try await fill(log, &samples, 5)
            try await log.close()
            let beside = try all().filter { $0.hasSuffix("-wal") || $0.hasSuffix("-shm") || $0.hasSuffix("-journal") }
            #expect(beside.isEmpty, "round \(round)")
            #expect(try folder.segments().count == 1, "a stop is no reason for a new segment")
            for path in try folder.segments() + [folder.path + "/identity.sqlite"] {
                // Byte 19 of the header: 1 is a file without a write-ahead log.
                #expect(try Data(contentsOf: URL(fileURLWithPath: path))[19] == 1, "\(path)")
            }
            let reader = try SQLiteEventLog(directory: folder.path, readOnly: true)
            #expect(await reader.head.rawValue == UInt64(round * 250))
            #expect(try await reader.verify().isClean)
        }
    }

    @Test func filesBelongToTheirOwnerAlone() async throws {
        let former = umask(0)
        defer { umask(former) }
        let log = try SQLiteEventLog(directory: folder.path + "/new/data", readOnly: false, limits: Self.limits)
        var samples = SampleEvents(seed: 4)
        try await fill(log, &samples, 60)
        let copy = folder.path + "/copy"
        _ = try Backup.take(from: folder.path + "/new/data", to: copy, companions: [])
        _ = try Backup.restore(from: copy, to: folder.path + "/restored", companions: [])
        _ = try await Backup.salvage(
            folder.path + "/new/data", into: folder.path + "/salvaged", companions: [], report: { _ in })
        for path in try all() {
            let mode = try mode(path)
            #expect(mode & 0o077 == 0, "\(path): \(String(mode, radix: 8))")
        }
        try await log.close()
        #expect(try mode(folder.path + "/new/data/identity.sqlite") == 0o600)
        let segments = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/new/data/log").sorted()
        #expect(segments.count > 2)
        #expect(try mode(folder.path + "/new/data/log/" + segments[0]) == 0o400, "sealed")
        #expect(try mode(folder.path + "/new/data/log/" + segments[segments.count - 1]) == 0o600, "growing")
    }

    @Test func whatWasOpenToOthersIsNarrowed() async throws {
        let log = try open(Self.limits)
        var samples = SampleEvents(seed: 5)
        try await fill(log, &samples, 60)
        try await log.close()
        let stranger = folder.path + "/notes.txt"
        try Data().write(to: URL(fileURLWithPath: stranger))
        for path in [folder.path, folder.path + "/log"] + (try all()) {
            let isFolder = path == folder.path || path.hasSuffix("/log")
            let mode = isFolder ? 0o755 : path.hasSuffix(".tidings") ? 0o444 : 0o644
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        }
        let report = DataFolder.secure(folder.path)
        let count = try folder.segments().count
        #expect(report.refused.isEmpty && report.narrowed == count + 4, "\(report)")
        #expect(try mode(folder.path) == 0o700)
        #expect(try mode(folder.path + "/log") == 0o700)
        #expect(try mode(folder.path + "/identity.sqlite") == 0o600)
        #expect(try mode(folder.path + "/lock") == 0o600)
        for path in try folder.segments() { #expect(try mode(path) == 0o400) }
        #expect(try mode(stranger) == 0o644, "not one of ours")
        #expect(DataFolder.secure(folder.path).narrowed == 0)
    }

    @Test func aFolderOfEverybodyIsLeftAsItIs() throws {
        try FileManager.default.setAttributes([.posixPermissions: 0o1777], ofItemAtPath: folder.path)
        let report = DataFolder.secure(folder.path)
        #expect(report.narrowed == 0 && report.refused.count == 1, "\(report)")
        #expect(try mode(folder.path) == 0o1777)
    }

    /// Who has begun to read the files at rest and does not stop is in nobody's way, and nothing is lost or doubled.
    @Test func aReaderThatDoesNotStopHindersNoStart() async throws {
        var samples = SampleEvents(seed: 6)
        let log = try open()
        try await fill(log, &samples, 5)
        try await log.close()
        var configuration = Configuration()
        configuration.readonly = true
        configuration.allowsUnsafeTransactions = true
        let paths = try folder.segments() + [folder.path + "/identity.sqlite"]
        let readers = try paths.map { try DatabaseQueue(path: $0, configuration: configuration) }
        for reader in readers {
            try reader.inDatabase { db in
                try db.execute(sql: "BEGIN")
                _ = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema")
            }
        }
        let next = try open()
        #expect(await next.head.rawValue == 250)
        try await fill(next, &samples, 5)
        #expect(try folder.segments().count == 2, "what somebody reads is not added to")
        try await next.close()
        for reader in readers { try reader.close() }
        let last = try SQLiteEventLog(directory: folder.path, readOnly: true)
        #expect(await last.head.rawValue == 500)
        #expect(try await last.verify().isClean)
        #expect(try await last.vocabulary().deviceCount > 0)
    }

    @Test func aReaderThatLooksForTheLockHindersNoStart() async throws {
        let log = try open()
        #expect(throws: LogError.self) { try open() }
        try await log.close()
        try await open().close()
    }
}
