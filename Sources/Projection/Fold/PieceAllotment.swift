// Which places of the preferences' pool are taken: pieces of a few sizes, and what is left put together again.

/// A buddy system (Knowlton 1965) over places: each block of 64 is halved as small pieces are asked for, and two free
/// halves become a whole again.
///
/// Devices learn their aspects at about the same pace, so that pieces of one size are left by all devices at about the
/// same time, and nobody asks for that size again: kept by size, they would be more than half of the pool. What is free
/// is noted in bits of its own, not in the places, for these are far away.
package struct PieceAllotment: Sendable {
    /// The first place that was never given out.
    package private(set) var end = 0
    /// By order: a bit for each free block of `unit << order` places, by its place. No block's buddy is free too.
    private var free: [[UInt64]] = Array(repeating: [], count: PieceAllotment.orders)
    /// By order: a bit for each word of `free` that has one.
    private var filled: [[UInt64]] = Array(repeating: [], count: PieceAllotment.orders)

    package init() {}

    private static let unit = 4
    private static let orders = 5
    /// The largest piece.
    package static let mostPlaces = unit << (orders - 1)

    /// The sizes of pieces, as bits: halves of 64, and what a quarter less leaves of them.
    package static let sizes: UInt64 = 1 << 4 | 1 << 8 | 1 << 12 | 1 << 16 | 1 << 24 | 1 << 32 | 1 << 48

    /// The next larger size; `size` is one of `sizes`, or none.
    package static func size(above size: Int) -> Int {
        switch size {
        case 0..<16: size + 4
        case 16..<32: size + 8
        default: size + 16
        }
    }

    /// Takes a piece of one of the sizes, and gives its first place.
    package mutating func take(_ size: Int) -> Int {
        let order = Self.order(atLeast: size)
        let place = take(order: order)
        let rest = (Self.unit << order) - size
        if rest > 0 { giveBack(place + size, order: Self.order(atLeast: rest)) }
        return place
    }

    /// Makes a piece larger where it is, if what lies behind it is free.
    package mutating func extend(_ place: Int, from size: Int) -> Bool {
        let larger = Self.size(above: size)
        let whole = Self.unit << Self.order(atLeast: larger)
        guard size > 0, place % whole == 0 else { return false }
        let order = Self.order(atLeast: larger - size)
        if remove(place + size, order: order) { return true }
        guard order + 1 < Self.orders, place + larger < place + whole, remove(place + size, order: order + 1) else {
            return false
        }
        giveBack(place + larger, order: order)
        return true
    }

    /// Gives a piece back.
    package mutating func giveBack(_ place: Int, _ size: Int) {
        guard size > 0 else { return }
        let order = Self.order(atLeast: size)
        if size == Self.unit << order { return giveBack(place, order: order) }
        giveBack(place, order: order - 1)
        giveBack(place + (Self.unit << (order - 1)), order: order - 2)
    }

    private static func order(atLeast size: Int) -> Int {
        max(0, Int.bitWidth - (size - 1).leadingZeroBitCount - unit.trailingZeroBitCount)
    }

    private mutating func take(order wanted: Int) -> Int {
        for order in wanted..<Self.orders {
            guard let place = removeFirst(order: order) else { continue }
            split(place, order, to: wanted)
            return place
        }
        let place = end
        end += Self.mostPlaces
        split(place, Self.orders - 1, to: wanted)
        return place
    }

    /// Keeps the beginning of a block, and frees the rest.
    private mutating func split(_ place: Int, _ order: Int, to wanted: Int) {
        var order = order
        while order > wanted {
            order -= 1
            insert(place + (Self.unit << order), order: order)
        }
    }

    private mutating func giveBack(_ place: Int, order: Int) {
        var (place, order) = (place, order)
        while order < Self.orders - 1, remove(place ^ (Self.unit << order), order: order) {
            place &= ~(Self.unit << order)
            order += 1
        }
        insert(place, order: order)
    }

    private mutating func insert(_ place: Int, order: Int) {
        let bit = place / (Self.unit << order)
        free[order].extend(to: bit / 64 + 1, repeating: 0)
        free[order][bit / 64] |= 1 << UInt64(bit % 64)
        filled[order].extend(to: bit / 4_096 + 1, repeating: 0)
        filled[order][bit / 4_096] |= 1 << UInt64(bit / 64 % 64)
    }

    /// - Returns: whether the block was free.
    private mutating func remove(_ place: Int, order: Int) -> Bool {
        let bit = place / (Self.unit << order)
        guard bit / 64 < free[order].count, free[order][bit / 64] >> UInt64(bit % 64) & 1 != 0 else { return false }
        clear(bit, order: order)
        return true
    }

    private mutating func clear(_ bit: Int, order: Int) {
        free[order][bit / 64] &= ~(1 << UInt64(bit % 64))
        if free[order][bit / 64] == 0 { filled[order][bit / 4_096] &= ~(1 << UInt64(bit / 64 % 64)) }
    }

    private mutating func removeFirst(order: Int) -> Int? {
        guard let group = filled[order].firstIndex(where: { $0 != 0 }) else { return nil }
        let word = group * 64 + filled[order][group].trailingZeroBitCount
        let bit = word * 64 + free[order][word].trailingZeroBitCount
        clear(bit, order: order)
        return bit * (Self.unit << order)
    }
}
