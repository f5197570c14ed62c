// One product's summary as CSV: one figure a line, so that a spreadsheet can pivot it.

import Events
import Projection

func summaryCSV(_ summary: ProductSummary) -> String {
    var csv = FigureLines(product: summary.product)
    for (name, count) in named(summary.kinds) { csv.add("", "events", name, count) }
    if summary.isSmall { csv.add("", "withheld", "", text: SmallGroupRule.withheld) }
    csv.add("", "devices", "", summary.devices)
    csv.add("", "customers", "", summary.customers)
    csv.addIfKnown("", "missing", summary.missing)
    csv.addIfKnown("", "duplicates", summary.duplicates)
    csv.addIfKnown("", "unfiled", summary.overflow)
    for kept in summary.quarantined ?? [] { csv.add("", "quarantined", kept.reason, kept.count) }
    if let first = summary.first { csv.add("", "first", "", text: rfc3339(first)) }
    if let last = summary.last { csv.add("", "last", "", text: rfc3339(last)) }
    for gap in WindowGap.allCases where summary.gaps.contains(gap) {
        csv.add("", "not_in_window", "", text: gap.rawValue)
    }
    if let rating = summary.rating { csv.add("", rating) }
    if summary.isRatingWithheld { csv.add("", "withheld", "rating", text: SmallGroupRule.withheld) }
    for aspect in summary.aspects { csv.add(aspect) }
    for day in summary.days {
        csv.add("", "daily.events", day.day.description, day.kinds.total)
        csv.add("", "daily.devices", day.day.description, day.devices)
        csv.add("", "daily.customers", day.day.description, day.customers)
    }
    for text in summary.texts {
        csv.add(text.aspect, "text", rfc3339(text.time), text: text.text ?? "")
        if let rating = text.rating { csv.add(text.aspect, "text.rating", rfc3339(text.time), rating) }
        if let language = text.language {
            csv.add(text.aspect, "text.language", rfc3339(text.time), text: language)
        }
    }
    return csv.text
}

private struct FigureLines {
    private let product: String
    private(set) var text = csvLine(["product", "aspect", "figure", "item", "value"])

    init(product: String) { self.product = product }

    mutating func add(_ aspect: String, _ figure: String, _ item: String, text value: String) {
        text += csvLine([product, aspect, figure, item, value])
    }

    mutating func add(_ aspect: String, _ figure: String, _ item: String, _ value: some BinaryInteger) {
        add(aspect, figure, item, text: String(value))
    }

    mutating func add(_ aspect: String, _ figure: String, _ item: String, _ value: Double) {
        add(aspect, figure, item, text: "\(value)")
    }

    mutating func addIfKnown(_ aspect: String, _ figure: String, _ value: Int?) {
        if let value { add(aspect, figure, "", value) }
    }

    mutating func add(_ aspect: String, _ rating: RatingSummary) {
        add(aspect, "rating.count", rating.scale, rating.count)
        add(aspect, "rating.mean", rating.scale, rating.mean)
        if let adjusted = rating.adjusted { add(aspect, "rating.adjusted", rating.scale, adjusted) }
        if let share = rating.topShare, let low = rating.topLow, let high = rating.topHigh {
            add(aspect, "rating.top_share", rating.scale, share)
            add(aspect, "rating.top_low", rating.scale, low)
            add(aspect, "rating.top_high", rating.scale, high)
        }
        for (index, count) in rating.histogram.enumerated() {
            add(aspect, "rating.histogram", "\(rating.scale)[\(index)]", count)
        }
    }

    mutating func add(_ aspect: AspectSummary) {
        let name = aspect.aspect
        for (kind, count) in named(aspect.kinds) where count > 0 { add(name, "events", kind, count) }
        addIfKnown(name, "devices", aspect.devices)
        addIfKnown(name, "customers", aspect.customers)
        if aspect.isSmall { return add(name, "withheld", "", text: SmallGroupRule.withheld) }
        if let preference = aspect.preference { add(name, preference) }
        for rating in aspect.ratings { add(name, rating) }
        if aspect.kinds.uses > 0 { add(name, "use.total", "", aspect.useTotal) }
        guard aspect.kinds.faults > 0 else { return }
        add(name, "fault.all", "", aspect.faultTotal)
        addIfKnown(name, "fault.max_severity", aspect.maxSeverity)
        for fault in aspect.faults ?? [] { add(name, "fault.total", fault.code, fault.total) }
    }

    private mutating func add(_ name: String, _ preference: PreferenceSummary) {
        addIfKnown(name, "preference.moves", preference.changes)
        addIfKnown(name, "preference.all_devices", preference.devices)
        for choice in preference.choices {
            if let devices = choice.devices { add(name, "preference.devices", choice.value, devices) }
            add(name, "preference.share", choice.value, choice.share)
            if let sets = choice.timesSet { add(name, "preference.sets", choice.value, sets) }
        }
        if let numbers = preference.numbers {
            if let unit = numbers.unit { add(name, "number", "unit", text: unit) }
            if let devices = numbers.devices { add(name, "number", "devices", devices) }
            for figure in numbers.figuresNow { add(name, "number", figure.name, figure.value) }
            add(name, "number", "mean", numbers.mean)
            add(name, "number", "min", numbers.least)
            add(name, "number", "max", numbers.most)
        }
        for numbers in preference.otherUnits {
            let unit = numbers.unit ?? ""
            if let devices = numbers.devices { add(name, "other_unit.devices", unit, devices) }
            for figure in numbers.figuresNow { add(name, "other_unit.\(figure.name)", unit, figure.value) }
            add(name, "other_unit.mean", unit, numbers.mean)
            add(name, "other_unit.min", unit, numbers.least)
            add(name, "other_unit.max", unit, numbers.most)
        }
    }
}
