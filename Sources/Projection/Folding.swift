// The fold itself: a few passes over some hundred events at a time, each through few tables.

import Admission
import Events

/// What the passes over one event tell each other.
struct Work: Sendable, BitwiseCopyable {
    static let none = UInt32.max

    /// The event's place in the batch.
    var event: UInt32 = 0
    var product: UInt32 = 0
    var productDay = Work.none
    /// The aspect's row, and that of its day (known from the second pass on).
    var slot = Work.none
    var aspectDay = Work.none
    /// The row of the customer of the product.
    var customer = Work.none
    /// The rank of the event's epoch among its device's.
    var rank: UInt32 = 0
    /// The place of the device's preference.
    var place = Work.none
    /// Whether the device belongs to the product.
    var isOwn = false
}

extension SummaryState {
    /// How many events a pass takes at a time.
    static let passEvents = 64

    /// Folds a batch's events from the one at `start` on; `first` is the offset of the batch's first one.
    ///
    /// Processors wait for memory rather than work here. A pass does little for each event, and nothing for one that
    /// hangs on what the one before it found, so that the waiting for many events goes on at the same time.
    mutating func fold(_ batch: borrowing EventBatch, from start: Int, at first: UInt64) {
        let events = batch.events.span
        var next = start
        var work = self.work
        self.work = []
        var ahead = self.ahead
        self.ahead = []
        while next < events.count {
            let end = min(events.count, next + Self.passEvents)
            var list = work.mutableSpan
            var guesses = ahead.mutableSpan
            readAhead(events, next..<end, &guesses)
            let count = admit(events, next..<end, at: first, batch.text, &list)
            countTotals(events, &list, count)
            placePreferences(events, &list, count)
            for index in 0..<count { applyValue(events[Int(list[index].event)], list[index]) }
            next = end
        }
        unsettled += events.count - start
        if unsettled > AspectToday.unsettledEvents { settle() }
        self.work = work
        self.ahead = ahead
    }

    /// The first pass, in the order of the log: what is new, and the rows that it will be counted in. Makes missing
    /// rows.
    ///
    /// - Returns: how many events are to be counted; they stand at the beginning of `work`.
    private mutating func admit(
        _ events: Span<Event>, _ range: Range<Int>, at first: UInt64, _ text: [UInt8],
        _ work: inout MutableSpan<Work>
    ) -> Int {
        var count = 0
        for index in range {
            guard let device = take(events[index]) else { continue }
            var item = Work()
            item.event = UInt32(truncatingIfNeeded: index)
            item.product = events[index].product.rawValue
            find(events[index], device, &item)
            if events[index].textLength > 0 {
                addText(events[index], Int(item.product), at: first + UInt64(index), text)
            }
            work[count] = item
            count &+= 1
        }
        return count
    }

    /// The device of an event that counts; nil when the event is not to be counted further.
    @inline(__always) private mutating func take(_ event: borrowing Event) -> Int? {
        let product = Int(event.product.rawValue)
        guard product > 0, event.product.rawValue <= ProjectionLimits.highestProduct,
            event.device.rawValue <= ProjectionLimits.highestPseudonym,
            event.customer.rawValue <= ProjectionLimits.highestPseudonym
        else {
            skipped += 1
            return nil
        }
        if product >= products.count || !products[product].isDirty { touch(product: product) }
        guard isNew(event) else {
            products[product].duplicates += 1
            return nil
        }
        let device = Int(event.device.rawValue)
        if device >= devices.count { growDevices(to: device) }
        if case .sequence = event.identity { noteEpoch(event.epoch, device) }
        guard case .none = event.quarantine else {
            products[product].quarantined[Int(event.quarantine.rawValue) & 15] += 1
            return nil
        }
        if case .gap = event.kind {
            products[product].missing += UInt64(event.count)
            return nil
        }
        return uplink & (1 << UInt32(event.kind.rawValue)) != 0 ? device : nil
    }

    @inline(__always) private mutating func isNew(_ event: borrowing Event) -> Bool {
        let novelty: Novelty
        switch (event.identity, event.kind) {
        case (.sequence, .gap), (.hash, _), (.none, _): novelty = dedupe.fold(copy event)
        case (.sequence, _): novelty = dedupe.admit(event.device, epoch: event.epoch, seq: event.seq)
        }
        if case .new = novelty { return true }
        return false
    }

    /// Finds the rows of an event that counts, or makes them.
    @inline(__always)
    private mutating func find(_ event: borrowing Event, _ device: Int, _ item: inout Work) {
        let product = Int(item.product)
        let day = event.time.day
        if let row = productDay(product, day) { item.productDay = UInt32(truncatingIfNeeded: row) }
        let row = devices[device]
        item.isOwn = row.product == item.product || row.product == 0 && claim(device, product)
        item.rank = row.epoch == event.epoch ? row.rank : row.rank &- 1
        let customer = event.customer.rawValue
        if customer != 0 {
            let known = Int(row.customerRow)
            if item.isOwn, known < customers.count, customers[known].customer == customer,
                customers[known].product == item.product
            {
                item.customer = row.customerRow
            } else {
                item.customer = self.customer(customer, product, device, isOwn: item.isOwn)
            }
        }
        guard event.aspect.rawValue != 0 else { return }
        guard let slot = slot(product, event.aspect.rawValue) else {
            products[product].unfiled += 1
            return
        }
        item.slot = UInt32(truncatingIfNeeded: slot)
    }

    /// The row of a customer of a product, for an event whose device was not heard with this customer last.
    private mutating func customer(_ customer: UInt32, _ product: Int, _ device: Int, isOwn: Bool) -> UInt32 {
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
        if isOwn { devices[device].customerRow = UInt32(row) }
        return UInt32(row)
    }

    /// A device belongs to the product with which it is heard first. Device 0 is no device.
    private mutating func claim(_ device: Int, _ product: Int) -> Bool {
        guard device != 0 else { return false }
        devices[device].product = UInt32(product)
        products[product].devices += 1
        return true
    }

    @inline(__always) private mutating func noteEpoch(_ epoch: UInt32, _ device: Int) {
        if devices[device].rank == 0 || devices[device].epoch != epoch { noteOtherEpoch(epoch, device) }
    }

    private mutating func noteOtherEpoch(_ epoch: UInt32, _ device: Int) {
        if devices[device].rank > 1, devices[device].epochBefore == epoch { return }
        devices[device].epochBefore = devices[device].epoch
        devices[device].epoch = epoch
        devices[device].rank += 1
    }
}
