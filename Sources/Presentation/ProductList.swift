// The list of products.

import Events
package import Projection

/// All products with their totals; of those that are known of few people, counts only.
package func renderProducts(
    _ products: [ProductLine], position: SummaryPosition, smallGroups: SmallGroupRule, as format: OutputFormat,
    style: TableStyle = .plain
) -> String {
    let products = products.map { smallGroups.applied(to: $0) }
    return switch format {
    case .table: productTable(products, position, smallGroups, style)
    case .json: productJSON(products, position)
    case .csv: productCSV(products)
    }
}

private func productTable(
    _ products: [ProductLine], _ position: SummaryPosition, _ smallGroups: SmallGroupRule, _ style: TableStyle
) -> String {
    guard !products.isEmpty else { return "no products yet (\(freshness(position)))\n" }
    // Left out first: texts, what stands apart, faults, ratings, customers, the last event, the mean rating.
    var table = TextTable([
        .init("product", least: 12, most: 0.25), .init("events", .right), .init("devices", .right),
        .init("customers", .right, rank: 3), .init("rating", .right, rank: 1), .init("ratings", .right, rank: 4),
        .init("faults", .right, rank: 5), .init("texts", .right, rank: 7), .init("apart", .right, rank: 6),
        .init("last event", rank: 2),
    ])
    for line in products {
        table.add([
            visible(line.product), grouped(line.kinds.total), grouped(line.devices), grouped(line.customers),
            line.ratingMean.map { fixed($0, 2) } ?? "-", grouped(line.kinds.ratings), grouped(line.kinds.faults),
            grouped(line.kinds.texts), grouped(line.quarantined),
            line.last.map { String(rfc3339($0).prefix(16)) } ?? "-",
        ])
    }
    let few = products.filter(\.isSmall)
    let end = ["\(grouped(products.count)) products", freshness(position)]
    var lines = table.lines(style, indent: 0) + [""] + folded(end, ", ", style).map(style.faint)
    if !few.isEmpty {
        let number = few.count == 1 ? "1 product" : "\(grouped(few.count)) products"
        let reason = "\(number) of \(smallGroups.reason(few.map { $0.customers > 0 }))"
        lines += folded([reason], "", style).map(style.faint)
    }
    return lines.joined(separator: "\n") + "\n"
}

extension SmallGroupRule {
    /// Why there is no more to be seen, and what shows it.
    ///
    /// - Parameter areNamed: of each group, whether a customer of it is named.
    func reason(_ areNamed: [Bool]) -> String {
        let people = [areNamed.contains(true) ? "customers" : nil, areNamed.contains(false) ? "devices" : nil]
        let whom = people.compactMap(\.self).joined(separator: " or ")
        return "fewer than \(grouped(least)) \(whom): counts only (privacy.least_group)"
    }

    /// What programs find as `withheld` where only counts are told.
    static let withheld = "small_group"
}

/// `as of event 2,000,000, 2026-01-08T00:00:00.000Z`
func freshness(_ position: SummaryPosition) -> String {
    let time = position.updated.map { ", " + rfc3339($0) } ?? ""
    let skipped = position.skipped > 0 ? ", without \(grouped(position.skipped)) that cannot be read" : ""
    return "as of event \(grouped(position.offset.rawValue))" + time + skipped
}

/// What every answer of the summaries says of itself.
func addPosition(_ position: SummaryPosition, to json: inout JSONWriter) {
    json.add("offset", position.offset.rawValue)
    json.add("updated", position.updated)
    if position.skipped > 0 { json.add("skipped", position.skipped) }
}

private func productJSON(_ products: [ProductLine], _ position: SummaryPosition) -> String {
    JSONWriter.line { json in
        addPosition(position, to: &json)
        json.array("products") { json in
            for line in products {
                json.object { json in
                    json.add("product", line.product)
                    if line.isSmall { json.add("withheld", SmallGroupRule.withheld) }
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
}

func addKinds(_ kinds: KindCounts, to json: inout JSONWriter) {
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
        "quarantined", "missing", "rating_mean", "last", "withheld",
    ])
    for line in products {
        let counts = [line.kinds.total] + named(line.kinds).map(\.1)
        let others = [line.devices, line.customers, line.quarantined, line.missing]
        text += csvLine(
            [line.product] + counts.map { String($0) } + others.map { String($0) }
                + [
                    line.ratingMean.map { "\($0)" } ?? "", line.last.map(rfc3339) ?? "",
                    line.isSmall ? SmallGroupRule.withheld : "",
                ])
    }
    return text
}
