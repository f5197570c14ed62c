// The lists within the row of an aspect: what stands in each, in which order, and how it is read back.

import Events
import GRDB
import SQLite

/// An array of `AspectColumn.choices`.
enum ChoiceField: Int, ArrayField {
    case symbol
    case devices
    case timesSet
}

/// An array of `AspectColumn.codes`.
enum FaultField: Int, ArrayField {
    case symbol
    case events
    case total
    case maxSeverity
}

/// An array of `AspectColumn.scales`.
enum ScaleField: Int, ArrayField {
    case scale
    case count
    case sum
    case top
    case topLow
    case topHigh
    /// An array.
    case histogram
}

/// An array of `AspectColumn.otherUnits`.
enum OtherUnitField: Int, ArrayField {
    case unit
    case devices
    case count
    case sum
    case least
    case most
    case meanNow
    case p5
    case p25
    case p50
    case p75
    case p95

    static let quantiles = [p5, p25, p50, p75, p95]

    /// What is said of the numbers that devices hold now, in SQL; NULL when none does.
    var now: String { "CASE WHEN \(Self.devices.sql) > 0 THEN 1.0 * \(sql) END" }
}

extension RowInserter {
    mutating func addChoices(_ state: borrowing SummaryState, _ row: borrowing AspectRow) {
        addArrays(row.choices, of: state.choices, ChoiceField.self) { choice, field, json in
            switch field {
            case .symbol: json.addNumber(UInt64(choice.symbol))
            case .devices: json.addNumber(choice.now)
            case .timesSet: json.addNumber(choice.timesSet)
            }
        }
    }

    mutating func addFaults(_ state: borrowing SummaryState, _ row: borrowing AspectRow) {
        addArrays(row.faults, of: state.faults, FaultField.self) { fault, field, json in
            switch field {
            case .symbol: json.addNumber(UInt64(fault.symbol))
            case .events: json.addNumber(fault.events)
            case .total: json.addNumber(fault.times)
            case .maxSeverity: json.addNumber(UInt64(fault.severity))
            }
        }
    }

    mutating func addOtherUnits(_ state: borrowing SummaryState, _ row: borrowing AspectRow) {
        addArrays(row.otherUnits, of: state.otherUnits, OtherUnitField.self) { row, field, json in
            let isEmpty = row.unit == OtherUnitRow.beyond
            switch field {
            case .unit: json.addNumber(UInt64(row.unit))
            case .devices: json.addNumber(row.numbering)
            case .count: json.addNumber(row.numbers.count)
            case .sum: json.addNumber(row.numbers.sum)
            case .least: json.addNumber(isEmpty ? 0 : row.numbers.least)
            case .most: json.addNumber(isEmpty ? 0 : row.numbers.most)
            case .meanNow: json.addNumber(row.meanNow)
            case .p5, .p25, .p50, .p75, .p95: json.addNumber(row.quantiles[field.after(.p5)])
            }
        }
    }

    mutating func addRatings(_ state: borrowing SummaryState, _ row: borrowing AspectRow) {
        addArrays(row.ratings, of: state.ratings, ScaleField.self, more: RatingRow.mostBuckets) { rating, field, json in
            switch field {
            case .scale: json.addNumber(UInt64(rating.scale))
            case .count: json.addNumber(rating.count)
            case .sum: json.addNumber(rating.sum)
            case .top: json.addNumber(rating.top)
            case .topLow: json.addNumber(wilsonBounds(rating.top, of: rating.count).low)
            case .topHigh: json.addNumber(wilsonBounds(rating.top, of: rating.count).high)
            case .histogram:
                json.openArray()
                for bucket in 0..<histogramBuckets(rating.scale) { json.addNumber(rating.histogram[bucket]) }
                json.closeArray()
            }
        }
    }
}

extension SummaryReading {
    /// The numbers that are kept apart by their unit, those of most devices first.
    mutating func otherUnits(_ row: Row) throws -> [NumberSummary] {
        var all: [NumberSummary] = []
        for unit in try row.arrays(AspectColumn.otherUnits) {
            let (symbol, count) = (try unit.symbol(OtherUnitField.unit), try unit.count(OtherUnitField.count))
            guard symbol != OtherUnitRow.beyond, count > 0 else { continue }
            let devices = try unit.count(OtherUnitField.devices)
            var numbers = NumberSummary()
            numbers.devices = devices
            numbers.unit = try name(.unit, symbol)
            if devices > 0 {
                numbers.quantiles = OtherUnitField.quantiles.map { unit.number($0) }
                numbers.meanNow = unit.number(OtherUnitField.meanNow)
            }
            numbers.timesSet = count
            numbers.mean = unit.number(OtherUnitField.sum) / Double(count)
            numbers.least = unit.number(OtherUnitField.least)
            numbers.most = unit.number(OtherUnitField.most)
            all.append(numbers)
        }
        return all.sorted { ($1.devices ?? 0, $0.unit ?? "") < ($0.devices ?? 0, $1.unit ?? "") }
    }

    func rating(_ scale: NumberArray) throws -> RatingSummary {
        let (number, count) = (try scale.count(ScaleField.scale), try scale.count(ScaleField.count))
        let sum = scale.number(ScaleField.sum)
        let whole = Double(max(1, count))
        var adjusted: Double?
        if number == 0, let overall = summary.rating {
            let prior = Double(ProjectionLimits.priorRatings)
            adjusted = (sum + prior * overall.mean) / (whole + prior)
        }
        return RatingSummary(
            scale: SummarySchema.scaleName(number), count: count, mean: sum / whole, adjusted: adjusted,
            topShare: scale.number(ScaleField.top) / whole, topLow: scale.number(ScaleField.topLow),
            topHigh: scale.number(ScaleField.topHigh), histogram: try scale.arrays.first?.counts() ?? [])
    }
}
