// Rows whose key changed: no block is ever served at an offset that is not its own.

import Events
import Foundation
import GRDB
import Log
import SQLiteLog
import Testing
import TidingsTesting

/// The key of a row is the first offset of its block. It is changed in the bytes of its page, so that the row stays
/// where it is in the tree of the file, as when a bit flips.
struct MovedRowTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// A log of three segments with `size` events in each block: what is written, and the blocks of each segment by
    /// their number.
    private func make(_ size: Int) async throws -> (written: [EventBatch], segments: [Range<Int>]) {
        var samples = SampleEvents(seed: 41)
        let limits = SegmentLimits(bytes: 40_000, keyframeBytes: 6_000)
        let log = try SQLiteEventLog(directory: folder.path, readOnly: false, limits: limits)
        var (written, starts): ([EventBatch], [Int]) = ([], [])
        while starts.count < 3 || written.count < starts[2] + 12 {
            if try folder.segments().count > starts.count { starts.append(max(0, written.count - 1)) }
            let (batch, definitions) = samples.batch(size)
            _ = try await log.append(batch, defining: definitions)
            written.append(batch)
        }
        try await log.close()
        return (written, zip(starts, starts.dropFirst() + [written.count]).map { $0..<$1 })
    }

    /// Which block of a segment gets which key.
    enum Place: String, CaseIterable {
        case first, middle, last

        func index(_ blocks: Range<Int>) -> Int {
            switch self {
            case .first: blocks.lowerBound
            case .middle: (blocks.lowerBound + blocks.upperBound) / 2
            case .last: blocks.upperBound - 1
            }
        }
    }

    enum Move: String, CaseIterable {
        case intoPredecessor, ontoPredecessor, ontoFarBefore, belowTheSegment
        case byOneUp, ontoItsEnd, intoFollower, beyondTheEnd

        func key(_ key: Int, _ size: Int) -> Int {
            switch self {
            case .intoPredecessor: key - size / 3
            case .ontoPredecessor: key - size
            case .ontoFarBefore: key - 5 * size
            case .belowTheSegment: 130
            case .byOneUp: key + 1
            case .ontoItsEnd: key + size
            case .intoFollower: key + size + size / 3
            case .beyondTheEnd: 16_300
            }
        }
    }

    /// In a sealed segment, blocks of a size of which keys are bits apart; in the growing one, of another.
    @Test(arguments: Move.allCases, Place.allCases) func oneRow(_ move: Move, _ place: Place) async throws {
        for (size, fromEnd) in [(64, 2), (50, 1)] {
            let (written, segments) = try await make(size)
            let segment = segments.count - fromEnd
            let index = place.index(segments[segment])
            let key = move.key(index * size, size)
            try changeKey(of: index * size, to: key, in: try folder.segments()[segment])
            let note = Comment(rawValue: "block \(index) of \(size), segment \(segment), key \(key)")
            try await expectTruth(written, size, lost: key % size == 0 ? 2 : 1, note)
            try await expectSeeks(written, size, index, key, note)
            try await expectFound(index * size..<(index + 1) * size, note)
            try await expectNewBlocks(written.count * size, note)
            try clear()
        }
    }

    /// A row that comes to stand in a hole of two blocks: at its begin, in its middle, across its end.
    @Test(arguments: [0, 20, 64, 70], [-1, 2, 6]) func intoAHole(_ distance: Int, _ block: Int) async throws {
        let (written, segments) = try await make(64)
        let blocks = segments[segments.count - 2]
        let hole = blocks.lowerBound + 4
        let path = try folder.segments()[segments.count - 2]
        try editSegment(path) { db in
            try db.execute(sql: "DELETE FROM block WHERE first_offset IN (\(hole * 64), \(hole * 64 + 64))")
        }
        let (index, key) = (hole + block, hole * 64 + distance)
        try changeKey(of: index * 64, to: key, in: path)
        let note = Comment(rawValue: "block \(index) at \(key)")
        try await expectTruth(written, 64, lost: 4, note)
        try await expectSeeks(written, 64, index, key, note)
        try await expectFound(index * 64..<(index + 1) * 64, note)
        try await expectNewBlocks(written.count * 64, note)
    }

    // MARK: What is expected

    /// What is served is what was written there, everything else is counted, by whatever way a reader comes.
    private func expectTruth(_ written: [EventBatch], _ size: Int, lost: Int, _ note: Comment) async throws {
        let end = UInt64(written.count * size)
        let log = try SQLiteEventLog(directory: folder.path, readOnly: true)
        #expect(await log.head.rawValue == end, note)
        for proving in [false, true] {
            let reader = try SQLiteEventLog(
                directory: folder.path, readOnly: true, proving: proving, opensParts: !proving)
            let (blocks, unreadable) = try await readAll(reader)
            #expect(blocks.reduce(0) { $0 + UInt64($1.count) } + unreadable == end, note)
            for block in blocks where !proving {
                #expect(block.batch == written[Int(block.firstOffset.rawValue) / size], note)
            }
            for block in blocks {
                #expect(isThere(block, written, size), note)
            }
            try await reader.close()
        }
        // Also what is not certain stands where it was written, and no more is left out than the row and a neighbour.
        for limit in [1, 1_000] {
            var (at, served) = (Offset.zero, 0)
            while at.rawValue < end {
                let blocks = await blocks(log, at, limit: limit)
                for block in blocks.found { #expect(isThere(block, written, size), note) }
                served += blocks.found.count
                guard blocks.next > at else { break }
                at = blocks.next
            }
            #expect(at.rawValue == end, note)
            #expect(served >= written.count - lost, note)
        }
        try await log.close()
    }

    /// A reader that comes from elsewhere: on both sides of each border at which another row can be found, that is
    /// where the block belongs and where its row says that it begins and ends.
    private func expectSeeks(
        _ written: [EventBatch], _ size: Int, _ index: Int, _ key: Int, _ note: Comment
    ) async throws {
        let log = try SQLiteEventLog(directory: folder.path, readOnly: true)
        let borders = [index * size, (index + 1) * size, key, key + size, key / size * size]
        for offset in Set(borders.flatMap { [$0 - 1, $0] }).sorted() where offset < written.count * size {
            let from = Offset(rawValue: UInt64(offset))
            let (found, next) = await blocks(log, from, limit: 1)
            #expect(next > from, note)
            guard let block = found.first else { continue }
            #expect(block.firstOffset <= from && isThere(block, written, size), note)
        }
        try await log.close()
    }

    /// The blocks from an offset on, and where to go on.
    private func blocks(_ log: SQLiteEventLog, _ offset: Offset, limit: Int) async -> (found: [Block], next: Offset) {
        do throws(LogError) {
            let blocks = try await log.read(from: offset, limit: limit)
            return (blocks, blocks.last?.endOffset ?? offset)
        } catch {
            guard case .corrupt(_, let offsets, _) = error else { return ([], offset) }
            return ([], offsets.upperBound)
        }
    }

    /// Whether a block is the one that was written at its offset, as far as it says to know itself.
    private func isThere(_ block: Block, _ written: [EventBatch], _ size: Int) -> Bool {
        let index = Int(block.firstOffset.rawValue) / size
        guard block.firstOffset.rawValue % UInt64(size) == 0, index < written.count, block.count == size else {
            return false
        }
        let (found, right) = (block.batch.events, written[index].events)
        if block.isIdentityCertain, found.map(\.customer) != right.map(\.customer) { return false }
        return found.map(\.device) == right.map(\.device) && found.map(\.time) == right.map(\.time)
            && found.map(\.value) == right.map(\.value)
    }

    /// A check names the events that are lost.
    private func expectFound(_ events: Range<Int>, _ note: Comment) async throws {
        let report = try await SQLiteEventLog(directory: folder.path, readOnly: true).verify()
        let lost = Offset(rawValue: UInt64(events.lowerBound))..<Offset(rawValue: UInt64(events.upperBound))
        let isNamed = report.damages.contains {
            $0.offsets.lowerBound <= lost.lowerBound && $0.offsets.upperBound >= lost.upperBound
        }
        #expect(isNamed, "\(note): \(report.damages)")
    }

    /// What comes in gets offsets that were never given out, and is read back.
    private func expectNewBlocks(_ end: Int, _ note: Comment) async throws {
        let writer = try SQLiteEventLog(directory: folder.path, readOnly: false)
        #expect(await writer.head.rawValue == UInt64(end), note)
        var samples = SampleEvents(seed: 41)
        for _ in 0..<3 {
            let (batch, definitions) = samples.batch(50)
            let offset = try await writer.append(batch, defining: definitions)
            let block = try await writer.read(from: offset, limit: 1).first
            #expect(block?.batch == batch && block?.isIdentityCertain == true, note)
        }
        try await writer.close()
    }

    // MARK: The log

    private func clear() throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
            try FileManager.default.removeItem(atPath: folder.path + "/" + name)
        }
    }

    /// Writes another key, of as many bytes, into the cell of a block's row.
    private func changeKey(of old: Int, to new: Int, in path: String) throws {
        try #require((128..<16_384).contains(old) && (128..<16_384).contains(new), "\(old) to \(new)")
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        var found: [Int] = []
        for page in stride(from: 0, to: bytes.count, by: 4_096) {
            let header = page + (page == 0 ? 100 : 0)
            guard bytes[header] == 13 else { continue }
            for cell in 0..<(Int(bytes[header + 3]) << 8 | Int(bytes[header + 4])) {
                let pointer = header + 8 + 2 * cell
                var at = page + (Int(bytes[pointer]) << 8 | Int(bytes[pointer + 1]))
                while bytes[at] & 0x80 != 0 { at += 1 }
                let key = at + 1
                // A block's record: eighteen columns, of which the first is the key, which is stored once.
                let isBlock = bytes[key] & 0x80 != 0 && bytes[key + 1] & 0x80 == 0
                guard isBlock, (19..<64).contains(bytes[key + 2]), bytes[key + 3] == 0 else { continue }
                if Int(bytes[key] & 0x7f) << 7 | Int(bytes[key + 1]) == old { found.append(key) }
            }
        }
        try #require(found.count == 1, "the row of block \(old) is not to be found")
        (bytes[found[0]], bytes[found[0] + 1]) = (0x80 | UInt8(new >> 7), UInt8(new & 0x7f))
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }
}
