// Numbers in a unit that cannot be converted to that of their aspect: kept apart, each unit with its own rows.

import Events

/// The numbers of one aspect in a unit, and in those that can be converted to it, but not to the aspect's own.
struct OtherUnitRow: Sendable, BitwiseCopyable {
    /// The `unit` of the row for all units beyond `ProjectionLimits.unitsPerAspect`: their numbers are only counted.
    static let beyond = UInt32.max

    var unit: UInt32 = 0
    var next = RowIndex.none
    /// Devices that now hold a number.
    var numbering: UInt64 = 0
    var numbers = NumberSum()
    var bins = RowIndex.none
    var binCount: UInt32 = 0
    /// As those of `AspectRow`.
    var quantiles = InlineArray<5, Double>(repeating: 0)
    var meanNow = 0.0
    var areNumbersDirty = false
}

extension OtherUnitRow: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        coder.code(&unit)
        coder.code(&next)
        coder.code(&numbering)
        numbers.code(with: &coder)
        coder.code(&bins)
        coder.code(&binCount)
        for index in 0..<5 { coder.code(&quantiles[index]) }
        coder.code(&meanNow)
    }
}

/// The numbers of one day of an aspect in a unit that is kept apart.
struct DayUnitRow: Sendable, BitwiseCopyable {
    var unit: UInt32 = 0
    var next = RowIndex.none
    var numbers = NumberSum()
}

extension DayUnitRow: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        coder.code(&unit)
        coder.code(&next)
        numbers.code(with: &coder)
    }
}

extension Event.ValueKind {
    /// Of a preference: a number that is kept apart by its unit. Its bits are those of a `Double`, its row is the
    /// `OtherUnitRow`. A device's own events that say nothing prefer nothing, so that the kind is free.
    static var apart: Self { .none }
}

extension SummaryState {
    /// Says a number in another unit than its aspect's in that of the aspect or, if that cannot be, in the first unit
    /// of its own base.
    ///
    /// - Returns: what the event is to be folded as.
    mutating func inUnitOfAspect(_ event: Event, _ item: inout FoldItem) -> Event {
        var event = event
        let (number, unit) = (event.valueKind.number(of: event.valueBits), event.unit.rawValue)
        if let converted = convert(number, from: unit, to: openDays[Int(item.slot)].unit) {
            let isWhole = converted.magnitude < 0x1p53 && converted == converted.rounded()
            event.value = isWhole ? .whole(Int64(converted)) : .real(converted)
            item.row = UInt32(truncatingIfNeeded: bin(Int(item.slot), converted))
        } else {
            let row = otherUnit(Int(item.slot), unit)
            let converted = convert(number, from: unit, to: otherUnits[row].unit) ?? number
            // A zero is a zero.
            (event.valueKind, event.valueBits) = (.apart, (converted + 0).bitPattern)
            item.row = UInt32(truncatingIfNeeded: row)
        }
        return event
    }

    /// Nil when it cannot be converted.
    private func convert(_ number: Double, from unit: UInt32, to other: UInt32) -> Double? {
        if unit == other { return number }
        guard let unit = words.unit(unit), let other = words.unit(other), unit.isConvertible(to: other) else {
            return nil
        }
        return unit.convert(number, to: other)
    }

    /// The row of an aspect's unit that is kept apart, or of one that it can be converted to.
    private mutating func otherUnit(_ slot: Int, _ unit: UInt32) -> Int {
        var next = aspects[slot].otherUnits
        var beyond: Int?
        while next != RowIndex.none {
            let row = Int(next)
            if otherUnits[row].unit == OtherUnitRow.beyond { beyond = row }
            if convert(0, from: unit, to: otherUnits[row].unit) != nil { return row }
            next = otherUnits[row].next
        }
        let hasRoom = aspects[slot].otherUnitCount < UInt32(ProjectionLimits.unitsPerAspect)
        if let beyond, !hasRoom { return beyond }
        if hasRoom { aspects[slot].otherUnitCount += 1 }
        var row = OtherUnitRow()
        row.unit = hasRoom ? unit : OtherUnitRow.beyond
        row.next = aspects[slot].otherUnits
        aspects[slot].otherUnits = UInt32(otherUnits.count)
        otherUnits.appendRow(row)
        return otherUnits.count - 1
    }

    /// Counts a number that is kept apart among all that were set.
    mutating func countApart(_ number: Double, _ row: UInt32, _ aspectDay: UInt32) {
        let unit = otherUnits[Int(row)].unit
        Self.count(number, unit, &otherUnits[Int(row)].numbers)
        guard aspectDay != RowIndex.none else { return }
        Self.count(number, unit, &dayUnits[dayUnit(Int(aspectDay), unit)].numbers)
    }

    private static func count(_ number: Double, _ unit: UInt32, _ numbers: inout NumberSum) {
        if unit == OtherUnitRow.beyond { numbers.count += 1 } else { numbers.add(number) }
    }

    private mutating func dayUnit(_ aspectDay: Int, _ unit: UInt32) -> Int {
        var next = aspectDays[aspectDay].otherUnits
        while next != RowIndex.none {
            if dayUnits[Int(next)].unit == unit { return Int(next) }
            next = dayUnits[Int(next)].next
        }
        var row = DayUnitRow()
        row.unit = unit
        row.next = aspectDays[aspectDay].otherUnits
        aspectDays[aspectDay].otherUnits = UInt32(dayUnits.count)
        dayUnits.appendRow(row)
        return dayUnits.count - 1
    }

    /// A device begins to hold a number that is kept apart, or holds it no longer.
    mutating func moveApart(_ number: Double, _ row: UInt32, _ slot: Int, enter: Bool) {
        let row = Int(row)
        if enter {
            aspects[slot].apartNow += 1
            otherUnits[row].numbering += 1
        } else {
            aspects[slot].apartNow -= 1
            otherUnits[row].numbering -= 1
        }
        guard otherUnits[row].unit != OtherUnitRow.beyond else { return }
        otherUnits[row].areNumbersDirty = true
        let bin = NumberBins.bin(of: number)
        let known = binIndex.find(Self.binKey(row, bin)) ?? (enter ? makeBin(row, bin) : nil)
        if let known = known ?? binIndex.find(Self.binKey(row, NumberBins.overflow)) {
            bins[known].add(number, up: enter)
        }
    }

    /// The key of a bin of a unit's row; those of aspects have no such bit, for there are fewer (`ProjectionLimits`).
    static func binKey(_ row: Int, _ bin: Int32) -> UInt64 {
        IndexTable.key(1 << 31 | UInt32(truncatingIfNeeded: row), UInt32(bitPattern: bin))
    }

    /// Makes a bin; when there is no room for one, that of the numbers without room, unless it is there.
    private mutating func makeBin(_ row: Int, _ bin: Int32) -> Int? {
        let isFull = otherUnits[row].binCount >= UInt32(ProjectionLimits.binsPerAspect)
        let bin = isFull ? NumberBins.overflow : bin
        let key = Self.binKey(row, bin)
        guard binIndex.find(key) == nil else { return nil }
        otherUnits[row].binCount += 1
        let new = addBin(bin, key, before: otherUnits[row].bins)
        otherUnits[row].bins = UInt32(new)
        return new
    }
}
