// The tables of days: their columns, what stands in them, the views of them, and how products' days are read back.

import Events
import GRDB
import SQLiteRows

/// The columns of `fold_product_day`, a row for each day of a product.
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

    var type: ColumnType {
        switch self {
        case .id: .key
        case .ratingSum: .real
        case .deviceSet, .customerSet: .blob
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

/// The columns of `fold_aspect_day`, a row for each day of an aspect. Many rows are written at once, and a column costs
/// more than a number within one: so nearly all of it is arrays, without what is empty at the end.
enum AspectDayColumn: String, TableColumn {
    static let table = "fold_aspect_day"

    case id
    case counts = "day_counts"
    /// An array for each choice; NULL for none.
    case choices

    var type: ColumnType { self == .id ? .key : .text }
}

/// The array of `AspectDayColumn.counts`.
enum AspectDayPlace: Int, ArrayPlace {
    case preferences
    case ratings
    case uses
    case texts
    case faults
    case others
    case useTotal
    case faultTotal
    case otherSets
    /// An array, empty when only the next one is there.
    case rating
    /// An array.
    case numbers
}

/// The array of `AspectDayPlace.rating`, of ratings from 1 to 5.
enum DayRatingPlace: Int, ArrayPlace {
    case count
    case sum
    case ones
    case twos
    case threes
    case fours
    case fives

    static let histogram = ones.rawValue...fives.rawValue
}

/// The array of `AspectDayPlace.numbers`.
enum DayNumberPlace: Int, ArrayPlace {
    case count
    case sum
    case least
    case most
}

/// An array of `AspectDayColumn.choices`.
enum DayChoicePlace: Int, ArrayPlace {
    case word
    case sets
}

extension AspectDayPlace {
    fileprivate static func path(_ place: Self) -> String { "$[\(place.rawValue)]" }
    fileprivate static func sql(_ path: String) -> String { "json_extract(d.\(AspectDayColumn.counts), '\(path)')" }
    /// Like `sql`, and 0 where there is nothing.
    fileprivate static func known(_ path: String) -> String { "coalesce(\(sql(path)), 0)" }
}

extension DayRatingPlace {
    fileprivate static func path(_ place: Int) -> String { "\(AspectDayPlace.path(.rating))[\(place)]" }
}

extension DayNumberPlace {
    fileprivate static func path(_ place: Self) -> String { "\(AspectDayPlace.path(.numbers))[\(place.rawValue)]" }
}

extension AspectDayColumn {
    private static let days = "\(table) AS d JOIN \(AspectColumn.table) AS a ON a.slot = d.\(id) & 4294967295"
    private static let named = """
        \(SummarySchema.product), \(SummarySchema.aspect), \(SummarySchema.date("(d.\(id) >> 32)")) AS day
        """
    private static let kinds = KindCounts.places.map { AspectDayPlace.sql("$[\($0)]") }

    static let view = """
        SELECT \(named), \(kinds.joined(separator: " + ")) AS events,
            \(zip(kinds, KindCounts.names).map { "\($0) AS \($1)" }.joined(separator: ", ")),
            \(AspectDayPlace.known(DayRatingPlace.path(DayRatingPlace.count.rawValue))) AS rating_count,
            1.0 * \(AspectDayPlace.sql(DayRatingPlace.path(DayRatingPlace.sum.rawValue)))
                / \(AspectDayPlace.sql(DayRatingPlace.path(DayRatingPlace.count.rawValue))) AS rating_mean,
            json_array(\(DayRatingPlace.histogram.map { AspectDayPlace.known(DayRatingPlace.path($0)) }
                .joined(separator: ", "))) AS rating_histogram,
            \(AspectDayPlace.known(AspectDayPlace.path(.useTotal))) AS use_total,
            \(AspectDayPlace.known(AspectDayPlace.path(.faultTotal))) AS fault_total,
            \(AspectDayPlace.known(DayNumberPlace.path(.count))) AS number_count,
            1.0 * \(AspectDayPlace.sql(DayNumberPlace.path(.sum)))
                / \(AspectDayPlace.sql(DayNumberPlace.path(.count))) AS number_mean,
            1.0 * \(AspectDayPlace.sql(DayNumberPlace.path(.least))) AS number_min,
            1.0 * \(AspectDayPlace.sql(DayNumberPlace.path(.most))) AS number_max
        FROM \(days)
        """

    static let choiceView = """
        SELECT \(named), \(SummarySchema.name(.value, DayChoicePlace.word.sql)) AS value,
            \(DayChoicePlace.sets.sql) AS sets
        FROM \(days), json_each(d.\(choices)) AS \(DayChoicePlace.array)
        """
}

extension CheckpointWriter {
    func writeProductDays(_ state: borrowing SummaryState) throws {
        var keys = state.changes.productDays.map { index in
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
        for key in keys {
            let row = state.productDays[Int(key.row)]
            for column in columns { rows.add(column, of: key, row, state) }
            try rows.endRow()
        }
    }

    func writeAspectDays(_ state: borrowing SummaryState) throws {
        var keys = state.changes.aspectDays.map { index in
            let row = state.aspectDays[Int(index)]
            return SortKey(key: SummarySchema.aspectDayKey(row.slot, row.day), row: index)
        }
        keys.sortByKey()
        try db.insertRows(of: AspectDayColumn.self) { columns, rows in
            try Self.addAspectDays(keys, state, columns, to: &rows)
        }
    }

    private static func addAspectDays(
        _ keys: [SortKey], _ state: borrowing SummaryState, _ columns: [AspectDayColumn],
        to rows: inout RowInserter
    ) throws {
        for index in keys.indices {
            if index % Chains.capacity == 0 { prefetch(keys, from: index, state) }
            let key = keys[index]
            let row = state.aspectDays[Int(key.row)]
            for column in columns { rows.add(column, of: key, row, state) }
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
        }
    }

    private mutating func add(_ set: borrowing DistinctCount) {
        let start = bytes.count
        set.encode(into: &bytes)
        addBlob(from: start)
    }

    @inline(__always)
    fileprivate mutating func add(
        _ column: AspectDayColumn, of key: SortKey, _ row: AspectDayRow, _ state: borrowing SummaryState
    ) {
        switch column {
        case .id: add(key.key)
        case .counts:
            let slot = Int(row.slot)
            let hasStint = state.aspects[slot].stintRow == key.row
            addCounts(row, hasStint ? row.numbers.with(state.aspects[slot].stint) : row.numbers)
        case .choices: if row.words == AspectRow.none { addNull() } else { addChoices(row, state) }
        }
    }

    private mutating func addCounts(_ row: AspectDayRow, _ numbers: NumberSum) {
        let more = DayRatingPlace.allCases.count + DayNumberPlace.allCases.count + 4
        addArray(AspectDayPlace.self, more: more) { place, json in
            switch place {
            case .preferences: json.addNumber(UInt64(row.kinds[0]))
            case .ratings: json.addNumber(UInt64(row.kinds[1]))
            case .uses: json.addNumber(UInt64(row.kinds[2]))
            case .texts: json.addNumber(UInt64(row.kinds[3]))
            case .faults: json.addNumber(UInt64(row.kinds[4]))
            case .others: json.addNumber(UInt64(row.kinds[5]))
            case .useTotal: json.addNumber(row.useTotal)
            case .faultTotal: json.addNumber(row.faultTotal)
            case .otherSets: json.addNumber(UInt64(row.otherSets))
            case .rating: if row.ratingCount > 0 || numbers.count > 0 { Self.addRating(row, &json) }
            case .numbers: if numbers.count > 0 { Self.add(numbers, &json) }
            }
        }
    }

    private static func addRating(_ row: AspectDayRow, _ json: inout OutputSpan<UInt8>) {
        json.openArray()
        if row.ratingCount > 0 {
            for place in DayRatingPlace.allCases {
                switch place {
                case .count: json.addNumber(UInt64(row.ratingCount))
                case .sum: json.addNumber(row.ratingSum)
                case .ones: json.addNumber(UInt64(row.histogram[0]))
                case .twos: json.addNumber(UInt64(row.histogram[1]))
                case .threes: json.addNumber(UInt64(row.histogram[2]))
                case .fours: json.addNumber(UInt64(row.histogram[3]))
                case .fives: json.addNumber(UInt64(row.histogram[4]))
                }
            }
        }
        json.closeArray()
    }

    private static func add(_ numbers: NumberSum, _ json: inout OutputSpan<UInt8>) {
        json.openArray()
        for place in DayNumberPlace.allCases {
            switch place {
            case .count: json.addNumber(numbers.count)
            case .sum: json.addNumber(numbers.sum)
            case .least: json.addNumber(numbers.least)
            case .most: json.addNumber(numbers.most)
            }
        }
        json.closeArray()
    }

    private mutating func addChoices(_ row: AspectDayRow, _ state: borrowing SummaryState) {
        addArrays(row.words, of: state.dayWords, DayChoicePlace.self) { word, place, json in
            switch place {
            case .word: json.addNumber(UInt64(word.word))
            case .sets: json.addNumber(word.sets)
            }
        }
    }
}

extension SummaryReading {
    mutating func readDays(_ window: ClosedRange<Day>) throws {
        typealias Column = ProductDayColumn
        let sql = "SELECT * FROM \(Column.table) WHERE \(Column.id) BETWEEN ? AND ? ORDER BY \(Column.id)"
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
