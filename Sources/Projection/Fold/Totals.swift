// The pass that counts: every event in its product, its aspect and their days, and who was heard about what.

import Events

extension SummaryState {
    /// Counts the first `count` events of `work`. All rows are there.
    ///
    /// Events with an aspect are counted there alone; their products get them when the aspect is settled.
    mutating func countTotals(_ events: Span<Event>, _ work: inout MutableSpan<Work>, _ count: Int) {
        countDayMembers(events, work.span, count)
        countAspects(events, &work, count)
        countHeard(events, work.span, count)
    }

    /// Adds devices and customers to the sets of their product's day, unless they were added to the same one last.
    private mutating func countDayMembers(_ events: Span<Event>, _ work: Span<Work>, _ count: Int) {
        Self.countDayMembers(
            events, work, count, &productDays, &changes, &devices, &customers, &dayDevices, &dayCustomers)
        if dayDevices.isFull { settleDevices() }
        if dayCustomers.isFull { settleCustomers() }
    }

    private static func countDayMembers(
        _ events: Span<Event>, _ work: Span<Work>, _ count: Int, _ productDays: inout [ProductDayRow],
        _ changes: inout Changes, _ devices: inout [DeviceRow], _ customers: inout [CustomerRow],
        _ dayDevices: inout DayMembers, _ dayCustomers: inout DayMembers
    ) {
        var productDays = productDays.mutableSpan
        var devices = devices.mutableSpan
        var customers = customers.mutableSpan
        for index in 0..<count {
            let item = work[index]
            guard item.productDay != Work.none else { continue }
            let event = Int(item.event)
            let day = events[event].time.day
            let device = Int(events[event].device.rawValue)
            if !item.isOwn || devices[device].day != day {
                if item.isOwn { devices[device].day = day }
                dayDevices.add(UInt32(device), at: changes.note(item.productDay, &productDays))
            }
            guard item.customer != Work.none, customers[Int(item.customer)].day != day else { continue }
            customers[Int(item.customer)].day = day
            dayCustomers.add(events[event].customer.rawValue, at: changes.note(item.productDay, &productDays))
        }
    }

    private mutating func countAspects(_ events: Span<Event>, _ work: inout MutableSpan<Work>, _ count: Int) {
        var next = 0
        while true {
            next = Self.countAspects(events, &work, next..<count, &todays)
            guard next < count else { return }
            let event = events[Int(work[next].event)]
            if work[next].slot == Work.none {
                countWithoutAspect(event, work[next])
            } else {
                countOne(event, &work[next])
            }
            next += 1
        }
    }

    /// Counts the ordinary events: those of an aspect's known day.
    /// - Returns: the place in `work` of the first other one.
    private static func countAspects(
        _ events: Span<Event>, _ work: inout MutableSpan<Work>, _ range: Range<Int>, _ todays: inout [AspectToday]
    ) -> Int {
        var todays = todays.mutableSpan
        for index in range {
            guard work[index].slot != Work.none else { return index }
            let slot = Int(work[index].slot)
            let event = Int(work[index].event)
            guard todays[slot].isDirty, let millisecond = millisecond(events[event].time, of: todays[slot].day)
            else { return index }
            let times = Times(events[event])
            guard times.uses | times.faults <= AspectToday.smallCount else { return index }
            work[index].aspectDay = todays[slot].dayRow
            todays[slot].add(
                at: KindCounts.place(of: events[event].kind), millisecond,
                uses: UInt32(truncatingIfNeeded: times.uses), faults: UInt32(truncatingIfNeeded: times.faults))
        }
        return range.upperBound
    }

    /// The millisecond of a day; nil for a time on another day.
    @inline(__always) private static func millisecond(_ time: Timestamp, of day: Int32) -> UInt32? {
        let millisecond = UInt64(bitPattern: time.rawValue &- Int64(day) &* 86_400_000)
        return millisecond < 86_400_000 ? UInt32(truncatingIfNeeded: millisecond) : nil
    }

    /// Counts any event that has an aspect.
    ///
    /// A later day becomes the aspect's; one event of an earlier one is counted apart, for many come a little late
    /// around midnight.
    private mutating func countOne(_ event: Event, _ item: inout Work) {
        let slot = Int(item.slot)
        if event.time.day > todays[slot].day { turn(slot, to: event.time.day) }
        if !todays[slot].isDirty {
            todays[slot].isDirty = true
            changes.aspects.append(item.slot)
        }
        let times = Times(event)
        if let millisecond = Self.millisecond(event.time, of: todays[slot].day),
            times.uses | times.faults <= AspectToday.smallCount
        {
            item.aspectDay = todays[slot].dayRow
            todays[slot].add(
                at: KindCounts.place(of: event.kind), millisecond, uses: UInt32(truncatingIfNeeded: times.uses),
                faults: UInt32(truncatingIfNeeded: times.faults))
        } else {
            item.aspectDay = aspectDay(slot, event.time.day).map { UInt32(truncatingIfNeeded: $0) } ?? Work.none
            countApart(event, times, item)
        }
    }

    /// Counts an event straight where it belongs: one of an earlier day, of very many uses, of a time that no calendar
    /// has.
    private mutating func countApart(_ event: Event, _ times: Times, _ item: Work) {
        let kind = KindCounts.place(of: event.kind)
        aspects[Int(item.slot)].add(at: kind, event.time.rawValue, times)
        products[Int(item.product)].add(at: kind, event.time.rawValue, times)
        if item.aspectDay != Work.none { aspectDays[Int(item.aspectDay)].add(at: kind, times) }
        countProductDay(item.productDay, kind)
    }

    private mutating func countWithoutAspect(_ event: Event, _ item: Work) {
        let kind = KindCounts.place(of: event.kind)
        products[Int(item.product)].add(at: kind, event.time.rawValue, Times())
        countProductDay(item.productDay, kind)
    }

    private mutating func countProductDay(_ row: UInt32, _ kind: Int) {
        guard row != Work.none else { return }
        touch(productDay: row)
        productDays[Int(row)].kinds.add(at: kind)
    }

    /// Counts the devices and customers that are heard about an aspect for the first time.
    private mutating func countHeard(_ events: Span<Event>, _ work: Span<Work>, _ count: Int) {
        guard Self.countHeard(events, work, count, &todays, &devices, &customers) else { return }
        for index in 0..<count where work[index].slot != Work.none {
            let item = work[index]
            let (slot, event) = (Int(item.slot), Int(item.event))
            let isNarrow = todays[slot].ordinal < 64
            let device = events[event].device.rawValue
            if !(item.isOwn && isNarrow), device != 0, wideDevices.insert(item.slot, device) {
                todays[slot].devices &+= 1
            }
            let customer = events[event].customer.rawValue
            if !isNarrow, item.customer != Work.none, wideCustomers.insert(item.slot, customer) {
                todays[slot].customers &+= 1
            }
        }
    }

    /// Counts those whose aspect and device have a bit in the masks.
    /// - Returns: whether there are others.
    private static func countHeard(
        _ events: Span<Event>, _ work: Span<Work>, _ count: Int, _ todays: inout [AspectToday],
        _ devices: inout [DeviceRow], _ customers: inout [CustomerRow]
    ) -> Bool {
        var hasOthers = false
        var todays = todays.mutableSpan
        var devices = devices.mutableSpan
        var customers = customers.mutableSpan
        for index in 0..<count where work[index].slot != Work.none {
            let item = work[index]
            let slot = Int(item.slot)
            let bit = todays[slot].bit
            if bit == 0 || !item.isOwn { hasOthers = true }
            guard bit != 0 else { continue }
            let device = Int(events[Int(item.event)].device.rawValue)
            if item.isOwn, set(bit, &devices[device].aspects) { todays[slot].devices &+= 1 }
            if item.customer != Work.none, set(bit, &customers[Int(item.customer)].aspects) {
                todays[slot].customers &+= 1
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

    /// What has come for an aspect since it was last settled.
    mutating func addTotals(of today: AspectToday) {
        guard today.hasCounts else { return }
        kinds.add(today)
        let start = Int64(today.day) &* 86_400_000
        first = min(first, start &+ Int64(today.first))
        last = max(last, start &+ Int64(today.last))
        useTotal &+= UInt64(today.uses)
        faultTotal &+= UInt64(today.faults)
    }
}

extension AspectDayRow {
    fileprivate mutating func add(at kind: Int, _ times: Times) {
        kinds[kind].count()
        useTotal &+= times.uses
        faultTotal &+= times.faults
    }
}
