// What has been taken is not taken again, and what has not been taken is.

import Admission
import Events
import Testing
import TidingsTesting

@Suite struct SequenceWindowTests {
    @Test func takesEachNumberOnce() {
        var window = SequenceWindow(epoch: 1)
        do {
            let got = window.insert(5)
            #expect(got == .new)
        }
        do {
            let got = window.insert(5)
            #expect(got == .duplicate)
        }
        do {
            let got = window.insert(3)
            #expect(got == .new)
        }
        do {
            let got = window.insert(3)
            #expect(got == .duplicate)
        }
        do {
            let got = window.insert(69)
            #expect(got == .new)
        }
        do {
            let got = window.insert(5)
            #expect(got == .stale)
        }
        do {
            let got = window.insert(6)
            #expect(got == .new)
        }
    }

    @Test func zeroIsANumberToo() {
        var window = SequenceWindow()
        do {
            let got = window.insert(0)
            #expect(got == .new)
        }
        do {
            let got = window.insert(0)
            #expect(got == .duplicate)
        }
        do {
            let got = window.insert(1)
            #expect(got == .new)
        }
    }

    /// Against a plain set of what was taken, with numbers that wander by up to 90.
    @Test(arguments: [11, 12, 13, 14] as [UInt64])
    func agreesWithASet(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var window = SequenceWindow()
        var taken: Set<UInt64> = []
        var highest: UInt64 = 0
        for step in 0..<20_000 {
            let near = Int64(highest) + Int64.random(in: -90...3, using: &generator)
            let seq = UInt64(max(1, near))
            let expected: DedupeVerdict =
                if highest >= 64, seq <= highest - 64, !taken.isEmpty { .stale } else if taken.contains(seq) {
                    .duplicate
                } else { .new }
            do {
                let got = window.insert(seq)
                #expect(got == expected, "seed \(seed) step \(step) seq \(seq) highest \(highest)")
            }
            if expected == .new { taken.insert(seq) }
            highest = max(highest, seq)
            if step % 50 == 0 {
                let missing = (1...highest).last { $0 + 64 > highest && !taken.contains($0) }
                let firstMissing = (1...highest).first { $0 + 64 > highest && !taken.contains($0) }
                #expect(window.contiguous == firstMissing.map { $0 - 1 } ?? highest, "seed \(seed), \(missing ?? 0)")
                #expect(expand(window) == Set(taken.filter { $0 > window.contiguous }), "seed \(seed) step \(step)")
            }
        }
    }

    private func expand(_ window: SequenceWindow) -> Set<UInt64> {
        var numbers: Set<UInt64> = []
        var next = window.contiguous + 1
        for (gap, length) in window.ranges {
            next += UInt64(gap)
            for _ in 0..<length {
                numbers.insert(next)
                next += 1
            }
        }
        return numbers
    }

    @Test func oldestClosesWhatNeverCame() {
        var window = SequenceWindow()
        for seq in [1, 2, 5, 6, 9] as [UInt64] { _ = window.insert(seq) }
        #expect(window.contiguous == 2)
        do {
            let got = window.close(below: 9)
            #expect(got == [SequenceGap(first: 3, last: 4), SequenceGap(first: 7, last: 8)])
        }
        #expect(window.contiguous == 9)
        do {
            let got = window.close(below: 9)
            #expect(got.isEmpty)
        }
        do {
            let got = window.close(below: 1_000)
            #expect(got == [SequenceGap(first: 10, last: 999)])
        }
        #expect(window.contiguous == 999)
        do {
            let got = window.insert(999)
            #expect(got == .duplicate)
        }
        do {
            let got = window.insert(1_000)
            #expect(got == .new)
        }
    }

    @Test func aFirstContactDeclaresNoGap() {
        var window = SequenceWindow()
        do {
            let got = window.close(below: 500)
            #expect(got.isEmpty)
        }
        do {
            let got = window.insert(499)
            #expect(got == .duplicate)
        }
        do {
            let got = window.insert(500)
            #expect(got == .new)
        }
        #expect(window.contiguous == 500)
    }
}

@Suite struct DedupeTableTests {
    private let device = DeviceID(rawValue: 3)

    @Test func numbersOfOneEpochSayNothingOfAnother() {
        var table = DedupeTable()
        do {
            let got = table.admit(device, epoch: 1, seq: 9)
            #expect(got == .new)
        }
        do {
            let got = table.admit(device, epoch: 2, seq: 1)
            #expect(got == .new)
        }
        do {
            let got = table.admit(device, epoch: 1, seq: 9)
            #expect(got == .duplicate)
        }
        do {
            let got = table.admit(device, epoch: 1, seq: 10)
            #expect(got == .new)
        }
        do {
            let got = table.admit(device, epoch: 2, seq: 1)
            #expect(got == .duplicate)
        }
        #expect(table.window(of: device).epoch == 1)
        #expect(table.window(of: device, epoch: 2)?.highest == 1)
    }

    @Test func idsAreRememberedUpToTheLimit() {
        var table = DedupeTable()
        let limit = UInt64(AdmissionLimits.idsPerDevice)
        for id in 0..<limit {
            let got = table.admit(device, hash: id)
            #expect(got == .new)
        }
        for id in 0..<limit {
            let got = table.admit(device, hash: id)
            #expect(got == .duplicate)
        }
        do {
            let got = table.admit(device, hash: limit)
            #expect(got == .new)
        }
        do {
            let got = table.admit(device, hash: 0)
            #expect(got == .new)
        }
        do {
            let got = table.admit(device, hash: 2)
            #expect(got == .duplicate)
        }
    }

    @Test(arguments: [21, 22] as [UInt64])
    func aSnapshotIsTheSameTable(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var table = DedupeTable()
        func step(_ table: inout DedupeTable, _ generator: inout SeededGenerator) -> DedupeVerdict {
            let device = DeviceID(rawValue: UInt32.random(in: 1...3_000, using: &generator))
            if Bool.random(using: &generator) {
                return table.admit(device, hash: UInt64.random(in: 0...20, using: &generator))
            }
            let epoch = UInt32.random(in: 0...2, using: &generator)
            return table.admit(device, epoch: epoch, seq: UInt64.random(in: 1...200, using: &generator))
        }
        for _ in 0..<30_000 { _ = step(&table, &generator) }
        var restored = DedupeTable()
        for page in 0..<table.pageCount {
            let got = restored.restore(table.page(page).span)
            #expect(got)
        }
        #expect(restored.deviceCount == table.deviceCount)
        var twin = generator
        for _ in 0..<30_000 {
            let got = step(&table, &generator)
            let expected = step(&restored, &twin)
            #expect(got == expected, "seed \(seed)")
        }
    }

    @Test func aTornPageIsRefused() {
        var table = DedupeTable()
        _ = table.admit(device, epoch: 0, seq: 1)
        var restored = DedupeTable()
        do {
            let got = restored.restore(Array(table.page(0).dropLast()).span)
            #expect(!got)
        }
    }

    @Test func foldingAGapClosesIt() {
        var live = DedupeTable()
        _ = live.admit(device, epoch: 0, seq: 1)
        _ = live.admit(device, epoch: 0, seq: 5)
        let gaps = live.close(device, epoch: 0, below: 5)
        #expect(gaps == [SequenceGap(first: 2, last: 4)])
        var folded = DedupeTable()
        _ = folded.admit(device, epoch: 0, seq: 1)
        _ = folded.admit(device, epoch: 0, seq: 5)
        var gap = Event()
        (gap.kind, gap.device, gap.identity, gap.seq, gap.count) = (.gap, device, .sequence, 4, 3)
        _ = folded.fold(gap)
        #expect(folded.window(of: device) == live.window(of: device))
    }
}
