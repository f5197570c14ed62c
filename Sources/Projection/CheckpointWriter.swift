// The rows of a checkpoint: numbers and short JSON arrays, one prepared statement for each table.

import Events
import GRDB
import SQLiteRows

/// Writes the changed rows of a state into an open transaction, each table in the order of its key.
struct CheckpointWriter {
    private let db: Database

    init(_ db: Database) { self.db = db }

    func write(_ state: inout SummaryState) throws {
        state.settle()
        try db.insertRows(into: "word", columns: 3) { rows in try Self.addWords(state, to: &rows) }
        try db.insertRows(into: "fold_product", columns: 25) { rows in try Self.addProducts(state, to: &rows) }
        try writeProductDays(state)
        try writeAspects(&state)
        try writeAspectDays(state)
        try writeTexts(state)
    }

    private static func addWords(
        _ state: borrowing SummaryState, to rows: inout RowInserter
    ) throws {
        for word in state.changes.words {
            rows.add(UInt64(word.kind.rawValue))
            rows.add(word.id.rawValue)
            rows.bytes += Array(String(decoding: word.text, as: UTF8.self).utf8)
            rows.addText(from: rows.rowStart)
            try rows.endRow()
        }
    }

    private static func addProducts(
        _ state: borrowing SummaryState, to rows: inout RowInserter
    ) throws {
        for index in state.changes.products {
            let row = state.products[Int(index)]
            rows.add(index)
            rows.add(row.kinds.total)
            rows.add(row.kinds)
            rows.addTimes(row.first, row.last)
            rows.add(row.devices)
            rows.add(row.customers)
            rows.add(row.missing)
            rows.add(row.duplicates)
            rows.add(row.unfiled)
            rows.addQuarantined(row)
            rows.add(row.rating.count)
            rows.add(row.rating.sum)
            rows.add(row.rating.top)
            let bounds = wilsonBounds(row.rating.top, of: row.rating.count)
            rows.add(bounds.low)
            rows.add(bounds.high)
            rows.addArray(of: 5) { json in for place in 0..<5 { json.addNumber(row.rating.histogram[place]) } }
            rows.add(row.useTotal)
            rows.add(row.faultTotal)
            try rows.endRow()
        }
    }

    private func writeProductDays(_ state: borrowing SummaryState) throws {
        var keys = state.changes.productDays.map { index in
            let row = state.productDays[Int(index)]
            return SortKey(key: SummarySchema.productDayKey(row.product, row.day), row: index)
        }
        keys.sortByKey()
        try db.insertRows(into: "fold_product_day", columns: 15) { rows in
            try Self.addProductDays(keys, state, to: &rows)
        }
    }

    private static func addProductDays(
        _ keys: [SortKey], _ state: borrowing SummaryState, to rows: inout RowInserter
    ) throws {
        for key in keys {
            let index = Int(key.row)
            let row = state.productDays[index]
            rows.add(key.key)
            rows.add(row.product)
            rows.add(Int64(row.day))
            rows.add(row.kinds)
            rows.add(row.ratingCount)
            rows.add(row.ratingSum)
            rows.add(UInt64(state.productDayDevices[index].count))
            rows.add(UInt64(state.productDayCustomers[index].count))
            state.productDayDevices[index].encode(into: &rows.bytes)
            rows.addBlob(from: rows.rowStart)
            let start = rows.bytes.count
            state.productDayCustomers[index].encode(into: &rows.bytes)
            rows.addBlob(from: start)
            try rows.endRow()
        }
    }

    private static func addSlots(
        _ state: borrowing SummaryState, to rows: inout RowInserter
    ) throws {
        for slot in state.changes.firstNewSlot..<state.aspects.count {
            rows.add(SummarySchema.slotKey(state.aspects[slot]))
            rows.add(UInt64(slot))
            try rows.endRow()
        }
    }

    private func writeAspects(_ state: inout SummaryState) throws {
        try db.insertRows(into: "fold_slot", columns: 2) { rows in try Self.addSlots(state, to: &rows) }
        try db.insertRows(into: "fold_aspect", columns: 39) { rows in try Self.addAspects(&state, to: &rows) }
    }

    private static func addAspects(
        _ state: inout SummaryState, to rows: inout RowInserter
    ) throws {
        // In order since they were settled.
        let slots = state.changes.aspects
        for (place, slot) in slots.enumerated() {
            if place % Chains.capacity == 0 {
                state.prefetchToWrite(slots[place..<min(slots.count, place + Chains.capacity)])
            }
            state.refreshQuantiles(Int(slot))
            let row = state.aspects[Int(slot)]
            rows.add(slot)
            rows.add(row.product)
            rows.add(row.aspect)
            rows.add(row.unit)
            rows.add(row.kinds.total)
            rows.add(row.kinds)
            rows.addTimes(row.first, row.last)
            rows.addCounts(row)
            rows.add(row.numbers.with(row.stint))
            for place in 0..<5 {
                if row.numbering == 0 { rows.addNull() } else { rows.add(row.quantiles[place]) }
            }
            rows.add(row.useTotal)
            rows.add(row.faultTotal)
            rows.add(UInt64(row.maxSeverity))
            rows.add(row.otherFaults)
            rows.addChoices(state, row)
            rows.addFaults(state, row)
            rows.addRatings(state, row)
            try rows.endRow()
        }
    }

    private func writeAspectDays(_ state: borrowing SummaryState) throws {
        var keys = state.changes.aspectDays.map { index in
            let row = state.aspectDays[Int(index)]
            return SortKey(key: SummarySchema.aspectDayKey(row.slot, row.day), row: index)
        }
        keys.sortByKey()
        try db.insertRows(into: "fold_aspect_day", columns: 3) { rows in
            try Self.addAspectDays(keys, state, to: &rows)
        }
    }

    private static func addAspectDays(
        _ keys: [SortKey], _ state: borrowing SummaryState, to rows: inout RowInserter
    ) throws {
        for index in keys.indices {
            if index % Chains.capacity == 0 { prefetch(keys, from: index, state) }
            let key = keys[index]
            let row = state.aspectDays[Int(key.row)]
            rows.add(key.key)
            let slot = Int(row.slot)
            let hasStint = state.aspects[slot].stintRow == key.row
            rows.addCounts(row, hasStint ? row.numbers.with(state.aspects[slot].stint) : row.numbers)
            if row.words == AspectRow.none { rows.addNull() } else { rows.addDayWords(state, row) }
            try rows.endRow()
        }
    }

    /// Has the rows of the next days and their choices brought near, and asks for the rows of those behind them: days
    /// lie in the order in which they were made.
    private static func prefetch(_ keys: [SortKey], from start: Int, _ state: borrowing SummaryState) {
        let aspectDays = state.aspectDays.span
        let end = min(keys.count, start + Chains.capacity)
        var words = Chains()
        for key in keys[start..<end] {
            state.aspects.span.prefetch(Int(aspectDays[Int(key.row)].slot), bytes: AspectRow.stintBytes)
            words.add(aspectDays[Int(key.row)].words, in: state.dayWords.span)
        }
        for key in keys[end..<min(keys.count, end + Chains.capacity)] { aspectDays.prefetch(Int(key.row)) }
        words.prefetch(in: state.dayWords.span)
    }

    private func writeTexts(_ state: borrowing SummaryState) throws {
        let room = UInt64(ProjectionLimits.textsPerProduct)
        var keys: [SortKey] = []
        for (index, text) in state.changes.texts.enumerated()
        where text.number + room >= state.products[Int(text.product)].textNumber {
            let key = SummarySchema.textKey(text.product, text.number % room)
            keys.append(SortKey(key: key, row: UInt32(truncatingIfNeeded: index)))
        }
        keys.sortByKey()
        try db.insertRows(into: "fold_feedback", columns: 10) { rows in try Self.addTexts(keys, state, to: &rows) }
    }

    private static func addTexts(
        _ keys: [SortKey], _ state: borrowing SummaryState, to rows: inout RowInserter
    ) throws {
        let (texts, textBytes) = (state.changes.texts.span, state.changes.textBytes.span)
        for (place, key) in keys.enumerated() {
            if place + 16 < keys.count { texts.prefetch(Int(keys[place + 16].row)) }
            if place + 8 < keys.count {
                let next = texts[Int(keys[place + 8].row)]
                textBytes.prefetch(next.start)
                textBytes.prefetch(next.start + next.length - 1)
            }
            let text = texts[Int(key.row)]
            rows.add(key.key)
            rows.add(text.product)
            rows.add(text.number)
            rows.add(text.offset)
            rows.add(text.aspect)
            rows.add(text.language)
            rows.add(text.time)
            if let rating = text.rating { rows.add(rating) } else { rows.addNull() }
            rows.add(UInt64(text.scale))
            rows.bytes += state.changes.textBytes[text.start..<text.start + text.length]
            rows.addText(from: rows.rowStart)
            try rows.endRow()
        }
    }
}
