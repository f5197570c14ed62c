// The lists within the row of an aspect: what stands in each, in which order, and how it is read back.

import Events
import SQLite

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

extension RowInserter {
    mutating func addChoices(_ state: borrowing SummaryState, _ row: borrowing AspectRow) {
        addArrays(row.words, of: state.choices, ChoicePlace.self) { choice, place, json in
            switch place {
            case .word: json.addNumber(UInt64(choice.word))
            case .devices: json.addNumber(choice.now)
            case .sets: json.addNumber(choice.sets)
            }
        }
    }

    mutating func addFaults(_ state: borrowing SummaryState, _ row: borrowing AspectRow) {
        addArrays(row.faults, of: state.faults, FaultPlace.self) { fault, place, json in
            switch place {
            case .word: json.addNumber(UInt64(fault.word))
            case .events: json.addNumber(fault.events)
            case .total: json.addNumber(fault.times)
            case .maxSeverity: json.addNumber(UInt64(fault.severity))
            }
        }
    }

    mutating func addRatings(_ state: borrowing SummaryState, _ row: borrowing AspectRow) {
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
    func rating(_ scale: NumberArray) throws -> RatingSummary {
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
