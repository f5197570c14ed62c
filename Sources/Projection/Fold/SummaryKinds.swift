// What an event of each kind does to the rows of its aspect.

import Events

extension SummaryState {
    /// Finds the rows of what devices prefer, or makes them.
    ///
    /// - Parameter restated: the window's events, once one of them is to be folded as another than it is: a number of
    ///   another unit, a flag in words.
    /// - Returns: whether there are preferences of others than the devices' own aspects.
    mutating func findPreferences(
        _ events: Span<Event>, _ window: Range<Int>, _ items: inout MutableSpan<FoldItem>, _ count: Int,
        _ restated: inout [Event]
    ) -> Bool {
        var hasOthers = false
        for index in 0..<count where items[index].slot != RowIndex.none {
            let event = Int(items[index].event)
            let unit = events[event].unit.rawValue
            guard case .preferenceSet = events[event].kind else {
                if unit != 0, case .stateReported = events[event].kind { nameUnit(events[event], items[index]) }
                continue
            }
            // The aspect's own unit is the ordinary case.
            if items[index].row == RowIndex.none || unit != 0 && unit != openDays[Int(items[index].slot)].unit {
                findRow(events, window, &items[index], &restated)
            }
            guard events[event].device.rawValue != 0 else { continue }
            if case .none = events[event].valueKind { continue }
            if items[index].isOwn { items[index].bit = openDays[Int(items[index].slot)].bit }
            if items[index].bit == 0 { hasOthers = true }
        }
        return hasOthers
    }

    /// Sets what devices prefer, and notes what each preferred before.
    ///
    /// - Parameter hasOthers: what `findPreferences` has returned.
    mutating func setPreferences(
        _ events: Span<Event>, _ items: inout MutableSpan<FoldItem>, _ count: Int, hasOthers: Bool
    ) {
        preferences.set(events, &items, count, &devices)
        findOld(&items, count)
        guard hasOthers else { return }
        for index in 0..<count where items[index].slot != RowIndex.none && items[index].bit == 0 {
            let event = events[Int(items[index].event)]
            guard case .preferenceSet = event.kind, event.device.rawValue != 0 else { continue }
            if case .none = event.valueKind, items[index].row == RowIndex.none { continue }
            otherPreferences.set(event, &items[index])
        }
    }

    /// Finds the bins of the numbers that devices preferred before, and prefetches the rows of all values before.
    private func findOld(_ items: inout MutableSpan<FoldItem>, _ count: Int) {
        var hasUnknown = false
        for index in 0..<count where items[index].change == .changed {
            switch items[index].oldKind {
            case .symbol: choices.span.prefetch(Int(items[index].oldRow))
            case .whole, .real:
                if items[index].oldRow == RowIndex.none {
                    hasUnknown = true
                    binIndex.prefetch(oldBin(items[index]))
                } else {
                    bins.span.prefetch(Int(items[index].oldRow))
                }
            // A number that was kept apart.
            case .none: items[index].change = .changedApart
            case .flag: break
            }
        }
        guard hasUnknown else { return }
        for index in 0..<count where items[index].change == .changed && items[index].oldRow == RowIndex.none {
            guard items[index].oldKind == .whole || items[index].oldKind == .real else { continue }
            var row = binIndex.entry(oldBin(items[index]))
            // A number that found no room has no bin since: none is made any more.
            if row == RowIndex.none {
                row = binIndex.entry(IndexTable.key(items[index].slot, UInt32(bitPattern: NumberBins.overflow)))
            }
            items[index].oldRow = row
            bins.span.prefetch(Int(row))
        }
    }

    @inline(__always) private func oldBin(_ item: FoldItem) -> UInt64 {
        let bin = NumberBins.bin(of: item.oldKind.number(of: item.oldBits))
        return IndexTable.key(item.slot, UInt32(bitPattern: bin))
    }

    /// Finds the row of the choice or of the bin of numbers that an event names, or makes it.
    private mutating func findRow(
        _ events: Span<Event>, _ window: Range<Int>, _ item: inout FoldItem, _ restated: inout [Event]
    ) {
        let slot = Int(item.slot)
        let event = events[Int(item.event)]
        switch event.valueKind {
        case .symbol:
            // Such a choice has no row, ever: it was a flag from the beginning.
            if let flag = words.flag(event.valueBits) {
                var plain = event
                plain.value = .flag(flag)
                return Self.fold(plain, item, events, window, &restated)
            }
            guard item.row == RowIndex.none, let row = choice(slot, UInt32(truncatingIfNeeded: event.valueBits)) else {
                return
            }
            item.row = UInt32(truncatingIfNeeded: row)
        case .whole, .real:
            nameUnit(event, item)
            if event.unit.rawValue != 0, event.unit.rawValue != openDays[slot].unit {
                return Self.fold(inUnitOfAspect(event, &item), item, events, window, &restated)
            }
            guard item.row == RowIndex.none else { return }
            item.row = UInt32(truncatingIfNeeded: bin(slot, event.valueKind.number(of: event.valueBits)))
        case .flag, .none: break
        }
    }

    /// The first number with a unit says which one is its aspect's.
    private mutating func nameUnit(_ event: borrowing Event, _ item: FoldItem) {
        guard openDays[Int(item.slot)].unit == 0 else { return }
        switch event.valueKind {
        case .whole, .real: openDays[Int(item.slot)].unit = event.unit.rawValue
        case .symbol, .flag, .none: break
        }
    }

    /// Puts an event in the place of the one of an item.
    private static func fold(
        _ event: Event, _ item: FoldItem, _ events: Span<Event>, _ window: Range<Int>, _ restated: inout [Event]
    ) {
        if restated.isEmpty { for index in window { restated.append(events[index]) } }
        restated[Int(item.event) - window.lowerBound] = event
    }

    /// The last pass: what the events say.
    mutating func countValues(_ events: Span<Event>, _ items: inout MutableSpan<FoldItem>, _ count: Int) {
        // Ratings and faults touch other tables than preferences: they come after all of these, in their own order.
        var others = IndexList()
        var next = 0
        while true {
            next = Self.countPreferences(events, &items, next..<count, &others, &openDays, &choices, &bins)
            guard next < count else { break }
            applyPreference(events[Int(items[next].event)], items[next])
            next += 1
        }
        for index in 0..<others.count {
            let item = items[others[index]]
            countOther(events[Int(item.event)], item)
        }
    }

    /// Counts preferences, except those that are the first of their choice or number on a day. Notes ratings and
    /// faults.
    /// - Returns: the index in `items` of the first preference that is to be counted otherwise.
    private static func countPreferences(
        _ events: Span<Event>, _ items: inout MutableSpan<FoldItem>, _ range: Range<Int>, _ others: inout IndexList,
        _ openDays: inout [OpenDay], _ choices: inout [ChoiceRow], _ bins: inout [BinRow]
    ) -> Int {
        var openDays = openDays.mutableSpan
        var choices = choices.mutableSpan
        var bins = bins.mutableSpan
        for index in range where items[index].slot != RowIndex.none {
            let item = items[index]
            let event = Int(item.event)
            let kind = events[event].kind
            if kind == .ratingGiven || kind == .faultSeen { others.add(index, if: true) }
            guard kind == .preferenceSet else { continue }
            let slot = Int(item.slot)
            let new = PreferenceValue(events[event].valueKind, events[event].valueBits, item.row)
            let old = PreferenceValue(item.oldKind, item.oldBits, item.oldRow)
            guard item.change.rawValue < Preference.Change.late.rawValue, !old.isOther else { return index }
            switch new.kind {
            case .symbol:
                guard item.row != RowIndex.none, choices[Int(item.row)].dayRow == item.aspectDay else { return index }
                choices[Int(item.row)].unflushed &+= 1
            case .whole, .real:
                guard openDays[slot].runDayRow == item.aspectDay else { return index }
                openDays[slot].run.add(new.number)
            case .flag: break
            // A number that is kept apart, or no value.
            case .none: return index
            }
            guard item.change != .nobody, item.change != .same else { continue }
            openDays[slot].changes &+= item.change == .changed ? 1 : 0
            old.count(up: false, &openDays[slot], &choices, &bins)
            new.count(up: true, &openDays[slot], &choices, &bins)
        }
        return range.upperBound
    }

    private mutating func countOther(_ event: borrowing Event, _ item: FoldItem) {
        if event.kind == .ratingGiven { applyRating(event, item) } else { applyFault(event, item) }
    }

    private mutating func applyPreference(_ event: borrowing Event, _ item: FoldItem) {
        let slot = Int(item.slot)
        let new = PreferenceValue(event.valueKind, event.valueBits, item.row)
        switch new.kind {
        case .symbol: countChoice(item.row, slot, item.aspectDay)
        case .whole, .real: countNumber(new.number, slot, item.aspectDay)
        case .flag: break
        case .none:
            guard new.isApart else { return }
            countApart(new.number, new.row, item.aspectDay)
        }
        if item.change == .late { aspects[slot].late += 1 }
        guard item.change != .late, item.change != .nobody else { return }
        guard item.change != .same else { return }
        if item.change != .first { openDays[slot].changes &+= 1 }
        move(PreferenceValue(item.oldKind, item.oldBits, item.oldRow), slot, enter: false)
        move(new, slot, enter: true)
    }

    private mutating func countChoice(_ choice: UInt32, _ slot: Int, _ dayRow: UInt32) {
        guard choice != RowIndex.none else {
            aspects[slot].otherTimesSet += 1
            if dayRow != RowIndex.none { aspectDays[Int(dayRow)].otherTimesSet.count() }
            return
        }
        let row = Int(choice)
        if choices[row].dayRow != dayRow {
            flush(choice: row)
            choices[row].dayRow = dayRow
        }
        choices[row].unflushed &+= 1
    }

    private mutating func countNumber(_ number: Double, _ slot: Int, _ dayRow: UInt32) {
        if openDays[slot].runDayRow != dayRow {
            endRun(of: slot)
            openDays[slot].runDayRow = dayRow
        }
        openDays[slot].run.add(number)
    }

    /// A device begins to prefer a value, or no longer prefers it.
    private mutating func move(_ value: PreferenceValue, _ slot: Int, enter: Bool) {
        if value.isApart { return moveApart(value.number, value.row, slot, enter: enter) }
        if value.isOther { aspects[slot].otherNow = enter ? aspects[slot].otherNow + 1 : aspects[slot].otherNow - 1 }
        Self.move(value, enter, &openDays[slot], &choices, &bins)
    }

    private static func move(
        _ value: PreferenceValue, _ enter: Bool, _ openDay: inout OpenDay, _ choices: inout [ChoiceRow],
        _ bins: inout [BinRow]
    ) {
        var choices = choices.mutableSpan
        var bins = bins.mutableSpan
        value.count(up: enter, &openDay, &choices, &bins)
    }

    private mutating func applyRating(_ event: borrowing Event, _ item: FoldItem) {
        // Not that of an aspect for which there was no room.
        if item.slot == RowIndex.none, event.aspect.rawValue != 0 { return }
        guard let number = event.number else { return }
        let rating = Rating(number, event)
        if event.scale == 0 {
            products[Int(item.product)].rating.add(rating)
            if item.productDay != RowIndex.none {
                touch(productDay: item.productDay)
                Self.add(rating, &productDays[Int(item.productDay)])
            }
        }
        guard item.slot != RowIndex.none else { return }
        ratings[ratingRow(Int(item.slot), event.scale)].add(rating)
        guard event.scale == 0, item.aspectDay != RowIndex.none else { return }
        Self.add(rating, &aspectDays[Int(item.aspectDay)])
    }

    @inline(__always) private static func add(_ rating: Rating, _ row: inout ProductDayRow) {
        row.ratingCount &+= 1
        row.ratingSum += rating.number
    }

    @inline(__always) private static func add(_ rating: Rating, _ row: inout AspectDayRow) {
        row.ratingCount.count()
        row.ratingSum += rating.number
        row.histogram[min(4, max(0, rating.bucket))].count()
    }

    private mutating func applyFault(_ event: borrowing Event, _ item: FoldItem) {
        guard item.slot != RowIndex.none else { return }
        let slot = Int(item.slot)
        if event.severity > openDays[slot].maxSeverity { openDays[slot].maxSeverity = event.severity }
        guard case .symbol = event.valueKind else { return }
        var row = item.row == RowIndex.none ? nil : Int(item.row)
        if row == nil { row = fault(slot, UInt32(truncatingIfNeeded: event.valueBits)) }
        guard let row else {
            aspects[slot].otherFaults += UInt64(event.count)
            return
        }
        Self.add(&faults[row], event)
    }

    @inline(__always) private static func add(_ row: inout FaultRow, _ event: borrowing Event) {
        row.events &+= 1
        row.times &+= UInt64(event.count)
        row.severity = max(row.severity, event.severity)
    }
}

/// A value that a device prefers, or preferred.
private struct PreferenceValue: BitwiseCopyable {
    let kind: Event.ValueKind
    let bits: UInt64
    let row: UInt32

    @inline(__always) init(_ kind: Event.ValueKind, _ bits: UInt64, _ row: UInt32) {
        (self.kind, self.bits, self.row) = (kind, bits, row)
    }

    /// Whether it is a choice that counts among the others.
    @inline(__always) var isOther: Bool { kind == .symbol && row == RowIndex.none }

    /// Whether it is a number that is kept apart by its unit.
    @inline(__always) var isApart: Bool { kind == .apart && row != RowIndex.none }

    @inline(__always) var number: Double { kind.number(of: bits) }

    /// One device more, or one less, holds it.
    @inline(__always)
    func count(
        up: Bool, _ openDay: inout OpenDay, _ choices: inout MutableSpan<ChoiceRow>, _ bins: inout MutableSpan<BinRow>
    ) {
        switch kind {
        case .symbol:
            openDay.choosing = up ? openDay.choosing &+ 1 : openDay.choosing &- 1
            guard row != RowIndex.none else { return }
            choices[Int(row)].now = up ? choices[Int(row)].now &+ 1 : choices[Int(row)].now &- 1
        case .whole, .real:
            openDay.numbering = up ? openDay.numbering &+ 1 : openDay.numbering &- 1
            openDay.areNumbersDirty = true
            guard row != RowIndex.none else { return }
            bins[Int(row)].add(number, up: up)
        case .flag where bits != 0: openDay.flagsOn = up ? openDay.flagsOn &+ 1 : openDay.flagsOn &- 1
        case .flag: openDay.flagsOff = up ? openDay.flagsOff &+ 1 : openDay.flagsOff &- 1
        case .none: break
        }
    }
}

extension BinRow {
    @inline(__always) mutating func add(_ number: Double, up: Bool) {
        count = up ? count &+ 1 : count &- 1
        // Rounding errors end with the last device.
        sum = count == 0 ? 0 : sum + (up ? number : -number)
    }
}

/// A rating, and where it stands on its scale.
struct Rating: BitwiseCopyable {
    let number: Double
    let isTop: Bool
    /// The bucket of the histogram; -1 for a rating outside its scale.
    let bucket: Int

    @inline(__always) init(_ number: Double, _ event: borrowing Event) {
        let scale = event.scale
        let lowest = scale == 1 || scale == 10 ? 0.0 : 1.0
        let highest = scale == 0 ? 5.0 : scale == Event.scaleOneToTen ? 10.0 : Double(scale)
        let span = highest - lowest
        let above = number - lowest
        self.number = number
        isTop = number >= (scale == 10 ? 9 : lowest + 0.75 * span)
        if above >= 0, above <= span {
            bucket = span <= 10 ? Int(above + 0.5) : Int(above / span * 10 + 0.5)
        } else {
            bucket = -1
        }
    }
}

extension RatingRow {
    @inline(__always) fileprivate mutating func add(_ rating: Rating) {
        count &+= 1
        sum += rating.number
        if rating.isTop { top &+= 1 }
        if rating.bucket >= 0 { histogram[rating.bucket] &+= 1 }
    }
}
