// The last ids of one device, as hashes: a ring in the order of the log, and an index to find one in it.

/// The last ids of one device, as hashes.
///
/// Up to `linear` of them are searched one by one; beyond it an index of two-byte positions, at most half full, finds
/// one. Eight bytes an id, and with the index twelve when it is full.
struct IDRing: Sendable {
    /// The oldest at `start`, from there on in the order in which they came, and on at the beginning.
    private var hashes: [UInt64] = []
    private var start = 0
    /// Positions in `hashes`, each plus 1, where the hash spread over the slots says, or behind that (linear probing);
    /// 0 is free. Empty while there are few.
    private var slots: [UInt16] = []

    /// So many are searched without an index.
    private static let linear = 32

    var count: Int { hashes.count }

    /// The hashes, oldest first.
    var ordered: [UInt64] { Array(hashes[start...] + hashes[..<start]) }

    init() {}

    /// A ring of hashes, oldest first; nil when one occurs twice.
    init?(ordered: [UInt64], seed: UInt64) {
        hashes = ordered
        guard ordered.count > Self.linear else {
            if Set(ordered).count < ordered.count { return nil }
            return
        }
        makeIndex(seed)
        for position in hashes.indices where find(hashes[position], seed) != position { return nil }
    }

    func contains(_ hash: UInt64, seed: UInt64) -> Bool {
        slots.isEmpty ? hashes.contains(hash) : find(hash, seed) != nil
    }

    /// Appends a hash that is not there.
    ///
    /// - Returns: whether the oldest one had to go for it.
    mutating func append(_ hash: UInt64, limit: Int, seed: UInt64) -> Bool {
        guard hashes.count >= limit else {
            // Only a ring that was full begins elsewhere, and that does not grow.
            hashes.append(hash)
            if hashes.count > Self.linear {
                if hashes.count * 2 > slots.count { makeIndex(seed) } else { put(hashes.count - 1, seed) }
            }
            return false
        }
        if !slots.isEmpty { remove(start, seed) }
        hashes[start] = hash
        if !slots.isEmpty { put(start, seed) }
        start = start + 1 == hashes.count ? 0 : start + 1
        return true
    }

    /// Keeps the newer half.
    ///
    /// - Returns: how many went.
    mutating func keepNewerHalf(seed: UInt64) -> Int {
        let before = hashes.count
        hashes = Array(ordered.suffix(before / 2))
        start = 0
        slots = []
        if hashes.count > Self.linear { makeIndex(seed) }
        return before - hashes.count
    }

    // MARK: The index

    /// Where a hash stands if nothing is in its way. With a seed that nobody outside knows, so that nobody can choose
    /// ids that stand in each other's way.
    private func home(_ hash: UInt64, _ seed: UInt64) -> Int {
        let product = (hash ^ seed).multipliedFullWidth(by: 0xe703_7ed1_a0b4_28db)
        return Int(truncatingIfNeeded: product.high ^ product.low) & (slots.count - 1)
    }

    private func find(_ hash: UInt64, _ seed: UInt64) -> Int? {
        var slot = home(hash, seed)
        while slots[slot] != 0 {
            let position = Int(slots[slot]) - 1
            if hashes[position] == hash { return position }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    private mutating func put(_ position: Int, _ seed: UInt64) {
        var slot = home(hashes[position], seed)
        while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = UInt16(position + 1)
    }

    /// Takes a position out of the index, and moves those behind it that it was in the way of (Knuth, 6.4, R).
    private mutating func remove(_ position: Int, _ seed: UInt64) {
        let mask = slots.count - 1
        var hole = home(hashes[position], seed)
        while Int(slots[hole]) != position + 1 { hole = (hole + 1) & mask }
        var next = (hole + 1) & mask
        while slots[next] != 0 {
            let wanted = home(hashes[Int(slots[next]) - 1], seed)
            if (next - wanted) & mask >= (next - hole) & mask {
                slots[hole] = slots[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        slots[hole] = 0
    }

    private mutating func makeIndex(_ seed: UInt64) {
        var size = 64
        while size < hashes.count * 2 { size *= 2 }
        slots = [UInt16](repeating: 0, count: size)
        for position in hashes.indices { put(position, seed) }
    }
}
