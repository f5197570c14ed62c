// The fold itself: a few passes over a window of events at a time, each through few tables.

import Admission
import Events

/// What the passes over one event tell each other.
struct FoldItem: Sendable, BitwiseCopyable {
    /// The event's index in the batch.
    var event: UInt32 = 0
    var product: UInt32 = 0
    var productDay = RowIndex.none
    /// The aspect's row, and that of its day (known once the aspect is counted).
    var slot = RowIndex.none
    var aspectDay = RowIndex.none
    /// The row of the customer of the product.
    var customer = RowIndex.none
    /// The rank of the event's epoch among its device's.
    var rank: UInt32 = 0
    /// The row of the choice, or of the bin of numbers, that the event sets.
    var row = RowIndex.none
    /// The device's mask has this bit for the aspect; 0 when the event sets no preference that is kept there.
    var bit: UInt64 = 0
    /// What was preferred before, if `change` says so.
    var oldBits: UInt64 = 0
    var oldRow = RowIndex.none
    var oldKind = Event.ValueKind.none
    var change = Preference.Change.nobody
    /// Whether the device belongs to the product.
    var isOwn = false
}

extension SummaryState {
    /// How many events a pass takes at a time: what it touches for them fits in the first two levels of cache.
    static let windowEvents = IndexList.capacity

    /// Folds a batch's events from the one at `start` on; `first` is the offset of the batch's first one.
    ///
    /// A pass has a fast loop that knows the ordinary case and stops at the first event that is not one; that event is
    /// taken the general way, and the loop goes on behind it.
    mutating func fold(_ batch: borrowing EventBatch, from start: Int, at first: UInt64) {
        let events = batch.events.span
        var next = start
        var items = self.items
        self.items = []
        var lookups = self.lookups
        self.lookups = []
        var restated = self.restated
        self.restated = []
        while next < events.count {
            var window = next..<min(events.count, next + Self.windowEvents)
            if outbox.isActive { prepareOutbox() }
            var list = items.mutableSpan
            var rows = lookups.mutableSpan
            find(events, window, &rows)
            let count = admit(events, &window, rows.span, at: first, batch, &list)
            if outbox.isActive { foldForOutbox(events, list.span, count, batch) }
            countTotals(events, &list, count)
            let hasOthers = findPreferences(events, window, &list, count, &restated)
            if restated.isEmpty {
                setPreferences(events, &list, count, hasOthers: hasOthers)
                countValues(events, &list, count)
            } else {
                for index in 0..<count { list[index].event -= UInt32(truncatingIfNeeded: window.lowerBound) }
                setPreferences(restated.span, &list, count, hasOthers: hasOthers)
                countValues(restated.span, &list, count)
                restated.removeAll(keepingCapacity: true)
            }
            next = window.upperBound
        }
        unflushedEvents += events.count - start
        if unflushedEvents > ProjectionLimits.unflushedEvents { flush() }
        self.items = items
        self.lookups = lookups
        self.restated = restated
    }

    /// The first pass, in the order of the log: what is new, and the rows that it will be counted in. Makes missing
    /// rows.
    ///
    /// - Parameter window: ends before an event that must begin a window of its own.
    /// - Returns: how many events are to be counted; they stand at the beginning of `items`.
    private mutating func admit(
        _ events: Span<Event>, _ window: inout Range<Int>, _ lookups: Span<RowLookup>, at first: UInt64,
        _ batch: borrowing EventBatch, _ items: inout MutableSpan<FoldItem>
    ) -> Int {
        var count = 0
        var next = window.lowerBound
        while true {
            next = Self.admitOrdinary(
                events, next, window, lookups, &items, &count, products, &devices, &newestTimes)
            guard next < window.upperBound else { return count }
            if next > window.lowerBound, beginsWindow(events[next]) {
                window = window.lowerBound..<next
                return count
            }
            if isOfTheDaemon(events[next]) {
                foldOwn(events[next], batch, at: first + UInt64(next))
            } else if let device = take(events[next]) {
                var item = FoldItem(event: UInt32(truncatingIfNeeded: next), product: events[next].product.rawValue)
                find(events[next], device, lookups[next - window.lowerBound], &item)
                if events[next].kind.isConsent {
                    consents.fold(
                        events[next], batch.details(of: events[next]), words.purposes.purpose(of: events[next]))
                }
                if let isUnreadable = Self.isUnreadable(events[next], batch.details) {
                    addText(
                        events[next], Int(item.product), at: first + UInt64(next), batch.text,
                        isUnreadable: isUnreadable)
                }
                items[count] = item
                count += 1
            }
            next += 1
        }
    }

    /// Admits events of known devices of their own product, in their latest epoch, with known customers and aspects.
    /// - Returns: the index of the first other event.
    private static func admitOrdinary(
        _ events: Span<Event>, _ start: Int, _ window: Range<Int>, _ lookups: Span<RowLookup>,
        _ items: inout MutableSpan<FoldItem>, _ count: inout Int, _ products: [ProductRow],
        _ devices: inout [DeviceRow], _ newestTimes: inout [Int64]
    ) -> Int {
        let products = products.span
        var devices = devices.mutableSpan
        var newestTimes = newestTimes.mutableSpan
        for index in start..<window.upperBound {
            let device = Int(events[index].device.rawValue)
            let product = Int(events[index].product.rawValue)
            let rows = lookups[index &- window.lowerBound]
            guard device < devices.count, product < products.count, rows.slot != RowIndex.none,
                devices[device].product == events[index].product.rawValue, product != 0,
                products[product].isDirty, products[product].day == events[index].time.day,
                rows.customer != RowIndex.none || events[index].customer.rawValue == 0,
                isOrdinary(events[index]), devices[device].epochs.latest.epoch == events[index].epoch
            else { return index }
            guard case .new = devices[device].epochs.latest.insert(events[index].seq) else { return index }
            if events[index].epoch == 0, case .device = events[index].clock {
                newestTimes[device] = max(newestTimes[device], events[index].time.rawValue)
            }
            if rows.customer != RowIndex.none { devices[device].note(customer: rows.customer) }
            items[count] = FoldItem(
                event: UInt32(truncatingIfNeeded: index), product: UInt32(truncatingIfNeeded: product),
                productDay: products[product].dayRow, slot: rows.slot, customer: rows.customer,
                rank: devices[device].rank, row: rows.row, isOwn: true)
            count &+= 1
        }
        return window.upperBound
    }

    /// Whether an event is numbered, good, says nothing in words, and is of a kind that devices send and that is no
    /// consent.
    @inline(__always) private static func isOrdinary(_ event: borrowing Event) -> Bool {
        guard case .sequence = event.identity, case .none = event.quarantine, event.textLength | event.detail == 0
        else { return false }
        let kind = event.kind
        return kind.isUplink && !kind.isConsent
    }

    /// Whether the daemon has written an event about itself or about the log, which is counted nowhere.
    private func isOfTheDaemon(_ event: borrowing Event) -> Bool {
        guard case .none = event.quarantine else { return false }
        let kind = event.kind
        return kind == .customerErased || kind == .audited || kind.isOfOutbox
    }

    private mutating func foldOwn(_ event: Event, _ batch: borrowing EventBatch, at offset: UInt64) {
        if event.kind == .customerErased {
            eraseTexts(of: event)
            eraseFromOutbox(event)
        } else if event.kind.isOfOutbox {
            foldMessage(event, batch, at: offset)
        }
    }

    /// The device of an event that counts; nil when the event is not to be counted further.
    private mutating func take(_ event: borrowing Event) -> Int? {
        let product = Int(event.product.rawValue)
        guard product > 0, event.product.rawValue <= ProjectionLimits.highestProduct,
            event.device.rawValue <= ProjectionLimits.highestPseudonym,
            event.customer.rawValue <= ProjectionLimits.highestPseudonym
        else {
            skipped += 1
            return nil
        }
        if product >= products.count || !products[product].isDirty { touch(product: product) }
        let device = Int(event.device.rawValue)
        if device >= devices.count { growDevices(to: device) }
        guard isNew(event, device) else {
            products[product].duplicates += 1
            return nil
        }
        guard case .none = event.quarantine else {
            quarantines[quarantine(product, event.quarantine)].count += 1
            return nil
        }
        if case .gap = event.kind {
            products[product].missing += UInt64(event.count)
            return nil
        }
        return event.kind.isUplink ? device : nil
    }

    /// Whether the log has not had the event before; one that is numbered makes its epoch the device's latest.
    private mutating func isNew(_ event: borrowing Event, _ device: Int) -> Bool {
        var identity = identity(of: device)
        var rank = devices[device].rank
        let verdict = identities.fold(event, &identity, rank: &rank)
        (devices[device].epochs, devices[device].rank) = (identity.epochs, rank)
        newestTimes[device] = identity.newestTime
        if case .new = verdict { return true }
        return false
    }

    /// Finds the rows of an event that counts, or makes them; some are `known` already.
    private mutating func find(_ event: borrowing Event, _ device: Int, _ known: RowLookup, _ item: inout FoldItem) {
        let product = Int(item.product)
        if let row = productDay(product, event.time.day) { item.productDay = UInt32(truncatingIfNeeded: row) }
        item.isOwn =
            devices[device].product == item.product || devices[device].product == 0 && claim(device, product)
        item.rank = devices[device].rank
        if event.customer.rawValue != 0 {
            item.customer =
                known.customer != RowIndex.none ? known.customer : customer(event.customer.rawValue, product)
            if item.isOwn { devices[device].note(customer: item.customer) }
        }
        item.row = known.row
        item.slot = known.slot
        guard item.slot == RowIndex.none, event.aspect.rawValue != 0 else { return }
        guard let slot = slot(product, event.aspect.rawValue) else {
            products[product].overflow += 1
            return
        }
        item.slot = UInt32(truncatingIfNeeded: slot)
    }

    /// The row of a customer of a product.
    private mutating func customer(_ customer: UInt32, _ product: Int) -> UInt32 {
        let key = IndexTable.key(UInt32(product), customer)
        let known = customerIndex.entry(key)
        guard known == RowIndex.none else { return known }
        let row = customers.count
        customerIndex.insert(key, row)
        customers.appendRow(CustomerRow(product: UInt32(product), customer: customer))
        products[product].customers += 1
        return UInt32(row)
    }

    /// A device belongs to the product with which it is heard first. Device 0 is no device.
    private mutating func claim(_ device: Int, _ product: Int) -> Bool {
        guard device != 0 else { return false }
        devices[device].product = UInt32(product)
        products[product].devices += 1
        return true
    }
}
