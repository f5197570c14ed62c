// Chains of rows, walked side by side.

import Events

/// A row that says where its chain goes on.
protocol ChainedRow: BitwiseCopyable {
    /// The next row of the chain; `UInt32.max` at its end.
    var next: UInt32 { get }
}

extension RatingRow: ChainedRow {}
extension FaultRow: ChainedRow {}
extension ChoiceRow: ChainedRow {}
extension BinRow: ChainedRow {}
extension DayWordRow: ChainedRow {}
extension AspectDayRow: ChainedRow {}

/// Where one stands in some chains of one table.
///
/// Whoever walks a chain waits for memory at each row, for only a row says where the next one is. Chains walked side
/// by side, a row of each at a time, wait for it together; afterwards their rows are near.
struct Chains: BitwiseCopyable {
    static let capacity = 32
    private var places = InlineArray<32, UInt32>(repeating: .max)
    private(set) var count = 0

    /// The row at which the chain `index` stands.
    @inline(__always) subscript(index: Int) -> Int { Int(places[index]) }

    /// Adds a chain by its first row; nothing for an empty one.
    @inline(__always) mutating func add<Row: ChainedRow>(_ first: UInt32, in rows: Span<Row>) {
        guard first != .max else { return }
        rows.prefetch(Int(first))
        places[count] = first
        count &+= 1
    }

    /// Goes on to the next row of each chain, and asks for it; chains that are at their end are left out.
    @inline(__always) mutating func advance<Row: ChainedRow>(in rows: Span<Row>) {
        var left = 0
        for index in 0..<count {
            let next = rows[self[index]].next
            guard next != .max else { continue }
            rows.prefetch(Int(next))
            places[left] = next
            left &+= 1
        }
        count = left
    }

    /// Has all rows of the chains brought near.
    func prefetch<Row: ChainedRow>(in rows: Span<Row>) {
        var chains = self
        while chains.count > 0 { chains.advance(in: rows) }
    }
}

extension SummaryState {
    /// Has brought near what settling these aspects will touch.
    /// - Parameter slots: at most `Chains.capacity`.
    func prefetchToSettle(_ slots: ArraySlice<UInt32>) {
        let (aspects, aspectDays, choices) = (aspects.span, aspectDays.span, choices.span)
        var words = Chains()
        for slot in slots {
            aspectDays.prefetch(Int(todays[Int(slot)].dayRow), bytes: AspectDayRow.countsBytes)
            words.add(aspects[Int(slot)].words, in: choices)
        }
        var chains = words
        while chains.count > 0 {
            for index in 0..<chains.count where choices[chains[index]].today > 0 {
                dayWordIndex.prefetch(choices[chains[index]].dayWordKey)
            }
            chains.advance(in: choices)
        }
        while words.count > 0 {
            for index in 0..<words.count where choices[words[index]].today > 0 {
                dayWords.span.prefetch(Int(dayWordIndex.entry(choices[words[index]].dayWordKey)))
            }
            words.advance(in: choices)
        }
    }

    /// Has brought near what is written of these aspects.
    /// - Parameter keys: at most `Chains.capacity`.
    func prefetchToWrite(_ keys: ArraySlice<SortKey>) {
        var (words, codes, scales, numbers) = (Chains(), Chains(), Chains(), Chains())
        for key in keys { aspects.span.prefetch(Int(key.row)) }
        for key in keys {
            let slot = key.row
            words.add(aspects[Int(slot)].words, in: choices.span)
            codes.add(aspects[Int(slot)].faults, in: faults.span)
            scales.add(aspects[Int(slot)].ratings, in: ratings.span)
            if todays[Int(slot)].areNumbersDirty { numbers.add(aspects[Int(slot)].bins, in: bins.span) }
        }
        words.prefetch(in: choices.span)
        codes.prefetch(in: faults.span)
        scales.prefetch(in: ratings.span)
        numbers.prefetch(in: bins.span)
    }
}
