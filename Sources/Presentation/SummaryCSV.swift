// One product's summary as CSV: one figure a line, so that a spreadsheet can pivot it.

import Events
import Projection

func summaryCSV(_ summary: ProductSummary) -> String {
    var csv = FigureLines(product: summary.product)
    for (name, count) in named(summary.kinds) { csv.add("", "events", name, count) }
    csv.add("", "devices", "", summary.devices)
    csv.add("", "customers", "", summary.customers)
    csv.add("", "missing", "", summary.missing)
    for kept in summary.quarantined { csv.add("", "quarantined", kept.reason, kept.count) }
    if let rating = summary.rating { csv.add("", rating) }
    for aspect in summary.aspects { csv.add(aspect) }
    for day in summary.days {
        csv.add("", "daily.events", day.day.description, day.kinds.total)
        csv.add("", "daily.devices", day.day.description, day.devices)
        csv.add("", "daily.customers", day.day.description, day.customers)
    }
    for text in summary.texts { csv.add(text.aspect, "text", rfc3339(text.time), text: text.text) }
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

    mutating func add(_ aspect: String, _ rating: RatingSummary) {
        add(aspect, "rating.count", rating.scale, rating.count)
        add(aspect, "rating.mean", rating.scale, rating.mean)
        if let adjusted = rating.adjusted { add(aspect, "rating.adjusted", rating.scale, adjusted) }
        add(aspect, "rating.top_low", rating.scale, rating.topLow)
        add(aspect, "rating.top_high", rating.scale, rating.topHigh)
        for (place, count) in rating.histogram.enumerated() {
            add(aspect, "rating.histogram", "\(rating.scale)[\(place)]", count)
        }
    }

    mutating func add(_ aspect: AspectSummary) {
        let name = aspect.aspect
        for (kind, count) in named(aspect.kinds) where count > 0 { add(name, "events", kind, count) }
        if let devices = aspect.devices { add(name, "devices", "", devices) }
        if let customers = aspect.customers { add(name, "customers", "", customers) }
        for choice in aspect.preference?.choices ?? [] {
            if let devices = choice.devices { add(name, "preference.devices", choice.value, devices) }
            add(name, "preference.share", choice.value, choice.share)
            if let sets = choice.sets { add(name, "preference.sets", choice.value, sets) }
        }
        if let numbers = aspect.preference?.numbers {
            for (place, value) in zip(["p5", "p25", "p50", "p75", "p95"], numbers.quantiles) {
                add(name, "number", place, value)
            }
            add(name, "number", "mean", numbers.mean)
            add(name, "number", "min", numbers.least)
            add(name, "number", "max", numbers.most)
        }
        for rating in aspect.ratings { add(name, rating) }
        if aspect.kinds.uses > 0 { add(name, "use.total", "", aspect.useTotal) }
        for fault in aspect.faults { add(name, "fault.total", fault.code, fault.total) }
    }
}
