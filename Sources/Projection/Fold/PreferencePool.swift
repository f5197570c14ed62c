// The last preference of every device and aspect: the largest table of the projection.

import Events

/// What one device now prefers for one aspect.
struct Preference: BitwiseCopyable, Sendable, Equatable {
    /// The highest (rank of the epoch, sequence number) applied; 0, 0 while only events without one were.
    var rank: UInt32 = 0
    var kind: Event.ValueKind = .none
    /// The row of the choice or of the bin; none for a flag, for a choice that counts among the others, and for some
    /// numbers (`PackedPreference`). Of a number that is kept apart, the row of its unit.
    var row = RowIndex.none
    var seq: UInt64 = 0
    /// The value's payload.
    var bits: UInt64 = 0

    init() {}

    @inline(__always) init(_ event: borrowing Event, _ items: FoldItem) {
        if case .sequence = event.identity { (rank, seq) = (items.rank, event.seq) }
        (kind, row, bits) = (event.valueKind, items.row, event.valueBits)
    }

    /// What holds after an event: what it says, unless the device has said something later.
    ///
    /// - Parameter isNumbered: whether rank and sequence number of `new` mean something.
    @inline(__always) func replaced(by new: Preference, isNumbered: Bool) -> (Preference, Change) {
        var new = new
        if isNumbered {
            guard (new.rank, new.seq) > (rank, seq) else { return (self, .late) }
        } else {
            (new.rank, new.seq) = (rank, seq)
        }
        let isSame = new.kind.rawValue == kind.rawValue && new.bits == bits && (kind != .apart || new.row == row)
        return (new, isSame ? .same : .changed)
    }

    /// What an event does to its device's preference.
    enum Change: UInt8, BitwiseCopyable, Sendable {
        /// Nothing: it sets no preference, or nobody's; or the device had said the same before.
        case nobody, same
        /// The device says something for the first time; or something else than before.
        case first, changed
        /// Nothing: the device has said something later.
        case late
        /// Something else than before, which was a number that is kept apart by its unit.
        case changedApart
    }
}

/// Where a device keeps its preferences: an extent of the pool, sorted by the ordinals of the aspects, one entry for
/// each that is held.
struct PreferenceExtent: BitwiseCopyable, Sendable {
    /// A bit for each of the first 64 aspects of the device's product for which it has a preference.
    var held: UInt64 = 0
    var start: UInt32 = 0

    var count: Int { held.nonzeroBitCount }

    /// Whether every entry is taken: an extent is as large as its preferences have needed so far.
    @inline(__always) var isFull: Bool { (BuddyAllocator.sizes | 1) >> UInt64(count) & 1 != 0 }

    /// The index of an aspect's preference in the pool, or the one that it would get.
    @inline(__always) func index(_ bit: UInt64) -> Int {
        Int(start) &+ (held & (bit &- 1)).nonzeroBitCount
    }
}

/// A preference in sixteen bytes, so that four take as much as a cache line.
///
/// The payload has two halves where that is possible: above, what the device prefers in 32 bits; below, the row that
/// counts it, which saves looking that up when the device changes its mind. This relies on rows and symbols being
/// numbers of 32 bits (`RowIndex.none` is one too), on the kinds of values having numbers below 5 (the forms 5 to 7 are
/// free), and on the size (`RowLayout`). Where the line of a cache begins does not matter: an extent is prefetched by
/// every fourth entry.
///
/// The row of a number is kept when 32 bits say the number exactly, as they do those that people choose; the bin of
/// any other is found anew when the device gives it up. What does not fit (a sequence number of 2^44 or more, an epoch
/// after the first 131,071 of the device, a number that is kept apart by its unit) is kept as it is in a list of its
/// own.
struct PackedPreference: BitwiseCopyable, Sendable {
    /// Three bits for the form, 17 for the rank, 44 for the sequence number.
    private var head: UInt64 = 0
    /// What the device prefers and, if the form has room for it, the row of that in the lower half; or the index in the
    /// list of what does not fit.
    private var payload: UInt64 = 0

    /// The forms besides the kinds of values: whole numbers and others that 32 bits say exactly; one of the list.
    private static var smallWhole: UInt64 { 5 }
    private static var smallReal: UInt64 { 6 }
    private static var wide: UInt64 { 7 }

    init() {}

    /// Nil when it does not fit.
    @inline(__always) init?(_ preference: Preference) {
        guard UInt64(preference.rank) >> 17 == 0, preference.seq >> 44 == 0 else { return nil }
        var form = UInt64(preference.kind.rawValue)
        payload = preference.bits
        switch preference.kind {
        case .symbol:
            guard preference.bits >> 32 == 0 else { return nil }
            payload = preference.bits << 32 | UInt64(preference.row)
        case .whole:
            let number = Int32(truncatingIfNeeded: preference.bits)
            if UInt64(bitPattern: Int64(number)) == preference.bits {
                form = Self.smallWhole
                payload = preference.bits << 32 | UInt64(preference.row)
            }
        case .real:
            let number = Float(Double(bitPattern: preference.bits))
            if Double(number).bitPattern == preference.bits {
                form = Self.smallReal
                payload = UInt64(number.bitPattern) << 32 | UInt64(preference.row)
            }
        case .flag: break
        // A number that is kept apart by its unit: the row of that has no room.
        case .none: return nil
        }
        head = preference.seq << 20 | UInt64(preference.rank) << 3 | form
    }

    /// Stands for one of the list.
    init(listedAt index: Int) { (head, payload) = (Self.wide, UInt64(index)) }

    /// The index in the list; nil when it is not kept there.
    @inline(__always) var listIndex: Int? { head & 7 == Self.wide ? Int(payload) : nil }

    @inline(__always) var preference: Preference {
        var preference = Preference()
        preference.rank = UInt32(truncatingIfNeeded: head >> 3) & 0x1_ffff
        preference.seq = head >> 20
        let form = head & 7
        let high = UInt32(truncatingIfNeeded: payload >> 32)
        switch form {
        case Self.smallWhole:
            (preference.kind, preference.bits) = (.whole, UInt64(bitPattern: Int64(Int32(bitPattern: high))))
        case Self.smallReal:
            (preference.kind, preference.bits) = (.real, Double(Float(bitPattern: high)).bitPattern)
        default:
            preference.kind = Event.ValueKind(rawValue: UInt8(truncatingIfNeeded: form)) ?? .none
            guard preference.kind == .symbol else {
                preference.bits = payload
                return preference
            }
            preference.bits = UInt64(high)
        }
        preference.row = UInt32(truncatingIfNeeded: payload)
        return preference
    }
}

/// The extents of all devices; one that grows takes what is free behind it, or moves to a larger one and leaves its
/// own to others.
///
/// One table for all would be searched by hash, and copied as a whole whenever it grows; a device's preferences lie
/// together, and are found from the device's row without a search.
struct PreferencePool: Sendable {
    private var entries: [PackedPreference] = []
    /// Those that do not fit.
    private var wide: [Preference] = []
    private var allocator = BuddyAllocator()

    /// Makes room, so that so many preferences can be set.
    private mutating func reserve(_ count: Int) {
        entries.extend(to: allocator.end + count * BuddyAllocator.largest, repeating: PackedPreference())
    }

    /// Prefetches the entry of an aspect's preference; if there is none yet, all that will make room for it.
    @inline(__always) func prefetch(_ extent: PreferenceExtent, _ bit: UInt64) {
        let entries = entries.span
        let index = extent.index(bit)
        entries.prefetch(index)
        guard extent.held & bit == 0 else { return }
        var next = index &+ 4
        while next < Int(extent.start) &+ extent.count &+ 4 {
            entries.prefetch(next)
            next &+= 4
        }
    }

    @inline(__always)
    private static func get(_ index: Int, _ entries: Span<PackedPreference>, _ wide: [Preference]) -> Preference {
        if let listed = entries[index].listIndex { return wide[listed] }
        return entries[index].preference
    }

    /// Puts a preference where there was none.
    @inline(__always)
    private static func put(
        _ preference: Preference, _ index: Int, _ entries: inout MutableSpan<PackedPreference>,
        _ wide: inout [Preference]
    ) {
        if let packed = PackedPreference(preference) {
            entries[index] = packed
        } else {
            entries[index] = PackedPreference(listedAt: wide.count)
            wide.append(preference)
        }
    }

    /// Puts a preference where another one is. What is in the list once stays there.
    @inline(__always)
    private static func replace(
        _ index: Int, by preference: Preference, _ entries: inout MutableSpan<PackedPreference>,
        _ wide: inout [Preference]
    ) {
        if let listed = entries[index].listIndex {
            wide[listed] = preference
        } else {
            put(preference, index, &entries, &wide)
        }
    }

    /// Sets the preference of each event of `items` that has a bit, unless its device has said something later; tells
    /// in `items` what was there before.
    mutating func set(
        _ events: Span<Event>, _ items: inout MutableSpan<FoldItem>, _ count: Int, _ devices: inout [DeviceRow]
    ) {
        reserve(count)
        Self.set(events, &items, count, &devices, &entries, &wide, &allocator)
    }

    private static func set(
        _ events: Span<Event>, _ items: inout MutableSpan<FoldItem>, _ count: Int, _ devices: inout [DeviceRow],
        _ entries: inout [PackedPreference], _ wide: inout [Preference], _ allocator: inout BuddyAllocator
    ) {
        var devices = devices.mutableSpan
        var entries = entries.mutableSpan
        for index in 0..<count where items[index].bit != 0 {
            let event = Int(items[index].event)
            let device = Int(events[event].device.rawValue)
            let new = Preference(events[event], items[index])
            let bit = items[index].bit
            guard devices[device].preferences.held & bit != 0 else {
                Self.insert(new, bit, &devices[device].preferences, &allocator, &entries, &wide)
                items[index].change = .first
                continue
            }
            let entry = devices[device].preferences.index(bit)
            let old = Self.get(entry, entries.span, wide)
            let (kept, change) = old.replaced(by: new, isNumbered: events[event].identity == .sequence)
            items[index].change = change
            (items[index].oldKind, items[index].oldRow, items[index].oldBits) = (old.kind, old.row, old.bits)
            if change != .late { Self.replace(entry, by: kept, &entries, &wide) }
        }
    }

    /// Appends the preferences of devices, each one's in the order of their aspects.
    func append(_ devices: [DeviceRow], _ range: Range<Int>, to bytes: inout [UInt8]) {
        let count = devices[range].reduce(0) { $0 + $1.preferences.count }
        let (devices, entries, wide) = (devices.span, entries.span, wide)
        bytes.append(addingCapacity: 2 * MemoryLayout<Preference>.stride * count) { bytes in
            for device in range {
                let extent = devices[device].preferences
                for index in Int(extent.start)..<Int(extent.start) &+ extent.count {
                    var preference = Self.get(index, entries, wide)
                    preference.code(with: &bytes)
                }
            }
        }
    }

    /// Puts back the preferences of a device that holds `held`, in the order of their aspects.
    mutating func restore(_ entries: [Preference], _ held: UInt64) -> PreferenceExtent {
        reserve(entries.count + 1)
        return Self.restore(entries, held, &self.entries, &wide, &allocator)
    }

    private static func restore(
        _ preferences: [Preference], _ held: UInt64, _ entries: inout [PackedPreference], _ wide: inout [Preference],
        _ allocator: inout BuddyAllocator
    ) -> PreferenceExtent {
        var extent = PreferenceExtent()
        var entries = entries.mutableSpan
        var rest = held
        for preference in preferences where rest != 0 {
            let bit = rest & (~rest &+ 1)
            Self.insert(preference, bit, &extent, &allocator, &entries, &wide)
            rest &= ~bit
        }
        return extent
    }

    @inline(__always)
    private static func insert(
        _ new: Preference, _ bit: UInt64, _ extent: inout PreferenceExtent, _ allocator: inout BuddyAllocator,
        _ entries: inout MutableSpan<PackedPreference>, _ wide: inout [Preference]
    ) {
        let count = extent.count
        if extent.isFull { grow(&extent, &allocator, &entries) }
        let index = extent.index(bit)
        var last = Int(extent.start) &+ count
        while last > index {
            entries[last] = entries[last &- 1]
            last &-= 1
        }
        extent.held |= bit
        put(new, index, &entries, &wide)
    }

    private static func grow(
        _ extent: inout PreferenceExtent, _ allocator: inout BuddyAllocator,
        _ entries: inout MutableSpan<PackedPreference>
    ) {
        let size = extent.count
        if allocator.extend(Int(extent.start), from: size) { return }
        let old = Int(extent.start)
        let new = allocator.allocate(BuddyAllocator.size(above: size))
        extent.start = UInt32(truncatingIfNeeded: new)
        for index in 0..<size { entries[new + index] = entries[old + index] }
        allocator.release(old, size)
    }
}
