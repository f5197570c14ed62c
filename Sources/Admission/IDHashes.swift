// The memory for senders that name their events with ids of their own: the hashes of the last ones.

package import Events

/// The last ids of every device that sends ids, as hashes. A fold over the log, like the table that it is part of.
package struct IDHashes: Sendable {
    private var rings: [UInt32: IDRing] = [:]
    private var hashCount = 0

    package init() {}

    /// Takes an id, known by its hash, among the last `AdmissionLimits.idsPerDevice` of the device.
    package mutating func admit(_ device: DeviceID, hash: UInt64) -> DedupeVerdict {
        let before = rings[device.rawValue]?.hashes.count ?? 0
        let isNew = rings[device.rawValue, default: IDRing()].insert(hash)
        guard isNew else { return .duplicate }
        hashCount += (rings[device.rawValue]?.hashes.count ?? 0) - before
        if hashCount > AdmissionLimits.idsTotal { forgetOlderHalf() }
        return .new
    }

    /// Those of some devices, whose numbers then begin at 0.
    package func part(_ devices: Range<UInt32>) -> IDHashes {
        var part = IDHashes()
        guard !rings.isEmpty else { return part }
        for device in devices {
            if let ring = rings[device] { part.restore(ring, of: device - devices.lowerBound) }
        }
        return part
    }

    subscript(device: UInt32) -> IDRing? { rings[device] }

    mutating func restore(_ ring: IDRing, of device: UInt32) {
        rings[device] = ring
        hashCount += ring.hashes.count
    }

    /// Keeps the newer half of every device's ids. Depends only on what was folded, never on time.
    private mutating func forgetOlderHalf() {
        hashCount = 0
        for device in rings.keys.sorted() {
            rings[device]?.keepNewerHalf()
            hashCount += rings[device]?.hashes.count ?? 0
        }
    }
}

/// The last ids of one device, as hashes, oldest overwritten first.
struct IDRing: Sendable {
    var hashes: [UInt64] = []
    var next = 0

    /// - Returns: whether the hash was not there.
    mutating func insert(_ hash: UInt64) -> Bool {
        if hashes.contains(hash) { return false }
        if hashes.count < AdmissionLimits.idsPerDevice {
            hashes.append(hash)
        } else {
            hashes[next] = hash
            next = (next + 1) % AdmissionLimits.idsPerDevice
        }
        return true
    }

    mutating func keepNewerHalf() {
        let ordered = hashes[next...] + hashes[..<next]
        hashes = Array(ordered.suffix(ordered.count / 2))
        next = 0
    }
}
