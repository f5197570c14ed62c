// All keys of devices and gateways without their secrets, packed: a million of them take some 20 bytes each, and their
// names.

import Events

/// Keys by their numbers.
package struct KeyTable: Sendable {
    /// Ascending; the other columns are in the same order.
    private var ids: [UInt32] = []
    private var generations: [UInt32] = []
    private var kinds: [Kind] = []
    private var isRevoked: [Bool] = []
    /// How much of an entry's part of `names` is the product.
    private var productBytes: [UInt16] = []
    /// Where the part of each begins; it ends where the next one begins.
    private var starts: [UInt32] = []
    private var names: [UInt8] = []
    /// What is in no part of `names`.
    private var others: [UInt32: Scope] = [:]

    private enum Kind: UInt8 { case device, prefix, other }

    package init() {}

    /// - Parameter entries: of two with the same number the last one counts.
    package init(_ entries: [KeyEntry]) {
        let latest = Dictionary(entries.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
        for entry in latest.values.sorted(by: { $0.id < $1.id }) { append(entry) }
    }

    package var isEmpty: Bool { ids.isEmpty }
    package var count: Int { ids.count }

    /// Adds a key whose number is above all others; one that is not is left out.
    package mutating func append(_ entry: KeyEntry) {
        guard entry.id > ids.last ?? 0, names.count < Int(UInt32.max) - 65_536 else { return }
        ids.append(entry.id)
        generations.append(entry.generation)
        isRevoked.append(entry.isRevoked)
        starts.append(UInt32(names.count))
        var product = 0
        switch entry.scope {
        case .device(let ownProduct, let name) where ownProduct.count + name.count < 65_536:
            kinds.append(.device)
            product = ownProduct.count
            names += ownProduct
            names += name
        case .prefix(let prefix) where prefix.count < 65_536:
            kinds.append(.prefix)
            names += prefix
        case .device, .prefix, .everything, .products:
            kinds.append(.other)
            others[entry.id] = entry.scope
        }
        productBytes.append(UInt16(product))
    }

    /// Where a key stands; it takes as long for a number that nobody has. Numbers are given in turn and none is taken
    /// back, so that mostly a number is a place; only a table with holes is searched, in as many steps for each.
    func index(of id: UInt32) -> Int? {
        guard let last = ids.last else { return nil }
        if Int(last) == ids.count {
            let place = min(Int(max(id, 1)), ids.count) - 1
            return ids[place] == id ? place : nil
        }
        var (low, step) = (0, 1 << (Int.bitWidth - 1 - ids.count.leadingZeroBitCount))
        while step > 0 {
            // The last one that is not above it. One is read at each step, also behind the end of the table.
            let next = min(low + step, ids.count - 1)
            low = ids[next] <= id ? next : low
            step >>= 1
        }
        return ids[low] == id ? low : nil
    }

    /// How often a key was replaced. One is read also for a number that nobody has, which takes as long.
    func generation(at index: Int?) -> UInt32 { generations.isEmpty ? 0 : generations[index ?? 0] }

    func isRevoked(at index: Int) -> Bool { isRevoked[index] }

    func scope(at index: Int) -> Scope {
        let end = index + 1 < starts.count ? Int(starts[index + 1]) : names.count
        let own = names[Int(starts[index])..<end]
        switch kinds[index] {
        case .device:
            let product = Int(productBytes[index])
            return .device(product: Array(own.prefix(product)), name: Array(own.dropFirst(product)))
        case .prefix: return .prefix(Array(own))
        case .other: return others[ids[index]] ?? .products([])
        }
    }
}
