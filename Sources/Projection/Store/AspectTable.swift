// The table of aspects: its columns, what stands in them, the views of it, and how it is read back.

import Events
import GRDB
import SQLite

/// The columns of `fold_aspect`, a row for each aspect of a product. What is counted stands in one array: a column
/// costs more than a number within one.
enum AspectColumn: String, TableColumn {
    static let table = "fold_aspect"

    case id
    case product
    case aspect
    case unit
    case first = "first_ms"
    case last = "last_ms"
    case counts
    case numberSum = "number_sum"
    case numberLeast = "number_min"
    case numberMost = "number_max"
    case p5
    case p25
    case p50
    case p75
    case p95
    case meanNow = "mean_now"
    /// An array for each; NULL for none. The next three likewise.
    case choices
    case codes = "fault_codes"
    case scales = "rating_scales"
    case otherUnits = "other_units"

    var type: ColumnType {
        switch self {
        case .id: .key
        case .product, .aspect, .unit, .first, .last: .integer
        case .numberSum, .numberLeast, .numberMost, .p5, .p25, .p50, .p75, .p95, .meanNow: .real
        case .counts, .choices, .codes, .scales, .otherUnits: .text
        }
    }

    static let quantiles = [p5, p25, p50, p75, p95]
}

/// The array of `AspectColumn.counts`.
enum AspectField: Int, ArrayField {
    case preferences
    case ratings
    case uses
    case texts
    case faults
    case others
    case devices
    case customers
    case choosing
    case flagsOn
    case flagsOff
    case numbering
    case otherNow
    case otherTimesSet
    case changes
    case late
    case numberCount
    case useTotal
    case faultTotal
    case maxSeverity
    case otherFaults
    case apartNow

    static let column = "\(AspectColumn.table).\(AspectColumn.counts)"
}

extension AspectColumn {
    private static let named = "\(SummarySchema.product), \(SummarySchema.aspect)"
    private static let now = [AspectField.choosing, .flagsOn, .flagsOff, .numbering, .apartNow]
        .map(\.sql).joined(separator: " + ")
    private static let share = "nullif(\(now), 0) AS share"

    static let summaryView = """
        SELECT \(named), \(SummarySchema.events(AspectField.preferences)), \(AspectField.devices.named("devices")),
            \(AspectField.customers.named("customers")), \(SummarySchema.time(first)) AS first_time,
            \(SummarySchema.time(last)) AS last_time, \(now) AS devices_with_preference,
            \(AspectField.changes.named("moves")), \(AspectField.late.named("late")),
            \(AspectField.useTotal.named("use_total")), \(AspectField.faultTotal.named("fault_total")),
            \(AspectField.maxSeverity.named("max_severity"))
        FROM \(table)
        """

    static let preferenceView = """
        SELECT \(named), \(SummarySchema.name(.value, ChoiceField.symbol.sql)) AS value,
            \(ChoiceField.devices.named("devices_now")), 1.0 * \(ChoiceField.devices.sql) / \(share),
            \(ChoiceField.timesSet.named("sets"))
        FROM \(table), json_each(\(choices)) AS \(ChoiceField.array)
        UNION ALL
        SELECT \(named), '__other__', \(AspectField.otherNow.sql), 1.0 * \(AspectField.otherNow.sql) / \(share),
            \(AspectField.otherTimesSet.sql)
        FROM \(table) WHERE \(AspectField.otherNow.sql) + \(AspectField.otherTimesSet.sql) > 0
        UNION ALL
        SELECT \(named), 'true', \(AspectField.flagsOn.sql), 1.0 * \(AspectField.flagsOn.sql) / \(share), NULL
        FROM \(table) WHERE \(AspectField.flagsOn.sql) > 0
        UNION ALL
        SELECT \(named), 'false', \(AspectField.flagsOff.sql), 1.0 * \(AspectField.flagsOff.sql) / \(share), NULL
        FROM \(table) WHERE \(AspectField.flagsOff.sql) > 0
        """

    static let numericView = """
        SELECT \(named), \(SummarySchema.unit), \(AspectField.numbering.named("devices_now")), \(p5), \(p25), \(p50),
            \(p75), \(p95), \(AspectField.numberCount.named("sets")),
            \(numberSum) / \(AspectField.numberCount.sql) AS mean, \(numberLeast) AS least, \(numberMost) AS most,
            \(meanNow)
        FROM \(table) WHERE \(AspectField.numberCount.sql) > 0
        UNION ALL
        SELECT \(named), \(SummarySchema.name(.unit, OtherUnitField.unit.sql)), \(OtherUnitField.devices.sql),
            \(OtherUnitField.p5.now), \(OtherUnitField.p25.now), \(OtherUnitField.p50.now), \(OtherUnitField.p75.now),
            \(OtherUnitField.p95.now), \(OtherUnitField.count.sql),
            1.0 * \(OtherUnitField.sum.sql) / \(OtherUnitField.count.sql), 1.0 * \(OtherUnitField.least.sql),
            1.0 * \(OtherUnitField.most.sql), \(OtherUnitField.meanNow.now)
        FROM \(table), json_each(\(otherUnits)) AS \(OtherUnitField.array)
        WHERE \(OtherUnitField.unit.sql) <> \(OtherUnitRow.beyond)
        """

    static let ratingView = """
        SELECT product, aspect, \(SummarySchema.scale) AS "scale", ratings, 1.0 * sum / ratings AS mean,
            CASE "scale" WHEN 0 THEN (sum + \(ProjectionLimits.priorRatings) * product_mean)
                / (ratings + \(ProjectionLimits.priorRatings)) END AS adjusted_mean,
            1.0 * top / ratings AS top_share, top_low, top_high, histogram
        FROM (
            SELECT \(SummarySchema.name(.product, "a.product")) AS product,
                \(SummarySchema.name(.aspect, "a.aspect")) AS aspect, \(ScaleField.scale.sql) AS "scale",
                \(ScaleField.count.sql) AS ratings, \(ScaleField.sum.sql) AS sum, \(ScaleField.top.sql) AS top,
                \(ScaleField.topLow.sql) AS top_low, \(ScaleField.topHigh.sql) AS top_high,
                \(ScaleField.histogram.sql) AS histogram,
                p.\(ProductColumn.ratingSum) / nullif(p.\(ProductColumn.ratingCount), 0) AS product_mean
            FROM \(table) AS a JOIN \(ProductColumn.table) AS p USING (product),
                json_each(a.\(scales)) AS \(ScaleField.array)
        )
        """

    static let usageView = """
        SELECT \(named), \(AspectField.uses.named("events")), \(AspectField.useTotal.named("total"))
        FROM \(table) WHERE \(AspectField.uses.sql) > 0
        """

    static let faultView = """
        SELECT \(named), \(SummarySchema.name(.value, FaultField.symbol.sql, label: "code")) AS code,
            \(FaultField.events.sql) AS events, \(FaultField.total.sql) AS total,
            \(FaultField.maxSeverity.sql) AS max_severity
        FROM \(table), json_each(\(codes)) AS \(FaultField.array)
        UNION ALL
        SELECT \(named), '__other__', NULL, \(AspectField.otherFaults.sql), NULL
        FROM \(table) WHERE \(AspectField.otherFaults.sql) > 0
        """
}

extension CheckpointWriter {
    func writeAspects(_ state: inout SummaryState) throws {
        var keys = state.dirty.aspects.map { slot in
            SortKey(key: SummarySchema.aspectKey(state.aspects[Int(slot)]), row: slot)
        }
        keys.sortByKey()
        try db.insertRows(of: AspectColumn.self) { columns, rows in
            try Self.addAspects(keys, &state, columns, to: &rows)
        }
    }

    private static func addAspects(
        _ keys: [SortKey], _ state: inout SummaryState, _ columns: [AspectColumn], to rows: inout RowInserter
    ) throws {
        for (index, key) in keys.enumerated() {
            if index % LinkedRows.capacity == 0 {
                state.prefetchToWrite(keys[index..<min(keys.count, index + LinkedRows.capacity)])
            }
            let slot = Int(key.row)
            state.refreshQuantiles(slot)
            let row = state.aspects[slot]
            let numbers = row.numbers.with(row.run)
            for column in columns { rows.add(column, of: key.key, row, numbers, state) }
            try rows.endRow()
        }
    }
}

extension RowInserter {
    @inline(__always)
    fileprivate mutating func add(
        _ column: AspectColumn, of key: Int64, _ row: AspectRow, _ numbers: NumberSum,
        _ state: borrowing SummaryState
    ) {
        switch column {
        case .id: add(key)
        case .product: add(row.product)
        case .aspect: add(row.aspect)
        case .unit: add(row.unit)
        case .first: add(row.first, if: row.first <= row.last)
        case .last: add(row.last, if: row.first <= row.last)
        case .counts: addCounts(row, numbers)
        case .numberSum: add(numbers.sum, if: numbers.count > 0)
        case .numberLeast: add(numbers.least, if: numbers.count > 0)
        case .numberMost: add(numbers.most, if: numbers.count > 0)
        case .p5: add(row.quantiles[0], if: row.numbering > 0)
        case .p25: add(row.quantiles[1], if: row.numbering > 0)
        case .p50: add(row.quantiles[2], if: row.numbering > 0)
        case .p75: add(row.quantiles[3], if: row.numbering > 0)
        case .p95: add(row.quantiles[4], if: row.numbering > 0)
        case .meanNow: add(row.meanNow, if: row.numbering > 0)
        case .choices: if row.choices == RowIndex.none { addNull() } else { addChoices(state, row) }
        case .codes: if row.faults == RowIndex.none { addNull() } else { addFaults(state, row) }
        case .scales: if row.ratings == RowIndex.none { addNull() } else { addRatings(state, row) }
        case .otherUnits: if row.otherUnits == RowIndex.none { addNull() } else { addOtherUnits(state, row) }
        }
    }

    private mutating func addCounts(_ row: AspectRow, _ numbers: NumberSum) {
        addArray(AspectField.self) { field, json in
            switch field {
            case .preferences, .ratings, .uses, .texts, .faults, .others:
                json.addNumber(row.kinds[field.after(.preferences)])
            case .devices: json.addNumber(row.devices)
            case .customers: json.addNumber(row.customers)
            case .choosing: json.addNumber(row.choosing)
            case .flagsOn: json.addNumber(row.flagsOn)
            case .flagsOff: json.addNumber(row.flagsOff)
            case .numbering: json.addNumber(row.numbering)
            case .otherNow: json.addNumber(row.otherNow)
            case .otherTimesSet: json.addNumber(row.otherTimesSet)
            case .changes: json.addNumber(row.changes)
            case .late: json.addNumber(row.late)
            case .numberCount: json.addNumber(numbers.count)
            // SQLite's numbers end here.
            case .useTotal: json.addNumber(min(row.useTotal, UInt64(Int64.max)))
            case .faultTotal: json.addNumber(min(row.faultTotal, UInt64(Int64.max)))
            case .maxSeverity: json.addNumber(UInt64(row.maxSeverity))
            case .otherFaults: json.addNumber(min(row.otherFaults, UInt64(Int64.max)))
            case .apartNow: json.addNumber(row.apartNow)
            }
        }
    }
}

extension SummaryReading {
    mutating func readAspects() throws {
        for row in try aspectRows() { summary.aspects.append(try aspect(row)) }
        sortAspects()
    }

    /// The rows of the product's aspects, in the order of their numbers.
    func aspectRows() throws -> [Row] {
        let isOfProduct = SummaryTables.isOfProduct(AspectColumn.id)
        return try fetch("SELECT * FROM \(AspectColumn.table) WHERE \(isOfProduct) ORDER BY \(AspectColumn.id)")
    }

    private mutating func aspect(_ row: Row) throws -> AspectSummary {
        var aspect = AspectSummary(aspect: try name(.aspect, try row.value(AspectColumn.aspect)))
        let counts = NumberArray(try row.value(AspectColumn.counts))
        aspect.kinds = try KindCounts(counts, from: AspectField.preferences)
        aspect.devices = try counts.count(AspectField.devices)
        aspect.customers = try counts.count(AspectField.customers)
        aspect.everyone = try GroupSize(counts)
        aspect.first = try row.time(AspectColumn.first)
        aspect.last = try row.time(AspectColumn.last)
        aspect.useTotal = counts.total(AspectField.useTotal)
        aspect.faultTotal = counts.total(AspectField.faultTotal)
        aspect.maxSeverity = counts.total(AspectField.maxSeverity)
        if aspect.kinds.preferences > 0 { aspect.preference = try preference(row, counts) }
        for scale in try row.arrays(AspectColumn.scales) {
            aspect.ratings.append(try rating(scale))
        }
        aspect.ratings.sort { $0.count > $1.count }
        var faults: [FaultSummary] = []
        for code in try row.arrays(AspectColumn.codes) {
            faults.append(
                FaultSummary(
                    code: try name(.value, try code.symbol(FaultField.symbol)),
                    events: try code.count(FaultField.events),
                    total: code.total(FaultField.total), maxSeverity: try code.count(FaultField.maxSeverity)))
        }
        let others = counts.total(AspectField.otherFaults)
        if others > 0 {
            faults.append(FaultSummary(code: "__other__", events: nil, total: others, maxSeverity: nil))
        }
        faults.sort { ($1.total, $0.code) < ($0.total, $1.code) }
        aspect.faults = faults
        return aspect
    }

    private mutating func preference(_ row: Row, _ counts: NumberArray) throws -> PreferenceSummary {
        var preference = PreferenceSummary()
        preference.timesSet = try counts.count(AspectField.preferences)
        preference.changes = try counts.count(AspectField.changes)
        let (on, off) = (try counts.count(AspectField.flagsOn), try counts.count(AspectField.flagsOff))
        let numbering = try counts.count(AspectField.numbering) + counts.count(AspectField.apartNow)
        let devices = try counts.count(AspectField.choosing) + numbering + on + off
        preference.devices = devices
        let whole = Double(max(1, devices))
        func add(_ value: String, _ devices: Int, _ timesSet: Int?) {
            preference.choices.append(
                ChoiceSummary(value: value, devices: devices, share: Double(devices) / whole, timesSet: timesSet))
        }
        for choice in try row.arrays(AspectColumn.choices) {
            let value = try name(.value, try choice.symbol(ChoiceField.symbol))
            add(value, try choice.count(ChoiceField.devices), try choice.count(ChoiceField.timesSet))
        }
        if on + off > 0 {
            add("true", on, nil)
            add("false", off, nil)
        }
        let (otherNow, otherTimesSet) = (
            try counts.count(AspectField.otherNow), try counts.count(AspectField.otherTimesSet)
        )
        if otherNow + otherTimesSet > 0 { add("__other__", otherNow, otherTimesSet) }
        preference.choices.sort {
            ($1.devices ?? 0, $1.timesSet ?? 0, $0.value) < ($0.devices ?? 0, $0.timesSet ?? 0, $1.value)
        }
        preference.numbers = try numbers(row, counts)
        preference.otherUnits = try otherUnits(row)
        return preference
    }

    private mutating func numbers(_ row: Row, _ counts: NumberArray) throws -> NumberSummary? {
        let count = try counts.count(AspectField.numberCount)
        guard count > 0 else { return nil }
        let (unit, devices): (UInt32, Int) = (
            try row.value(AspectColumn.unit), try counts.count(AspectField.numbering)
        )
        var numbers = NumberSummary()
        numbers.devices = devices
        numbers.unit = unit == 0 ? nil : try name(.unit, unit)
        if devices > 0 {
            numbers.quantiles = try AspectColumn.quantiles.map { try row.value($0) }
            numbers.meanNow = try row.value(AspectColumn.meanNow)
        }
        numbers.timesSet = count
        let sum: Double = try row.value(AspectColumn.numberSum)
        numbers.mean = sum / Double(count)
        numbers.least = try row.value(AspectColumn.numberLeast)
        numbers.most = try row.value(AspectColumn.numberMost)
        return numbers
    }
}

extension GroupSize {
    /// Of whom an aspect is known.
    init(_ counts: NumberArray) throws {
        self.init(
            devices: try counts.count(AspectField.devices), customers: try counts.count(AspectField.customers))
    }
}
