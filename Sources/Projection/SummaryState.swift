// The fold: what all events so far amount to, in memory.

package import Admission
package import Events
package import Log

/// The state of the summaries after the events `0 ..< offset` of the log.
///
/// It depends on those events and their order alone: never on the clock, on hash seeds or on where blocks end. A plain
/// value of flat tables indexed by the log's own numbers; owned by one thread at a time (the `Projector`), and not to
/// be copied on the way, for it is large.
package struct SummaryState: Sendable {
    /// The offset after the last event folded.
    package private(set) var offset = Offset.zero
    /// What has been taken from whom, as of `offset`.
    package internal(set) var dedupe = DedupeTable()
    /// Events that could not be read or believed and so are in no summary (damage in the log).
    package internal(set) var skipped: UInt64 = 0

    var products: [ProductRow] = []
    var productDays: [ProductDayRow] = []
    var productDayDevices: [DistinctCount] = []
    var productDayCustomers: [DistinctCount] = []
    var aspects: [AspectRow] = []
    var aspectDays: [AspectDayRow] = []
    var devices: [DeviceRow] = []
    var customers: [CustomerRow] = []
    var preferences = PreferenceTable()
    var ratings: [RatingRow] = []
    var choices: [WordRow] = []
    var faults: [WordRow] = []
    var bins: [BinRow] = []
    var dayWords: [DayWordRow] = []

    /// Indexes over the rows above; rebuilt from them after a restart.
    var slotIndex = IndexTable()
    var productDayIndex = IndexTable()
    var aspectDayIndex = IndexTable()
    var choiceIndex = IndexTable()
    var faultIndex = IndexTable()
    var binIndex = IndexTable()
    var dayWordIndex = IndexTable()
    var customerIndex = IndexTable()
    /// (slot, device) and (slot, customer) of aspects that have no bit in the masks.
    var wideDevices = PairSet()
    var wideCustomers = PairSet()

    var ahead = ReadAhead()

    /// What the next checkpoint has to write.
    var changes = Changes()

    package init() {}

    /// Rows changed since the last checkpoint.
    struct Changes: Sendable {
        var products: [UInt32] = []
        var productDays: [UInt32] = []
        var aspects: [UInt32] = []
        var aspectDays: [UInt32] = []
        var words: [Symbol] = []
        var texts: [PendingText] = []
        var textBytes: [UInt8] = []
        /// The size at which it is worth looking for texts to forget again.
        var textBound = 0
    }

    /// The number of rows that a checkpoint would write now.
    package var dirtyRows: Int {
        changes.products.count + changes.productDays.count + changes.aspects.count + changes.aspectDays.count
            + changes.words.count + changes.texts.count
    }

    /// Folds a block. Events before `offset` were folded already and are passed over; a block that begins after it
    /// means that the log has lost events, which are counted in `skipped`.
    package mutating func apply(_ block: Block) {
        note(block.definitions)
        let first = block.firstOffset.rawValue
        let end = block.endOffset.rawValue
        guard end > offset.rawValue else { return }
        if first > offset.rawValue { skipped += first - offset.rawValue }
        let start = offset.rawValue > first ? Int(offset.rawValue - first) : 0
        if block.isIdentityCertain {
            applyAll(block.batch, from: start, at: first)
        } else {
            skipped += UInt64(block.batch.events.count - start)
        }
        offset = block.endOffset
    }

    private mutating func applyAll(_ batch: EventBatch, from start: Int, at first: UInt64) {
        var next = start
        while next < batch.events.count {
            let end = min(batch.events.count, next + Self.readAheadEvents)
            readAhead(batch.events, next..<end)
            for index in next..<end { apply(batch.events[index], at: first + UInt64(index), in: batch) }
            next = end
        }
    }

    /// Goes on behind events that cannot be read.
    package mutating func skip(to next: Offset) {
        guard next > offset else { return }
        skipped += next.rawValue - offset.rawValue
        offset = next
    }

    /// Everything changed is written.
    mutating func clearChanges() {
        for index in changes.products { products[Int(index)].isDirty = false }
        for index in changes.productDays { productDays[Int(index)].isDirty = false }
        for index in changes.aspects { aspects[Int(index)].isDirty = false }
        for index in changes.aspectDays { aspectDays[Int(index)].isDirty = false }
        changes = Changes()
    }

    mutating func restore(offset: Offset) { self.offset = offset }

    private mutating func note(_ definitions: Definitions) {
        for symbol in definitions.symbols where symbol.kind != .type { changes.words.append(symbol) }
    }

    private mutating func apply(_ event: Event, at offset: UInt64, in batch: borrowing EventBatch) {
        let product = Int(event.product.rawValue)
        guard product > 0, event.product.rawValue <= ProjectionLimits.highestProduct,
            event.device.rawValue <= ProjectionLimits.highestPseudonym,
            event.customer.rawValue <= ProjectionLimits.highestPseudonym
        else {
            skipped += 1
            return
        }
        touch(product: product)
        guard case .new = dedupe.fold(event) else {
            products[product].duplicates += 1
            return
        }
        let device = Int(event.device.rawValue)
        if device >= devices.count { growDevices(to: device) }
        if case .sequence = event.identity { noteEpoch(event.epoch, device) }
        guard case .none = event.quarantine else {
            products[product].quarantined[Int(event.quarantine.rawValue) & 15] += 1
            return
        }
        if case .gap = event.kind {
            products[product].missing += UInt64(event.count)
            return
        }
        guard event.kind.isUplink else { return }
        count(event, product: product, device: device, at: offset, in: batch)
    }

    private mutating func count(
        _ event: Event, product: Int, device: Int, at offset: UInt64, in batch: borrowing EventBatch
    ) {
        let day = event.time.day
        countProduct(event, product, day)
        let isOwn = devices[device].product == UInt32(product) || claim(device, product)
        let customer = customer(event.customer.rawValue, product, device, isOwn: isOwn)
        countDayMembers(event, product, device, customer, day, isOwn: isOwn)
        if event.textLength > 0 { addText(event, product, at: offset, in: batch) }
        guard event.aspect.rawValue != 0 else {
            if case .ratingGiven = event.kind { countProductRating(event, product) }
            return
        }
        guard let slot = slot(product, event.aspect.rawValue) else {
            products[product].unfiled += 1
            return
        }
        countAspect(event, slot, device, customer, isOwn: isOwn)
        let dayRow = aspectDay(slot, day)
        if let dayRow {
            aspectDays[dayRow].kinds.add(event.kind)
            if !aspectDays[dayRow].isDirty {
                aspectDays[dayRow].isDirty = true
                changes.aspectDays.append(UInt32(dayRow))
            }
        }
        switch event.kind {
        case .preferenceSet: applyPreference(event, slot, dayRow)
        case .ratingGiven:
            countProductRating(event, product)
            applyRating(event, slot, dayRow)
        case .featureUsed:
            aspects[slot].useTotal += UInt64(event.count)
            products[product].useTotal += UInt64(event.count)
            if let dayRow { aspectDays[dayRow].useTotal += UInt64(event.count) }
        case .faultSeen: applyFault(event, slot, product, dayRow)
        default: break
        }
    }

    private mutating func countProduct(_ event: Event, _ product: Int, _ day: Int32) {
        products[product].kinds.add(event.kind)
        products[product].first = min(products[product].first, event.time.rawValue)
        products[product].last = max(products[product].last, event.time.rawValue)
        guard let row = productDay(product, day) else { return }
        productDays[row].kinds.add(event.kind)
        if !productDays[row].isDirty {
            productDays[row].isDirty = true
            changes.productDays.append(UInt32(row))
        }
    }

    /// The row of a customer of a product; nil for nobody. The device remembers its last one.
    private mutating func customer(_ customer: UInt32, _ product: Int, _ device: Int, isOwn: Bool) -> Int? {
        guard customer != 0 else { return nil }
        if isOwn, devices[device].customer == customer { return Int(devices[device].customerRow) }
        let key = IndexTable.key(UInt32(product), customer)
        let row: Int
        if let known = customerIndex.find(key) {
            row = known
        } else {
            row = customers.count
            customerIndex.insert(key, row)
            customers.append(CustomerRow(product: UInt32(product), customer: customer))
            products[product].customers += 1
        }
        if isOwn { (devices[device].customer, devices[device].customerRow) = (customer, UInt32(row)) }
        return row
    }

    /// Adds device and customer to the sets of the product's day, unless they were added to the same one last.
    private mutating func countDayMembers(
        _ event: Event, _ product: Int, _ device: Int, _ customer: Int?, _ day: Int32, isOwn: Bool
    ) {
        guard products[product].day == day else { return }
        let row = Int(products[product].dayRow)
        if !isOwn || devices[device].day != day {
            productDayDevices[row].insert(event.device.rawValue)
            if isOwn { devices[device].day = day }
        }
        guard let customer, customers[customer].day != day else { return }
        customers[customer].day = day
        productDayCustomers[row].insert(event.customer.rawValue)
    }

    private mutating func countAspect(_ event: Event, _ slot: Int, _ device: Int, _ customer: Int?, isOwn: Bool) {
        aspects[slot].kinds.add(event.kind)
        aspects[slot].first = min(aspects[slot].first, event.time.rawValue)
        aspects[slot].last = max(aspects[slot].last, event.time.rawValue)
        if !aspects[slot].isDirty {
            aspects[slot].isDirty = true
            changes.aspects.append(UInt32(slot))
        }
        let ordinal = aspects[slot].ordinal
        let bit: UInt64 = ordinal < 64 ? 1 << UInt64(ordinal) : 0
        if isOwn, bit != 0 {
            if devices[device].aspects & bit == 0 {
                devices[device].aspects |= bit
                aspects[slot].devices += 1
            }
        } else if device != 0, wideDevices.insert(UInt32(slot), UInt32(device)) {
            aspects[slot].devices += 1
        }
        guard let customer else { return }
        if bit != 0 {
            if customers[customer].aspects & bit == 0 {
                customers[customer].aspects |= bit
                aspects[slot].customers += 1
            }
        } else if wideCustomers.insert(UInt32(slot), event.customer.rawValue) {
            aspects[slot].customers += 1
        }
    }

    /// A device belongs to the product with which it is heard first. Device 0 is no device.
    private mutating func claim(_ device: Int, _ product: Int) -> Bool {
        guard device != 0, devices[device].product == 0 else { return false }
        devices[device].product = UInt32(product)
        products[product].devices += 1
        return true
    }

    private mutating func noteEpoch(_ epoch: UInt32, _ device: Int) {
        if devices[device].rank > 0, devices[device].epoch == epoch { return }
        if devices[device].rank > 1, devices[device].epochBefore == epoch { return }
        devices[device].epochBefore = devices[device].epoch
        devices[device].epoch = epoch
        devices[device].rank += 1
    }
}
