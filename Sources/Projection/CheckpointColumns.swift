// What a row of the fold says, as columns of numbers and short JSON arrays.

import Events
import SQLiteRows

extension RowInserter {
    mutating func add(_ kinds: KindCounts) {
        add(kinds.preferences)
        add(kinds.ratings)
        add(kinds.uses)
        add(kinds.texts)
        add(kinds.faults)
        add(kinds.others)
    }

    mutating func addTimes(_ first: Int64, _ last: Int64) {
        if first > last {
            addNull()
            addNull()
        } else {
            add(first)
            add(last)
        }
    }

    mutating func add(_ numbers: NumberSum) {
        add(numbers.count)
        if numbers.count == 0 {
            for _ in 0..<3 { addNull() }
        } else {
            add(numbers.sum)
            add(numbers.least)
            add(numbers.most)
        }
    }

    mutating func addCounts(_ row: borrowing AspectRow) {
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
    mutating func addQuarantined(_ row: borrowing ProductRow) {
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
        addText(from: start)
    }

    /// `[[word, devices now, sets], ...]`
    mutating func addChoices(_ state: borrowing SummaryState, _ row: borrowing AspectRow) {
        addArrays(row.words, of: state.choices) { choice, bytes in
            bytes.addNumber(UInt64(choice.word))
            bytes.addNumber(choice.now)
            bytes.addNumber(choice.sets)
        }
    }

    /// `[[code, events, total, highest severity], ...]`
    mutating func addFaults(_ state: borrowing SummaryState, _ row: borrowing AspectRow) {
        addArrays(row.faults, of: state.faults) { fault, bytes in
            bytes.addNumber(UInt64(fault.word))
            bytes.addNumber(fault.events)
            bytes.addNumber(fault.times)
            bytes.addNumber(UInt64(fault.severity))
        }
    }

    /// `[[scale, count, sum, top, low, high, [histogram]], ...]`
    mutating func addRatings(_ state: borrowing SummaryState, _ row: borrowing AspectRow) {
        addArrays(row.ratings, of: state.ratings) { rating, bytes in
            let bounds = wilsonBounds(rating.top, of: rating.count)
            bytes.addNumber(UInt64(rating.scale))
            bytes.addNumber(rating.count)
            bytes.addNumber(rating.sum)
            bytes.addNumber(rating.top)
            bytes.addNumber(bounds.low)
            bytes.addNumber(bounds.high)
            bytes.openArray()
            for place in 0..<histogramPlaces(rating.scale) { bytes.addNumber(rating.histogram[place]) }
            bytes.closeArray()
        }
    }

    /// An array with an array for each row of a chain, in which `body` writes what the row says.
    @inline(__always)
    private mutating func addArrays<Row: ChainedRow>(
        _ first: UInt32, of rows: [Row], _ body: (Row, inout [UInt8]) -> Void
    ) {
        let start = bytes.count
        bytes.beginArray()
        var next = first
        while next != AspectRow.none {
            let row = rows[Int(next)]
            bytes.openArray()
            body(row, &bytes)
            bytes.closeArray()
            next = row.next
        }
        bytes.closeArray()
        addText(from: start)
    }

    /// See `SummarySchema.aspectDays`.
    mutating func addCounts(_ row: borrowing AspectDayRow, _ numbers: NumberSum) {
        let start = bytes.count
        bytes.beginArray()
        bytes.addNumber(row.kinds.preferences)
        bytes.addNumber(row.kinds.ratings)
        bytes.addNumber(row.kinds.uses)
        bytes.addNumber(row.kinds.texts)
        bytes.addNumber(row.kinds.faults)
        bytes.addNumber(row.kinds.others)
        bytes.addNumber(row.useTotal)
        bytes.addNumber(row.faultTotal)
        bytes.addNumber(row.otherSets)
        if row.ratingCount > 0 || numbers.count > 0 {
            bytes.openArray()
            if row.ratingCount > 0 {
                bytes.addNumber(row.ratingCount)
                bytes.addNumber(row.ratingSum)
                for place in 0..<5 { bytes.addNumber(row.histogram[place]) }
            }
            bytes.closeArray()
        }
        if numbers.count > 0 {
            bytes.openArray()
            bytes.addNumber(numbers.count)
            bytes.addNumber(numbers.sum)
            bytes.addNumber(numbers.least)
            bytes.addNumber(numbers.most)
            bytes.closeArray()
        }
        bytes.closeArray()
        addText(from: start)
    }

    /// `[[word, sets], ...]`
    mutating func addDayWords(_ state: borrowing SummaryState, _ row: borrowing AspectDayRow) {
        addArrays(row.words, of: state.dayWords) { word, bytes in
            bytes.addNumber(UInt64(word.word))
            bytes.addNumber(word.sets)
        }
    }
}
