// Counting members: exact while few, close when many, the same however it is put together.

import Events
import Projection
import Testing
import TidingsTesting

@Suite struct DistinctCountTests {
    @Test(arguments: [0, 1, 100, 2_048]) func fewAreExact(count: Int) {
        var set = DistinctCount()
        for round in 0..<3 {
            for member in 0..<count { set.insert(UInt32(1 + (member * 7 + round) % max(1, count))) }
        }
        #expect(set.count == count)
        #expect(set.isExact)
    }

    @Test(arguments: [2_049, 5_000, 20_000, 60_000, 300_000]) func manyAreWithinThreePercent(count: Int) {
        for start in [1, 1_000_000, 77_777_777] {
            var set = DistinctCount()
            for member in start..<start + count { set.insert(UInt32(member)) }
            #expect(abs(set.count - count) <= count * 3 / 100, "from \(start)")
            #expect(!set.isExact)
        }
    }

    @Test func mergedSetsEqualOneSetInAnyOrder() {
        var random = SeededGenerator(seed: 3)
        for size in [10, 1_500, 4_000] {
            let members = (0..<size).map { _ in UInt32.random(in: 1...10_000, using: &random) }
            var whole = DistinctCount()
            for member in members { whole.insert(member) }
            var (left, right) = (DistinctCount(), DistinctCount())
            for member in members.shuffled(using: &random) {
                if Bool.random(using: &random) { left.insert(member) } else { right.insert(member) }
            }
            left.formUnion(right)
            #expect(left == whole, "\(size) members, seed 3")
            #expect(DistinctCount(encoded: whole.encoded().span) == whole)
        }
    }

    @Test func damagedBytesAreNoSet() {
        #expect(DistinctCount(encoded: [UInt8]().span) == nil)
        #expect(DistinctCount(encoded: ([2, 0, 0, 0, 0] as [UInt8]).span) == nil)
        #expect(DistinctCount(encoded: ([1, 0, 0] as [UInt8]).span) == nil)
        #expect(DistinctCount(encoded: ([0, 1, 0, 0] as [UInt8]).span) == nil)
    }
}

@Suite struct DayTests {
    @Test func daysReadAndWriteAlike() throws {
        for number in stride(from: Int32(-200_000), to: 200_000, by: 97) {
            let day = Day(rawValue: number)
            #expect(Day(day.description) == day)
        }
        #expect(Day("1970-01-01")?.rawValue == 0)
        #expect(Day("2024-02-29")?.rawValue == 19_782)
        #expect(Day("2026-01-01") == Day(Timestamp(rawValue: 1_767_225_600_000)))
    }

    @Test(arguments: [
        "", "2026-1-01", "2023-02-29", "2026-13-01", "2026-00-10", "2026-04-31", "20260101", "x026-01-01",
    ])
    func whatIsNoDayIsRefused(text: String) { #expect(Day(text) == nil) }
}
