// From a pair of small integers to the index of a row: the one hash table of the projection.

import Events

/// Numbers 64-bit keys with the index of a row that its owner keeps, by open addressing with linear probing.
///
/// Nothing is ever removed. The keys are small integers given by the log itself, so nobody outside can choose keys
/// that collide beyond what a fixed mixer spreads. Owned by one thread at a time.
struct IndexTable: Sendable {
    /// Twelve bytes: five slots in a cache line.
    private struct Slot: BitwiseCopyable {
        var high: UInt32 = 0
        var low: UInt32 = 0
        /// Index + 1; 0 is free.
        var entry: UInt32 = 0
    }
    private var slots = [Slot](repeating: Slot(), count: 64)
    private var shift: UInt64 = 58
    private(set) var count = 0

    @inline(__always) static func key(_ high: UInt32, _ low: UInt32) -> UInt64 { UInt64(high) << 32 | UInt64(low) }

    /// The index stored under `key`, or nil.
    @inline(__always) func find(_ key: UInt64) -> Int? {
        let found = entry(key)
        return found == RowIndex.none ? nil : Int(found)
    }

    /// The index stored under `key`, or `RowIndex.none`.
    @inline(__always) func entry(_ key: UInt64) -> UInt32 {
        let slots = slots.span
        let mask = slots.count &- 1
        let (high, low) = (UInt32(truncatingIfNeeded: key >> 32), UInt32(truncatingIfNeeded: key))
        var slot = Int(truncatingIfNeeded: spread(key) &>> shift)
        while true {
            let found = slots[slot]
            // A free slot holds 0: one less is `RowIndex.none`.
            if found.entry == 0 || found.high == high && found.low == low { return found.entry &- 1 }
            slot = (slot &+ 1) & mask
        }
    }

    /// Prefetches the slot at which a key is looked up first.
    @inline(__always) func prefetch(_ key: UInt64) {
        slots.span.prefetch(Int(truncatingIfNeeded: spread(key) &>> shift))
    }

    /// Stores an index under a key that is not in the table.
    mutating func insert(_ key: UInt64, _ index: Int) {
        if (count + 1) * 3 > slots.count * 2 { grow() }
        let (high, low) = (UInt32(truncatingIfNeeded: key >> 32), UInt32(truncatingIfNeeded: key))
        Self.put(Slot(high: high, low: low, entry: UInt32(index + 1)), &slots, shift)
        count += 1
    }

    private static func put(_ new: Slot, _ slots: inout [Slot], _ shift: UInt64) {
        var slots = slots.mutableSpan
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: spread(key(new.high, new.low)) &>> shift)
        while slots[slot].entry != 0 { slot = (slot &+ 1) & mask }
        slots[slot] = new
    }

    private mutating func grow() {
        let old = slots
        slots = [Slot](repeating: Slot(), count: old.count * 2)
        shift -= 1
        for slot in old where slot.entry != 0 { Self.put(slot, &slots, shift) }
    }
}

extension Array {
    /// Makes a table of rows so long.
    mutating func extend(to count: Int, repeating row: Element) {
        guard count > self.count else { return }
        makeRoom(for: count)
        append(contentsOf: repeatElement(row, count: count - self.count))
    }

    /// Appends a row.
    mutating func appendRow(_ row: Element) {
        makeRoom(for: count + 1)
        append(row)
    }

    /// Takes room for so many rows, and for many more. Memory that was never written costs nothing, while every move of
    /// a large table to a larger one has the kernel clear that many pages more. Only a table beyond half a gibibyte
    /// takes no more than twice what it has: so much at once must not be more than the machine has.
    @inline(__always) private mutating func makeRoom(for count: Int) {
        guard count > capacity else { return }
        let rows = { bytes in bytes / MemoryLayout<Element>.stride }
        let wanted = capacity < rows(512 << 20) ? Swift.max(rows(8 << 20), 8 * capacity) : 2 * capacity
        reserveCapacity(Swift.max(count, wanted))
    }
}

/// Spreads a pair of small numbers over the upper bits (multiplication by the golden ratio, D. E. Knuth, 6.4).
@inline(__always) func spread(_ key: UInt64) -> UInt64 { key &* 0x9e37_79b9_7f4a_7c15 }

/// A set of pairs of small integers, in the order in which they came.
struct PairSet: Sendable {
    private(set) var keys: [UInt64] = []
    private var index = IndexTable()

    /// - Returns: whether the pair was not there.
    mutating func insert(_ high: UInt32, _ low: UInt32) -> Bool {
        let key = IndexTable.key(high, low)
        guard index.find(key) == nil else { return false }
        index.insert(key, keys.count)
        keys.append(key)
        return true
    }

    /// Puts back a pair read from a snapshot.
    mutating func restore(_ key: UInt64) {
        _ = insert(UInt32(truncatingIfNeeded: key >> 32), UInt32(truncatingIfNeeded: key))
    }
}

/// A fixed mixer of 64 bits (the finalizer of splitmix64, public domain, S. Vigna): the same in every process.
@inline(__always) func mix(_ key: UInt64) -> UInt64 {
    var mixed = key &* 0x9e37_79b9_7f4a_7c15
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
}
