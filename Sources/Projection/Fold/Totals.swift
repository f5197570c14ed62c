// The pass that counts: every event in its product, its aspect and their days, and who was heard about what.

import Events

extension SummaryState {
    /// Counts the first `count` events of `items`. All rows are there.
    ///
    /// Events with an aspect are counted there alone; their products get them when the aspect is flushed.
    mutating func countTotals(_ events: Span<Event>, _ items: inout MutableSpan<FoldItem>, _ count: Int) {
        countDayMembers(events, items.span, count)
        countAspects(events, &items, count)
        countHeard(events, items.span, count)
    }

    /// Adds devices and customers to the sets of their product's day, unless they were added to the same one last.
    private mutating func countDayMembers(_ events: Span<Event>, _ items: Span<FoldItem>, _ count: Int) {
        Self.countDayMembers(
            events, items, count, &productDays, &dirty, &devices, &customers, &dayDevices, &dayCustomers)
        if dayDevices.isFull { flushDevices() }
        if dayCustomers.isFull { flushCustomers() }
    }

    private static func countDayMembers(
        _ events: Span<Event>, _ items: Span<FoldItem>, _ count: Int, _ productDays: inout [ProductDayRow],
        _ dirty: inout DirtyRows, _ devices: inout [DeviceRow], _ customers: inout [CustomerRow],
        _ dayDevices: inout DayMembers, _ dayCustomers: inout DayMembers
    ) {
        var productDays = productDays.mutableSpan
        var devices = devices.mutableSpan
        var customers = customers.mutableSpan
        for index in 0..<count {
            let item = items[index]
            guard item.productDay != RowIndex.none else { continue }
            let event = Int(item.event)
            let day = events[event].time.day
            let device = Int(events[event].device.rawValue)
            if !item.isOwn || devices[device].day != day {
                if item.isOwn { devices[device].day = day }
                dayDevices.add(UInt32(device), at: dirty.note(item.productDay, &productDays))
            }
            guard item.customer != RowIndex.none, customers[Int(item.customer)].day != day else { continue }
            customers[Int(item.customer)].day = day
            dayCustomers.add(events[event].customer.rawValue, at: dirty.note(item.productDay, &productDays))
        }
    }

    private mutating func countAspects(_ events: Span<Event>, _ items: inout MutableSpan<FoldItem>, _ count: Int) {
        var next = 0
        while true {
            next = Self.countAspects(events, &items, next..<count, &openDays)
            guard next < count else { return }
            let event = events[Int(items[next].event)]
            if items[next].slot == RowIndex.none {
                countWithoutAspect(event, items[next])
            } else {
                countOne(event, &items[next])
            }
            next += 1
        }
    }

    /// Counts the ordinary events: those of an aspect's known day.
    /// - Returns: the index in `items` of the first other one.
    private static func countAspects(
        _ events: Span<Event>, _ items: inout MutableSpan<FoldItem>, _ range: Range<Int>, _ openDays: inout [OpenDay]
    ) -> Int {
        var openDays = openDays.mutableSpan
        for index in range {
            guard items[index].slot != RowIndex.none else { return index }
            let slot = Int(items[index].slot)
            let event = Int(items[index].event)
            guard openDays[slot].isDirty, let millisecond = millisecond(events[event].time, of: openDays[slot].day)
            else { return index }
            let times = Times(events[event])
            guard times.uses | times.faults <= OpenDay.smallCount else { return index }
            items[index].aspectDay = openDays[slot].dayRow
            openDays[slot].add(
                at: KindCounts.index(of: events[event].kind), millisecond,
                uses: UInt32(truncatingIfNeeded: times.uses), faults: UInt32(truncatingIfNeeded: times.faults))
        }
        return range.upperBound
    }

    /// The millisecond of a day; nil for a time on another day.
    @inline(__always) private static func millisecond(_ time: Timestamp, of day: Int32) -> UInt32? {
        let millisecond = UInt64(bitPattern: time.rawValue &- Int64(day) &* Day.milliseconds)
        return millisecond < UInt64(Day.milliseconds) ? UInt32(truncatingIfNeeded: millisecond) : nil
    }

    /// Counts any event that has an aspect.
    ///
    /// A later day becomes the aspect's; one event of an earlier one is counted apart, for many come a little late
    /// around midnight.
    private mutating func countOne(_ event: Event, _ item: inout FoldItem) {
        let slot = Int(item.slot)
        if event.time.day > openDays[slot].day { beginDay(event.time.day, of: slot) }
        if !openDays[slot].isDirty {
            openDays[slot].isDirty = true
            dirty.aspects.append(item.slot)
        }
        let times = Times(event)
        if let millisecond = Self.millisecond(event.time, of: openDays[slot].day),
            times.uses | times.faults <= OpenDay.smallCount
        {
            item.aspectDay = openDays[slot].dayRow
            openDays[slot].add(
                at: KindCounts.index(of: event.kind), millisecond, uses: UInt32(truncatingIfNeeded: times.uses),
                faults: UInt32(truncatingIfNeeded: times.faults))
        } else {
            item.aspectDay = aspectDay(slot, event.time.day).map { UInt32(truncatingIfNeeded: $0) } ?? RowIndex.none
            countApart(event, times, item)
        }
    }

    /// Counts an event straight where it belongs: one of an earlier day, of very many uses, of a time that no calendar
    /// has.
    private mutating func countApart(_ event: Event, _ times: Times, _ item: FoldItem) {
        let kind = KindCounts.index(of: event.kind)
        aspects[Int(item.slot)].add(at: kind, event.time.rawValue, times)
        products[Int(item.product)].add(at: kind, event.time.rawValue, times)
        if item.aspectDay != RowIndex.none { aspectDays[Int(item.aspectDay)].add(at: kind, times) }
        countProductDay(item.productDay, kind)
    }

    private mutating func countWithoutAspect(_ event: Event, _ item: FoldItem) {
        let kind = KindCounts.index(of: event.kind)
        products[Int(item.product)].add(at: kind, event.time.rawValue, Times())
        countProductDay(item.productDay, kind)
    }

    private mutating func countProductDay(_ row: UInt32, _ kind: Int) {
        guard row != RowIndex.none else { return }
        touch(productDay: row)
        productDays[Int(row)].kinds.add(at: kind)
    }

    /// Counts the devices and customers that are heard about an aspect for the first time.
    private mutating func countHeard(_ events: Span<Event>, _ items: Span<FoldItem>, _ count: Int) {
        guard Self.countHeard(events, items, count, &openDays, &devices, &customers) else { return }
        for index in 0..<count where items[index].slot != RowIndex.none {
            let item = items[index]
            let (slot, event) = (Int(item.slot), Int(item.event))
            let isNarrow = openDays[slot].ordinal < 64
            let device = events[event].device.rawValue
            if !(item.isOwn && isNarrow), device != 0, wideDevices.insert(item.slot, device) {
                openDays[slot].devices &+= 1
            }
            let customer = events[event].customer.rawValue
            if !isNarrow, item.customer != RowIndex.none, wideCustomers.insert(item.slot, customer) {
                openDays[slot].customers &+= 1
            }
        }
    }

    /// Counts those whose aspect and device have a bit in the masks.
    /// - Returns: whether there are others.
    private static func countHeard(
        _ events: Span<Event>, _ items: Span<FoldItem>, _ count: Int, _ openDays: inout [OpenDay],
        _ devices: inout [DeviceRow], _ customers: inout [CustomerRow]
    ) -> Bool {
        var hasOthers = false
        var openDays = openDays.mutableSpan
        var devices = devices.mutableSpan
        var customers = customers.mutableSpan
        for index in 0..<count where items[index].slot != RowIndex.none {
            let item = items[index]
            let slot = Int(item.slot)
            let bit = openDays[slot].bit
            if bit == 0 || !item.isOwn { hasOthers = true }
            guard bit != 0 else { continue }
            let device = Int(events[Int(item.event)].device.rawValue)
            if item.isOwn, set(bit, &devices[device].aspects) { openDays[slot].devices &+= 1 }
            if item.customer != RowIndex.none, set(bit, &customers[Int(item.customer)].aspects) {
                openDays[slot].customers &+= 1
            }
        }
        return hasOthers
    }

    /// - Returns: whether the bit was not set.
    @inline(__always) private static func set(_ bit: UInt64, _ mask: inout UInt64) -> Bool {
        if mask & bit != 0 { return false }
        mask |= bit
        return true
    }
}

/// How many uses or faults an event stands for: at most one of them is not zero.
struct Times: BitwiseCopyable {
    var uses: UInt64 = 0
    var faults: UInt64 = 0

    init() {}

    @inline(__always) init(_ event: borrowing Event) {
        if event.kind == .featureUsed { uses = UInt64(event.count) }
        if event.kind == .faultSeen { faults = UInt64(event.count) }
    }
}

/// What is counted alike of a product and of an aspect, over all days.
protocol Totals {
    var kinds: KindCounts { get set }
    var first: Int64 { get set }
    var last: Int64 { get set }
    var useTotal: UInt64 { get set }
    var faultTotal: UInt64 { get set }
}

extension ProductRow: Totals {}
extension AspectRow: Totals {}

extension Totals {
    fileprivate mutating func add(at kind: Int, _ time: Int64, _ times: Times) {
        kinds.add(at: kind)
        first = min(first, time)
        last = max(last, time)
        useTotal &+= times.uses
        faultTotal &+= times.faults
    }

    /// What has come for an aspect since the last flush.
    mutating func addTotals(of openDay: OpenDay) {
        guard openDay.hasCounts else { return }
        kinds.add(openDay)
        let start = Int64(openDay.day) &* Day.milliseconds
        first = min(first, start &+ Int64(openDay.first))
        last = max(last, start &+ Int64(openDay.last))
        useTotal &+= UInt64(openDay.uses)
        faultTotal &+= UInt64(openDay.faults)
    }
}

extension AspectDayRow {
    fileprivate mutating func add(at kind: Int, _ times: Times) {
        kinds[kind].count()
        useTotal &+= times.uses
        faultTotal &+= times.faults
    }
}
