// The last preference of every device and aspect: the largest table of the projection, one probe an event.

import Events

/// What one device now prefers for one aspect.
struct Preference: BitwiseCopyable, Sendable, Equatable {
    var device: UInt32 = 0
    var slot: UInt32 = 0
    /// The highest (rank of the epoch, sequence number) applied; 0, 0 while only events without one were.
    var rank: UInt32 = 0
    var kind: Event.ValueKind = .none
    var seq: UInt64 = 0
    var bits: UInt64 = 0

    @inline(__always) func isSameKind(as other: Preference) -> Bool {
        switch (kind, other.kind) {
        case (.none, .none), (.whole, .whole), (.real, .real), (.symbol, .symbol), (.flag, .flag): true
        default: false
        }
    }
}

/// Preferences by (device, aspect slot), stored inline, so that the common case touches one cache line.
struct PreferenceTable: Sendable {
    private(set) var entries = [Preference](repeating: Preference(), count: 1_024)
    private(set) var count = 0

    /// The place of a device's preference; made, with `kind == .none`, if there is none.
    @inline(__always) mutating func place(device: UInt32, slot: UInt32) -> Int {
        let mask = entries.count - 1
        var place = Int(truncatingIfNeeded: Self.hash(device, slot)) & mask
        while true {
            let found = entries[place].device
            if found == device, entries[place].slot == slot { return place }
            if found == 0 { break }
            place = (place + 1) & mask
        }
        if (count + 1) * 3 > entries.count * 2 {
            grow()
            return self.place(device: device, slot: slot)
        }
        entries[place].device = device
        entries[place].slot = slot
        count += 1
        return place
    }

    /// Reads the first place where a device's preference may be, for no other reason than to have it near.
    @inline(__always) func read(device: UInt32, slot: UInt32) -> UInt64 {
        entries[Int(truncatingIfNeeded: Self.hash(device, slot)) & (entries.count - 1)].seq
    }

    /// Puts back an entry read from a snapshot.
    mutating func restore(_ preference: Preference) {
        let place = place(device: preference.device, slot: preference.slot)
        entries[place] = preference
    }

    @inline(__always) subscript(place: Int) -> Preference {
        get { entries[place] }
        set { entries[place] = newValue }
    }

    private mutating func grow() {
        let old = entries
        entries = [Preference](repeating: Preference(), count: old.count * 2)
        let mask = entries.count - 1
        for entry in old where entry.device != 0 {
            var place = Int(truncatingIfNeeded: Self.hash(entry.device, entry.slot)) & mask
            while entries[place].device != 0 { place = (place + 1) & mask }
            entries[place] = entry
        }
    }

    @inline(__always) private static func hash(_ device: UInt32, _ slot: UInt32) -> UInt64 {
        mix(IndexTable.key(device, slot))
    }
}
