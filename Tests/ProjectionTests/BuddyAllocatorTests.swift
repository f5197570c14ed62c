// No entry belongs to two extents, and what is freed is used again.

import Projection
import Testing
import TidingsTesting

@Suite struct BuddyAllocatorTests {
    private static let sizes = (0..<64).filter { BuddyAllocator.sizes >> UInt64($0) & 1 != 0 } + [64]

    @Test func sizesFollowEachOther() {
        #expect(Self.sizes == [4, 8, 12, 16, 24, 32, 48, 64])
        for (size, larger) in zip([0] + Self.sizes, Self.sizes) { #expect(BuddyAllocator.size(above: size) == larger) }
    }

    /// Extents come, grow and go at random; each entry has one owner.
    @Test(arguments: 1...20 as ClosedRange<UInt64>) func noEntryHasTwoOwners(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var allocator = BuddyAllocator()
        var owners: [Int] = []
        var extents: [(start: Int, size: Int)] = []
        func claim(_ range: Range<Int>, by owner: Int) -> Bool {
            while owners.count < allocator.end { owners.append(0) }
            guard range.upperBound <= owners.count else { return false }
            for entry in range {
                if owner != 0, owners[entry] != 0 { return false }
                owners[entry] = owner
            }
            return true
        }
        for owner in 1...5_000 {
            let index = extents.isEmpty ? 0 : Int.random(in: 0..<extents.count, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4:
                let size = Self.sizes.randomElement(using: &random) ?? 4
                extents.append((allocator.allocate(size), size))
                let extent = extents[extents.count - 1]
                #expect(claim(extent.start..<extent.start + size, by: owner), "seed \(seed), step \(owner)")
            case 4..<7 where !extents.isEmpty && extents[index].size < 64:
                let (start, size) = extents[index]
                let larger = BuddyAllocator.size(above: size)
                guard allocator.extend(start, from: size) else { continue }
                extents[index].size = larger
                #expect(claim(start + size..<start + larger, by: owner), "seed \(seed), step \(owner)")
            case 7... where !extents.isEmpty:
                let (start, size) = extents.remove(at: index)
                #expect(claim(start..<start + size, by: 0), "seed \(seed), step \(owner)")
                allocator.release(start, size)
            default: break
            }
        }
        // All of it comes together again: what is asked for in the largest extents takes no more than there was.
        for (start, size) in extents { allocator.release(start, size) }
        let end = allocator.end
        for _ in 0..<end / 64 { _ = allocator.allocate(64) }
        #expect(allocator.end == end, "seed \(seed)")
    }

    /// As devices do: all learn their aspects at about the same pace.
    @Test func extentsThatGrowTogetherLeaveLittleUnused() {
        var allocator = BuddyAllocator()
        var extents = Array(repeating: (start: 0, size: 0), count: 1_000)
        for size in Self.sizes.prefix(5) {
            for index in extents.indices where !allocator.extend(extents[index].start, from: extents[index].size) {
                let start = allocator.allocate(size)
                allocator.release(extents[index].start, extents[index].size)
                extents[index].start = start
            }
            for index in extents.indices { extents[index].size = size }
            #expect(allocator.end < extents.count * size * 4 / 3 + 4 * 64, "size \(size)")
        }
    }
}
