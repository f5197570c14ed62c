// What a row of the fold says, as columns of numbers and short JSON arrays.

import Events
import SQLiteRows

extension RowInserter {
    mutating func add(_ kinds: KindCounts) {
        for place in KindCounts.places { add(kinds[place]) }
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

    /// A text that is an array, into which `body` writes up to `count` numbers and brackets.
    @inline(__always)
    mutating func addArray(of count: Int, _ body: (inout OutputSpan<UInt8>) -> Void) {
        let start = bytes.count
        writeArray(of: count, body)
        addText(from: start)
    }

    @inline(__always)
    private mutating func writeArray(of count: Int, _ body: (inout OutputSpan<UInt8>) -> Void) {
        bytes.append(addingCapacity: (count + 2) * JSONNumbers.numberBytes) { json in
            json.openArray()
            body(&json)
            json.closeArray()
        }
    }

    /// A text that is an array with an array for each row of a chain, into which `body` writes up to `count` numbers
    /// and brackets.
    @inline(__always)
    private mutating func addArrays<Row: ChainedRow>(
        _ first: UInt32, of rows: [Row], _ count: Int, _ body: (Row, inout OutputSpan<UInt8>) -> Void
    ) {
        let start = bytes.count
        bytes.append(UInt8(ascii: "["))
        var next = first
        while next != AspectRow.none {
            let row = rows[Int(next)]
            if next != first { bytes.append(UInt8(ascii: ",")) }
            writeArray(of: count) { json in body(row, &json) }
            next = row.next
        }
        bytes.append(UInt8(ascii: "]"))
        addText(from: start)
    }

    /// `[[word, devices now, sets], ...]`
    mutating func addChoices(_ state: borrowing SummaryState, _ row: borrowing AspectRow) {
        addArrays(row.words, of: state.choices, 3) { choice, json in
            json.addNumber(UInt64(choice.word))
            json.addNumber(choice.now)
            json.addNumber(choice.sets)
        }
    }

    /// `[[code, events, total, highest severity], ...]`
    mutating func addFaults(_ state: borrowing SummaryState, _ row: borrowing AspectRow) {
        addArrays(row.faults, of: state.faults, 4) { fault, json in
            json.addNumber(UInt64(fault.word))
            json.addNumber(fault.events)
            json.addNumber(fault.times)
            json.addNumber(UInt64(fault.severity))
        }
    }

    /// `[[scale, count, sum, top, low, high, [histogram]], ...]`
    mutating func addRatings(_ state: borrowing SummaryState, _ row: borrowing AspectRow) {
        addArrays(row.ratings, of: state.ratings, 8 + RatingRow.places) { rating, json in
            let bounds = wilsonBounds(rating.top, of: rating.count)
            json.addNumber(UInt64(rating.scale))
            json.addNumber(rating.count)
            json.addNumber(rating.sum)
            json.addNumber(rating.top)
            json.addNumber(bounds.low)
            json.addNumber(bounds.high)
            json.openArray()
            for place in 0..<histogramPlaces(rating.scale) { json.addNumber(rating.histogram[place]) }
            json.closeArray()
        }
    }

    /// See `SummarySchema.aspectDays`.
    mutating func addCounts(_ row: AspectDayRow, _ numbers: NumberSum) {
        addArray(of: 24) { json in
            for place in KindCounts.places { json.addNumber(row.kinds[place]) }
            json.addNumber(row.useTotal)
            json.addNumber(row.faultTotal)
            json.addNumber(row.otherSets)
            if row.ratingCount > 0 || numbers.count > 0 {
                json.openArray()
                if row.ratingCount > 0 {
                    json.addNumber(row.ratingCount)
                    json.addNumber(row.ratingSum)
                    for place in 0..<5 { json.addNumber(row.histogram[place]) }
                }
                json.closeArray()
            }
            if numbers.count > 0 {
                json.openArray()
                json.addNumber(numbers.count)
                json.addNumber(numbers.sum)
                json.addNumber(numbers.least)
                json.addNumber(numbers.most)
                json.closeArray()
            }
        }
    }

    /// `[[word, sets], ...]`
    mutating func addDayWords(_ state: borrowing SummaryState, _ row: borrowing AspectDayRow) {
        addArrays(row.words, of: state.dayWords, 2) { word, json in
            json.addNumber(UInt64(word.word))
            json.addNumber(word.sets)
        }
    }
}
