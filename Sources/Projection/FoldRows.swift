// The rows of the fold: flat, trivial, chained by indexes, so that an event touches a few cache lines and no heap.

import Admission
import Events

/// Events by kind.
package struct KindCounts: Sendable, Equatable, BitwiseCopyable {
    /// In the order of the properties below: one place is found without a branch.
    private var counts = InlineArray<6, UInt64>(repeating: 0)

    static let places = 0..<6
    /// What is counted at each place; also the names of the columns.
    package static let names = ["preferences", "ratings", "uses", "texts", "faults", "others"]

    package init() {}

    /// - Parameter count: gives the count at a place.
    init(count: (Int) throws -> Int) rethrows {
        for place in Self.places { counts[place] = UInt64(try count(place)) }
    }

    subscript(place: Int) -> UInt64 { counts[place] }

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
        for place in places where a.counts[place] != b.counts[place] { return false }
        return true
    }

    mutating func add(_ other: KindCounts) {
        for place in Self.places { counts[place] += other.counts[place] }
    }

    mutating func add(_ today: AspectToday) {
        for place in Self.places { counts[place] += UInt64(today.kinds[place]) }
    }

    /// The place at which a kind is counted: the first five kinds are numbered from 1.
    @inline(__always) static func place(of kind: EventKind) -> Int { min(Int(kind.rawValue &- 1), 5) }

    @inline(__always) mutating func add(at place: Int) { counts[place] &+= 1 }
}

/// Ratings of one scale. A histogram place is `rating - lowest` on scales of up to eleven steps, tenths of the scale
/// on longer ones; fractions are rounded half up.
struct RatingRow: Sendable, BitwiseCopyable {
    /// The most places of a histogram.
    static let places = 11

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

    /// The key of its sets on that day.
    var dayWordKey: UInt64 { IndexTable.key(dayRow, word) }
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

    /// The sum of both.
    func with(_ other: NumberSum) -> NumberSum {
        var sum = self
        sum.add(other)
        return sum
    }

    mutating func add(_ other: NumberSum) {
        guard other.count > 0 else { return }
        count += other.count
        sum += other.sum
        least = min(least, other.least)
        most = max(most, other.most)
    }
}

/// What events touch of an aspect, in two cache lines; the rest is in its `AspectRow`.
///
/// The first line holds what has come since the aspect was last settled, all of it on one day. The second one holds
/// what its devices prefer now, and the numbers of the stint: those preferred since the day of such an event was last
/// another one. These are carried over only when it changes, and not when a checkpoint is due, for the sum of
/// floating-point numbers depends on where it is split, and a rebuild must split it where the live fold did.
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

    var numbers = NumberSum()
    /// Devices that now hold a number; any choice; a flag that is on; one that is off.
    var numbering: UInt32 = 0
    var choosing: UInt32 = 0
    var flagsOn: UInt32 = 0
    var flagsOff: UInt32 = 0
    var unit: UInt32 = 0
    /// The row of the day of the stint; none when it is not known.
    var numbersRow = Work.none
    /// The first of its rating rows.
    var ratings = AspectRow.none
    var areNumbersDirty = false

    init() {}

    /// What is here of an aspect that has just been settled.
    init(_ row: borrowing AspectRow) {
        ordinal = UInt16(truncatingIfNeeded: row.ordinal)
        (numbers, numbersRow, unit, ratings) = (row.stint, row.stintRow, row.unit, row.ratings)
        (numbering, choosing) = (UInt32(clamping: row.numbering), UInt32(clamping: row.choosing))
        (flagsOn, flagsOff) = (UInt32(clamping: row.flagsOn), UInt32(clamping: row.flagsOff))
    }

    /// A number of uses or faults that fits here for certain, whatever has been added since the last settling.
    static let smallCount: UInt32 = 1 << 8
    /// After so many events all aspects are settled, so that no count here overflows.
    static let unsettledEvents = 1 << 23

    /// The aspect's bit in the masks of devices and customers; 0 when it has none.
    @inline(__always) var bit: UInt64 { ordinal < 64 ? 1 &<< UInt64(ordinal) : 0 }

    @inline(__always) mutating func add(at kind: Int, _ millisecond: UInt32, uses: UInt32, faults: UInt32) {
        kinds[kind] &+= 1
        first = min(first, millisecond)
        last = max(last, millisecond)
        self.uses &+= uses
        self.faults &+= faults
    }

    /// Whether any event was counted since it was settled.
    var hasCounts: Bool { first <= last }

    /// Forgets what has been settled.
    mutating func clearCounts() {
        kinds = InlineArray(repeating: 0)
        (first, last) = (.max, 0)
        (uses, faults, devices, customers, moves) = (0, 0, 0, 0, 0)
    }
}

/// One aspect of one product, from the log's beginning to its last settling.
struct AspectRow: Sendable, BitwiseCopyable {
    static let none = UInt32.max
    /// The first bytes, up to `stintRow` (`RowLayout`).
    static let stintBytes = 92

    var unit: UInt32 = 0
    var maxSeverity: UInt8 = 0
    /// Devices that now hold any choice; devices that now hold a number.
    var choosing: UInt64 = 0
    var numbering: UInt64 = 0
    /// The numbers preferred before the stint, those of the stint, and the row of its day.
    var numbers = NumberSum()
    var stint = NumberSum()
    var stintRow = Work.none
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
    /// The first bytes, up to `words`; and up to `numbers` (`RowLayout`).
    static let wordsBytes = 16
    static let countsBytes = 144

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
    /// Without those of the stint, if it is of this day.
    var numbers = NumberSum()
}

/// One product, from the log's beginning to now. Its number in the log is its index in the table.
struct ProductRow: Sendable, BitwiseCopyable {
    /// The first bytes, up to `dayRow` (`RowLayout`): all that most events need.
    static let dayBytes = 16

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

/// What the projection must know of a device, in one cache line's worth of bytes.
struct DeviceRow: Sendable, BitwiseCopyable {
    /// The latest epoch of the device, and what has been taken of it.
    var window = SequenceWindow()
    /// A bit for each of the first 64 aspects of its product from which it was heard.
    var aspects: UInt64 = 0
    var preferences = PreferencePiece()
    var product: UInt32 = 0
    /// How many epochs there were, from 1.
    var rank: UInt32 = 1
    /// The rows of the customers heard last, and before; most devices have but one or two.
    var customerRow = Work.none
    var customerBefore = Work.none
    /// The day for which the device was last added to a day's set.
    var day = Int32.min

    @inline(__always) mutating func note(customer: UInt32) {
        if customerRow != customer { (customerRow, customerBefore) = (customer, customerRow) }
    }
}

/// What the projection must know of a customer of one product.
struct CustomerRow: Sendable, BitwiseCopyable {
    var product: UInt32 = 0
    var customer: UInt32 = 0
    /// A bit for each of the first 64 aspects of the product about which the customer was heard.
    var aspects: UInt64 = 0
    /// The day for which it was last added to a day's set.
    var day = Int32.min

    @inline(__always) func isOf(_ customer: UInt32, _ product: UInt32) -> Bool {
        self.customer == customer && self.product == product
    }
}

/// A feedback text that waits for the next checkpoint.
struct PendingText: Sendable, BitwiseCopyable {
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
