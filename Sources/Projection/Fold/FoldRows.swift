// The small rows of the fold: flat, trivial, chained by indexes, so that an event touches few cache lines and no heap.

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

    /// The place at which a kind is counted. Here the compiler asks what a new kind is for the summaries.
    @inline(__always) static func place(of kind: EventKind) -> Int {
        switch kind {
        case .preferenceSet: 0
        case .ratingGiven: 1
        case .featureUsed: 2
        case .feedbackText: 3
        case .faultSeen: 4
        case .stateReported, .consentGiven, .consentWithdrawn, .receipt: 5
        // No device sends these, so that they are in no summary.
        case .custom, .stateDesired, .gap, .reply, .notice, .question, .settings: 5
        }
    }

    @inline(__always) mutating func add(at place: Int) { counts[place] &+= 1 }
}

extension KindCounts: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        coder.code(&preferences)
        coder.code(&ratings)
        coder.code(&uses)
        coder.code(&texts)
        coder.code(&faults)
        coder.code(&others)
    }
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

extension NumberSum: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        coder.code(&count)
        coder.code(&sum)
        coder.code(&least)
        coder.code(&most)
    }
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

extension RatingRow: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        coder.code(&scale)
        coder.code(&next)
        coder.code(&count)
        coder.code(&sum)
        coder.code(&top)
        for place in 0..<Self.places { coder.code(&histogram[place]) }
    }
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

extension FaultRow: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        coder.code(&word)
        coder.code(&next)
        coder.code(&events)
        coder.code(&times)
        coder.code(&severity)
    }
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

extension ChoiceRow: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        coder.code(&word)
        coder.code(&next)
        coder.code(&now)
        coder.code(&sets)
    }
}

/// The numbers that devices prefer now and that lie within 1 % of each other.
struct BinRow: Sendable, BitwiseCopyable {
    var bin: Int32 = 0
    var next = UInt32.max
    var count: UInt64 = 0
    var sum = 0.0
}

extension BinRow: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        coder.code(&bin)
        coder.code(&next)
        coder.code(&count)
        coder.code(&sum)
    }
}

/// Sets of one choice on one day.
struct DayWordRow: Sendable, BitwiseCopyable {
    var word: UInt32 = 0
    var next = UInt32.max
    var sets: UInt64 = 0
}

extension DayWordRow: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        coder.code(&word)
        coder.code(&next)
        coder.code(&sets)
    }
}
