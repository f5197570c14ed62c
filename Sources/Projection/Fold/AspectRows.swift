// The rows of aspects and of their days.

import Events

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
    /// The quantiles as of the last checkpoint: 5, 25, 50, 75, 95 %.
    var quantiles = InlineArray<5, Double>(repeating: 0)
    /// The mean of the numbers preferred then.
    var meanNow = 0.0
}

extension AspectRow: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        coder.code(&product)
        coder.code(&aspect)
        coder.code(&ordinal)
        coder.code(&unit)
        coder.code(&maxSeverity)
        kinds.code(with: &coder)
        coder.code(&first)
        coder.code(&last)
        coder.code(&devices)
        coder.code(&customers)
        coder.code(&choosing)
        coder.code(&flagsOn)
        coder.code(&flagsOff)
        coder.code(&numbering)
        coder.code(&otherNow)
        coder.code(&otherSets)
        coder.code(&moves)
        coder.code(&late)
        coder.code(&useTotal)
        coder.code(&faultTotal)
        coder.code(&otherFaults)
        numbers.code(with: &coder)
        stint.code(with: &coder)
        coder.code(&stintRow)
        for place in 0..<5 { coder.code(&quantiles[place]) }
        coder.code(&meanNow)
        coder.code(&words)
        coder.code(&wordCount)
        coder.code(&faults)
        coder.code(&faultCount)
        coder.code(&bins)
        coder.code(&binCount)
        coder.code(&ratings)
    }
}

/// One aspect of one product on one day, in 128 bytes: counts stop at `UInt32.max`, which is their bound.
struct AspectDayRow: Sendable, BitwiseCopyable {
    /// The first bytes, up to `words`; and up to `numbers` (`RowLayout`).
    static let wordsBytes = 16
    static let countsBytes = 88

    var slot: UInt32 = 0
    /// The row of the product's day.
    var productDay: UInt32 = 0
    /// The next aspect of the product's day.
    var next = AspectRow.none
    var words = AspectRow.none
    /// In the order of `KindCounts`.
    var kinds = InlineArray<6, UInt32>(repeating: 0)
    /// Ratings of 1 to 5 only.
    var ratingCount: UInt32 = 0
    var histogram = InlineArray<5, UInt32>(repeating: 0)
    var ratingSum = 0.0
    var useTotal: UInt64 = 0
    var faultTotal: UInt64 = 0
    /// Without those of the stint, if it is of this day.
    var numbers = NumberSum()
    var otherSets: UInt32 = 0
}

extension UInt32 {
    /// Adds to a count; one that would not fit stays at the largest number.
    @inline(__always) package mutating func count(_ more: UInt32 = 1) {
        let (sum, isBeyond) = addingReportingOverflow(more)
        self = isBeyond ? .max : sum
    }
}

extension AspectDayRow: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        coder.code(&slot)
        coder.code(&productDay)
        coder.code(&next)
        coder.code(&words)
        for place in KindCounts.places { coder.code(&kinds[place]) }
        coder.code(&ratingCount)
        for place in 0..<5 { coder.code(&histogram[place]) }
        coder.code(&ratingSum)
        coder.code(&useTotal)
        coder.code(&faultTotal)
        numbers.code(with: &coder)
        coder.code(&otherSets)
    }
}
