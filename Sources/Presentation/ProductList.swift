// The list of products.

import Events
package import Projection

/// All products with their totals.
package func renderProducts(
    _ products: [ProductLine], position: SummaryPosition, as format: OutputFormat, style: TableStyle = .plain
) -> String {
    switch format {
    case .table: productTable(products, position, style)
    case .json: productJSON(products, position)
    case .csv: productCSV(products)
    }
}

private func productTable(_ products: [ProductLine], _ position: SummaryPosition, _ style: TableStyle) -> String {
    guard !products.isEmpty else { return "no products yet (\(freshness(position)))\n" }
    var table = TextTable([
        ("product", .left), ("events", .right), ("devices", .right), ("customers", .right), ("rating", .right),
        ("ratings", .right), ("faults", .right), ("texts", .right), ("last event", .left),
    ])
    for line in products {
        table.add([
            visible(line.product), grouped(line.kinds.total), grouped(line.devices), grouped(line.customers),
            line.ratingMean.map { fixed($0, 2) } ?? "-", grouped(line.ratings), grouped(line.kinds.faults),
            grouped(line.kinds.texts), line.last.map { String(rfc3339($0).prefix(16)) } ?? "-",
        ])
    }
    let lines = table.lines(style, indent: 0)
    return (lines + ["", style.faint("\(grouped(products.count)) products, \(freshness(position))")])
        .joined(separator: "\n") + "\n"
}

/// `as of event 2,000,000, 2026-01-08T00:00:00.000Z`
func freshness(_ position: SummaryPosition) -> String {
    let time = position.updated.map { ", " + rfc3339($0) } ?? ""
    return "as of event \(grouped(position.offset.rawValue))" + time
}

private func productJSON(_ products: [ProductLine], _ position: SummaryPosition) -> String {
    var json = JSONText()
    json.object { json in
        json.add("offset", position.offset.rawValue)
        json.add("updated", position.updated)
        json.array("products") { json in
            for line in products {
                json.object { json in
                    json.add("product", line.product)
                    json.add("events", line.kinds.total)
                    addKinds(line.kinds, to: &json)
                    json.add("devices", line.devices)
                    json.add("customers", line.customers)
                    json.add("quarantined", line.quarantined)
                    json.add("missing", line.missing)
                    json.add("ratings", line.ratings)
                    json.add("rating_mean", line.ratingMean)
                    json.add("last", line.last)
                }
            }
        }
    }
    return json.text + "\n"
}

func addKinds(_ kinds: KindCounts, to json: inout JSONText) {
    json.object("kinds") { json in
        for (name, count) in named(kinds) { json.add(name, count) }
    }
}

/// The counts with the names that the kinds have in JSON.
func named(_ kinds: KindCounts) -> [(String, UInt64)] {
    [
        ("preference.set", kinds.preferences), ("rating.given", kinds.ratings), ("feature.used", kinds.uses),
        ("feedback.text", kinds.texts), ("fault.seen", kinds.faults), ("other", kinds.others),
    ]
}

private func productCSV(_ products: [ProductLine]) -> String {
    var text = csvLine([
        "product", "events", "preferences", "ratings", "uses", "texts", "faults", "others", "devices", "customers",
        "quarantined", "missing", "rating_mean", "last",
    ])
    for line in products {
        let counts = [line.kinds.total] + named(line.kinds).map(\.1)
        let others = [line.devices, line.customers, line.quarantined, line.missing]
        text += csvLine(
            [line.product] + counts.map { String($0) } + others.map { String($0) }
                + [line.ratingMean.map { "\($0)" } ?? "", line.last.map(rfc3339) ?? ""])
    }
    return text
}
