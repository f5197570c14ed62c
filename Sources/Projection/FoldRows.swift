// The rows of the fold: flat, trivial, chained by indexes, so that an event touches a few cache lines and no heap.

import Events

/// Events by kind.
package struct KindCounts: Sendable, Equatable, BitwiseCopyable {
    package var preferences: UInt64 = 0
    package var ratings: UInt64 = 0
    package var uses: UInt64 = 0
    package var texts: UInt64 = 0
    package var faults: UInt64 = 0
    /// State reports, consents and receipts.
    package var others: UInt64 = 0

    package init() {}

    package var total: UInt64 { preferences + ratings + uses + texts + faults + others }

    mutating func add(_ other: KindCounts) {
        preferences += other.preferences
        ratings += other.ratings
        uses += other.uses
        texts += other.texts
        faults += other.faults
        others += other.others
    }

    @inline(__always) mutating func add(_ kind: EventKind) {
        switch kind {
        case .preferenceSet: preferences += 1
        case .ratingGiven: ratings += 1
        case .featureUsed: uses += 1
        case .feedbackText: texts += 1
        case .faultSeen: faults += 1
        default: others += 1
        }
    }
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

/// A choice, or a fault code, of one aspect.
struct WordRow: Sendable, BitwiseCopyable {
    var word: UInt32 = 0
    var next = UInt32.max
    /// Devices that hold this choice now; for a fault, the number of times in all.
    var now: UInt64 = 0
    /// Events.
    var sets: UInt64 = 0
    /// The row of the day that was counted last.
    var day = Int32.min
    var dayRow: UInt32 = 0
    var severity: UInt8 = 0
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

/// One aspect of one product, from the log's beginning to now. First stands what every event touches, then what a
/// preference does, then the rest.
struct AspectRow: Sendable, BitwiseCopyable {
    static let none = UInt32.max

    /// Its place among the aspects of its product; the first 64 have a bit in their devices' masks.
    var ordinal: UInt32 = 0
    var isDirty = false
    var areNumbersDirty = false
    var maxSeverity: UInt8 = 0
    /// The day row that was counted last.
    var day = Int32.min
    var dayRow: UInt32 = 0
    var kinds = KindCounts()
    var first = Int64.max
    var last = Int64.min
    var devices: UInt64 = 0
    var customers: UInt64 = 0
    var useTotal: UInt64 = 0
    var faultTotal: UInt64 = 0
    var ratings = AspectRow.none
    var unit: UInt32 = 0
    /// Preference events that changed what their device had said before; and those that came too late to count.
    var moves: UInt64 = 0
    var late: UInt64 = 0
    /// Devices that now hold any choice; flags that are now on and off; devices that now hold a number.
    var choosing: UInt64 = 0
    var numbering: UInt64 = 0
    var flagsOn: UInt64 = 0
    var flagsOff: UInt64 = 0
    var numbers = NumberSum()
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
    var kinds = KindCounts()
    var first = Int64.max
    var last = Int64.min
    var devices: UInt64 = 0
    var customers: UInt64 = 0
    var quarantined = InlineArray<16, UInt64>(repeating: 0)
    /// Sequence numbers that devices have lost.
    var missing: UInt64 = 0
    /// Duplicates that the log holds and that are not counted.
    var duplicates: UInt64 = 0
    /// Events beyond `ProjectionLimits.aspectsPerProduct` and the like: counted here, in no aspect.
    var unfiled: UInt64 = 0
    /// Ratings of 1 to 5, over all aspects.
    var rating = RatingRow()
    var useTotal: UInt64 = 0
    var faultTotal: UInt64 = 0
    /// Texts so far; the number of the next one.
    var textNumber: UInt64 = 0
    var day = Int32.min
    var dayRow: UInt32 = 0
    var dayCount: UInt32 = 0
}

/// One product on one day.
struct ProductDayRow: Sendable, BitwiseCopyable {
    var product: UInt32 = 0
    var day: Int32 = 0
    var isDirty = false
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
    /// The customer heard last and its row; and the day for which the device was last added to a day's set.
    var customer: UInt32 = 0
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
