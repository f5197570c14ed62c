// The lists within the row of an aspect: what stands in each, in which order, and how it is read back.

import Events
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
