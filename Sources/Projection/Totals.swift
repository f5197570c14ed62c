// The pass that counts: every event in its product, its aspect and their days, and who was heard about what.

import Events

extension SummaryState {
    /// Counts the first `count` events of `work`. All rows are there.
    mutating func countTotals(_ events: Span<Event>, _ work: inout MutableSpan<Work>, _ count: Int) {
        Self.count(events, &work, count, &products, &productDays, &changes)
        countDayMembers(events, &work, count)
        countAspects(events, &work, count)
        countHeard(events, &work, count)
    }

    private static func count(
        _ events: Span<Event>, _ work: inout MutableSpan<Work>, _ count: Int, _ products: inout [ProductRow],
        _ productDays: inout [ProductDayRow], _ changes: inout Changes
    ) {
        var products = products.mutableSpan
        var productDays = productDays.mutableSpan
        for index in 0..<count {
            let item = work[index]
            let event = Int(item.event)
            let kind = KindCounts.place(of: events[event].kind)
            let times = Times(events[event], isFiled: item.slot != Work.none)
            products[Int(item.product)].add(at: kind, events[event].time.rawValue, times)
            guard item.productDay != Work.none else { continue }
            let day = Int(item.productDay)
            productDays[day].kinds.add(at: kind)
            if !productDays[day].isDirty {
                productDays[day].isDirty = true
                productDays[day].place = UInt32(truncatingIfNeeded: changes.productDays.count)
                changes.productDays.append(item.productDay)
            }
        }
    }

    /// Adds devices and customers to the sets of their product's day, unless they were added to the same one last.
    private mutating func countDayMembers(_ events: Span<Event>, _ work: inout MutableSpan<Work>, _ count: Int) {
        for index in 0..<count {
            let item = work[index]
            guard item.productDay != Work.none else { continue }
            let place = productDays[Int(item.productDay)].place
            let event = Int(item.event)
            let day = events[event].time.day
            let device = Int(events[event].device.rawValue)
            if Self.isNews(item, day, &devices[device]) {
                dayDevices.add(UInt32(device), at: place)
            }
            guard item.customer != Work.none, Self.isNews(day, &customers[Int(item.customer)]) else { continue }
            dayCustomers.add(events[event].customer.rawValue, at: place)
        }
        if dayDevices.isFull { settleDevices() }
        if dayCustomers.isFull { settleCustomers() }
    }

    @inline(__always) private static func isNews(_ item: Work, _ day: Int32, _ device: inout DeviceRow) -> Bool {
        guard item.isOwn else { return true }
        if device.day == day { return false }
        device.day = day
        return true
    }

    @inline(__always) private static func isNews(_ day: Int32, _ customer: inout CustomerRow) -> Bool {
        if customer.day == day { return false }
        customer.day = day
        return true
    }

    private mutating func countAspects(_ events: Span<Event>, _ work: inout MutableSpan<Work>, _ count: Int) {
        var next = 0
        while true {
            next = Self.countAspects(events, &work, next..<count, &todays)
            guard next < count else { return }
            prepare(Int(work[next].slot), events[Int(work[next].event)])
            countAspect(events[Int(work[next].event)], &work[next])
            next += 1
        }
    }

    /// Counts the ordinary events: those of an aspect's known day.
    /// - Returns: the place in `work` of the first other one.
    private static func countAspects(
        _ events: Span<Event>, _ work: inout MutableSpan<Work>, _ range: Range<Int>, _ todays: inout [AspectToday]
    ) -> Int {
        var todays = todays.mutableSpan
        for index in range where work[index].slot != Work.none {
            let slot = Int(work[index].slot)
            let event = Int(work[index].event)
            guard todays[slot].isDirty, let millisecond = millisecond(events[event].time, of: todays[slot].day)
            else { return index }
            let times = Times(events[event], isFiled: true)
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

    /// Makes an event's day the aspect's, and the aspect part of the next checkpoint.
    private mutating func prepare(_ slot: Int, _ event: borrowing Event) {
        if todays[slot].day != event.time.day { turn(slot, to: event.time.day) }
        guard !todays[slot].isDirty else { return }
        todays[slot].isDirty = true
        changes.aspects.append(UInt32(truncatingIfNeeded: slot))
    }

    /// Counts any event, once its day is the aspect's.
    private mutating func countAspect(_ event: borrowing Event, _ item: inout Work) {
        let slot = Int(item.slot)
        item.aspectDay = todays[slot].dayRow
        let times = Times(event, isFiled: true)
        let kind = KindCounts.place(of: event.kind)
        let millisecond = Self.millisecond(event.time, of: todays[slot].day)
        if let millisecond, times.uses | times.faults <= AspectToday.smallCount {
            todays[slot].add(
                at: kind, millisecond, uses: UInt32(truncatingIfNeeded: times.uses),
                faults: UInt32(truncatingIfNeeded: times.faults))
        } else {
            todays[slot].kinds[kind] &+= 1
            countUnusual(slot, event.time.rawValue, times)
        }
    }

    /// Counts the devices and customers that are heard about an aspect for the first time.
    private mutating func countHeard(_ events: Span<Event>, _ work: inout MutableSpan<Work>, _ count: Int) {
        for index in 0..<count {
            let item = work[index]
            guard item.slot != Work.none else { continue }
            let slot = Int(item.slot)
            let ordinal = todays[slot].ordinal
            let bit: UInt64 = ordinal < 64 ? 1 &<< UInt64(ordinal) : 0
            let device = events[Int(item.event)].device.rawValue
            if item.isOwn, bit != 0 {
                if Self.set(bit, &devices[Int(device)].aspects) { todays[slot].devices &+= 1 }
            } else if device != 0, wideDevices.insert(item.slot, device) {
                todays[slot].devices &+= 1
            }
            guard item.customer != Work.none else { continue }
            if bit != 0 {
                if Self.set(bit, &customers[Int(item.customer)].aspects) { todays[slot].customers &+= 1 }
            } else if wideCustomers.insert(item.slot, events[Int(item.event)].customer.rawValue) {
                todays[slot].customers &+= 1
            }
        }
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

    @inline(__always) init(_ event: borrowing Event, isFiled: Bool) {
        let count = isFiled ? UInt64(event.count) : 0
        switch event.kind {
        case .featureUsed: uses = count
        case .faultSeen: faults = count
        default: break
        }
    }
}

extension ProductRow {
    @inline(__always) fileprivate mutating func add(at kind: Int, _ time: Int64, _ times: Times) {
        kinds.add(at: kind)
        first = min(first, time)
        last = max(last, time)
        useTotal &+= times.uses
        faultTotal &+= times.faults
    }
}
