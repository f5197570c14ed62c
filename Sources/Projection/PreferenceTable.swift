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
    /// The value's payload; with a word, its upper half may hold the row of the choice + 1.
    var bits: UInt64 = 0

    /// The payload alone.
    @inline(__always) var payload: UInt64 {
        if case .symbol = kind { return bits & 0xffff_ffff }
        return bits
    }

    @inline(__always) func isSameValue(as other: Preference) -> Bool {
        kind.rawValue == other.kind.rawValue && payload == other.payload
    }
}

/// Preferences by (device, aspect slot): open addressing with linear probing, stored inline.
///
/// An entry is two halves of sixteen bytes. A large array's elements begin sixteen bytes before a cache line; so one
/// half is left out at the beginning, and no entry lies across two lines.
struct PreferenceTable: Sendable {
    private struct Half: BitwiseCopyable {
        var a: UInt64 = 0
        var b: UInt64 = 0
    }
    private var halves = [Half](repeating: Half(), count: 2 * 1_024 + 1)
    private(set) var count = 0
    /// The number of places.
    private(set) var capacity = 1_024

    /// Makes room for so many new entries, so that the places of all entries stay while they are added.
    mutating func reserve(_ more: Int) {
        while (count + more) * 3 > capacity * 2 {
            grow(to: capacity < 1 << 19 ? capacity * 2 : capacity + capacity / 2)
        }
    }

    /// Makes the table so large.
    mutating func reserve(places: Int) {
        if places > capacity, places <= 1 << 30 { grow(to: places) }
    }

    /// Gives the place of the preference of each event that sets one; made, with `kind == .none`, if there is none.
    mutating func place(_ events: Span<Event>, _ work: inout MutableSpan<Work>, _ workCount: Int) {
        reserve(workCount)
        count += Self.place(events, &work, workCount, &halves, capacity)
    }

    private static func place(
        _ events: Span<Event>, _ work: inout MutableSpan<Work>, _ workCount: Int, _ halves: inout [Half],
        _ capacity: Int
    ) -> Int {
        var halves = halves.mutableSpan
        var count = 0
        for index in 0..<workCount {
            let event = Int(work[index].event)
            guard case .preferenceSet = events[event].kind, work[index].slot != Work.none else { continue }
            let device = events[event].device.rawValue
            guard device != 0 else { continue }
            let (place, isNew) = Self.place(device, work[index].slot, &halves, capacity)
            work[index].place = UInt32(truncatingIfNeeded: place)
            if isNew { count &+= 1 }
        }
        return count
    }

    @inline(__always) private static func home(_ key: UInt64, _ capacity: Int) -> Int {
        Int(truncatingIfNeeded: spread(key).multipliedFullWidth(by: UInt64(capacity)).high)
    }

    /// Reads the first place where a device's preference may be, for no other reason than to have it near.
    @inline(__always) func read(_ device: UInt32, _ slot: UInt32) -> UInt64 {
        halves[2 * Self.home(IndexTable.key(device, slot), capacity) + 1].a
    }

    /// Finds a device's preference, or makes it. There must be room.
    @inline(__always) private static func place(
        _ device: UInt32, _ slot: UInt32, _ halves: inout MutableSpan<Half>, _ capacity: Int
    ) -> (place: Int, isNew: Bool) {
        let key = IndexTable.key(device, slot)
        var place = home(key, capacity)
        while true {
            let found = halves[2 &* place &+ 1].a
            if found == key { return (place, false) }
            if found == 0 { break }
            place = place &+ 1 == capacity ? 0 : place &+ 1
        }
        halves[2 &* place &+ 1].a = key
        return (place, true)
    }

    /// Puts back an entry read from a snapshot.
    mutating func restore(_ preference: Preference) {
        reserve(1)
        var isNew = false
        Self.put(preference, &halves, capacity, &isNew)
        if isNew { count += 1 }
    }

    /// The preference at a place.
    @inline(__always) subscript(place: Int) -> Preference {
        get {
            let (first, second) = (halves[2 &* place &+ 1], halves[2 &* place &+ 2])
            return Self.preference(first, second)
        }
        set { Self.set(newValue, place, &halves) }
    }

    @inline(__always) private static func preference(_ first: Half, _ second: Half) -> Preference {
        Preference(
            device: UInt32(truncatingIfNeeded: first.a >> 32), slot: UInt32(truncatingIfNeeded: first.a),
            rank: UInt32(truncatingIfNeeded: first.b),
            kind: Event.ValueKind(rawValue: UInt8(truncatingIfNeeded: first.b >> 32)) ?? .none, seq: second.a,
            bits: second.b)
    }

    @inline(__always) private static func set(_ preference: Preference, _ place: Int, _ halves: inout [Half]) {
        var halves = halves.mutableSpan
        set(preference, place, &halves)
    }

    @inline(__always)
    private static func set(_ preference: Preference, _ place: Int, _ halves: inout MutableSpan<Half>) {
        halves[2 &* place &+ 1] = Half(
            a: IndexTable.key(preference.device, preference.slot),
            b: UInt64(preference.kind.rawValue) << 32 | UInt64(preference.rank))
        halves[2 &* place &+ 2] = Half(a: preference.seq, b: preference.bits)
    }

    private mutating func grow(to capacity: Int) {
        var next = [Half](repeating: Half(), count: 2 * capacity + 1)
        Self.copy(halves.span, self.capacity, &next, capacity)
        halves = next
        self.capacity = capacity
    }

    private static func copy(_ old: Span<Half>, _ count: Int, _ halves: inout [Half], _ capacity: Int) {
        var halves = halves.mutableSpan
        for place in 0..<count {
            let first = old[2 &* place &+ 1]
            guard first.a != 0 else { continue }
            let (device, slot) = (UInt32(truncatingIfNeeded: first.a >> 32), UInt32(truncatingIfNeeded: first.a))
            let (new, _) = Self.place(device, slot, &halves, capacity)
            halves[2 &* new &+ 1] = first
            halves[2 &* new &+ 2] = old[2 &* place &+ 2]
        }
    }

    private static func put(
        _ preference: Preference, _ halves: inout [Half], _ capacity: Int, _ isNew: inout Bool
    ) {
        var halves = halves.mutableSpan
        let found = place(preference.device, preference.slot, &halves, capacity)
        isNew = found.isNew
        set(preference, found.place, &halves)
    }
}
