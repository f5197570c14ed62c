// The table of days: its columns, what stands in them, the views of it, and how it is read back.

import Events
import GRDB
import SQLite

/// The columns of `fold_product_day`, a row for each day of a product. All that is known of its aspects on that day
/// stands in one column: a row costs far more than a number within one.
enum ProductDayColumn: String, TableColumn {
    static let table = "fold_product_day"

    case id
    case product
    case day
    case preferences
    case ratings
    case uses
    case texts
    case faults
    case others
    case ratingCount = "rating_count"
    case ratingSum = "rating_sum"
    case devices
    case customers
    case deviceSet = "device_set"
    case customerSet = "customer_set"
    /// An array for each aspect that was heard about.
    case aspects

    var type: ColumnType {
        switch self {
        case .id: .key
        case .ratingSum: .real
        case .deviceSet, .customerSet: .blob
        case .aspects: .text
        default: .integer
        }
    }

    static let view = """
        SELECT \(SummarySchema.product), \(SummarySchema.date("\(day)")) AS day,
            \(KindCounts.names.joined(separator: " + ")) AS events, \(SummarySchema.kinds), \(devices), \(customers),
            \(ratingCount), \(ratingSum) / nullif(\(ratingCount), 0) AS rating_mean
        FROM \(table)
        """
}

/// An array of `ProductDayColumn.aspects`, without what is empty at the end.
enum AspectDayField: Int, ArrayField {
    case aspect
    case preferences
    case ratings
    case uses
    case texts
    case faults
    case others
    case useTotal
    case faultTotal
    case otherTimesSet
    /// Arrays: what is known of ratings and of numbers; an array for each choice.
    case rating
    case numbers
    case choices
    /// An array for each unit whose numbers are kept apart.
    case otherUnits

    static let array = "a"
}

/// The array of `AspectDayField.rating`, of ratings from 1 to 5.
enum DayRatingField: Int, ArrayField {
    case count
    case sum
    case ones
    case twos
    case threes
    case fours
    case fives

    static let histogram = ones.rawValue...fives.rawValue
}

/// The array of `AspectDayField.numbers`.
enum DayNumberField: Int, ArrayField {
    case count
    case sum
    case least
    case most
}

/// An array of `AspectDayField.choices`.
enum DayChoiceField: Int, ArrayField {
    case symbol
    case timesSet
}

/// An array of `AspectDayField.otherUnits`.
enum DayUnitField: Int, ArrayField {
    case unit
    case count
    case sum
    case least
    case most
}

extension AspectDayField {
    /// A field of the array that stands here, in SQL.
    private func inner(_ field: some ArrayField) -> String {
        "json_extract(\(Self.column), '$[\(rawValue)][\(field.rawValue)]')"
    }
    /// The same, and 0 where there is nothing.
    private func known(_ field: some ArrayField) -> String { "coalesce(\(inner(field)), 0)" }

    private static let days = "\(ProductDayColumn.table), json_each(\(ProductDayColumn.aspects)) AS \(array)"
    private static let named = """
        \(SummarySchema.product), \(SummarySchema.name(.aspect, aspect.sql)) AS aspect,
            \(SummarySchema.date("\(ProductDayColumn.day)")) AS day
        """
    private static let histogram = [DayRatingField.ones, .twos, .threes, .fours, .fives].map { rating.known($0) }

    static let view = """
        SELECT \(named), \(SummarySchema.events(preferences)), \(rating.known(DayRatingField.count)) AS rating_count,
            1.0 * \(rating.inner(DayRatingField.sum)) / \(rating.inner(DayRatingField.count)) AS rating_mean,
            json_array(\(histogram.joined(separator: ", "))) AS rating_histogram,
            \(useTotal.named("use_total")), \(faultTotal.named("fault_total")),
            \(numbers.known(DayNumberField.count)) AS number_count,
            1.0 * \(numbers.inner(DayNumberField.sum)) / \(numbers.inner(DayNumberField.count)) AS number_mean,
            1.0 * \(numbers.inner(DayNumberField.least)) AS number_min,
            1.0 * \(numbers.inner(DayNumberField.most)) AS number_max
        FROM \(days)
        """

    static let choiceView = """
        SELECT \(named), \(SummarySchema.name(.value, DayChoiceField.symbol.sql)) AS value,
            \(DayChoiceField.timesSet.named("sets"))
        FROM \(days), json_each(\(choices.sql)) AS \(DayChoiceField.array)
        """

    /// The number of the aspect's own unit.
    private static let ownUnit = """
        (SELECT \(AspectColumn.unit) FROM \(AspectColumn.table)
            WHERE \(AspectColumn.id) = \(ProductDayColumn.table).\(ProductDayColumn.product) << 32 | \(aspect.sql))
        """
    static let numericView = """
        SELECT product, aspect, day, \(SummarySchema.unit), sets, 1.0 * sum / sets AS mean, 1.0 * least AS least,
            1.0 * most AS most
        FROM (
            SELECT \(named), \(ownUnit) AS unit, \(numbers.inner(DayNumberField.count)) AS sets,
                \(numbers.inner(DayNumberField.sum)) AS sum, \(numbers.inner(DayNumberField.least)) AS least,
                \(numbers.inner(DayNumberField.most)) AS most
            FROM \(days) WHERE \(numbers.known(DayNumberField.count)) > 0
            UNION ALL
            SELECT \(named), \(DayUnitField.unit.sql), \(DayUnitField.count.sql), \(DayUnitField.sum.sql),
                \(DayUnitField.least.sql), \(DayUnitField.most.sql)
            FROM \(days), json_each(\(otherUnits.sql)) AS \(DayUnitField.array)
            WHERE \(DayUnitField.unit.sql) <> \(OtherUnitRow.beyond)
        )
        """
}

extension CheckpointWriter {
    func writeProductDays(_ state: borrowing SummaryState) throws {
        var keys = state.dirty.productDays.map { index in
            let row = state.productDays[Int(index)]
            return SortKey(key: SummarySchema.productDayKey(row.product, row.day), row: index)
        }
        keys.sortByKey()
        try db.insertRows(of: ProductDayColumn.self) { columns, rows in
            try Self.addProductDays(keys, state, columns, to: &rows)
        }
    }

    private static func addProductDays(
        _ keys: [SortKey], _ state: borrowing SummaryState, _ columns: [ProductDayColumn],
        to rows: inout RowInserter
    ) throws {
        for (index, key) in keys.enumerated() {
            if index % 4 == 0 { prefetch(keys[index..<min(keys.count, index + 4)], state) }
            let row = state.productDays[Int(key.row)]
            for column in columns { rows.add(column, of: key, row, state) }
            try rows.endRow()
        }
    }

    /// Prefetches what is written of the aspects of some products' days: first their rows, then their choices.
    private static func prefetch(_ keys: ArraySlice<SortKey>, _ state: borrowing SummaryState) {
        let (aspectDays, dayChoices) = (state.aspectDays.span, state.dayChoices.span)
        var days = LinkedRows()
        for key in keys { days.add(state.productDays[Int(key.row)].aspects, in: aspectDays) }
        days.prefetch(in: aspectDays)
        var choices = LinkedRows()
        for key in keys {
            var next = state.productDays[Int(key.row)].aspects
            while next != RowIndex.none {
                let row = Int(next)
                state.aspects.span.prefetch(Int(aspectDays[row].slot), bytes: AspectRow.runBytes)
                choices.add(aspectDays[row].choices, in: dayChoices)
                if choices.count == LinkedRows.capacity {
                    choices.prefetch(in: dayChoices)
                    choices = LinkedRows()
                }
                next = aspectDays[row].next
            }
        }
        choices.prefetch(in: dayChoices)
    }
}

extension RowInserter {
    @inline(__always)
    fileprivate mutating func add(
        _ column: ProductDayColumn, of key: SortKey, _ row: ProductDayRow, _ state: borrowing SummaryState
    ) {
        switch column {
        case .id: add(key.key)
        case .product: add(row.product)
        case .day: add(Int64(row.day))
        case .preferences: add(row.kinds.preferences)
        case .ratings: add(row.kinds.ratings)
        case .uses: add(row.kinds.uses)
        case .texts: add(row.kinds.texts)
        case .faults: add(row.kinds.faults)
        case .others: add(row.kinds.others)
        case .ratingCount: add(row.ratingCount)
        case .ratingSum: add(row.ratingSum)
        case .devices: add(UInt64(state.productDayDevices[Int(key.row)].count))
        case .customers: add(UInt64(state.productDayCustomers[Int(key.row)].count))
        case .deviceSet: add(state.productDayDevices[Int(key.row)])
        case .customerSet: add(state.productDayCustomers[Int(key.row)])
        case .aspects: addAspects(row, state)
        }
    }

    private mutating func add(_ set: borrowing DistinctCount) {
        let start = bytes.count
        set.encode(into: &bytes)
        addBlob(from: start)
    }

    private mutating func addAspects(_ day: ProductDayRow, _ state: borrowing SummaryState) {
        let start = bytes.count
        bytes.append(UInt8(ascii: "["))
        var next = day.aspects
        while next != RowIndex.none {
            if next != day.aspects { bytes.append(UInt8(ascii: ",")) }
            let row = state.aspectDays[Int(next)]
            addAspect(next, row, state)
            next = row.next
        }
        bytes.append(UInt8(ascii: "]"))
        addText(from: start)
    }

    private mutating func addAspect(_ index: UInt32, _ row: AspectDayRow, _ state: borrowing SummaryState) {
        let slot = Int(row.slot)
        let isRunDay = state.aspects[slot].runDayRow == index
        let numbers = isRunDay ? row.numbers.with(state.aspects[slot].run) : row.numbers
        let (hasChoices, hasNumbers) = (row.choices != RowIndex.none, numbers.count > 0)
        let aspect = state.aspects[slot].aspect
        let dayChoices = state.dayChoices
        let choices = hasChoices ? dayChoices.count(from: row.choices) : 0
        let dayUnits = state.dayUnits
        let hasUnits = row.otherUnits != RowIndex.none
        let units = hasUnits ? dayUnits.count(from: row.otherUnits) : 0
        let more = DayRatingField.allCases.count + DayNumberField.allCases.count + 10
        let listed = choices * (DayChoiceField.allCases.count + 2) + units * (DayUnitField.allCases.count + 2)
        writeArray(AspectDayField.self, more: more + listed) { field, json in
            switch field {
            case .aspect: json.addNumber(UInt64(aspect))
            case .preferences, .ratings, .uses, .texts, .faults, .others:
                json.addNumber(UInt64(row.kinds[field.after(.preferences)]))
            case .useTotal: json.addNumber(row.useTotal)
            case .faultTotal: json.addNumber(row.faultTotal)
            case .otherTimesSet: json.addNumber(UInt64(row.otherTimesSet))
            case .rating:
                if row.ratingCount > 0 || hasNumbers || hasChoices || hasUnits { Self.addRating(row, &json) }
            case .numbers: if hasNumbers || hasChoices || hasUnits { Self.add(numbers, &json) }
            case .choices: if hasChoices || hasUnits { Self.addChoices(row.choices, dayChoices, &json) }
            case .otherUnits: if hasUnits { Self.addUnits(row.otherUnits, dayUnits, &json) }
            }
        }
    }

    private static func addRating(_ row: AspectDayRow, _ json: inout OutputSpan<UInt8>) {
        json.openArray()
        if row.ratingCount > 0 {
            for field in DayRatingField.allCases {
                switch field {
                case .count: json.addNumber(UInt64(row.ratingCount))
                case .sum: json.addNumber(row.ratingSum)
                case .ones, .twos, .threes, .fours, .fives:
                    json.addNumber(UInt64(row.histogram[field.after(.ones)]))
                }
            }
        }
        json.closeArray()
    }

    private static func add(_ numbers: NumberSum, _ json: inout OutputSpan<UInt8>) {
        json.openArray()
        if numbers.count > 0 {
            for field in DayNumberField.allCases {
                switch field {
                case .count: json.addNumber(numbers.count)
                case .sum: json.addNumber(numbers.sum)
                case .least: json.addNumber(numbers.least)
                case .most: json.addNumber(numbers.most)
                }
            }
        }
        json.closeArray()
    }

    private static func addChoices(_ first: UInt32, _ rows: [DayChoiceRow], _ json: inout OutputSpan<UInt8>) {
        json.openArray()
        var next = first
        while next != RowIndex.none {
            let row = rows[Int(next)]
            json.openArray()
            for field in DayChoiceField.allCases {
                switch field {
                case .symbol: json.addNumber(UInt64(row.symbol))
                case .timesSet: json.addNumber(row.timesSet)
                }
            }
            json.closeArray()
            next = row.next
        }
        json.closeArray()
    }

    private static func addUnits(_ first: UInt32, _ rows: [DayUnitRow], _ json: inout OutputSpan<UInt8>) {
        json.openArray()
        var next = first
        while next != RowIndex.none {
            let row = rows[Int(next)]
            let isEmpty = row.unit == OtherUnitRow.beyond
            json.openArray()
            for field in DayUnitField.allCases {
                switch field {
                case .unit: json.addNumber(UInt64(row.unit))
                case .count: json.addNumber(row.numbers.count)
                case .sum: json.addNumber(row.numbers.sum)
                case .least: json.addNumber(isEmpty ? 0 : row.numbers.least)
                case .most: json.addNumber(isEmpty ? 0 : row.numbers.most)
                }
            }
            json.closeArray()
            next = row.next
        }
        json.closeArray()
    }
}

extension Array where Element: LinkedRow {
    /// How many rows a list has.
    fileprivate func count(from first: UInt32) -> Int {
        var (count, next) = (0, first)
        while next != RowIndex.none { (count, next) = (count + 1, self[Int(next)].next) }
        return count
    }
}

extension SummaryReading {
    mutating func readDays(_ window: ClosedRange<Day>) throws {
        typealias Column = ProductDayColumn
        let kinds = KindCounts.names.joined(separator: ", ")
        let sql = """
            SELECT \(Column.day), \(kinds), \(Column.devices), \(Column.customers) FROM \(Column.table)
            WHERE \(Column.id) BETWEEN ? AND ? ORDER BY \(Column.id)
            """
        for row in try Row.fetchAll(db.cachedStatement(sql: sql), arguments: keys(of: window)) {
            summary.days.append(
                DaySummary(
                    day: Day(rawValue: try row.value(Column.day)), kinds: try KindCounts(row),
                    devices: try row.count(Column.devices), customers: try row.count(Column.customers)))
        }
    }

    /// The keys of the product's first and last day of a window.
    func keys(of window: ClosedRange<Day>) -> StatementArguments {
        [
            SummarySchema.productDayKey(id, window.lowerBound.rawValue),
            SummarySchema.productDayKey(id, window.upperBound.rawValue),
        ]
    }
}
