// What was counted for "today" and for sets of members, carried to where it belongs.

import Events

extension SummaryState {
    /// Carries everything to its row. Whoever reads the state must do this first; it changes nothing that can be seen.
    mutating func settle() {
        changes.aspects.sort()
        let slots = changes.aspects
        for start in stride(from: 0, to: slots.count, by: Chains.capacity) {
            let group = slots[start..<min(slots.count, start + Chains.capacity)]
            prefetchToSettle(group)
            for slot in group { settle(Int(slot)) }
        }
        settleDevices()
        settleCustomers()
        unsettled = 0
    }

    /// Another day begins for an aspect.
    mutating func turn(_ slot: Int, to day: Int32) {
        settle(counts: slot)
        todays[slot].day = day
        todays[slot].dayRow = aspectDay(slot, day).map { UInt32(truncatingIfNeeded: $0) } ?? Work.none
    }

    private mutating func settle(_ slot: Int) {
        settle(counts: slot)
        var next = aspects[slot].words
        while next != AspectRow.none {
            settle(choice: Int(next))
            next = choices[Int(next)].next
        }
    }

    private mutating func settle(counts slot: Int) {
        let today = todays[slot]
        todays[slot].clearCounts()
        // The day of the stint may be long past: it is written again only when the stint has grown.
        let hasGrown = today.numbers.count != aspects[slot].stint.count || today.numbersRow != aspects[slot].stintRow
        aspects[slot].add(today)
        if hasGrown, today.numbersRow != Work.none { touchDay(of: today.numbersRow) }
        guard today.hasCounts else { return }
        let product = Int(aspects[slot].product)
        products[product].addTotals(of: today)
        if let row = productDay(product, today.day) {
            touch(productDay: UInt32(row))
            productDays[row].kinds.add(today)
        }
        guard today.dayRow != Work.none else { return }
        aspectDays[Int(today.dayRow)].add(today)
    }

    mutating func touch(productDay row: UInt32) {
        Self.note(row, &changes, &productDays)
    }

    private static func note(_ row: UInt32, _ changes: inout Changes, _ productDays: inout [ProductDayRow]) {
        var productDays = productDays.mutableSpan
        _ = changes.note(row, &productDays)
    }

    /// Makes the product's day of an aspect's day part of the next checkpoint.
    private mutating func touchDay(of aspectDay: UInt32) { touch(productDay: aspectDays[Int(aspectDay)].productDay) }

    /// Ends the stint: carries its numbers to the aspect and to their day.
    mutating func settle(numbers slot: Int) {
        let numbers = todays[slot].numbers
        todays[slot].numbers = NumberSum()
        aspects[slot].numbers.add(numbers)
        guard numbers.count > 0, todays[slot].numbersRow != Work.none else { return }
        let row = todays[slot].numbersRow
        aspectDays[Int(row)].numbers.add(numbers)
        touchDay(of: row)
    }

    /// Carries the sets of a choice to the day on which they were counted.
    mutating func settle(choice row: Int) {
        let choice = choices[row]
        guard choice.today > 0 else { return }
        choices[row].sets += UInt64(choice.today)
        choices[row].today = 0
        guard choice.dayRow != Work.none else { return }
        dayWords[dayWord(Int(choice.dayRow), choice.word)].sets += UInt64(choice.today)
    }

    mutating func settleDevices() { dayDevices.settle(changes.productDays, &productDayDevices) }
    mutating func settleCustomers() { dayCustomers.settle(changes.productDays, &productDayCustomers) }
}

extension SummaryState.Changes {
    /// Makes a product's day part of the next checkpoint.
    /// - Returns: its place among those that are.
    @inline(__always)
    mutating func note(_ row: UInt32, _ productDays: inout MutableSpan<ProductDayRow>) -> UInt32 {
        if !productDays[Int(row)].isDirty {
            productDays[Int(row)].isDirty = true
            productDays[Int(row)].place = UInt32(truncatingIfNeeded: self.productDays.count)
            self.productDays.append(row)
        }
        return productDays[Int(row)].place
    }
}

extension AspectRow {
    fileprivate mutating func add(_ today: AspectToday) {
        addTotals(of: today)
        devices &+= UInt64(today.devices)
        customers &+= UInt64(today.customers)
        moves &+= UInt64(today.moves)
        maxSeverity = max(maxSeverity, today.maxSeverity)
        (numbering, choosing) = (UInt64(today.numbering), UInt64(today.choosing))
        (flagsOn, flagsOff) = (UInt64(today.flagsOn), UInt64(today.flagsOff))
        (unit, ratings, stint, stintRow) = (today.unit, today.ratings, today.numbers, today.numbersRow)
    }
}

extension AspectDayRow {
    fileprivate mutating func add(_ today: AspectToday) {
        for place in KindCounts.places { kinds[place].count(today.kinds[place]) }
        useTotal &+= UInt64(today.uses)
        faultTotal &+= UInt64(today.faults)
    }
}

/// Members on their way to the sets of products' days.
///
/// A set is some kilobytes large, and there is one for each product and day: adding members one by one as they come
/// would wait for memory every time. They are gathered here, put in the order of their sets and added set by set.
struct DayMembers: Sendable {
    private struct Member: BitwiseCopyable {
        /// The place of the product's day among the days changed.
        var place: UInt32
        var member: UInt32
    }
    private var members: [Member] = []

    static let capacity = 1 << 17

    /// Whether `settle` must come before many more are added.
    var isFull: Bool { members.count >= Self.capacity }

    @inline(__always) mutating func add(_ member: UInt32, at place: UInt32) {
        members.append(Member(place: place, member: member))
    }

    /// Adds the members to their sets; `days` are the sets' rows by place.
    mutating func settle(_ days: [UInt32], _ sets: inout [DistinctCount]) {
        guard !members.isEmpty else { return }
        var starts = [Int](repeating: 0, count: days.count + 1)
        for member in members { starts[Int(member.place) + 1] += 1 }
        for place in days.indices { starts[place + 1] += starts[place] }
        var sorted = [UInt32](repeating: 0, count: members.count)
        var next = starts
        for member in members {
            sorted[next[Int(member.place)]] = member.member
            next[Int(member.place)] += 1
        }
        for place in days.indices where starts[place] < starts[place + 1] {
            sets[Int(days[place])].insert(sorted.span.extracting(starts[place]..<starts[place + 1]))
        }
        members.removeAll(keepingCapacity: true)
    }
}
