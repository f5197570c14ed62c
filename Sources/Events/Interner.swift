// Bytes to small integers: an arena and an open-addressing table, so that a known name costs one hash, one probe
// and one comparison, and no String is ever made.

/// Numbers byte strings from 1 in the order in which they are first seen.
///
/// An entry may belong to a `scope` (a device belongs to its product): equal bytes in two scopes are two entries.
/// Not thread-safe; owned by one thread at a time.
package struct Interner: Sendable {
    private var arena: [UInt8] = []
    /// Where entry `id` stands in the arena, at index `id`; index 0 is no entry.
    private var starts: [Int] = [0]
    private var ends: [Int] = [0]
    private var scopes: [UInt32] = [0]
    /// Entry numbers, 0 for a free slot; the upper half of each word holds 32 bits of the hash.
    private var slots: [UInt64]
    private let seed: UInt64
    /// The scope of a number that was never given out.
    private static let unused = UInt32.max

    /// - Parameter seed: mixed into every hash, so that a sender cannot choose names that collide.
    package init(seed: UInt64 = UInt64.random(in: 1...UInt64.max)) {
        self.seed = seed
        slots = Array(repeating: 0, count: 64)
    }

    /// The number of entries; the last one's number.
    package var count: Int { ends.count - 1 }

    /// The entry for `bytes`, or 0.
    package func find(_ bytes: Span<UInt8>, scope: UInt32 = 0) -> UInt32 {
        probe(bytes, scope: scope, hash: hash(bytes, scope: scope)).entry
    }

    /// The entry for `bytes`, made if there is none; 0 when that would be more than `limit` entries.
    package mutating func intern(_ bytes: Span<UInt8>, scope: UInt32 = 0, limit: Int) -> UInt32 {
        let hash = hash(bytes, scope: scope)
        let found = probe(bytes, scope: scope, hash: hash)
        if found.entry != 0 { return found.entry }
        guard count < limit else { return 0 }
        return add(bytes, scope: scope, hash: hash, slot: found.slot)
    }

    /// Puts back an entry under the number that it had, in any order of numbers. Numbers that were never used stay
    /// empty; a number that has an entry keeps it.
    package mutating func restore(_ bytes: Span<UInt8>, scope: UInt32 = 0, id: UInt32) {
        guard id > 0, isEmpty(id) else { return }
        while count < Int(id) {
            starts.append(arena.count)
            ends.append(arena.count)
            scopes.append(0)
        }
        let hash = hash(bytes, scope: scope)
        let found = probe(bytes, scope: scope, hash: hash)
        if found.entry == 0 { fill(id, bytes, scope: scope, hash: hash, slot: found.slot) }
    }

    private func isEmpty(_ id: UInt32) -> Bool {
        Int(id) > count || (starts[Int(id)] == ends[Int(id)] && scopes[Int(id)] == 0)
    }

    /// The bytes of an entry; empty for an unknown number.
    package func bytes(of id: UInt32) -> ArraySlice<UInt8> {
        guard id > 0, Int(id) < ends.count else { return [] }
        return arena[starts[Int(id)]..<ends[Int(id)]]
    }

    package func scope(of id: UInt32) -> UInt32 {
        Int(id) < scopes.count && scopes[Int(id)] != Self.unused ? scopes[Int(id)] : 0
    }

    private mutating func add(_ bytes: Span<UInt8>, scope: UInt32, hash: UInt64, slot: Int) -> UInt32 {
        starts.append(arena.count)
        ends.append(arena.count)
        scopes.append(0)
        let id = UInt32(count)
        fill(id, bytes, scope: scope, hash: hash, slot: slot)
        return id
    }

    private mutating func fill(_ id: UInt32, _ bytes: Span<UInt8>, scope: UInt32, hash: UInt64, slot: Int) {
        starts[Int(id)] = arena.count
        for index in bytes.indices { arena.append(bytes[index]) }
        ends[Int(id)] = arena.count
        scopes[Int(id)] = scope
        slots[slot] = (hash & 0xffff_ffff_0000_0000) | UInt64(id)
        // Numbers that are still empty count too, so that the table never fills up.
        if count * 2 > slots.count { grow() }
    }

    private func probe(_ bytes: Span<UInt8>, scope: UInt32, hash: UInt64) -> (entry: UInt32, slot: Int) {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while true {
            let word = slots[slot]
            if word == 0 { return (0, slot) }
            if (word ^ hash) >> 32 == 0 {
                let id = UInt32(truncatingIfNeeded: word)
                if scopes[Int(id)] == scope, equal(bytes, id) { return (id, slot) }
            }
            slot = (slot + 1) & mask
        }
    }

    private func equal(_ bytes: Span<UInt8>, _ id: UInt32) -> Bool {
        let start = starts[Int(id)]
        guard ends[Int(id)] - start == bytes.count else { return false }
        for index in 0..<bytes.count where arena[start + index] != bytes[index] { return false }
        return true
    }

    private mutating func grow() {
        var size = slots.count
        while size < count * 2 { size *= 2 }
        slots = Array(repeating: 0, count: size)
        let mask = slots.count - 1
        for id in 1...UInt32(count) {
            let start = starts[Int(id)]
            let end = ends[Int(id)]
            guard scopes[Int(id)] != Self.unused else { continue }
            let hash = hash(arena.span.extracting(start..<end), scope: scopes[Int(id)])
            var slot = Int(truncatingIfNeeded: hash) & mask
            while slots[slot] != 0 { slot = (slot + 1) & mask }
            slots[slot] = (hash & 0xffff_ffff_0000_0000) | UInt64(id)
        }
    }

    private func hash(_ bytes: Span<UInt8>, scope: UInt32) -> UInt64 {
        hashBytes(bytes, seed: seed ^ UInt64(scope))
    }
}

/// A fast 64-bit hash: eight bytes at a time, multiply and fold (after wyhash's `mum`). Not cryptographic.
package func hashBytes(_ bytes: Span<UInt8>, seed: UInt64) -> UInt64 {
    var hash = seed ^ 0x9e37_79b9_7f4a_7c15
    var index = 0
    let count = bytes.count
    while index + 8 <= count {
        hash = fold(hash ^ word(bytes, index, 8), 0xe703_7ed1_a0b4_28db)
        index += 8
    }
    hash = fold(hash ^ word(bytes, index, count - index), 0x8ebc_6af0_9c88_c6e3 ^ UInt64(count))
    return fold(hash, 0x5899_65cc_7537_4cc3)
}

@inline(__always) private func word(_ bytes: Span<UInt8>, _ start: Int, _ count: Int) -> UInt64 {
    var word: UInt64 = 0
    for offset in 0..<count { word |= UInt64(bytes[start + offset]) << UInt64(offset * 8) }
    return word
}

@inline(__always) private func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return product.high ^ product.low
}
