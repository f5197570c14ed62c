// The rows of a checkpoint: numbers and short JSON arrays, one prepared statement for each table.

import Events
import GRDB

/// Writes the changed rows of a state into an open transaction, each table in the order of its key.
struct CheckpointWriter {
    private let db: Database

    init(_ db: Database) { self.db = db }

    func write(_ state: inout SummaryState) throws {
        state.settle()
        try writeWords(state)
        try writeProducts(state)
        try writeProductDays(state)
        try writeAspects(&state)
        try writeAspectDays(state)
        try writeTexts(state)
    }

    private func writeWords(_ state: borrowing SummaryState) throws {
        var insert = try RowBinder(db, insertInto: "word", columns: 3)
        for word in state.changes.words {
            insert.add(UInt64(word.kind.rawValue))
            insert.add(word.id.rawValue)
            insert.bytes += Array(String(decoding: word.text, as: UTF8.self).utf8)
            insert.add(from: 0)
            try insert.insert()
        }
    }

    private func writeProducts(_ state: borrowing SummaryState) throws {
        var insert = try RowBinder(db, insertInto: "fold_product", columns: 25)
        for index in state.changes.products {
            let row = state.products[Int(index)]
            insert.add(index)
            insert.add(row.kinds.total)
            insert.add(row.kinds)
            insert.addTimes(row.first, row.last)
            insert.add(row.devices)
            insert.add(row.customers)
            insert.add(row.missing)
            insert.add(row.duplicates)
            insert.add(row.unfiled)
            insert.addQuarantined(row)
            insert.add(row.rating.count)
            insert.add(row.rating.sum)
            insert.add(row.rating.top)
            let bounds = wilsonBounds(row.rating.top, of: row.rating.count)
            insert.add(bounds.low)
            insert.add(bounds.high)
            let start = insert.bytes.count
            insert.bytes.beginArray()
            for place in 0..<5 { insert.bytes.addNumber(row.rating.histogram[place]) }
            insert.bytes.closeArray()
            insert.add(from: start)
            insert.add(row.useTotal)
            insert.add(row.faultTotal)
            try insert.insert()
        }
    }

    private func writeProductDays(_ state: borrowing SummaryState) throws {
        var insert = try RowBinder(db, insertInto: "fold_product_day", columns: 15)
        let keys = state.changes.productDays.map { UInt64(state.productDays[Int($0)].product) << 32 | UInt64($0) }
        for key in keys.sorted() {
            let index = Int(UInt32(truncatingIfNeeded: key))
            let row = state.productDays[index]
            insert.add(SummarySchema.productDayKey(row.product, row.day))
            insert.add(row.product)
            insert.add(Int64(row.day))
            insert.add(row.kinds)
            insert.add(row.ratingCount)
            insert.add(row.ratingSum)
            insert.add(UInt64(state.productDayDevices[index].count))
            insert.add(UInt64(state.productDayCustomers[index].count))
            state.productDayDevices[index].encode(into: &insert.bytes)
            insert.add(from: 0, isText: false)
            let start = insert.bytes.count
            state.productDayCustomers[index].encode(into: &insert.bytes)
            insert.add(from: start, isText: false)
            try insert.insert()
        }
    }

    private func writeSlots(_ state: borrowing SummaryState) throws {
        var insert = try RowBinder(db, insertInto: "fold_slot", columns: 2)
        for slot in state.changes.firstNewSlot..<state.aspects.count {
            insert.add(SummarySchema.slotKey(state.aspects[slot]))
            insert.add(UInt64(slot))
            try insert.insert()
        }
    }

    private func writeAspects(_ state: inout SummaryState) throws {
        try writeSlots(state)
        var insert = try RowBinder(db, insertInto: "fold_aspect", columns: 39)
        for slot in state.changes.aspects.sorted() {
            state.refreshQuantiles(Int(slot))
            let row = state.aspects[Int(slot)]
            insert.add(slot)
            insert.add(row.product)
            insert.add(row.aspect)
            insert.add(row.unit)
            insert.add(row.kinds.total)
            insert.add(row.kinds)
            insert.addTimes(row.first, row.last)
            insert.addCounts(row)
            insert.add(row.numbers.with(row.stint))
            for place in 0..<5 {
                if row.numbering == 0 { insert.addNull() } else { insert.add(row.quantiles[place]) }
            }
            insert.add(row.useTotal)
            insert.add(row.faultTotal)
            insert.add(UInt64(row.maxSeverity))
            insert.add(row.otherFaults)
            insert.addChoices(state, row)
            insert.addFaults(state, row)
            insert.addRatings(state, row)
            try insert.insert()
        }
    }

    private func writeAspectDays(_ state: borrowing SummaryState) throws {
        var insert = try RowBinder(db, insertInto: "fold_aspect_day", columns: 18)
        var keys = state.changes.aspectDays.map { index in
            let row = state.aspectDays[Int(index)]
            return SortKey(key: SummarySchema.aspectDayKey(row.slot, row.day), row: index)
        }
        keys.sort { $0.key < $1.key }
        for key in keys {
            let row = state.aspectDays[Int(key.row)]
            insert.add(key.key)
            insert.add(row.kinds)
            insert.add(row.ratingCount)
            insert.add(row.ratingSum)
            if row.ratingCount == 0 { insert.addNull() } else { insert.addHistogram(row) }
            insert.add(row.useTotal)
            insert.add(row.faultTotal)
            insert.add(row.otherSets)
            let aspect = state.aspects[Int(row.slot)]
            insert.add(aspect.stintRow == key.row ? row.numbers.with(aspect.stint) : row.numbers)
            if row.words == AspectRow.none { insert.addNull() } else { insert.addDayWords(state, row) }
            try insert.insert()
        }
    }

    private func writeTexts(_ state: borrowing SummaryState) throws {
        var insert = try RowBinder(db, insertInto: "fold_feedback", columns: 10)
        let room = UInt64(ProjectionLimits.textsPerProduct)
        var keys: [UInt64] = []
        for (index, text) in state.changes.texts.enumerated()
        where text.number + room >= state.products[Int(text.product)].textNumber {
            keys.append(UInt64(SummarySchema.textKey(text.product, text.number % room)) << 32 | UInt64(index))
        }
        keys.sort()
        for key in keys {
            let text = state.changes.texts[Int(UInt32(truncatingIfNeeded: key))]
            insert.add(Int64(key >> 32))
            insert.add(text.product)
            insert.add(text.number)
            insert.add(text.offset)
            insert.add(text.aspect)
            insert.add(text.language)
            insert.add(text.time)
            if let rating = text.rating { insert.add(rating) } else { insert.addNull() }
            insert.add(UInt64(text.scale))
            insert.bytes += state.changes.textBytes[text.start..<text.start + text.length]
            insert.add(from: 0)
            try insert.insert()
        }
    }
}

/// A row's primary key, and where the row is.
private struct SortKey: BitwiseCopyable {
    var key: Int64
    var row: UInt32
}

extension RowBinder {
    fileprivate mutating func add(_ kinds: KindCounts) {
        add(kinds.preferences)
        add(kinds.ratings)
        add(kinds.uses)
        add(kinds.texts)
        add(kinds.faults)
        add(kinds.others)
    }

    fileprivate mutating func addTimes(_ first: Int64, _ last: Int64) {
        if first > last {
            addNull()
            addNull()
        } else {
            add(first)
            add(last)
        }
    }

    fileprivate mutating func add(_ numbers: NumberSum) {
        add(numbers.count)
        if numbers.count == 0 {
            for _ in 0..<3 { addNull() }
        } else {
            add(numbers.sum)
            add(numbers.least)
            add(numbers.most)
        }
    }

    fileprivate mutating func addCounts(_ row: borrowing AspectRow) {
        add(row.devices)
        add(row.customers)
        add(row.choosing)
        add(row.flagsOn)
        add(row.flagsOff)
        add(row.numbering)
        add(row.otherNow)
        add(row.otherSets)
        add(row.moves)
        add(row.late)
    }

    /// The number of quarantined events, and `{"reason":count, ...}`.
    fileprivate mutating func addQuarantined(_ row: borrowing ProductRow) {
        var quarantined: UInt64 = 0
        let start = bytes.count
        bytes.append(UInt8(ascii: "{"))
        for reason in QuarantineReason.allCases {
            let count = row.quarantined[Int(reason.rawValue)]
            guard count > 0 else { continue }
            if quarantined > 0 { bytes.append(UInt8(ascii: ",")) }
            quarantined += count
            bytes += Array("\"\(reason.name)\":\(count)".utf8)
        }
        bytes.append(UInt8(ascii: "}"))
        add(quarantined)
        add(from: start)
    }

    /// `[[word, devices now, sets], ...]`
    fileprivate mutating func addChoices(_ state: borrowing SummaryState, _ row: borrowing AspectRow) {
        let start = bytes.count
        bytes.beginArray()
        var next = row.words
        while next != AspectRow.none {
            let choice = state.choices[Int(next)]
            bytes.openArray()
            bytes.addNumber(UInt64(choice.word))
            bytes.addNumber(choice.now)
            bytes.addNumber(choice.sets)
            bytes.closeArray()
            next = choice.next
        }
        bytes.closeArray()
        add(from: start)
    }

    /// `[[code, events, total, highest severity], ...]`
    fileprivate mutating func addFaults(_ state: borrowing SummaryState, _ row: borrowing AspectRow) {
        let start = bytes.count
        bytes.beginArray()
        var next = row.faults
        while next != AspectRow.none {
            let fault = state.faults[Int(next)]
            bytes.openArray()
            bytes.addNumber(UInt64(fault.word))
            bytes.addNumber(fault.events)
            bytes.addNumber(fault.times)
            bytes.addNumber(UInt64(fault.severity))
            bytes.closeArray()
            next = fault.next
        }
        bytes.closeArray()
        add(from: start)
    }

    /// `[[scale, count, sum, top, low, high, [histogram]], ...]`
    fileprivate mutating func addRatings(_ state: borrowing SummaryState, _ row: borrowing AspectRow) {
        let start = bytes.count
        bytes.beginArray()
        var next = row.ratings
        while next != AspectRow.none {
            let rating = state.ratings[Int(next)]
            let bounds = wilsonBounds(rating.top, of: rating.count)
            bytes.openArray()
            bytes.addNumber(UInt64(rating.scale))
            bytes.addNumber(rating.count)
            bytes.addNumber(rating.sum)
            bytes.addNumber(rating.top)
            bytes.addNumber(bounds.low)
            bytes.addNumber(bounds.high)
            bytes.openArray()
            for place in 0..<histogramPlaces(rating.scale) { bytes.addNumber(rating.histogram[place]) }
            bytes.closeArray()
            bytes.closeArray()
            next = rating.next
        }
        bytes.closeArray()
        add(from: start)
    }

    fileprivate mutating func addHistogram(_ row: borrowing AspectDayRow) {
        let start = bytes.count
        bytes.beginArray()
        for place in 0..<5 { bytes.addNumber(row.histogram[place]) }
        bytes.closeArray()
        add(from: start)
    }

    /// `[[word, sets], ...]`
    fileprivate mutating func addDayWords(_ state: borrowing SummaryState, _ row: borrowing AspectDayRow) {
        let start = bytes.count
        bytes.beginArray()
        var next = row.words
        while next != AspectRow.none {
            let word = state.dayWords[Int(next)]
            bytes.openArray()
            bytes.addNumber(UInt64(word.word))
            bytes.addNumber(word.sets)
            bytes.closeArray()
            next = word.next
        }
        bytes.closeArray()
        add(from: start)
    }
}
