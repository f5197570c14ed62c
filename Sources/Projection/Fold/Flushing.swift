// What was counted aside, for open days and for sets of members, added to the rows that it belongs to.

import Events

extension SummaryState {
    /// Adds everything to its rows. Whoever reads the state must do this first; it changes nothing that can be seen.
    mutating func flush() {
        dirty.aspects.sort()
        let slots = dirty.aspects
        for start in stride(from: 0, to: slots.count, by: LinkedRows.capacity) {
            let group = slots[start..<min(slots.count, start + LinkedRows.capacity)]
            prefetchToFlush(group)
            for slot in group { flush(Int(slot)) }
        }
        flushDevices()
        flushCustomers()
        unflushedEvents = 0
    }

    /// Another day begins for an aspect: it becomes the open one.
    mutating func beginDay(_ day: Int32, of slot: Int) {
        flush(counts: slot)
        openDays[slot].day = day
        openDays[slot].dayRow = aspectDay(slot, day).map { UInt32(truncatingIfNeeded: $0) } ?? RowIndex.none
    }

    private mutating func flush(_ slot: Int) {
        flush(counts: slot)
        var next = aspects[slot].choices
        while next != RowIndex.none {
            flush(choice: Int(next))
            next = choices[Int(next)].next
        }
    }

    private mutating func flush(counts slot: Int) {
        let openDay = openDays[slot]
        openDays[slot].clearCounts()
        // The day of the run may be long past: it is written again only when the run has grown.
        let hasGrown = openDay.run.count != aspects[slot].run.count || openDay.runDayRow != aspects[slot].runDayRow
        aspects[slot].add(openDay)
        if hasGrown, openDay.runDayRow != RowIndex.none { touchDay(of: openDay.runDayRow) }
        guard openDay.hasCounts else { return }
        let product = Int(aspects[slot].product)
        products[product].addTotals(of: openDay)
        if let row = productDay(product, openDay.day) {
            touch(productDay: UInt32(row))
            productDays[row].kinds.add(openDay)
        }
        guard openDay.dayRow != RowIndex.none else { return }
        aspectDays[Int(openDay.dayRow)].add(openDay)
    }

    mutating func touch(productDay row: UInt32) {
        Self.note(row, &dirty, &productDays)
    }

    private static func note(_ row: UInt32, _ dirty: inout DirtyRows, _ productDays: inout [ProductDayRow]) {
        var productDays = productDays.mutableSpan
        _ = dirty.note(row, &productDays)
    }

    /// Makes the product's day of an aspect's day part of the next checkpoint.
    private mutating func touchDay(of aspectDay: UInt32) { touch(productDay: aspectDays[Int(aspectDay)].productDay) }

    /// Ends the run: adds its numbers to the aspect and to their day.
    mutating func endRun(of slot: Int) {
        let numbers = openDays[slot].run
        openDays[slot].run = NumberSum()
        aspects[slot].numbers.add(numbers)
        guard numbers.count > 0, openDays[slot].runDayRow != RowIndex.none else { return }
        let row = openDays[slot].runDayRow
        aspectDays[Int(row)].numbers.add(numbers)
        touchDay(of: row)
    }

    /// Adds how often a choice was set to the day on which that was counted.
    mutating func flush(choice row: Int) {
        let choice = choices[row]
        guard choice.unflushed > 0 else { return }
        choices[row].timesSet += UInt64(choice.unflushed)
        choices[row].unflushed = 0
        guard choice.dayRow != RowIndex.none else { return }
        dayChoices[dayChoice(Int(choice.dayRow), choice.symbol)].timesSet += UInt64(choice.unflushed)
    }

    mutating func flushDevices() { dayDevices.flush(dirty.productDays, &productDayDevices) }
    mutating func flushCustomers() { dayCustomers.flush(dirty.productDays, &productDayCustomers) }
}

extension SummaryState.DirtyRows {
    /// Makes a product's day part of the next checkpoint.
    /// - Returns: its index among those that are.
    @inline(__always)
    mutating func note(_ row: UInt32, _ productDays: inout MutableSpan<ProductDayRow>) -> UInt32 {
        if !productDays[Int(row)].isDirty {
            productDays[Int(row)].isDirty = true
            productDays[Int(row)].dirtyIndex = UInt32(truncatingIfNeeded: self.productDays.count)
            self.productDays.append(row)
        }
        return productDays[Int(row)].dirtyIndex
    }
}

extension AspectRow {
    fileprivate mutating func add(_ openDay: OpenDay) {
        addTotals(of: openDay)
        devices &+= UInt64(openDay.devices)
        customers &+= UInt64(openDay.customers)
        changes &+= UInt64(openDay.changes)
        maxSeverity = max(maxSeverity, openDay.maxSeverity)
        (numbering, choosing) = (UInt64(openDay.numbering), UInt64(openDay.choosing))
        (flagsOn, flagsOff) = (UInt64(openDay.flagsOn), UInt64(openDay.flagsOff))
        (unit, ratings, run, runDayRow) = (openDay.unit, openDay.ratings, openDay.run, openDay.runDayRow)
    }
}

extension AspectDayRow {
    fileprivate mutating func add(_ openDay: OpenDay) {
        for index in KindCounts.indices { kinds[index].count(openDay.kinds[index]) }
        useTotal &+= UInt64(openDay.uses)
        faultTotal &+= UInt64(openDay.faults)
    }
}

/// Members on their way to the sets of products' days.
///
/// A set is some kilobytes large, and there is one for each product and day: adding members one by one as they come
/// would wait for memory every time. They are gathered here, put in the order of their sets and added set by set.
struct DayMembers: Sendable {
    private struct Member: BitwiseCopyable {
        /// The index of the product's day among those changed (`ProductDayRow.dirtyIndex`).
        var day: UInt32
        var member: UInt32
    }
    private var members: [Member] = []

    /// Whether `flush` must come before many more are added.
    var isFull: Bool { members.count >= ProjectionLimits.waitingMembers }

    @inline(__always) mutating func add(_ member: UInt32, at day: UInt32) {
        members.append(Member(day: day, member: member))
    }

    /// Adds the members to their sets; `days` are the sets' rows by that index.
    mutating func flush(_ days: [UInt32], _ sets: inout [DistinctCount]) {
        guard !members.isEmpty else { return }
        var starts = [Int](repeating: 0, count: days.count + 1)
        for member in members { starts[Int(member.day) + 1] += 1 }
        for day in days.indices { starts[day + 1] += starts[day] }
        var sorted = [UInt32](repeating: 0, count: members.count)
        var next = starts
        for member in members {
            sorted[next[Int(member.day)]] = member.member
            next[Int(member.day)] += 1
        }
        for day in days.indices where starts[day] < starts[day + 1] {
            sets[Int(days[day])].insert(sorted.span.extracting(starts[day]..<starts[day + 1]))
        }
        members.removeAll(keepingCapacity: true)
    }
}
