// Bytes to small integers: an arena and an open-addressing table, so that a known name costs one hash, one probe
// and one comparison, and no String is ever made.

import Bytes

/// Numbers byte strings from 1 in the order in which they are first seen.
///
/// An entry may belong to a `scope` (a device belongs to its product): equal bytes in two scopes are two entries.
/// Not thread-safe; owned by one thread at a time.
package struct Interner: Sendable {
    /// Where the bytes of an entry stand in the arena, and what it belongs to.
    private struct Entry: Sendable, BitwiseCopyable {
        var start = 0
        var count: UInt32 = 0
        var scope: UInt32 = 0
    }

    private var arena: [UInt8] = []
    /// By number; index 0 is no entry.
    private var entries = [Entry()]
    /// Entry numbers, 0 for a free slot; the upper half of each word holds 32 bits of the hash, of which the low ones
    /// choose the slot: so the table grows without a look at the names.
    private var slots: [UInt64]
    private let seed: UInt64

    /// - Parameter seed: mixed into every hash, so that a sender cannot choose names that collide.
    package init(seed: UInt64 = UInt64.random(in: 1...UInt64.max)) {
        self.seed = seed
        slots = Array(repeating: 0, count: 64)
    }

    /// The number of entries; the last one's number.
    package var count: Int { entries.count - 1 }

    /// The entry for `bytes`, or 0.
    package func find(_ bytes: Span<UInt8>, scope: UInt32 = 0) -> UInt32 {
        probe(bytes, scope: scope, hash: hash(bytes, scope: scope)).entry
    }

    /// The entry for `bytes`, made if there is none; 0 when that would be more than `limit` entries.
    ///
    /// - Parameter search: one for the same bytes and scope, if it was begun before.
    package mutating func intern(
        _ bytes: Span<UInt8>, scope: UInt32 = 0, limit: Int, search: NameSearch = NameSearch()
    ) -> UInt32 {
        if search.likely != 0, Int(search.likely) <= count, isEntry(search.likely, bytes, scope) {
            return search.likely
        }
        let hash = search.hash != 0 ? search.hash : hash(bytes, scope: scope)
        let found = probe(bytes, scope: scope, hash: hash)
        if found.entry != 0 { return found.entry }
        guard count < limit else { return 0 }
        entries.append(Entry())
        let id = UInt32(count)
        fill(id, bytes, scope: scope, hash: hash, slot: found.slot)
        return id
    }

    /// Puts back an entry under the number that it had, in any order of numbers. Numbers that were never used stay
    /// empty; a number that has an entry keeps it.
    package mutating func restore(_ bytes: Span<UInt8>, scope: UInt32 = 0, id: UInt32) {
        guard id > 0, isEmpty(id) else { return }
        if count < Int(id) { entries.append(contentsOf: repeatElement(Entry(), count: Int(id) - count)) }
        let hash = hash(bytes, scope: scope)
        let found = probe(bytes, scope: scope, hash: hash)
        if found.entry == 0 { fill(id, bytes, scope: scope, hash: hash, slot: found.slot) }
    }

    /// Keeps the numbers up to `id` from being given out: they were in use, under names that are lost.
    package mutating func reserve(upTo id: UInt32) {
        if count < Int(id) { entries.append(contentsOf: repeatElement(Entry(), count: Int(id) - count)) }
    }

    private func isEmpty(_ id: UInt32) -> Bool {
        Int(id) > count || (entries[Int(id)].count == 0 && entries[Int(id)].scope == 0)
    }

    /// The bytes of an entry; empty for an unknown number.
    package func bytes(of id: UInt32) -> ArraySlice<UInt8> {
        guard id > 0, Int(id) < entries.count else { return [] }
        let entry = entries[Int(id)]
        return arena[entry.start..<(entry.start + Int(entry.count))]
    }

    package func scope(of id: UInt32) -> UInt32 { Int(id) < entries.count ? entries[Int(id)].scope : 0 }

    private mutating func fill(_ id: UInt32, _ bytes: Span<UInt8>, scope: UInt32, hash: UInt64, slot: Int) {
        entries[Int(id)] = Entry(start: arena.count, count: UInt32(bytes.count), scope: scope)
        for index in bytes.indices { arena.append(bytes[index]) }
        slots[slot] = (hash & 0xffff_ffff_0000_0000) | UInt64(id)
        // Numbers that are still empty count too, so that the table never fills up.
        if count * 2 > slots.count { grow() }
    }

    private func probe(_ bytes: Span<UInt8>, scope: UInt32, hash: UInt64) -> (entry: UInt32, slot: Int) {
        let slots = slots.span
        let mask = slots.count &- 1
        var slot = Int(truncatingIfNeeded: hash &>> 32) & mask
        while true {
            let word = slots[slot]
            if word == 0 { return (0, slot) }
            if (word ^ hash) &>> 32 == 0 {
                let id = UInt32(truncatingIfNeeded: word)
                if isEntry(id, bytes, scope) { return (id, slot) }
            }
            slot = (slot &+ 1) & mask
        }
    }

    // MARK: Steps of a search

    /// First step: asks for the memory of the slot.
    func search(_ bytes: Span<UInt8>, scope: UInt32 = 0) -> NameSearch {
        let hash = hash(bytes, scope: scope)
        slots.span.prefetch(Int(truncatingIfNeeded: hash &>> 32) & (slots.count &- 1))
        return NameSearch(hash: hash)
    }

    /// Second step: finds the entry that has the hash, and asks for its memory.
    func probe(_ search: inout NameSearch) {
        guard search.hash != 0 else { return }
        let slots = slots.span
        let mask = slots.count &- 1
        var slot = Int(truncatingIfNeeded: search.hash &>> 32) & mask
        while slots[slot] != 0 {
            if (slots[slot] ^ search.hash) &>> 32 == 0 {
                search.likely = UInt32(truncatingIfNeeded: slots[slot])
                entries.span.prefetch(Int(search.likely))
                return
            }
            slot = (slot &+ 1) & mask
        }
    }

    /// Third step: asks for the memory of the bytes.
    func prefetchBytes(of search: NameSearch) {
        guard search.likely != 0, Int(search.likely) <= count else { return }
        let entry = entries[Int(search.likely)]
        arena.span.prefetch(entry.start, bytes: max(Int(entry.count), 1))
    }

    private func isEntry(_ id: UInt32, _ bytes: Span<UInt8>, _ scope: UInt32) -> Bool {
        let entry = entries[Int(id)]
        guard entry.scope == scope, Int(entry.count) == bytes.count else { return false }
        let known = arena.span.extracting(entry.start..<(entry.start &+ bytes.count))
        var index = 0
        while index &+ 8 <= bytes.count {
            if bytes.word(at: index) != known.word(at: index) { return false }
            index &+= 8
        }
        let rest = bytes.count &- index
        return bytes.shortWord(at: index, count: rest) == known.shortWord(at: index, count: rest)
    }

    private mutating func grow() {
        var size = slots.count
        while size < count * 2 { size *= 2 }
        let old = slots
        slots = Array(repeating: 0, count: size)
        let mask = size - 1
        for word in old where word != 0 {
            var slot = Int(truncatingIfNeeded: word &>> 32) & mask
            while slots[slot] != 0 { slot = (slot &+ 1) & mask }
            slots[slot] = word
        }
    }

    // MARK: Forgetting

    /// The slot of an entry that has bytes.
    func slot(of id: UInt32) -> Int? {
        let entry = entries[Int(id)]
        guard entry.count > 0 else { return nil }
        let bytes = arena.span.extracting(entry.start..<(entry.start + Int(entry.count)))
        let found = probe(bytes, scope: entry.scope, hash: hash(bytes, scope: entry.scope))
        return found.entry == id ? found.slot : nil
    }

    /// Overwrites the bytes of an entry; what it belongs to stays.
    mutating func blank(_ id: UInt32) {
        let entry = entries[Int(id)]
        for index in entry.start..<(entry.start + Int(entry.count)) { arena[index] = 0 }
        entries[Int(id)].count = 0
        entries[Int(id)].start = 0
    }

    /// Frees a slot, and moves up those behind it that were only put there because it was taken.
    mutating func free(_ slot: Int) {
        let mask = slots.count - 1
        var hole = slot
        var next = (slot + 1) & mask
        while slots[next] != 0 {
            let home = Int(truncatingIfNeeded: slots[next] &>> 32) & mask
            // Whether the way from its home to where it is leads over the hole.
            if (next &- home) & mask >= (next &- hole) & mask {
                slots[hole] = slots[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        slots[hole] = 0
    }

    private func hash(_ bytes: Span<UInt8>, scope: UInt32) -> UInt64 {
        hashBytes(bytes, seed: seed ^ UInt64(scope))
    }
}
