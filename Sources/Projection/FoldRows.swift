// The rows of the fold: flat, trivial, chained by indexes, so that an event touches a few cache lines and no heap.

import Events

/// Events by kind.
package struct KindCounts: Sendable, Equatable, BitwiseCopyable {
    /// In the order of the properties below: one place is found without a branch.
    private var counts = InlineArray<6, UInt64>(repeating: 0)

    package init() {}

    package var preferences: UInt64 {
        get { counts[0] }
        set { counts[0] = newValue }
    }
    package var ratings: UInt64 {
        get { counts[1] }
        set { counts[1] = newValue }
    }
    package var uses: UInt64 {
        get { counts[2] }
        set { counts[2] = newValue }
    }
    package var texts: UInt64 {
        get { counts[3] }
        set { counts[3] = newValue }
    }
    package var faults: UInt64 {
        get { counts[4] }
        set { counts[4] = newValue }
    }
    /// State reports, consents and receipts.
    package var others: UInt64 {
        get { counts[5] }
        set { counts[5] = newValue }
    }

    package var total: UInt64 { preferences + ratings + uses + texts + faults + others }

    package static func == (a: Self, b: Self) -> Bool {
        for place in 0..<6 where a.counts[place] != b.counts[place] { return false }
        return true
    }

    mutating func add(_ other: KindCounts) {
        for place in 0..<6 { counts[place] += other.counts[place] }
    }

    mutating func add(_ today: AspectToday) {
        for place in 0..<6 { counts[place] += UInt64(today.kinds[place]) }
    }

    /// The place at which a kind is counted: the first five kinds are numbered from 1.
    @inline(__always) static func place(of kind: EventKind) -> Int { min(Int(kind.rawValue &- 1), 5) }

    @inline(__always) mutating func add(at place: Int) { counts[place] &+= 1 }
}

/// Ratings of one scale. A histogram place is `rating - lowest` on scales of up to eleven steps, tenths of the scale
/// on longer ones; fractions are rounded half up.
struct RatingRow: Sendable, BitwiseCopyable {
    var scale: UInt8 = 0
    var next = UInt32.max
    var count: UInt64 = 0
    var sum = 0.0
    /// Ratings in the best quarter of the scale (4 and 5 of 5; 9 and 10 of 10).
    var top: UInt64 = 0
    var histogram = InlineArray<11, UInt64>(repeating: 0)
}

/// A fault code of one aspect.
struct FaultRow: Sendable, BitwiseCopyable {
    var word: UInt32 = 0
    var next = UInt32.max
    var events: UInt64 = 0
    /// How often, over all events.
    var times: UInt64 = 0
    var severity: UInt8 = 0
}

/// A choice of one aspect.
struct ChoiceRow: Sendable, BitwiseCopyable {
    var word: UInt32 = 0
    var next = UInt32.max
    /// Devices that hold this choice now.
    var now: UInt64 = 0
    /// Events, without those of `today`.
    var sets: UInt64 = 0
    /// Events of the aspect's day `dayRow` that are not yet settled.
    var today: UInt32 = 0
    var dayRow = Work.none
}

/// The numbers that devices prefer now and that lie within 1 % of each other.
struct BinRow: Sendable, BitwiseCopyable {
    var bin: Int32 = 0
    var next = UInt32.max
    var count: UInt64 = 0
    var sum = 0.0
}

/// Sets of one choice on one day.
struct DayWordRow: Sendable, BitwiseCopyable {
    var word: UInt32 = 0
    var next = UInt32.max
    var sets: UInt64 = 0
}

/// Sum and extent of numbers.
package struct NumberSum: Sendable, Equatable, BitwiseCopyable {
    package var count: UInt64 = 0
    package var sum = 0.0
    package var least = Double.infinity
    package var most = -Double.infinity

    package init() {}

    @inline(__always) mutating func add(_ number: Double) {
        count += 1
        sum += number
        if number < least { least = number }
        if number > most { most = number }
    }
}

/// What has come for one aspect since it was last settled, all of it on one day: what every event touches, in as much
/// as a cache line holds.
struct AspectToday: Sendable, BitwiseCopyable {
    var day = Int32.min
    /// The row of the aspect's day; none when it has too many days.
    var dayRow = Work.none
    var kinds = InlineArray<6, UInt32>(repeating: 0)
    /// The time of the first and the last event, in milliseconds of the day.
    var first = UInt32.max
    var last: UInt32 = 0
    var uses: UInt32 = 0
    var faults: UInt32 = 0
    var devices: UInt32 = 0
    var customers: UInt32 = 0
    /// Preference events that changed what their device had said before.
    var moves: UInt32 = 0
    /// The aspect's place among those of its product; the first 64 have a bit in their devices' masks.
    var ordinal: UInt16 = 0
    var maxSeverity: UInt8 = 0
    var isDirty = false

    /// A number of uses or faults that fits here for certain, whatever has been added since the last settling.
    static let smallCount: UInt32 = 1 << 8
    /// After so many events all aspects are settled, so that no count here overflows.
    static let unsettledEvents = 1 << 23

    @inline(__always) mutating func add(at kind: Int, _ millisecond: UInt32, uses: UInt32, faults: UInt32) {
        kinds[kind] &+= 1
        first = min(first, millisecond)
        last = max(last, millisecond)
        self.uses &+= uses
        self.faults &+= faults
    }
}

/// One aspect of one product, from the log's beginning to now, as of its last settling except where a day plays no
/// part.
struct AspectRow: Sendable, BitwiseCopyable {
    static let none = UInt32.max

    var unit: UInt32 = 0
    var areNumbersDirty = false
    var maxSeverity: UInt8 = 0
    /// Devices that now hold any choice; devices that now hold a number.
    var choosing: UInt64 = 0
    var numbering: UInt64 = 0
    var numbers = NumberSum()
    /// Flags that are now on and off.
    var flagsOn: UInt64 = 0
    var flagsOff: UInt64 = 0
    /// Preference events that changed what their device had said before; and those that came too late to count.
    var moves: UInt64 = 0
    var late: UInt64 = 0
    var kinds = KindCounts()
    var first = Int64.max
    var last = Int64.min
    var devices: UInt64 = 0
    var customers: UInt64 = 0
    var useTotal: UInt64 = 0
    var faultTotal: UInt64 = 0
    /// Its place among the aspects of its product.
    var ordinal: UInt32 = 0
    var ratings = AspectRow.none
    /// Devices now at a choice beyond the bound, and sets of such.
    var otherNow: UInt64 = 0
    var otherSets: UInt64 = 0
    var otherFaults: UInt64 = 0
    var product: UInt32 = 0
    var aspect: UInt32 = 0
    var words = AspectRow.none
    var wordCount: UInt32 = 0
    var faults = AspectRow.none
    var faultCount: UInt32 = 0
    var bins = AspectRow.none
    var binCount: UInt32 = 0
    var dayCount: UInt32 = 0
    /// The quantiles as of the last checkpoint: 5, 25, 50, 75, 95 %.
    var quantiles = InlineArray<5, Double>(repeating: 0)
}

/// One aspect of one product on one day.
struct AspectDayRow: Sendable, BitwiseCopyable {
    var slot: UInt32 = 0
    var day: Int32 = 0
    var isDirty = false
    var words = AspectRow.none
    var kinds = KindCounts()
    /// Ratings of 1 to 5 only.
    var ratingCount: UInt64 = 0
    var ratingSum = 0.0
    var histogram = InlineArray<5, UInt64>(repeating: 0)
    var useTotal: UInt64 = 0
    var faultTotal: UInt64 = 0
    var otherSets: UInt64 = 0
    var numbers = NumberSum()
}

/// One product, from the log's beginning to now. Its number in the log is its index in the table.
struct ProductRow: Sendable, BitwiseCopyable {
    var isKnown = false
    var isDirty = false
    var aspectCount: UInt32 = 0
    /// The day row that was counted last.
    var day = Int32.min
    var dayRow: UInt32 = 0
    var kinds = KindCounts()
    var first = Int64.max
    var last = Int64.min
    var useTotal: UInt64 = 0
    var faultTotal: UInt64 = 0
    var devices: UInt64 = 0
    var customers: UInt64 = 0
    /// Sequence numbers that devices have lost.
    var missing: UInt64 = 0
    /// Duplicates that the log holds and that are not counted.
    var duplicates: UInt64 = 0
    /// Events beyond `ProjectionLimits.aspectsPerProduct` and the like: counted here, in no aspect.
    var unfiled: UInt64 = 0
    /// Texts so far; the number of the next one.
    var textNumber: UInt64 = 0
    var dayCount: UInt32 = 0
    /// Ratings of 1 to 5, over all aspects.
    var rating = RatingRow()
    var quarantined = InlineArray<16, UInt64>(repeating: 0)
}

/// One product on one day.
struct ProductDayRow: Sendable, BitwiseCopyable {
    var product: UInt32 = 0
    var day: Int32 = 0
    var isDirty = false
    /// Its place among the days changed since the last checkpoint.
    var place: UInt32 = 0
    var kinds = KindCounts()
    var ratingCount: UInt64 = 0
    var ratingSum = 0.0
}

/// What the projection must know of a device.
struct DeviceRow: Sendable, BitwiseCopyable {
    var product: UInt32 = 0
    /// The epochs of the device, latest first, and how many there were before the latest, from 1.
    var epoch: UInt32 = 0
    var epochBefore: UInt32 = 0
    var rank: UInt32 = 0
    /// A bit for each of the first 64 aspects of its product from which it was heard.
    var aspects: UInt64 = 0
    /// The row of the customer heard last; and the day for which the device was last added to a day's set.
    var customerRow: UInt32 = 0
    var day = Int32.min
}

/// What the projection must know of a customer of one product.
struct CustomerRow: Sendable, BitwiseCopyable {
    var product: UInt32 = 0
    var customer: UInt32 = 0
    /// A bit for each of the first 64 aspects of the product about which the customer was heard.
    var aspects: UInt64 = 0
    /// The day for which it was last added to a day's set.
    var day = Int32.min
}

/// A feedback text that waits for the next checkpoint.
struct PendingText: Sendable {
    var product: UInt32
    var number: UInt64
    var offset: UInt64
    var aspect: UInt32
    var language: UInt32
    var time: Int64
    var rating: Double?
    var scale: UInt8
    var start: Int
    var length: Int
}
