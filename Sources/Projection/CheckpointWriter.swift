// The rows of a checkpoint: numbers and short JSON arrays, one prepared statement for each table.

import Events
import Foundation
import GRDB

/// Writes the changed rows of a state into an open transaction.
struct CheckpointWriter {
    private let db: Database
    private var values: [DatabaseValue] = []

    init(_ db: Database) {
        self.db = db
        values.reserveCapacity(48)
    }

    mutating func write(_ state: inout SummaryState) throws {
        try writeWords(state)
        let product = try statement("fold_product", columns: 25)
        for index in state.changes.products { try write(state, product: Int(index), product) }
        let productDay = try statement("fold_product_day", columns: 15)
        for index in state.changes.productDays { try write(state, productDay: Int(index), productDay) }
        let aspect = try statement("fold_aspect", columns: 39)
        for index in state.changes.aspects {
            state.refreshQuantiles(Int(index))
            try write(state, aspect: Int(index), aspect)
        }
        let aspectDay = try statement("fold_aspect_day", columns: 20)
        for index in state.changes.aspectDays { try write(state, aspectDay: Int(index), aspectDay) }
        try writeTexts(state)
    }

    private func statement(_ table: String, columns: Int) throws -> Statement {
        let marks = String(repeating: "?, ", count: columns - 1) + "?"
        return try db.cachedStatement(sql: "INSERT OR REPLACE INTO \(table) VALUES (\(marks))")
    }

    private mutating func execute(_ statement: Statement) throws {
        statement.setUncheckedArguments(StatementArguments(values))
        try statement.execute()
        values.removeAll(keepingCapacity: true)
    }

    private mutating func add(_ number: UInt64) { values.append(Int64(clamping: number).databaseValue) }
    private mutating func add(_ number: UInt32) { values.append(Int64(number).databaseValue) }
    private mutating func add(_ number: Int64) { values.append(number.databaseValue) }
    private mutating func add(_ number: Double) { values.append(number.databaseValue) }
    private mutating func add(_ text: String) { values.append(text.databaseValue) }

    private mutating func add(_ kinds: KindCounts) {
        for count in [
            kinds.total, kinds.preferences, kinds.ratings, kinds.uses, kinds.texts, kinds.faults, kinds.others,
        ] { add(count) }
    }

    private mutating func addTimes(_ first: Int64, _ last: Int64) {
        if first > last {
            values.append(.null)
            values.append(.null)
        } else {
            add(first)
            add(last)
        }
    }

    private mutating func add(_ numbers: NumberSum) {
        add(numbers.count)
        if numbers.count == 0 {
            for _ in 0..<3 { values.append(.null) }
        } else {
            for number in [numbers.sum, numbers.least, numbers.most] { add(number) }
        }
    }

    private mutating func writeWords(_ state: SummaryState) throws {
        let insert = try statement("word", columns: 3)
        for word in state.changes.words {
            add(UInt64(word.kind.rawValue))
            add(word.id.rawValue)
            add(String(decoding: word.text, as: UTF8.self))
            try execute(insert)
        }
    }

    private mutating func write(_ state: SummaryState, product index: Int, _ insert: Statement) throws {
        let row = state.products[index]
        add(UInt64(index))
        add(row.kinds)
        addTimes(row.first, row.last)
        for count in [row.devices, row.customers, row.missing, row.duplicates, row.unfiled] { add(count) }
        var quarantined: UInt64 = 0
        var reasons: [String] = []
        for reason in QuarantineReason.allCases where row.quarantined[Int(reason.rawValue)] > 0 {
            quarantined += row.quarantined[Int(reason.rawValue)]
            reasons.append("\"\(reason.name)\":\(row.quarantined[Int(reason.rawValue)])")
        }
        add(quarantined)
        add("{" + reasons.joined(separator: ",") + "}")
        add(row.rating.count)
        add(row.rating.sum)
        add(row.rating.top)
        let bounds = wilsonBounds(row.rating.top, of: row.rating.count)
        add(bounds.low)
        add(bounds.high)
        var histogram = "["
        for place in 0..<5 { histogram += (place == 0 ? "" : ",") + String(row.rating.histogram[place]) }
        add(histogram + "]")
        add(row.useTotal)
        add(row.faultTotal)
        try execute(insert)
    }

    private mutating func write(_ state: SummaryState, productDay index: Int, _ insert: Statement) throws {
        let row = state.productDays[index]
        add(row.product)
        add(Int64(row.day))
        add(row.kinds)
        add(row.ratingCount)
        add(row.ratingSum)
        add(UInt64(state.productDayDevices[index].count))
        add(UInt64(state.productDayCustomers[index].count))
        values.append(Data(state.productDayDevices[index].encoded()).databaseValue)
        values.append(Data(state.productDayCustomers[index].encoded()).databaseValue)
        try execute(insert)
    }

    private mutating func write(_ state: SummaryState, aspect slot: Int, _ insert: Statement) throws {
        let row = state.aspects[slot]
        add(UInt64(slot))
        for number in [row.product, row.aspect, row.unit] { add(number) }
        add(row.kinds)
        addTimes(row.first, row.last)
        for count in [
            row.devices, row.customers, row.choosing, row.flagsOn, row.flagsOff, row.numbering, row.otherNow,
            row.otherSets, row.moves, row.late,
        ] { add(count) }
        add(row.numbers)
        for place in 0..<5 {
            if row.numbering == 0 { values.append(.null) } else { add(row.quantiles[place]) }
        }
        add(row.useTotal)
        add(row.faultTotal)
        add(UInt64(row.maxSeverity))
        add(row.otherFaults)
        add(choices(state, row))
        add(faults(state, row))
        add(ratings(state, row))
        try execute(insert)
    }

    /// `[[word, devices now, sets], ...]`
    private func choices(_ state: SummaryState, _ row: AspectRow) -> String {
        var json = JSONNumbers()
        var next = row.words
        while next != AspectRow.none {
            let choice = state.choices[Int(next)]
            json.open()
            json.add(UInt64(choice.word))
            json.add(choice.now)
            json.add(choice.sets)
            json.close()
            next = choice.next
        }
        return json.finish()
    }

    /// `[[code, events, total, highest severity], ...]`
    private func faults(_ state: SummaryState, _ row: AspectRow) -> String {
        var json = JSONNumbers()
        var next = row.faults
        while next != AspectRow.none {
            let fault = state.faults[Int(next)]
            json.open()
            json.add(UInt64(fault.word))
            json.add(fault.sets)
            json.add(fault.now)
            json.add(UInt64(fault.severity))
            json.close()
            next = fault.next
        }
        return json.finish()
    }

    /// `[[scale, count, sum, top, low, high, [histogram]], ...]`
    private func ratings(_ state: SummaryState, _ row: AspectRow) -> String {
        var json = JSONNumbers()
        var next = row.ratings
        while next != AspectRow.none {
            let rating = state.ratings[Int(next)]
            let bounds = wilsonBounds(rating.top, of: rating.count)
            json.open()
            json.add(UInt64(rating.scale))
            json.add(rating.count)
            json.add(rating.sum)
            json.add(rating.top)
            json.add(bounds.low)
            json.add(bounds.high)
            json.open()
            for place in 0..<histogramPlaces(rating.scale) { json.add(rating.histogram[place]) }
            json.close()
            json.close()
            next = rating.next
        }
        return json.finish()
    }

    private mutating func write(_ state: SummaryState, aspectDay index: Int, _ insert: Statement) throws {
        let row = state.aspectDays[index]
        add(row.slot)
        add(Int64(row.day))
        add(row.kinds)
        add(row.ratingCount)
        add(row.ratingSum)
        var histogram = JSONNumbers()
        for place in 0..<5 { histogram.add(row.histogram[place]) }
        add(histogram.finish())
        for count in [row.useTotal, row.faultTotal, row.otherSets] { add(count) }
        add(row.numbers)
        var choices = JSONNumbers()
        var next = row.words
        while next != AspectRow.none {
            let word = state.dayWords[Int(next)]
            choices.open()
            choices.add(UInt64(word.word))
            choices.add(word.sets)
            choices.close()
            next = word.next
        }
        add(choices.finish())
        try execute(insert)
    }

    private mutating func writeTexts(_ state: SummaryState) throws {
        let insert = try statement("fold_feedback", columns: 10)
        let room = UInt64(ProjectionLimits.textsPerProduct)
        for text in state.changes.texts where text.number + room >= state.products[Int(text.product)].textNumber {
            add(text.product)
            add(text.number % room)
            add(text.number)
            add(text.offset)
            add(text.aspect)
            add(text.language)
            add(text.time)
            if let rating = text.rating { add(rating) } else { values.append(.null) }
            add(UInt64(text.scale))
            let bytes = state.changes.textBytes[text.start..<text.start + text.length]
            add(String(decoding: bytes, as: UTF8.self))
            try execute(insert)
        }
    }
}

/// A JSON array of numbers and of such arrays, written without intermediate strings.
struct JSONNumbers {
    private var bytes: [UInt8] = [UInt8(ascii: "[")]

    private mutating func separate() {
        if bytes.last != UInt8(ascii: "[") { bytes.append(UInt8(ascii: ",")) }
    }

    mutating func open() {
        separate()
        bytes.append(UInt8(ascii: "["))
    }

    mutating func close() { bytes.append(UInt8(ascii: "]")) }

    mutating func add(_ number: UInt64) {
        separate()
        if number < 10 { return bytes.append(UInt8(ascii: "0") + UInt8(number)) }
        let start = bytes.count
        var rest = number
        while rest > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        }
        bytes[start...].reverse()
    }

    mutating func add(_ number: Double) {
        if number >= 0, number < 0x1p53, number == number.rounded() { return add(UInt64(number)) }
        separate()
        // JSON has no infinity; readers of this one take 9e999 for it.
        bytes += Array((number.isFinite ? "\(number)" : number > 0 ? "9e999" : "-9e999").utf8)
    }

    consuming func finish() -> String {
        bytes.append(UInt8(ascii: "]"))
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The bounds within which the true share of top ratings lies with 95 % confidence (E. B. Wilson, 1927).
func wilsonBounds(_ top: UInt64, of count: UInt64) -> (low: Double, high: Double) {
    guard count > 0 else { return (0, 1) }
    let n = Double(count)
    let share = Double(top) / n
    let z = 1.959_963_984_540_054
    let middle = share + z * z / (2 * n)
    let spread = z * (share * (1 - share) / n + z * z / (4 * n * n)).squareRoot()
    let scale = 1 + z * z / n
    return (max(0, (middle - spread) / scale), min(1, (middle + spread) / scale))
}

/// How many places the histogram of a rating scale has.
func histogramPlaces(_ scale: UInt8) -> Int {
    switch scale {
    case 0: 5
    case 1: 2
    case 2...9: Int(scale)
    default: 11
    }
}
