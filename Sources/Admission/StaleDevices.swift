// Which devices send numbers that are too old: a handful of names for the operator, in bounded memory.

import Events

/// The devices with most stale events, by the Space-Saving algorithm (Metwally, Agrawal, El Abbadi 2005): a device that
/// has no place takes that of the one with the fewest, and its count. So a count may be too high by at most one part in
/// `AdmissionLimits.staleDevices` of all stale events, and no device that has more than that is missing.
struct StaleDevices: Sendable {
    private var counts: [DeviceID: UInt64] = [:]

    init() {}

    mutating func add(_ device: DeviceID) {
        if counts[device] == nil, counts.count >= AdmissionLimits.staleDevices,
            let fewest = counts.min(by: { ($0.value, $0.key) < ($1.value, $1.key) })
        {
            counts[fewest.key] = nil
            counts[device] = fewest.value
        }
        counts[device, default: 0] += 1
    }

    var most: [(device: DeviceID, events: UInt64)] {
        let ranked = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        return ranked.prefix(AdmissionLimits.staleDevicesShown).map { (device: $0.key, events: $0.value) }
    }
}
