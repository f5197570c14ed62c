// The last preference of every device and aspect: the largest table of the projection.

import Events

/// What one device now prefers for one aspect.
struct Preference: BitwiseCopyable, Sendable, Equatable {
    /// The highest (rank of the epoch, sequence number) applied; 0, 0 while only events without one were.
    var rank: UInt32 = 0
    var kind: Event.ValueKind = .none
    /// The row of the choice or of the bin; none for a flag, and for a choice that counts among the others.
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

/// The pieces of all devices; a piece that grows takes what is free behind it, or moves to a larger one and leaves its
/// place to others.
///
/// One table for all would be searched by hash, and copied as a whole whenever it grows; a device's preferences lie
/// together, and are found from the device's row without a search. An entry is two halves of sixteen bytes; a large
/// array's elements begin sixteen bytes before a cache line, so one half is left out at the beginning, and no entry
/// lies across two lines.
struct PreferencePool: Sendable {
    struct Half: BitwiseCopyable {
        var a: UInt64 = 0
        var b: UInt64 = 0
    }
    private var halves: [Half] = [Half()]
    private var allotment = PieceAllotment()

    /// Makes room, so that so many preferences can be set.
    private mutating func reserve(_ sets: Int) {
        halves.extend(to: 2 * (allotment.end + sets * PieceAllotment.mostPlaces) + 1, repeating: Half())
    }

    /// Asks for the place of an aspect's preference; if there is none yet, for all that will make room for it.
    @inline(__always) func prefetch(_ piece: PreferencePiece, _ bit: UInt64) {
        let halves = halves.span
        let place = piece.place(bit)
        halves.prefetch(2 &* place &+ 1)
        guard piece.held & bit == 0 else { return }
        var next = place &+ 1
        while next <= Int(piece.start) &+ piece.count {
            halves.prefetch(2 &* next &+ 1)
            next &+= 2
        }
    }

    @inline(__always) private static func get(_ place: Int, _ halves: Span<Half>) -> Preference {
        let (first, second) = (halves[2 &* place &+ 1], halves[2 &* place &+ 2])
        var preference = Preference()
        preference.rank = UInt32(truncatingIfNeeded: first.a)
        preference.kind = Event.ValueKind(rawValue: UInt8(truncatingIfNeeded: first.a >> 32)) ?? .none
        preference.row = UInt32(truncatingIfNeeded: first.b)
        (preference.seq, preference.bits) = (second.a, second.b)
        return preference
    }

    @inline(__always)
    private static func put(_ preference: Preference, _ place: Int, _ halves: inout MutableSpan<Half>) {
        halves[2 &* place &+ 1] = Half(
            a: UInt64(preference.kind.rawValue) << 32 | UInt64(preference.rank), b: UInt64(preference.row))
        halves[2 &* place &+ 2] = Half(a: preference.seq, b: preference.bits)
    }

    /// Sets the preference of each event of `work` that has a bit, unless its device has said something later; tells
    /// in `work` what was there before.
    mutating func set(
        _ events: Span<Event>, _ work: inout MutableSpan<Work>, _ count: Int, _ devices: inout [DeviceRow]
    ) {
        reserve(count)
        Self.set(events, &work, count, &devices, &halves, &allotment)
    }

    private static func set(
        _ events: Span<Event>, _ work: inout MutableSpan<Work>, _ count: Int, _ devices: inout [DeviceRow],
        _ halves: inout [Half], _ allotment: inout PieceAllotment
    ) {
        var devices = devices.mutableSpan
        var halves = halves.mutableSpan
        for index in 0..<count where work[index].bit != 0 {
            let event = Int(work[index].event)
            let device = Int(events[event].device.rawValue)
            let new = Preference(events[event], work[index])
            let bit = work[index].bit
            guard devices[device].preferences.held & bit != 0 else {
                Self.insert(new, bit, &devices[device].preferences, &allotment, &halves)
                work[index].change = .first
                continue
            }
            let place = devices[device].preferences.place(bit)
            let old = Self.get(place, halves.span)
            let (kept, change) = old.replaced(by: new, isNumbered: events[event].identity == .sequence)
            work[index].change = change
            (work[index].oldKind, work[index].oldRow, work[index].oldBits) = (old.kind, old.row, old.bits)
            if change != .late { Self.put(kept, place, &halves) }
        }
    }

    /// Appends the preferences of devices, each one's in the order of their aspects.
    func append(_ devices: [DeviceRow], _ range: Range<Int>, to bytes: inout [UInt8]) {
        let count = devices[range].reduce(0) { $0 + $1.preferences.count }
        let (devices, halves) = (devices.span, halves.span)
        bytes.append(addingCapacity: 2 * MemoryLayout<Preference>.stride * count) { bytes in
            for device in range {
                let piece = devices[device].preferences
                for place in Int(piece.start)..<Int(piece.start) &+ piece.count {
                    var preference = Self.get(place, halves)
                    preference.code(with: &bytes)
                }
            }
        }
    }

    /// Puts back the preferences of a device that holds `held`, in the order of their aspects.
    mutating func restore(_ entries: [Preference], _ held: UInt64) -> PreferencePiece {
        reserve(entries.count + 1)
        return Self.restore(entries, held, &halves, &allotment)
    }

    private static func restore(
        _ entries: [Preference], _ held: UInt64, _ halves: inout [Half], _ allotment: inout PieceAllotment
    ) -> PreferencePiece {
        var piece = PreferencePiece()
        var halves = halves.mutableSpan
        var rest = held
        for entry in entries where rest != 0 {
            let bit = rest & (~rest &+ 1)
            Self.insert(entry, bit, &piece, &allotment, &halves)
            rest &= ~bit
        }
        return piece
    }

    @inline(__always)
    private static func insert(
        _ new: Preference, _ bit: UInt64, _ piece: inout PreferencePiece, _ allotment: inout PieceAllotment,
        _ halves: inout MutableSpan<Half>
    ) {
        let count = piece.count
        if piece.isFull { grow(&piece, &allotment, &halves) }
        let place = piece.place(bit)
        var last = Int(piece.start) &+ count
        while last > place {
            halves[2 &* last &+ 1] = halves[2 &* last &- 1]
            halves[2 &* last &+ 2] = halves[2 &* last]
            last &-= 1
        }
        piece.held |= bit
        put(new, place, &halves)
    }

    private static func grow(
        _ piece: inout PreferencePiece, _ allotment: inout PieceAllotment, _ halves: inout MutableSpan<Half>
    ) {
        let size = piece.count
        if allotment.extend(Int(piece.start), from: size) { return }
        let old = Int(piece.start)
        let new = allotment.take(PieceAllotment.size(above: size))
        piece.start = UInt32(truncatingIfNeeded: new)
        for half in 1..<(2 * size + 1) { halves[2 * new + half] = halves[2 * old + half] }
        allotment.giveBack(old, size)
    }
}
