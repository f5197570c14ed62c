// The memory for senders that name their events with ids of their own: the hashes of the last ones.

package import Events

/// The last ids of every device that sends ids, as hashes. A fold over the log, like the table that it is part of.
///
/// When all devices together have too many, one device after another, in the order of their numbers, is left with the
/// newer half of its ids: one device for each id that is too many, so that no event waits for more than one.
package struct IDHashes: Sendable {
    private var rings: [IDRing] = []
    /// By device: the index of its ring plus 1; 0 for none. As long as the highest device with ids needs.
    private var indices: [UInt32] = []
    /// How many ids are remembered.
    package private(set) var count = 0
    /// The device that is the next to be asked to forget.
    private(set) var next: UInt32 = 0
    /// One more than the highest device that ever had an id: there the turn begins anew.
    private(set) var end: UInt32 = 0
    /// Ids forgotten since `beginCounting`, for later ones of their own device.
    package private(set) var forgottenForOwn: UInt64 = 0
    /// The same, because all devices together had too many.
    package private(set) var forgottenForAll: UInt64 = 0
    private let limits: (perDevice: Int, total: Int)
    private let seed = UInt64.random(in: 0...UInt64.max)

    package init(perDevice: Int = AdmissionLimits.idsPerDevice, total: Int = AdmissionLimits.idsTotal) {
        limits = (min(max(perDevice, 1), Int(UInt16.max) - 1), total)
    }

    /// Takes an id, known by its hash, among the last ones of the device.
    package mutating func admit(_ device: DeviceID, hash: UInt64) -> DedupeVerdict {
        let index = ring(of: device.rawValue)
        if rings[index].contains(hash, seed: seed) { return .duplicate }
        if rings[index].append(hash, limit: limits.perDevice, seed: seed) {
            forgottenForOwn += 1
            return .new
        }
        count += 1
        if count > limits.total { forget(sparing: device.rawValue) }
        return .new
    }

    /// What was forgotten so far counts no more.
    mutating func beginCounting() { (forgottenForOwn, forgottenForAll) = (0, 0) }

    package func contains(_ device: DeviceID, hash: UInt64) -> Bool {
        known(device.rawValue).map { rings[$0].contains(hash, seed: seed) } ?? false
    }

    private func known(_ device: UInt32) -> Int? {
        guard Int(device) < indices.count, indices[Int(device)] > 0 else { return nil }
        return Int(indices[Int(device)]) - 1
    }

    private mutating func ring(of device: UInt32) -> Int {
        if let index = known(device) { return index }
        if Int(device) >= indices.count {
            indices.append(contentsOf: repeatElement(0, count: Int(device) + 1 - indices.count))
        }
        rings.append(IDRing())
        indices[Int(device)] = UInt32(rings.count)
        end = max(end, device + 1)
        return rings.count - 1
    }

    /// Leaves the device whose turn it is with the newer half of its ids; the only id of one only when it is not the
    /// one that has just come. Depends only on what was folded, never on time.
    private mutating func forget(sparing newcomer: UInt32) {
        for _ in 0..<AdmissionLimits.devicesLookedAt {
            if next >= end { next = 0 }
            let device = next
            next += 1
            guard let index = known(device), rings[index].count > (device == newcomer ? 1 : 0) else { continue }
            let gone = rings[index].keepNewerHalf(seed: seed)
            count -= gone
            forgottenForAll += UInt64(gone)
            return
        }
    }

    // MARK: Snapshots

    /// A device's hashes, oldest first.
    func ordered(of device: UInt32) -> [UInt64] { known(device).map { rings[$0].ordered } ?? [] }

    /// Puts a device's hashes back, oldest first. False when they cannot be.
    mutating func restore(_ ordered: [UInt64], of device: UInt32) -> Bool {
        // `restoreTurn` has said which device is the last one.
        guard device < end, ordered.count <= limits.perDevice, let ring = IDRing(ordered: ordered, seed: seed) else {
            return false
        }
        rings[self.ring(of: device)] = ring
        count += ordered.count
        return true
    }

    /// Puts back whose turn it is to forget.
    mutating func restoreTurn(next: UInt32, end: UInt32) { (self.next, self.end) = (next, end) }
}
