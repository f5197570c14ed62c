// The last preference of every device and aspect: the largest table of the projection.

import Events

/// What one device now prefers for one aspect.
struct Preference: BitwiseCopyable, Sendable, Equatable {
    /// The highest (rank of the epoch, sequence number) applied; 0, 0 while only events without one were.
    var rank: UInt32 = 0
    var kind: Event.ValueKind = .none
    /// The row of the choice or of the bin; none for a flag, for a choice that counts among the others, and for some
    /// numbers (`PackedPreference`).
    var row = Work.none
    var seq: UInt64 = 0
    /// The value's payload.
    var bits: UInt64 = 0

    init() {}

    @inline(__always) init(_ event: borrowing Event, _ work: Work) {
        if case .sequence = event.identity { (rank, seq) = (work.rank, event.seq) }
        (kind, row, bits) = (event.valueKind, work.row, event.valueBits)
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
        return (new, new.kind.rawValue == kind.rawValue && new.bits == bits ? .same : .moved)
    }

    /// What an event does to its device's preference.
    enum Change: UInt8, BitwiseCopyable, Sendable {
        /// Nothing: it sets no preference, or nobody's; or the device had said the same before.
        case nobody, same
        /// The device says something for the first time; or something else than before.
        case first, moved
        /// Nothing: the device has said something later.
        case late
    }
}

/// Where a device keeps its preferences: a piece of the pool, sorted by the ordinals of the aspects, one place for
/// each that is held.
struct PreferencePiece: BitwiseCopyable, Sendable {
    /// A bit for each of the first 64 aspects of the device's product for which it has a preference.
    var held: UInt64 = 0
    var start: UInt32 = 0

    var count: Int { held.nonzeroBitCount }

    /// Whether every place is taken: a piece is as large as its preferences have needed so far.
    @inline(__always) var isFull: Bool { (PieceAllotment.sizes | 1) >> UInt64(count) & 1 != 0 }

    /// The place of an aspect's preference, or where it would stand.
    @inline(__always) func place(_ bit: UInt64) -> Int {
        Int(start) &+ (held & (bit &- 1)).nonzeroBitCount
    }
}

/// A preference in sixteen bytes, four in a cache line.
///
/// The row of a number is kept when 32 bits say the number exactly, as they do those that people choose; the bin of
/// any other is found anew when the device gives it up. What does not fit (a sequence number of 2^44 or more, an epoch
/// after the first 131,071 of the device) is kept as it is in a list of its own.
struct PackedPreference: BitwiseCopyable, Sendable {
    /// Three bits for the form, 17 for the rank, 44 for the sequence number.
    private var head: UInt64 = 0
    /// What the device prefers and, if the form has room for it, the row of that in the lower half; or the place in the
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
        case .flag, .none: break
        }
        head = preference.seq << 20 | UInt64(preference.rank) << 3 | form
    }

    /// Stands for one of the list.
    init(at place: Int) { (head, payload) = (Self.wide, UInt64(place)) }

    /// The place in the list; nil when it is not kept there.
    @inline(__always) var place: Int? { head & 7 == Self.wide ? Int(payload) : nil }

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

/// The pieces of all devices; a piece that grows takes what is free behind it, or moves to a larger one and leaves its
/// place to others.
///
/// One table for all would be searched by hash, and copied as a whole whenever it grows; a device's preferences lie
/// together, and are found from the device's row without a search.
struct PreferencePool: Sendable {
    private var entries: [PackedPreference] = []
    /// Those that do not fit.
    private var wide: [Preference] = []
    private var allotment = PieceAllotment()

    /// Makes room, so that so many preferences can be set.
    private mutating func reserve(_ sets: Int) {
        entries.extend(to: allotment.end + sets * PieceAllotment.mostPlaces, repeating: PackedPreference())
    }

    /// Asks for the place of an aspect's preference; if there is none yet, for all that will make room for it.
    @inline(__always) func prefetch(_ piece: PreferencePiece, _ bit: UInt64) {
        let entries = entries.span
        let place = piece.place(bit)
        entries.prefetch(place)
        guard piece.held & bit == 0 else { return }
        var next = place &+ 4
        while next < Int(piece.start) &+ piece.count &+ 4 {
            entries.prefetch(next)
            next &+= 4
        }
    }

    @inline(__always)
    private static func get(_ place: Int, _ entries: Span<PackedPreference>, _ wide: [Preference]) -> Preference {
        if let place = entries[place].place { return wide[place] }
        return entries[place].preference
    }

    /// Puts a preference where there was none.
    @inline(__always)
    private static func put(
        _ preference: Preference, _ place: Int, _ entries: inout MutableSpan<PackedPreference>,
        _ wide: inout [Preference]
    ) {
        if let packed = PackedPreference(preference) {
            entries[place] = packed
        } else {
            entries[place] = PackedPreference(at: wide.count)
            wide.append(preference)
        }
    }

    /// Puts a preference in the place of another one. What is in the list once stays there.
    @inline(__always)
    private static func replace(
        _ place: Int, by preference: Preference, _ entries: inout MutableSpan<PackedPreference>,
        _ wide: inout [Preference]
    ) {
        if let listed = entries[place].place {
            wide[listed] = preference
        } else {
            put(preference, place, &entries, &wide)
        }
    }

    /// Sets the preference of each event of `work` that has a bit, unless its device has said something later; tells
    /// in `work` what was there before.
    mutating func set(
        _ events: Span<Event>, _ work: inout MutableSpan<Work>, _ count: Int, _ devices: inout [DeviceRow]
    ) {
        reserve(count)
        Self.set(events, &work, count, &devices, &entries, &wide, &allotment)
    }

    private static func set(
        _ events: Span<Event>, _ work: inout MutableSpan<Work>, _ count: Int, _ devices: inout [DeviceRow],
        _ entries: inout [PackedPreference], _ wide: inout [Preference], _ allotment: inout PieceAllotment
    ) {
        var devices = devices.mutableSpan
        var entries = entries.mutableSpan
        for index in 0..<count where work[index].bit != 0 {
            let event = Int(work[index].event)
            let device = Int(events[event].device.rawValue)
            let new = Preference(events[event], work[index])
            let bit = work[index].bit
            guard devices[device].preferences.held & bit != 0 else {
                Self.insert(new, bit, &devices[device].preferences, &allotment, &entries, &wide)
                work[index].change = .first
                continue
            }
            let place = devices[device].preferences.place(bit)
            let old = Self.get(place, entries.span, wide)
            let (kept, change) = old.replaced(by: new, isNumbered: events[event].identity == .sequence)
            work[index].change = change
            (work[index].oldKind, work[index].oldRow, work[index].oldBits) = (old.kind, old.row, old.bits)
            if change != .late { Self.replace(place, by: kept, &entries, &wide) }
        }
    }

    /// Appends the preferences of devices, each one's in the order of their aspects.
    func append(_ devices: [DeviceRow], _ range: Range<Int>, to bytes: inout [UInt8]) {
        let count = devices[range].reduce(0) { $0 + $1.preferences.count }
        let (devices, entries, wide) = (devices.span, entries.span, wide)
        bytes.append(addingCapacity: 2 * MemoryLayout<Preference>.stride * count) { bytes in
            for device in range {
                let piece = devices[device].preferences
                for place in Int(piece.start)..<Int(piece.start) &+ piece.count {
                    var preference = Self.get(place, entries, wide)
                    preference.code(with: &bytes)
                }
            }
        }
    }

    /// Puts back the preferences of a device that holds `held`, in the order of their aspects.
    mutating func restore(_ entries: [Preference], _ held: UInt64) -> PreferencePiece {
        reserve(entries.count + 1)
        return Self.restore(entries, held, &self.entries, &wide, &allotment)
    }

    private static func restore(
        _ preferences: [Preference], _ held: UInt64, _ entries: inout [PackedPreference], _ wide: inout [Preference],
        _ allotment: inout PieceAllotment
    ) -> PreferencePiece {
        var piece = PreferencePiece()
        var entries = entries.mutableSpan
        var rest = held
        for preference in preferences where rest != 0 {
            let bit = rest & (~rest &+ 1)
            Self.insert(preference, bit, &piece, &allotment, &entries, &wide)
            rest &= ~bit
        }
        return piece
    }

    @inline(__always)
    private static func insert(
        _ new: Preference, _ bit: UInt64, _ piece: inout PreferencePiece, _ allotment: inout PieceAllotment,
        _ entries: inout MutableSpan<PackedPreference>, _ wide: inout [Preference]
    ) {
        let count = piece.count
        if piece.isFull { grow(&piece, &allotment, &entries) }
        let place = piece.place(bit)
        var last = Int(piece.start) &+ count
        while last > place {
            entries[last] = entries[last &- 1]
            last &-= 1
        }
        piece.held |= bit
        put(new, place, &entries, &wide)
    }

    private static func grow(
        _ piece: inout PreferencePiece, _ allotment: inout PieceAllotment,
        _ entries: inout MutableSpan<PackedPreference>
    ) {
        let size = piece.count
        if allotment.extend(Int(piece.start), from: size) { return }
        let old = Int(piece.start)
        let new = allotment.take(PieceAllotment.size(above: size))
        piece.start = UInt32(truncatingIfNeeded: new)
        for place in 0..<size { entries[new + place] = entries[old + place] }
        allotment.giveBack(old, size)
    }
}
