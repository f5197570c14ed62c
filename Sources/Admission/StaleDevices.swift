// Which devices send events that are too old to be told from repetitions: the few that send most of them.

import Events

/// Counts of the devices that occur most often among many, in bounded memory: a device that finds no place takes that
/// of the least, with its count (the "space-saving" of Metwally, Agrawal and El Abbadi, 2005). So a count is never too
/// low, and too high by no more than what the least one has.
struct StaleDevices: Sendable {
    private var counts: [(device: DeviceID, events: UInt64)] = []
    private static let places = 64
    private static let shown = 5

    mutating func add(_ device: DeviceID) {
        if let index = counts.firstIndex(where: { $0.device == device }) {
            counts[index].events += 1
        } else if counts.count < Self.places {
            counts.append((device, 1))
        } else if let least = counts.indices.min(by: { counts[$0].events < counts[$1].events }) {
            counts[least] = (device, counts[least].events + 1)
        }
    }

    var most: [(device: DeviceID, events: UInt64)] {
        Array(counts.sorted { ($1.events, $0.device.rawValue) < ($0.events, $1.device.rawValue) }.prefix(Self.shown))
    }
}
