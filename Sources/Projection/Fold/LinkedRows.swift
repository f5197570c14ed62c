// Linked lists of rows, walked side by side.

import Events

/// A row of a linked list: it says which row comes next.
protocol LinkedRow: BitwiseCopyable {
    /// The next row of the list; `RowIndex.none` at its end.
    var next: UInt32 { get }
}

extension RatingRow: LinkedRow {}
extension FaultRow: LinkedRow {}
extension ChoiceRow: LinkedRow {}
extension BinRow: LinkedRow {}
extension DayChoiceRow: LinkedRow {}
extension AspectDayRow: LinkedRow {}
extension OtherUnitRow: LinkedRow {}
extension DayUnitRow: LinkedRow {}
extension QuarantineRow: LinkedRow {}

/// Some linked lists of one table, with the row that each has been walked to.
///
/// Whoever walks a list waits for memory at each row, for only a row says where the next one is. Lists walked side by
/// side, a row of each at a time, wait for it together; afterwards their rows are in the cache.
struct LinkedRows: BitwiseCopyable {
    static let capacity = 32
    private var current = InlineArray<32, UInt32>(repeating: RowIndex.none)
    private(set) var count = 0

    /// The row that the list `index` has been walked to.
    @inline(__always) subscript(index: Int) -> Int { Int(current[index]) }

    /// Adds a list by its first row; nothing for an empty one.
    @inline(__always) mutating func add<Row: LinkedRow>(_ first: UInt32, in rows: Span<Row>) {
        guard first != RowIndex.none else { return }
        rows.prefetch(Int(first))
        current[count] = first
        count &+= 1
    }

    /// Goes on to the next row of each list, and prefetches it; lists that are at their end are left out.
    @inline(__always) mutating func advance<Row: LinkedRow>(in rows: Span<Row>) {
        var left = 0
        for index in 0..<count {
            let next = rows[self[index]].next
            guard next != RowIndex.none else { continue }
            rows.prefetch(Int(next))
            current[left] = next
            left &+= 1
        }
        count = left
    }

    /// Prefetches all rows of the lists.
    func prefetch<Row: LinkedRow>(in rows: Span<Row>) {
        var lists = self
        while lists.count > 0 { lists.advance(in: rows) }
    }
}

extension SummaryState {
    /// Prefetches what flushing these aspects will touch.
    /// - Parameter slots: at most `LinkedRows.capacity`.
    func prefetchToFlush(_ slots: ArraySlice<UInt32>) {
        let (aspects, aspectDays, choices) = (aspects.span, aspectDays.span, choices.span)
        var unflushed = LinkedRows()
        for slot in slots {
            aspectDays.prefetch(Int(openDays[Int(slot)].dayRow), bytes: AspectDayRow.countsBytes)
            unflushed.add(aspects[Int(slot)].choices, in: choices)
        }
        var lists = unflushed
        while lists.count > 0 {
            for index in 0..<lists.count where choices[lists[index]].unflushed > 0 {
                dayChoiceIndex.prefetch(choices[lists[index]].dayChoiceKey)
            }
            lists.advance(in: choices)
        }
        while unflushed.count > 0 {
            for index in 0..<unflushed.count where choices[unflushed[index]].unflushed > 0 {
                dayChoices.span.prefetch(Int(dayChoiceIndex.entry(choices[unflushed[index]].dayChoiceKey)))
            }
            unflushed.advance(in: choices)
        }
    }

    /// Prefetches what is written of these aspects.
    /// - Parameter keys: at most `LinkedRows.capacity`.
    func prefetchToWrite(_ keys: ArraySlice<SortKey>) {
        var (values, codes, scales, numbers) = (LinkedRows(), LinkedRows(), LinkedRows(), LinkedRows())
        for key in keys { aspects.span.prefetch(Int(key.row)) }
        for key in keys {
            let slot = key.row
            values.add(aspects[Int(slot)].choices, in: choices.span)
            codes.add(aspects[Int(slot)].faults, in: faults.span)
            scales.add(aspects[Int(slot)].ratings, in: ratings.span)
            if openDays[Int(slot)].areNumbersDirty { numbers.add(aspects[Int(slot)].bins, in: bins.span) }
        }
        values.prefetch(in: choices.span)
        codes.prefetch(in: faults.span)
        scales.prefetch(in: ratings.span)
        numbers.prefetch(in: bins.span)
    }
}
