// Which entries of the preferences' pool are taken: extents of a few sizes, and what is freed put together again.

/// A buddy system (Knowlton 1965) over the indices of a table: each block of 64 is halved as small extents are asked
/// for, and two free halves become a whole again.
///
/// Devices learn their aspects at about the same pace, so that extents of one size are left by all devices at about the
/// same time, and nobody asks for that size again: kept by size, they would be more than half of the pool. What is free
/// is noted in bits of its own, not in the entries, for these are not in the cache.
package struct BuddyAllocator: Sendable {
    /// The first index that was never given out.
    package private(set) var end = 0
    /// By order: a bit for each free block of `unit << order` entries, by its index. No block's buddy is free too.
    private var free: [[UInt64]] = Array(repeating: [], count: BuddyAllocator.orders)
    /// By order: a bit for each word of `free` that has one.
    private var filled: [[UInt64]] = Array(repeating: [], count: BuddyAllocator.orders)

    package init() {}

    private static let unit = 4
    private static let orders = 5
    /// The largest extent.
    package static let largest = unit << (orders - 1)

    /// The sizes of extents, as bits: halves of 64, and what a quarter less leaves of them.
    package static let sizes: UInt64 = 1 << 4 | 1 << 8 | 1 << 12 | 1 << 16 | 1 << 24 | 1 << 32 | 1 << 48

    /// The next larger size; `size` is one of `sizes`, or none.
    package static func size(above size: Int) -> Int {
        switch size {
        case 0..<16: size + 4
        case 16..<32: size + 8
        default: size + 16
        }
    }

    /// Takes an extent of one of the sizes, and gives its first index.
    package mutating func allocate(_ size: Int) -> Int {
        let order = Self.order(atLeast: size)
        let start = allocate(order: order)
        let rest = (Self.unit << order) - size
        if rest > 0 { release(start + size, order: Self.order(atLeast: rest)) }
        return start
    }

    /// Makes an extent larger where it is, if what lies behind it is free.
    package mutating func extend(_ start: Int, from size: Int) -> Bool {
        let larger = Self.size(above: size)
        let whole = Self.unit << Self.order(atLeast: larger)
        guard size > 0, start % whole == 0 else { return false }
        let order = Self.order(atLeast: larger - size)
        if remove(start + size, order: order) { return true }
        guard order + 1 < Self.orders, start + larger < start + whole, remove(start + size, order: order + 1) else {
            return false
        }
        release(start + larger, order: order)
        return true
    }

    /// Frees an extent.
    package mutating func release(_ start: Int, _ size: Int) {
        guard size > 0 else { return }
        let order = Self.order(atLeast: size)
        if size == Self.unit << order { return release(start, order: order) }
        release(start, order: order - 1)
        release(start + (Self.unit << (order - 1)), order: order - 2)
    }

    private static func order(atLeast size: Int) -> Int {
        max(0, Int.bitWidth - (size - 1).leadingZeroBitCount - unit.trailingZeroBitCount)
    }

    private mutating func allocate(order wanted: Int) -> Int {
        for order in wanted..<Self.orders {
            guard let start = removeFirst(order: order) else { continue }
            split(start, order, to: wanted)
            return start
        }
        let start = end
        end += Self.largest
        split(start, Self.orders - 1, to: wanted)
        return start
    }

    /// Keeps the beginning of a block, and frees the rest.
    private mutating func split(_ start: Int, _ order: Int, to wanted: Int) {
        var order = order
        while order > wanted {
            order -= 1
            insert(start + (Self.unit << order), order: order)
        }
    }

    private mutating func release(_ start: Int, order: Int) {
        var (start, order) = (start, order)
        while order < Self.orders - 1, remove(start ^ (Self.unit << order), order: order) {
            start &= ~(Self.unit << order)
            order += 1
        }
        insert(start, order: order)
    }

    private mutating func insert(_ start: Int, order: Int) {
        let bit = start / (Self.unit << order)
        free[order].extend(to: bit / 64 + 1, repeating: 0)
        free[order][bit / 64] |= 1 << UInt64(bit % 64)
        filled[order].extend(to: bit / 4_096 + 1, repeating: 0)
        filled[order][bit / 4_096] |= 1 << UInt64(bit / 64 % 64)
    }

    /// - Returns: whether the block was free.
    private mutating func remove(_ start: Int, order: Int) -> Bool {
        let bit = start / (Self.unit << order)
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
