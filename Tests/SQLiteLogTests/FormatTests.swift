// The formats of segments: what may change in the texts, and what is refused by name.

import Bytes
import Events
import Foundation
import GRDB
import Log
import SQLiteLog
import Testing
import TidingsTesting

struct FormatTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Lost texts cost their own block, and not those behind it: all that is predicted stands in the body.
    @Test(arguments: ["NULL", "zeroblob(length(text))", "substr(text, 3)"])
    func lostTextsCostTheirBlockOnly(_ text: String) async throws {
        let written = try await folder.fill(40, seed: 61, SegmentLimits(keyframeBytes: 1 << 20))
        let path = try #require(try folder.segments().first)
        try editSegment(path) { db in
            try db.execute(sql: "UPDATE block SET text = \(text) WHERE first_offset = 500")
        }
        let (blocks, unreadable) = try await readAll(try SQLiteEventLog(directory: folder.path, readOnly: true))
        #expect(unreadable == 50)
        #expect(blocks.count == 39 && blocks.allSatisfy(\.isIdentityCertain))
        for block in blocks { #expect(block.batch == written[Int(block.firstOffset.rawValue / 50)]) }
    }

    /// One changed byte of the texts is put right, as one of the body is.
    @Test func oneByteOfTheTextsIsPutRight() async throws {
        let written = try await folder.fill(20, seed: 62, SegmentLimits())
        try editSegment(try #require(try folder.segments().first)) { db in
            for row in try Row.fetchAll(db, sql: "SELECT first_offset, text FROM block WHERE text IS NOT NULL") {
                var text: Data = row[1]
                text[text.count / 2] ^= 0x21
                try db.execute(
                    sql: "UPDATE block SET text = ? WHERE first_offset = ?", arguments: [text, row[0] as Int64])
            }
        }
        let (blocks, unreadable) = try await readAll(try SQLiteEventLog(directory: folder.path, readOnly: true))
        #expect(unreadable == 0 && blocks.map(\.batch) == written)
    }

    /// Texts that somebody has put in the place of others, with a checksum that fits, do not have their digest.
    @Test func otherTextsAreFound() async throws {
        _ = try await folder.fill(20, seed: 63, SegmentLimits())
        try editSegment(try #require(try folder.segments().first)) { db in
            let row = try #require(
                try Row.fetchOne(db, sql: "SELECT text, text_size FROM block WHERE first_offset = 500"))
            let (stored, size): (Data, Int) = (row[0], row[1])
            var texts: [UInt8] = []
            #expect(try Inflater().inflate(Array(stored).span, size: size, into: &texts))
            texts[1] ^= 1
            var body: [UInt8] = []
            let section = Deflater.Section(end: texts.count, strategy: .matches)
            try Deflater(level: 1).deflate(texts.span, [section], into: &body)
            try db.execute(
                sql: "UPDATE block SET text = ?, text_crc32 = ? WHERE first_offset = 500",
                arguments: [Data(body), Int64(crc32(body.span))])
        }
        let report = try await SQLiteEventLog(directory: folder.path, readOnly: true).verify(claim: nil)
        #expect(report.damageCount == 1)
        let damage = try #require(report.damages.first)
        #expect(damage.cause == "its texts are not those of which the digest was stored")
        #expect(damage.offsets == Offset(rawValue: 500)..<Offset(rawValue: 550))
    }

    /// A chain that somebody has written down still proves when texts are dropped.
    @Test func theChainProvesWithoutTheTexts() async throws {
        _ = try await folder.fill(20, seed: 64, SegmentLimits())
        let log = try SQLiteEventLog(directory: folder.path, readOnly: true)
        let head = log.chainHead
        try await log.close()
        try editSegment(try #require(try folder.segments().first)) { db in
            try db.execute(sql: "UPDATE block SET text = NULL")
        }
        let damaged = try await SQLiteEventLog(directory: folder.path, readOnly: true).verify(claim: ChainClaim(head))
        #expect(!damaged.damages.isEmpty)
        #expect(damaged.damages.allSatisfy { $0.cause == "its texts are missing" })
        #expect(damaged.claim?.found == Offset(rawValue: 1_000))
    }

    /// The row's place for a relay is covered by the chain.
    @Test func aRelayPositionThatWasInventedIsFound() async throws {
        _ = try await folder.fill(20, seed: 65, SegmentLimits())
        try editSegment(try #require(try folder.segments().first)) { db in
            try db.execute(
                sql: """
                    UPDATE block SET relay_seq = 7, writer = zeroblob(16), writer_number = 3 WHERE first_offset = 500
                    """)
        }
        let report = try await SQLiteEventLog(directory: folder.path, readOnly: true).verify(claim: nil)
        #expect(report.damages.first?.cause.hasPrefix("the hash chain does not fit") == true)
    }

    /// A format of a later release is refused by its number, for reading and for writing.
    @Test(arguments: [true, false]) func aLaterFormatIsRefused(readOnly: Bool) async throws {
        _ = try await folder.fill(3, seed: 66, SegmentLimits())
        try editSegment(try #require(try folder.segments().first)) { db in
            try db.execute(sql: "UPDATE segment SET format = 4; PRAGMA user_version = 4")
        }
        let error = #expect(throws: LogError.self) {
            try SQLiteEventLog(directory: folder.path, readOnly: readOnly)
        }
        #expect("\(try #require(error))".contains("format 4"))
    }

    /// The format stands in the file twice: where one of the two changed, the file is damaged and not of another
    /// release.
    @Test(arguments: ["UPDATE segment SET format = 4", "PRAGMA user_version = 2", "PRAGMA user_version = 9"])
    func twoFormatsThatDifferAreDamage(_ sql: String) async throws {
        _ = try await folder.fill(3, seed: 67, SegmentLimits())
        try editSegment(try #require(try folder.segments().first)) { db in try db.execute(sql: sql) }
        let report = try await SQLiteEventLog(directory: folder.path, readOnly: true).verify(claim: nil)
        #expect(report.damages.contains { $0.cause.hasPrefix("its header is damaged") }, "\(report.damages)")
        #expect(report.events == 150)
    }
}
