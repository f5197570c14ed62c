// The table of aspects: its columns, what stands in them, the views of it, and how it is read back.

import Events
import GRDB
import SQLiteRows

/// The columns of `fold_slot`: by (product, aspect) the row of `fold_aspect`.
enum SlotColumn: String, TableColumn {
    static let table = "fold_slot"

    case id
    case slot

    var type: ColumnType { self == .id ? .key : .integer }
}

/// The columns of `fold_aspect`, a row for each aspect of a product.
enum AspectColumn: String, TableColumn {
    static let table = "fold_aspect"

    case slot
    case product
    case aspect
    case unit
    case events
    case preferences
    case ratings
    case uses
    case texts
    case faults
    case others
    case first = "first_ms"
    case last = "last_ms"
    case devices
    case customers
    case choosing
    case flagsOn = "flags_on"
    case flagsOff = "flags_off"
    case numbering
    case otherNow = "other_now"
    case otherSets = "other_sets"
    case moves
    case late
    case numberCount = "number_count"
    case numberSum = "number_sum"
    case numberLeast = "number_min"
    case numberMost = "number_max"
    case p5
    case p25
    case p50
    case p75
    case p95
    case meanNow = "mean_now"
    case useTotal = "use_total"
    case faultTotal = "fault_total"
    case maxSeverity = "max_severity"
    case otherFaults = "other_faults"
    case choices
    case codes = "fault_codes"
    case scales = "rating_scales"

    var type: ColumnType {
        switch self {
        case .slot: .key
        case .numberSum, .numberLeast, .numberMost, .p5, .p25, .p50, .p75, .p95, .meanNow: .real
        case .choices, .codes, .scales: .text
        default: .integer
        }
    }

    static let quantiles = [p5, p25, p50, p75, p95]
}

/// An array of `AspectColumn.choices`.
enum ChoicePlace: Int, ArrayPlace {
    case word
    case devices
    case sets
}

/// An array of `AspectColumn.codes`.
enum FaultPlace: Int, ArrayPlace {
    case word
    case events
    case total
    case maxSeverity
}

/// An array of `AspectColumn.scales`.
enum ScalePlace: Int, ArrayPlace {
    case scale
    case count
    case sum
    case top
    case topLow
    case topHigh
    /// An array.
    case histogram
}

extension AspectColumn {
    private static let named = "\(SummarySchema.product), \(SummarySchema.aspect)"
    private static let now = "(\(choosing) + \(flagsOn) + \(flagsOff) + \(numbering))"

    static let summaryView = """
        SELECT \(named), \(events), \(SummarySchema.kinds), \(devices), \(customers),
            \(SummarySchema.time(first)) AS first_time, \(SummarySchema.time(last)) AS last_time,
            \(now) AS devices_with_preference, \(moves), \(late), \(useTotal), \(faultTotal), \(maxSeverity)
        FROM \(table)
        """

    static let preferenceView = """
        SELECT \(named), \(SummarySchema.name(.value, ChoicePlace.word.sql)) AS value,
            \(ChoicePlace.devices.sql) AS devices_now,
            1.0 * \(ChoicePlace.devices.sql) / nullif(\(now), 0) AS share, \(ChoicePlace.sets.sql) AS sets
        FROM \(table), json_each(\(choices)) AS \(ChoicePlace.array)
        UNION ALL
        SELECT \(named), '__other__', \(otherNow), 1.0 * \(otherNow) / nullif(\(now), 0), \(otherSets)
        FROM \(table) WHERE \(otherNow) + \(otherSets) > 0
        UNION ALL
        SELECT \(named), 'true', \(flagsOn), 1.0 * \(flagsOn) / nullif(\(now), 0), NULL
        FROM \(table) WHERE \(flagsOn) > 0
        UNION ALL
        SELECT \(named), 'false', \(flagsOff), 1.0 * \(flagsOff) / nullif(\(now), 0), NULL
        FROM \(table) WHERE \(flagsOff) > 0
        """

    static let numericView = """
        SELECT \(named), \(SummarySchema.unit), \(numbering) AS devices_now, \(p5), \(p25), \(p50), \(p75), \(p95),
            \(numberCount) AS sets, \(numberSum) / \(numberCount) AS mean, \(numberLeast) AS least,
            \(numberMost) AS most, \(meanNow)
        FROM \(table) WHERE \(numberCount) > 0
        """

    static let ratingView = """
        SELECT product, aspect, \(SummarySchema.scale) AS "scale", ratings, 1.0 * sum / ratings AS mean,
            CASE "scale" WHEN 0 THEN (sum + \(ProjectionLimits.priorRatings) * product_mean)
                / (ratings + \(ProjectionLimits.priorRatings)) END AS adjusted_mean,
            1.0 * top / ratings AS top_share, top_low, top_high, histogram
        FROM (
            SELECT \(SummarySchema.name(.product, "a.product")) AS product,
                \(SummarySchema.name(.aspect, "a.aspect")) AS aspect, \(ScalePlace.scale.sql) AS "scale",
                \(ScalePlace.count.sql) AS ratings, \(ScalePlace.sum.sql) AS sum, \(ScalePlace.top.sql) AS top,
                \(ScalePlace.topLow.sql) AS top_low, \(ScalePlace.topHigh.sql) AS top_high,
                \(ScalePlace.histogram.sql) AS histogram,
                p.\(ProductColumn.ratingSum) / nullif(p.\(ProductColumn.ratingCount), 0) AS product_mean
            FROM \(table) AS a JOIN \(ProductColumn.table) AS p USING (product),
                json_each(a.\(scales)) AS \(ScalePlace.array)
        )
        """

    static let usageView = """
        SELECT \(named), \(uses) AS events, \(useTotal) AS total FROM \(table) WHERE \(uses) > 0
        """

    static let faultView = """
        SELECT \(named), \(SummarySchema.name(.value, FaultPlace.word.sql, label: "code")) AS code,
            \(FaultPlace.events.sql) AS events, \(FaultPlace.total.sql) AS total,
            \(FaultPlace.maxSeverity.sql) AS max_severity
        FROM \(table), json_each(\(codes)) AS \(FaultPlace.array)
        UNION ALL
        SELECT \(named), '__other__', NULL, \(otherFaults), NULL FROM \(table) WHERE \(otherFaults) > 0
        """
}

extension CheckpointWriter {
    func writeSlots(_ state: borrowing SummaryState) throws {
        try db.insertRows(of: SlotColumn.self) { columns, rows in try Self.addSlots(state, columns, to: &rows) }
    }

    private static func addSlots(
        _ state: borrowing SummaryState, _ columns: [SlotColumn], to rows: inout RowInserter
    ) throws {
        for slot in state.changes.firstNewSlot..<state.aspects.count {
            for column in columns {
                switch column {
                case .id: rows.add(SummarySchema.slotKey(state.aspects[slot]))
                case .slot: rows.add(UInt64(slot))
                }
            }
            try rows.endRow()
        }
    }

    func writeAspects(_ state: inout SummaryState) throws {
        try db.insertRows(of: AspectColumn.self) { columns, rows in try Self.addAspects(&state, columns, to: &rows) }
    }

    private static func addAspects(
        _ state: inout SummaryState, _ columns: [AspectColumn], to rows: inout RowInserter
    ) throws {
        // In order since they were settled.
        let slots = state.changes.aspects
        for (place, slot) in slots.enumerated() {
            if place % Chains.capacity == 0 {
                state.prefetchToWrite(slots[place..<min(slots.count, place + Chains.capacity)])
            }
            state.refreshQuantiles(Int(slot))
            let row = state.aspects[Int(slot)]
            let numbers = row.numbers.with(row.stint)
            for column in columns { rows.add(column, of: slot, row, numbers, state) }
            try rows.endRow()
        }
    }
}

extension RowInserter {
    @inline(__always)
    fileprivate mutating func add(
        _ column: AspectColumn, of slot: UInt32, _ row: borrowing AspectRow, _ numbers: NumberSum,
        _ state: borrowing SummaryState
    ) {
        switch column {
        case .slot: add(slot)
        case .product: add(row.product)
        case .aspect: add(row.aspect)
        case .unit: add(row.unit)
        case .events: add(row.kinds.total)
        case .preferences: add(row.kinds.preferences)
        case .ratings: add(row.kinds.ratings)
        case .uses: add(row.kinds.uses)
        case .texts: add(row.kinds.texts)
        case .faults: add(row.kinds.faults)
        case .others: add(row.kinds.others)
        case .first: add(row.first, if: row.first <= row.last)
        case .last: add(row.last, if: row.first <= row.last)
        case .devices: add(row.devices)
        case .customers: add(row.customers)
        case .choosing: add(row.choosing)
        case .flagsOn: add(row.flagsOn)
        case .flagsOff: add(row.flagsOff)
        case .numbering: add(row.numbering)
        case .otherNow: add(row.otherNow)
        case .otherSets: add(row.otherSets)
        case .moves: add(row.moves)
        case .late: add(row.late)
        case .numberCount: add(numbers.count)
        case .numberSum: add(numbers.sum, if: numbers.count > 0)
        case .numberLeast: add(numbers.least, if: numbers.count > 0)
        case .numberMost: add(numbers.most, if: numbers.count > 0)
        case .p5: add(row.quantiles[0], if: row.numbering > 0)
        case .p25: add(row.quantiles[1], if: row.numbering > 0)
        case .p50: add(row.quantiles[2], if: row.numbering > 0)
        case .p75: add(row.quantiles[3], if: row.numbering > 0)
        case .p95: add(row.quantiles[4], if: row.numbering > 0)
        case .meanNow: add(row.meanNow, if: row.numbering > 0)
        case .useTotal: add(row.useTotal)
        case .faultTotal: add(row.faultTotal)
        case .maxSeverity: add(UInt64(row.maxSeverity))
        case .otherFaults: add(row.otherFaults)
        case .choices: addChoices(state, row)
        case .codes: addFaults(state, row)
        case .scales: addRatings(state, row)
        }
    }

    private mutating func addChoices(_ state: borrowing SummaryState, _ row: borrowing AspectRow) {
        addArrays(row.words, of: state.choices, ChoicePlace.self) { choice, place, json in
            switch place {
            case .word: json.addNumber(UInt64(choice.word))
            case .devices: json.addNumber(choice.now)
            case .sets: json.addNumber(choice.sets)
            }
        }
    }

    private mutating func addFaults(_ state: borrowing SummaryState, _ row: borrowing AspectRow) {
        addArrays(row.faults, of: state.faults, FaultPlace.self) { fault, place, json in
            switch place {
            case .word: json.addNumber(UInt64(fault.word))
            case .events: json.addNumber(fault.events)
            case .total: json.addNumber(fault.times)
            case .maxSeverity: json.addNumber(UInt64(fault.severity))
            }
        }
    }

    private mutating func addRatings(_ state: borrowing SummaryState, _ row: borrowing AspectRow) {
        addArrays(row.ratings, of: state.ratings, ScalePlace.self, more: RatingRow.places) { rating, place, json in
            switch place {
            case .scale: json.addNumber(UInt64(rating.scale))
            case .count: json.addNumber(rating.count)
            case .sum: json.addNumber(rating.sum)
            case .top: json.addNumber(rating.top)
            case .topLow: json.addNumber(wilsonBounds(rating.top, of: rating.count).low)
            case .topHigh: json.addNumber(wilsonBounds(rating.top, of: rating.count).high)
            case .histogram:
                json.openArray()
                for place in 0..<histogramPlaces(rating.scale) { json.addNumber(rating.histogram[place]) }
                json.closeArray()
            }
        }
    }
}

extension SummaryReading {
    mutating func readAspects() throws {
        let sql = """
            SELECT a.* FROM \(SlotColumn.table) AS s JOIN \(AspectColumn.table) AS a USING (\(AspectColumn.slot))
            WHERE \(SummaryTables.isOfProduct(SlotColumn.id))
            """
        for row in try fetch(sql) { summary.aspects.append(try aspect(row)) }
        sortAspects()
    }

    private mutating func aspect(_ row: Row) throws -> AspectSummary {
        var aspect = AspectSummary(aspect: try name(.aspect, try row.value(AspectColumn.aspect)))
        aspect.kinds = try KindCounts(row)
        aspect.devices = try row.count(AspectColumn.devices)
        aspect.customers = try row.count(AspectColumn.customers)
        aspect.first = try row.time(AspectColumn.first)
        aspect.last = try row.time(AspectColumn.last)
        aspect.useTotal = try row.total(AspectColumn.useTotal)
        aspect.faultTotal = try row.total(AspectColumn.faultTotal)
        aspect.maxSeverity = try row.total(AspectColumn.maxSeverity)
        if aspect.kinds.preferences > 0 { aspect.preference = try preference(row) }
        for scale in NumberArray(try row.value(AspectColumn.scales)).arrays {
            aspect.ratings.append(try rating(scale))
        }
        aspect.ratings.sort { $0.count > $1.count }
        var faults: [FaultSummary] = []
        for code in NumberArray(try row.value(AspectColumn.codes)).arrays {
            faults.append(
                FaultSummary(
                    code: try name(.value, try code.word(FaultPlace.word)), events: try code.count(FaultPlace.events),
                    total: code.total(FaultPlace.total), maxSeverity: try code.count(FaultPlace.maxSeverity)))
        }
        let others = try row.total(AspectColumn.otherFaults)
        if others > 0 {
            faults.append(FaultSummary(code: "__other__", events: nil, total: others, maxSeverity: nil))
        }
        faults.sort { ($1.total, $0.code) < ($0.total, $1.code) }
        aspect.faults = faults
        return aspect
    }

    private mutating func preference(_ row: Row) throws -> PreferenceSummary {
        var preference = PreferenceSummary()
        preference.sets = try row.count(AspectColumn.preferences)
        preference.moves = try row.count(AspectColumn.moves)
        let (on, off) = (try row.count(AspectColumn.flagsOn), try row.count(AspectColumn.flagsOff))
        let devices = try row.count(AspectColumn.choosing) + row.count(AspectColumn.numbering) + on + off
        preference.devices = devices
        let whole = Double(max(1, devices))
        func add(_ value: String, _ devices: Int, _ sets: Int?) {
            preference.choices.append(
                ChoiceSummary(value: value, devices: devices, share: Double(devices) / whole, sets: sets))
        }
        for choice in NumberArray(try row.value(AspectColumn.choices)).arrays {
            let word = try name(.value, try choice.word(ChoicePlace.word))
            add(word, try choice.count(ChoicePlace.devices), try choice.count(ChoicePlace.sets))
        }
        if on + off > 0 {
            add("true", on, nil)
            add("false", off, nil)
        }
        let (otherNow, otherSets) = (try row.count(AspectColumn.otherNow), try row.count(AspectColumn.otherSets))
        if otherNow + otherSets > 0 { add("__other__", otherNow, otherSets) }
        preference.choices.sort {
            ($1.devices ?? 0, $1.sets ?? 0, $0.value) < ($0.devices ?? 0, $0.sets ?? 0, $1.value)
        }
        preference.numbers = try numbers(row)
        return preference
    }

    private mutating func numbers(_ row: Row) throws -> NumberSummary? {
        let count = try row.count(AspectColumn.numberCount)
        guard count > 0 else { return nil }
        let (unit, devices): (UInt32, Int) = (try row.value(AspectColumn.unit), try row.count(AspectColumn.numbering))
        var numbers = NumberSummary()
        numbers.devices = devices
        numbers.unit = unit == 0 ? nil : try name(.unit, unit)
        if devices > 0 {
            numbers.quantiles = try AspectColumn.quantiles.map { try row.value($0) }
            numbers.meanNow = try row.value(AspectColumn.meanNow)
        }
        numbers.sets = count
        let sum: Double = try row.value(AspectColumn.numberSum)
        numbers.mean = sum / Double(count)
        numbers.least = try row.value(AspectColumn.numberLeast)
        numbers.most = try row.value(AspectColumn.numberMost)
        return numbers
    }

    private func rating(_ scale: NumberArray) throws -> RatingSummary {
        let (number, count) = (try scale.count(ScalePlace.scale), try scale.count(ScalePlace.count))
        let sum = scale.number(ScalePlace.sum)
        let whole = Double(max(1, count))
        var adjusted: Double?
        if number == 0, let overall = summary.rating {
            let prior = Double(ProjectionLimits.priorRatings)
            adjusted = (sum + prior * overall.mean) / (whole + prior)
        }
        return RatingSummary(
            scale: SummarySchema.scaleName(number), count: count, mean: sum / whole, adjusted: adjusted,
            topShare: scale.number(ScalePlace.top) / whole, topLow: scale.number(ScalePlace.topLow),
            topHigh: scale.number(ScalePlace.topHigh), histogram: try scale.arrays.first?.counts() ?? [])
    }
}
