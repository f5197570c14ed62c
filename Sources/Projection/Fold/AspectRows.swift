// The rows of aspects and of their days.

import Events

/// What events touch of an aspect, in two cache lines; the rest is in its `AspectRow`.
///
/// The first line holds what has come since the last flush, all of it on one day, the open one. The second line holds
/// what the devices prefer now, and the sum of the current run: of the numbers preferred one after another on one day.
/// A run ends only when a number of another day comes, and not when a checkpoint is due, for the sum of floating-point
/// numbers depends on where it is split, and a rebuild must split it where the live fold did.
struct OpenDay: Sendable, BitwiseCopyable {
    var day = Int32.min
    /// The row of the aspect's day; none when it has too many days.
    var dayRow = RowIndex.none
    var kinds = InlineArray<6, UInt32>(repeating: 0)
    /// The time of the first and the last event, in milliseconds of the day.
    var first = UInt32.max
    var last: UInt32 = 0
    var uses: UInt32 = 0
    var faults: UInt32 = 0
    var devices: UInt32 = 0
    var customers: UInt32 = 0
    /// Preference events that changed what their device had said before.
    var changes: UInt32 = 0
    /// The aspect's index among those of its product; the first 64 have a bit in their devices' masks.
    var ordinal: UInt16 = 0
    var maxSeverity: UInt8 = 0
    var isDirty = false

    var run = NumberSum()
    /// Devices that now hold a number; any choice; a flag that is on; one that is off.
    var numbering: UInt32 = 0
    var choosing: UInt32 = 0
    var flagsOn: UInt32 = 0
    var flagsOff: UInt32 = 0
    /// That of the first number that has one.
    var unit: UInt32 = 0
    /// The row of the day of the run; none when it is not known.
    var runDayRow = RowIndex.none
    /// The first of its rating rows.
    var ratings = RowIndex.none
    var areNumbersDirty = false

    init() {}

    /// What is here of an aspect right after a flush.
    init(_ row: borrowing AspectRow) {
        ordinal = UInt16(truncatingIfNeeded: row.ordinal)
        (run, runDayRow, unit, ratings) = (row.run, row.runDayRow, row.unit, row.ratings)
        (numbering, choosing) = (UInt32(clamping: row.numbering), UInt32(clamping: row.choosing))
        (flagsOn, flagsOff) = (UInt32(clamping: row.flagsOn), UInt32(clamping: row.flagsOff))
    }

    /// A number of uses or faults that fits here for certain, whatever has been added since the last flush.
    static let smallCount: UInt32 = 1 << 8

    /// The aspect's bit in the masks of devices and customers; 0 when it has none.
    @inline(__always) var bit: UInt64 { ordinal < 64 ? 1 &<< UInt64(ordinal) : 0 }

    @inline(__always) mutating func add(at kind: Int, _ millisecond: UInt32, uses: UInt32, faults: UInt32) {
        kinds[kind] &+= 1
        first = min(first, millisecond)
        last = max(last, millisecond)
        self.uses &+= uses
        self.faults &+= faults
    }

    /// Whether any event was counted since the last flush.
    var hasCounts: Bool { first <= last }

    /// Forgets what has been flushed.
    mutating func clearCounts() {
        kinds = InlineArray(repeating: 0)
        (first, last) = (.max, 0)
        (uses, faults, devices, customers, changes) = (0, 0, 0, 0, 0)
    }
}

/// One aspect of one product, from the log's beginning to its last flush.
struct AspectRow: Sendable, BitwiseCopyable {
    static let none = UInt32.max
    /// The first bytes, up to `runDayRow` (`RowLayout`).
    static let runBytes = 92

    var unit: UInt32 = 0
    var maxSeverity: UInt8 = 0
    /// Devices that now hold any choice; devices that now hold a number.
    var choosing: UInt64 = 0
    var numbering: UInt64 = 0
    /// The numbers preferred before the current run, those of the run, and the row of its day.
    var numbers = NumberSum()
    var run = NumberSum()
    var runDayRow = RowIndex.none
    /// Flags that are now on and off.
    var flagsOn: UInt64 = 0
    var flagsOff: UInt64 = 0
    /// Preference events that changed what their device had said before; and those that came too late to count.
    var changes: UInt64 = 0
    var late: UInt64 = 0
    var kinds = KindCounts()
    var first = Int64.max
    var last = Int64.min
    var devices: UInt64 = 0
    var customers: UInt64 = 0
    var useTotal: UInt64 = 0
    var faultTotal: UInt64 = 0
    /// Its index among the aspects of its product.
    var ordinal: UInt32 = 0
    var ratings = RowIndex.none
    /// Devices now at a choice beyond the bound, and how often such were set.
    var otherNow: UInt64 = 0
    var otherTimesSet: UInt64 = 0
    var otherFaults: UInt64 = 0
    var product: UInt32 = 0
    var aspect: UInt32 = 0
    var choices = RowIndex.none
    var choiceCount: UInt32 = 0
    var faults = RowIndex.none
    var faultCount: UInt32 = 0
    var bins = RowIndex.none
    var binCount: UInt32 = 0
    /// The quantiles as of the last checkpoint: 5, 25, 50, 75, 95 %.
    var quantiles = InlineArray<5, Double>(repeating: 0)
    /// The mean of the numbers preferred then.
    var meanNow = 0.0
    /// The first of its rows of other units, and how many there are.
    var otherUnits = RowIndex.none
    var otherUnitCount: UInt32 = 0
    /// Devices that now hold a number of another unit.
    var apartNow: UInt64 = 0
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
        coder.code(&otherTimesSet)
        coder.code(&changes)
        coder.code(&late)
        coder.code(&useTotal)
        coder.code(&faultTotal)
        coder.code(&otherFaults)
        numbers.code(with: &coder)
        run.code(with: &coder)
        coder.code(&runDayRow)
        for index in 0..<5 { coder.code(&quantiles[index]) }
        coder.code(&meanNow)
        coder.code(&choices)
        coder.code(&choiceCount)
        coder.code(&faults)
        coder.code(&faultCount)
        coder.code(&bins)
        coder.code(&binCount)
        coder.code(&ratings)
        coder.code(&otherUnits)
        coder.code(&otherUnitCount)
        coder.code(&apartNow)
    }
}

/// One aspect of one product on one day, in 128 bytes: counts stop at `UInt32.max`, which is their bound.
struct AspectDayRow: Sendable, BitwiseCopyable {
    /// The first bytes, up to `choices`; and up to `numbers` (`RowLayout`).
    static let choicesBytes = 16
    static let countsBytes = 88

    var slot: UInt32 = 0
    /// The row of the product's day.
    var productDay: UInt32 = 0
    /// The next aspect of the product's day.
    var next = RowIndex.none
    var choices = RowIndex.none
    /// In the order of `KindCounts`.
    var kinds = InlineArray<6, UInt32>(repeating: 0)
    /// Ratings of 1 to 5 only.
    var ratingCount: UInt32 = 0
    var histogram = InlineArray<5, UInt32>(repeating: 0)
    var ratingSum = 0.0
    var useTotal: UInt64 = 0
    var faultTotal: UInt64 = 0
    /// Without those of the current run, if it is of this day.
    var numbers = NumberSum()
    var otherTimesSet: UInt32 = 0
    /// The first of its numbers in other units.
    var otherUnits = RowIndex.none
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
        coder.code(&choices)
        for index in KindCounts.indices { coder.code(&kinds[index]) }
        coder.code(&ratingCount)
        for bucket in 0..<5 { coder.code(&histogram[bucket]) }
        coder.code(&ratingSum)
        coder.code(&useTotal)
        coder.code(&faultTotal)
        numbers.code(with: &coder)
        coder.code(&otherTimesSet)
        coder.code(&otherUnits)
    }
}
