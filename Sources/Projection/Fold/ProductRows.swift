// The rows of products and of their days, of devices and of customers.

import Admission
import Events

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
    var overflow: UInt64 = 0
    /// Texts so far; the number of the next one.
    var textNumber: UInt64 = 0
    var dayCount: UInt32 = 0
    /// Ratings of 1 to 5, over all aspects.
    var rating = RatingRow()
    /// The first of its counts of quarantined events.
    var quarantines = RowIndex.none
}

extension ProductRow: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        coder.code(&isKnown)
        coder.code(&aspectCount)
        kinds.code(with: &coder)
        coder.code(&first)
        coder.code(&last)
        coder.code(&devices)
        coder.code(&customers)
        coder.code(&missing)
        coder.code(&duplicates)
        coder.code(&overflow)
        coder.code(&useTotal)
        coder.code(&faultTotal)
        coder.code(&textNumber)
        coder.code(&quarantines)
        rating.code(with: &coder)
        coder.code(&dayCount)
    }
}

/// One product on one day.
struct ProductDayRow: Sendable, BitwiseCopyable {
    var product: UInt32 = 0
    var day: Int32 = 0
    var isDirty = false
    /// Its index among the days changed since the last checkpoint (`DirtyRows.productDays`).
    var dirtyIndex: UInt32 = 0
    /// The first of its aspects' days.
    var aspects = RowIndex.none
    var kinds = KindCounts()
    var ratingCount: UInt64 = 0
    var ratingSum = 0.0
}

extension ProductDayRow: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        coder.code(&product)
        coder.code(&day)
        coder.code(&aspects)
        kinds.code(with: &coder)
        coder.code(&ratingCount)
        coder.code(&ratingSum)
    }
}

/// What the projection must know of a device, in one cache line's worth of bytes.
struct DeviceRow: Sendable, BitwiseCopyable {
    /// The epoch that was heard last, what has been taken of it, and where the others stand.
    var epochs = DeviceEpochs()
    /// A bit for each of the first 64 aspects of its product from which it was heard.
    var aspects: UInt64 = 0
    var preferences = PreferenceExtent()
    var product: UInt32 = 0
    /// The epoch's number, from 1, in the order in which the device's epochs began.
    var rank: UInt32 = 1
    /// The rows of the customers heard last, and before; most devices have but one or two.
    var customerRow = RowIndex.none
    var customerBefore = RowIndex.none
    /// The day for which the device was last added to a day's set.
    var day = Int32.min

    @inline(__always) mutating func note(customer: UInt32) {
        if customerRow != customer { (customerRow, customerBefore) = (customer, customerRow) }
    }
}

/// Without its epochs, which are in the part for dedupe, and the ranks of older ones, which have their own.
extension DeviceRow: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        coder.code(&product)
        coder.code(&rank)
        coder.code(&aspects)
        coder.code(&preferences.held)
        var row = customerRow &+ 1
        coder.code(&row)
        customerRow = row &- 1
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

extension CustomerRow: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        coder.code(&product)
        coder.code(&customer)
        coder.code(&aspects)
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
    /// Who said it, on what; 0 for none.
    var customer: UInt32
    var device: UInt32
    /// Whether it cannot be read any more: sealed with a key that is gone, or of somebody who was forgotten.
    var isUnreadable: Bool
}
