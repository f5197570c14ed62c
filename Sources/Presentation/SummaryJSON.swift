// One product's summary as JSON; scripts/reference_summary.py prints the same keys.

import Events
import Projection

func summaryJSON(_ summary: ProductSummary) -> String {
    var json = JSONText()
    json.object { json in
        json.add("product", summary.product)
        json.add("offset", summary.position.offset.rawValue)
        json.add("updated", summary.position.updated)
        if let window = summary.window {
            json.add("since", window.lowerBound.description)
            json.add("until", window.upperBound.description)
        }
        json.add("events", summary.kinds.total)
        addKinds(summary.kinds, to: &json)
        json.add("devices", summary.devices)
        json.add("customers", summary.customers)
        json.add("exact", summary.isExact)
        json.object("quarantined") { json in
            for kept in summary.quarantined { json.add(kept.reason, kept.count) }
        }
        json.add("missing", summary.missing)
        json.add("duplicates", summary.duplicates)
        json.add("first", summary.first)
        json.add("last", summary.last)
        if let rating = summary.rating { json.object("rating") { add(rating, to: &$0) } }
        json.array("aspects") { json in
            for aspect in summary.aspects { json.object { add(aspect, to: &$0) } }
        }
        json.array("texts") { json in
            for text in summary.texts { json.object { add(text, to: &$0) } }
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
    return json.text + "\n"
}

private func add(_ aspect: AspectSummary, to json: inout JSONText) {
    json.add("aspect", aspect.aspect)
    json.add("events", aspect.kinds.total)
    addKinds(aspect.kinds, to: &json)
    if let devices = aspect.devices { json.add("devices", devices) }
    if let customers = aspect.customers { json.add("customers", customers) }
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
        json.add("max_severity", aspect.maxSeverity)
        json.array("codes") { json in
            for fault in aspect.faults {
                json.object { json in
                    json.add("code", fault.code)
                    json.add("events", fault.events)
                    json.add("total", fault.total)
                    json.add("max_severity", fault.maxSeverity)
                }
            }
        }
    }
}

private func add(_ preference: PreferenceSummary, to json: inout JSONText) {
    json.add("sets", preference.sets)
    json.add("moves", preference.moves)
    json.add("devices", preference.devices)
    json.array("choices") { json in
        for choice in preference.choices {
            json.object { json in
                json.add("value", choice.value)
                if let devices = choice.devices { json.add("devices", devices) }
                json.add("share", choice.share)
                if let sets = choice.sets { json.add("sets", sets) }
            }
        }
    }
    guard let numbers = preference.numbers else { return }
    json.object("numbers") { json in
        json.add("devices", numbers.devices)
        json.add("unit", numbers.unit)
        for (name, value) in zip(["p5", "p25", "p50", "p75", "p95"], numbers.quantiles) { json.add(name, value) }
        json.add("sets", numbers.sets)
        json.add("mean", numbers.mean)
        json.add("min", numbers.least)
        json.add("max", numbers.most)
    }
}

private func add(_ rating: RatingSummary, to json: inout JSONText) {
    json.add("scale", rating.scale)
    json.add("count", rating.count)
    json.add("mean", rating.mean)
    if let adjusted = rating.adjusted { json.add("adjusted", adjusted) }
    json.add("top_share", rating.topShare)
    json.add("top_low", rating.topLow)
    json.add("top_high", rating.topHigh)
    json.array("histogram") { json in
        for count in rating.histogram { json.add(nil, count) }
    }
}

private func add(_ text: FeedbackText, to json: inout JSONText) {
    json.add("offset", text.offset.rawValue)
    json.add("time", text.time)
    json.add("aspect", text.aspect)
    json.add("language", text.language)
    json.add("rating", text.rating)
    json.add("text", text.text)
}
