// One product's summary as JSON; scripts/reference_summary.py prints the same keys.

import Events
import Projection

func summaryJSON(_ summary: ProductSummary) -> String {
    JSONWriter.line { json in
        json.add("product", summary.product)
        addPosition(summary.position, to: &json)
        if let window = summary.window {
            if let since = window.since { json.add("since", since.description) }
            if let until = window.until { json.add("until", until.description) }
            json.array("not_in_window") { json in
                for gap in WindowGap.allCases where summary.gaps.contains(gap) { json.add(nil, gap.rawValue) }
            }
        }
        if summary.isSmall { json.add("withheld", SmallGroupRule.withheld) }
        json.add("events", summary.kinds.total)
        addKinds(summary.kinds, to: &json)
        json.add("devices", summary.devices)
        json.add("customers", summary.customers)
        json.add("exact", summary.isExact)
        if let quarantined = summary.quarantined {
            json.object("quarantined") { json in
                for kept in quarantined { json.add(kept.reason, kept.count) }
            }
        }
        json.addIfKnown("missing", summary.missing)
        json.addIfKnown("duplicates", summary.duplicates)
        json.addIfKnown("unfiled", summary.overflow)
        if !summary.isSmall, !summary.gaps.contains(.first) { json.add("first", summary.first) }
        if !summary.isSmall, !summary.gaps.contains(.last) { json.add("last", summary.last) }
        if let rating = summary.rating { json.object("rating") { add(rating, to: &$0) } }
        if summary.isRatingWithheld { json.object("rating") { $0.add("withheld", SmallGroupRule.withheld) } }
        json.array("aspects") { json in
            for aspect in summary.aspects { json.object { add(aspect, to: &$0) } }
        }
        if !summary.isSmall {
            json.array("texts") { json in
                for text in summary.texts { json.object { add(text, to: &$0) } }
            }
        }
        json.array("days") { json in
            for day in summary.days {
                json.object { json in
                    json.add("day", day.day.description)
                    json.add("events", day.kinds.total)
                    addKinds(day.kinds, to: &json)
                    json.add("devices", day.devices)
                    json.add("customers", day.customers)
                }
            }
        }
    }
}

private func add(_ aspect: AspectSummary, to json: inout JSONWriter) {
    json.add("aspect", aspect.aspect)
    if aspect.isSmall { json.add("withheld", SmallGroupRule.withheld) }
    json.add("events", aspect.kinds.total)
    addKinds(aspect.kinds, to: &json)
    json.addIfKnown("devices", aspect.devices)
    json.addIfKnown("customers", aspect.customers)
    if aspect.isSmall { return }
    if let first = aspect.first { json.add("first", first) }
    if let last = aspect.last { json.add("last", last) }
    if let preference = aspect.preference { json.object("preference") { add(preference, to: &$0) } }
    json.array("ratings") { json in
        for rating in aspect.ratings { json.object { add(rating, to: &$0) } }
    }
    json.object("use") { json in
        json.add("events", aspect.kinds.uses)
        json.add("total", aspect.useTotal)
    }
    json.object("faults") { json in
        json.add("events", aspect.kinds.faults)
        json.add("total", aspect.faultTotal)
        json.addIfKnown("max_severity", aspect.maxSeverity)
        guard let faults = aspect.faults else { return }
        json.array("codes") { json in
            for fault in faults {
                json.object { json in
                    json.add("code", fault.code)
                    json.addIfKnown("events", fault.events)
                    json.add("total", fault.total)
                    json.addIfKnown("max_severity", fault.maxSeverity)
                }
            }
        }
    }
}

private func add(_ preference: PreferenceSummary, to json: inout JSONWriter) {
    json.add("sets", preference.timesSet)
    json.addIfKnown("moves", preference.changes)
    json.addIfKnown("devices", preference.devices)
    if !preference.choices.isEmpty || preference.flagTimesSet == 0 {
        json.array("choices") { json in
            for choice in preference.choices { json.object { add(choice, to: &$0) } }
        }
    }
    if let numbers = preference.numbers { json.object("numbers") { add(numbers, to: &$0) } }
    if !preference.otherUnits.isEmpty {
        json.array("other_units") { json in
            for numbers in preference.otherUnits { json.object { add(numbers, to: &$0) } }
        }
    }
}

private func add(_ numbers: NumberSummary, to json: inout JSONWriter) {
    json.addIfKnown("devices", numbers.devices)
    json.add("unit", numbers.unit)
    for (name, value) in numbers.figuresNow { json.add(name, value) }
    json.add("sets", numbers.timesSet)
    json.add("mean", numbers.mean)
    json.add("min", numbers.least)
    json.add("max", numbers.most)
}

private func add(_ choice: ChoiceSummary, to json: inout JSONWriter) {
    json.add("value", choice.value)
    json.addIfKnown("devices", choice.devices)
    json.add("share", choice.share)
    json.addIfKnown("sets", choice.timesSet)
}

private func add(_ rating: RatingSummary, to json: inout JSONWriter) {
    json.add("scale", rating.scale)
    json.add("count", rating.count)
    json.add("mean", rating.mean)
    if let adjusted = rating.adjusted { json.add("adjusted", adjusted) }
    if let share = rating.topShare, let low = rating.topLow, let high = rating.topHigh {
        json.add("top_share", share)
        json.add("top_low", low)
        json.add("top_high", high)
    }
    json.array("histogram") { json in
        for count in rating.histogram { json.add(nil, count) }
    }
}

private func add(_ text: FeedbackText, to json: inout JSONWriter) {
    json.add("offset", text.offset.rawValue)
    json.add("time", text.time)
    json.add("aspect", text.aspect)
    json.add("language", text.language)
    json.add("rating", text.rating)
    json.add("text", text.text)
}
