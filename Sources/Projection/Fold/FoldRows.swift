// The small rows of the fold: flat, trivial, linked by indexes, so that an event touches few cache lines and no heap.

import Events

/// The index of a row in its table, as other rows keep it.
enum RowIndex {
    /// No row: the end of a list, or what is not there.
    static let none = UInt32.max
}

/// Events by kind.
package struct KindCounts: Sendable, Equatable, BitwiseCopyable {
    /// In the order of the properties below: one count is found without a branch.
    private var counts = InlineArray<6, UInt64>(repeating: 0)

    static let indices = 0..<6
    /// What is counted at each index; also the names of the columns.
    package static let names = ["preferences", "ratings", "uses", "texts", "faults", "others"]

    package init() {}

    /// - Parameter count: gives the count at an index.
    init(count: (Int) throws -> Int) rethrows {
        for index in Self.indices { counts[index] = UInt64(try count(index)) }
    }

    subscript(index: Int) -> UInt64 { counts[index] }

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
    /// State reports, consents, receipts and requests.
    package var others: UInt64 {
        get { counts[5] }
        set { counts[5] = newValue }
    }

    package var total: UInt64 { preferences + ratings + uses + texts + faults + others }

    package static func == (a: Self, b: Self) -> Bool {
        for index in indices where a.counts[index] != b.counts[index] { return false }
        return true
    }

    mutating func add(_ other: KindCounts) {
        for index in Self.indices { counts[index] += other.counts[index] }
    }

    mutating func add(_ openDay: OpenDay) {
        for index in Self.indices { counts[index] += UInt64(openDay.kinds[index]) }
    }

    /// The index at which a kind is counted. Here the compiler asks what a new kind is for the summaries.
    @inline(__always) static func index(of kind: EventKind) -> Int {
        switch kind {
        case .preferenceSet: 0
        case .ratingGiven: 1
        case .featureUsed: 2
        case .feedbackText: 3
        case .faultSeen: 4
        case .stateReported, .consentGiven, .consentWithdrawn, .receipt, .dataRequested, .erasureRequested: 5
        // No device sends these, so that they are in no summary.
        case .custom, .setting, .gap, .reply, .notice, .question, .settings, .addressed, .closed, .rollout,
            .rolloutStep, .customerErased, .audited, .note:
            5
        }
    }

    @inline(__always) mutating func add(at index: Int) { counts[index] &+= 1 }
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

/// Ratings of one scale. The bucket of a rating is `rating - lowest` on scales of up to eleven steps, tenths of the
/// scale on longer ones; fractions are rounded half up.
struct RatingRow: Sendable, BitwiseCopyable {
    /// The most buckets of a histogram.
    static let mostBuckets = 11

    var scale: UInt8 = 0
    var next = RowIndex.none
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
        for bucket in 0..<Self.mostBuckets { coder.code(&histogram[bucket]) }
    }
}

/// Events of one product that were quarantined for one reason.
struct QuarantineRow: Sendable, BitwiseCopyable {
    var reason: UInt8 = 0
    var next = RowIndex.none
    var count: UInt64 = 0
}

extension QuarantineRow: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        coder.code(&reason)
        coder.code(&next)
        coder.code(&count)
    }
}

/// A fault code of one aspect.
struct FaultRow: Sendable, BitwiseCopyable {
    var symbol: UInt32 = 0
    var next = RowIndex.none
    var events: UInt64 = 0
    /// How often, over all events.
    var times: UInt64 = 0
    var severity: UInt8 = 0
}

extension FaultRow: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        coder.code(&symbol)
        coder.code(&next)
        coder.code(&events)
        coder.code(&times)
        coder.code(&severity)
    }
}

/// A choice of one aspect.
struct ChoiceRow: Sendable, BitwiseCopyable {
    var symbol: UInt32 = 0
    var next = RowIndex.none
    /// Devices that hold this choice now.
    var now: UInt64 = 0
    /// Events, without the unflushed ones.
    var timesSet: UInt64 = 0
    /// Events of the aspect's day `dayRow` since the last flush.
    var unflushed: UInt32 = 0
    var dayRow = RowIndex.none

    /// The key of its row for that day.
    var dayChoiceKey: UInt64 { IndexTable.key(dayRow, symbol) }
}

extension ChoiceRow: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        coder.code(&symbol)
        coder.code(&next)
        coder.code(&now)
        coder.code(&timesSet)
    }
}

/// The numbers that devices prefer now and that lie within 1 % of each other.
struct BinRow: Sendable, BitwiseCopyable {
    var bin: Int32 = 0
    var next = RowIndex.none
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

/// How often one choice was set on one day.
struct DayChoiceRow: Sendable, BitwiseCopyable {
    var symbol: UInt32 = 0
    var next = RowIndex.none
    var timesSet: UInt64 = 0
}

extension DayChoiceRow: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        coder.code(&symbol)
        coder.code(&next)
        coder.code(&timesSet)
    }
}
