// No place is given to two pieces, and what is given back is used again.

import Projection
import Testing
import TidingsTesting

@Suite struct PieceAllotmentTests {
    private static let sizes = (0..<64).filter { PieceAllotment.sizes >> UInt64($0) & 1 != 0 } + [64]

    @Test func sizesFollowEachOther() {
        #expect(Self.sizes == [4, 8, 12, 16, 24, 32, 48, 64])
        for (size, larger) in zip([0] + Self.sizes, Self.sizes) { #expect(PieceAllotment.size(above: size) == larger) }
    }

    /// Pieces come, grow and go at random; each place has one owner.
    @Test(arguments: 1...20 as ClosedRange<UInt64>) func noPlaceHasTwoOwners(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var allotment = PieceAllotment()
        var owners: [Int] = []
        var pieces: [(place: Int, size: Int)] = []
        func claim(_ range: Range<Int>, by owner: Int) -> Bool {
            while owners.count < allotment.end { owners.append(0) }
            guard range.upperBound <= owners.count else { return false }
            for place in range {
                if owner != 0, owners[place] != 0 { return false }
                owners[place] = owner
            }
            return true
        }
        for owner in 1...5_000 {
            let index = pieces.isEmpty ? 0 : Int.random(in: 0..<pieces.count, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4:
                let size = Self.sizes.randomElement(using: &random) ?? 4
                pieces.append((allotment.take(size), size))
                let piece = pieces[pieces.count - 1]
                #expect(claim(piece.place..<piece.place + size, by: owner), "seed \(seed), step \(owner)")
            case 4..<7 where !pieces.isEmpty && pieces[index].size < 64:
                let (place, size) = pieces[index]
                let larger = PieceAllotment.size(above: size)
                guard allotment.extend(place, from: size) else { continue }
                pieces[index].size = larger
                #expect(claim(place + size..<place + larger, by: owner), "seed \(seed), step \(owner)")
            case 7... where !pieces.isEmpty:
                let (place, size) = pieces.remove(at: index)
                #expect(claim(place..<place + size, by: 0), "seed \(seed), step \(owner)")
                allotment.giveBack(place, size)
            default: break
            }
        }
        // All of it comes together again: what is asked for in the largest pieces takes no more than there was.
        for (place, size) in pieces { allotment.giveBack(place, size) }
        let end = allotment.end
        for _ in 0..<end / 64 { _ = allotment.take(64) }
        #expect(allotment.end == end, "seed \(seed)")
    }

    /// As devices do: all learn their aspects at about the same pace.
    @Test func piecesThatGrowTogetherLeaveLittleUnused() {
        var allotment = PieceAllotment()
        var pieces = Array(repeating: (place: 0, size: 0), count: 1_000)
        for size in Self.sizes.prefix(5) {
            for index in pieces.indices where !allotment.extend(pieces[index].place, from: pieces[index].size) {
                let place = allotment.take(size)
                allotment.giveBack(pieces[index].place, pieces[index].size)
                pieces[index].place = place
            }
            for index in pieces.indices { pieces[index].size = size }
            #expect(allotment.end < pieces.count * size * 4 / 3 + 4 * 64, "size \(size)")
        }
    }
}
