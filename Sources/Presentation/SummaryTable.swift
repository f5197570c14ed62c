// One product at a glance: what is preferred, how it is rated, used, and where it fails.

import Events
package import Projection

/// One product's summary; counts only of what is known of few people.
package func renderSummary(
    _ summary: ProductSummary, smallGroups: SmallGroupRule, as format: OutputFormat, style: TableStyle = .plain
) -> String {
    let summary = smallGroups.applied(to: summary)
    return switch format {
    case .table: SummaryTable(summary, smallGroups, style).text()
    case .json: summaryJSON(summary)
    case .csv: summaryCSV(summary)
    }
}

/// What is told of a product that is not known.
package func renderUnknown(product: String, nearest: [String]) -> String {
    let names = nearest.map { "\"\(visible($0))\"" }.joined(separator: ", ")
    return "no product \"\(visible(product))\"" + (nearest.isEmpty ? "" : "; the nearest known: \(names)")
}

private struct SummaryTable {
    private let summary: ProductSummary
    private let smallGroups: SmallGroupRule
    private let style: TableStyle
    private var lines: [String] = []

    init(_ summary: ProductSummary, _ smallGroups: SmallGroupRule, _ style: TableStyle) {
        self.summary = summary
        self.smallGroups = smallGroups
        self.style = style
    }

    consuming func text() -> String {
        head()
        if summary.window != nil, summary.days.isEmpty, summary.texts.isEmpty, !summary.isSmall {
            lines += ["", "no events in these days\(elsewhere())"]
        }
        section(summary.window == nil ? "Preferred now" : "Preferred in these days", preferences())
        section("Ratings", ratings())
        section("Use", uses())
        section("Faults", faults())
        section("Latest feedback", texts())
        section("Counts only", countsOnly())
        withheld()
        notKnown()
        return lines.joined(separator: "\n") + "\n"
    }

    private mutating func section(_ title: String, _ table: TextTable) {
        let body = table.lines(style)
        guard !body.isEmpty else { return }
        lines += ["", style.bold(title)] + body
    }

    private mutating func head() {
        let about = summary.isExact ? "" : style.isUnicode ? "≈" : "~"
        var counts = [
            "\(grouped(summary.kinds.total)) events", "\(about)\(grouped(summary.devices)) devices",
            "\(about)\(grouped(summary.customers)) customers",
        ]
        if let window = summary.window {
            counts.append(named(window))
        } else if let first = summary.first, let last = summary.last {
            counts.append("\(Day(first)) to \(Day(last))")
        }
        lines.append(style.bold(cut(visible(summary.product), style.width, style)))
        lines += folded(counts, style.dot, style)
        if let rating = summary.rating { lines += folded(words(of: rating), style.dot, style) }
        let kept = (summary.quarantined ?? []).map { "\(grouped($0.count)) \($0.reason)" }
        if let first = kept.first { warn(["kept apart: " + first] + kept.dropFirst()) }
        if let missing = summary.missing, missing > 0 {
            warn(["lost by the devices themselves: \(grouped(missing)) events"])
        }
        if let overflow = summary.overflow, overflow > 0 {
            warn(["of more aspects than are kept apart: \(grouped(overflow)) events"])
        }
        lines += folded([freshness(summary.position)], "", style).map(style.faint)
    }

    private mutating func warn(_ parts: [String]) { lines += folded(parts, ", ", style).map(style.warning) }

    private func words(of rating: RatingSummary) -> [String] {
        let bars = histogram(rating.histogram, style)
        var words = ["rated \(fixed(rating.mean, 2)) of 5  \(bars)  \(grouped(rating.count)) ratings"]
        if let share = rating.topShare, let low = rating.topLow, let high = rating.topHigh {
            words.append("\(percent(share)) give 4 or 5 (\(fixed(low * 100, 1)) to \(percent(high)))")
        }
        return words
    }

    private func named(_ window: DayWindow) -> String {
        switch (window.since, window.until) {
        case (let since?, let until?): "\(since) to \(until)"
        case (let since?, nil): "\(since) and after"
        case (nil, let until?): "up to \(until)"
        case (nil, nil): ""
        }
    }

    /// Where the events are that are not in the window.
    private func elsewhere() -> String {
        guard let extent = summary.extent else { return "" }
        return "; there are some from \(extent.lowerBound) to \(extent.upperBound)"
    }

    private mutating func withheld() {
        let few = summary.aspects.filter(\.isSmall).map { $0.everyone.customers > 0 }
        guard summary.isSmall || !few.isEmpty else { return }
        let reason = smallGroups.reason(summary.isSmall ? [summary.customers > 0] : few)
        lines += folded(["  " + reason], "", style).map(style.faint)
    }

    /// What a window cannot know of this product, in as few lines as there is room for.
    private mutating func notKnown() {
        var labels: [String] = []
        for gap in WindowGap.allCases where summary.gaps.contains(gap) {
            if let label = gap.label, !labels.contains(label) { labels.append(label) }
        }
        guard let first = labels.first else { return }
        let parts = ["not known for a window: " + first] + labels.dropFirst()
        lines += [""] + folded(parts, ", ", style).map(style.faint)
    }

    /// Left out first when there is no room: the changes, the bar.
    private func preferences() -> TextTable {
        let isWindow = summary.window != nil
        let count = TextTable.Column(isWindow ? "sets" : "devices", .right)
        let what = [TextTable.Column("", rank: 1), TextTable.Column("", least: 20)]
        var table = TextTable(
            [.init("aspect", least: 14, most: 0.35), count] + (isWindow ? [] : [.init("moves", .right, rank: 2)]) + what
        )
        for aspect in summary.aspects {
            guard let preference = aspect.preference else { continue }
            let figure = grouped(isWindow ? preference.timesSet : preference.devices ?? 0)
            var base = [TextTable.Cell(visible(aspect.aspect)), TextTable.Cell(figure)]
            if !isWindow { base.append(TextTable.Cell(preference.changes.map { grouped($0) } ?? "-")) }
            var rows: [[TextTable.Cell]] = []
            if let first = preference.choices.first {
                rows.append([TextTable.Cell(bar(first.share, 10, style)), choices(preference.choices)])
            }
            for numbers in [preference.numbers].compactMap(\.self) + preference.otherUnits {
                rows.append(["", self.numbers(numbers)])
            }
            if preference.flagTimesSet > 0 {
                rows.append(["", "true or false \(times(preference.flagTimesSet))"])
            }
            for row in rows {
                table.add(cells: base + row)
                base = base.map { _ in "" }
            }
        }
        return table
    }

    private func choices(_ choices: [ChoiceSummary]) -> TextTable.Cell {
        enumeration(choices) {
            "\($0) \(percent($1.share))"
        } name: {
            $0.value
        }
    }

    /// The first few of some things, then how many more there are: the fewer, the less room there is. A long name is
    /// shortened, so that what is said of it is seen.
    private func enumeration<Item>(
        _ items: [Item], most: Int = 4, _ say: (_ name: String, Item) -> String, name: (Item) -> String
    ) -> TextTable.Cell {
        let longest = max(12, style.width / 5)
        let shown = items.prefix(most).map { say(cut(visible(name($0)), longest, style), $0) }
        return TextTable.Cell(
            forms: (0..<shown.count).reversed().map { last in
                let rest = items.count - last - 1
                return (shown[...last] + (rest > 0 ? ["\(rest) more"] : [])).joined(separator: style.dot)
            })
    }

    private func numbers(_ numbers: NumberSummary) -> TextTable.Cell {
        let unit = numbers.unit.map { " " + cut(visible($0), 12, style) } ?? ""
        guard numbers.quantiles.count == 5 else {
            let mean = "mean \(short(numbers.mean))\(unit)"
            return TextTable.Cell(forms: [mean + ", \(short(numbers.least)) to \(short(numbers.most))", mean])
        }
        let median = "median \(short(numbers.quantiles[2]))\(unit)"
        let half = median + ", half within \(short(numbers.quantiles[1])) to \(short(numbers.quantiles[3]))"
        let most = half + ", 90 % within \(short(numbers.quantiles[0])) to \(short(numbers.quantiles[4]))"
        return TextTable.Cell(forms: [most, half, median])
    }

    /// Left out first: the adjusted mean, the bounds, the histogram, the share of the best.
    private func ratings() -> TextTable {
        var table = TextTable([
            .init("aspect", least: 14, most: 0.35), .init("scale"), .init("ratings", .right), .init("mean", .right),
            .init("adjusted", .right, rank: 4), .init("best", .right, rank: 1), .init("(95 % sure)", rank: 3),
            .init("", rank: 2),
        ])
        for aspect in summary.aspects {
            for rating in aspect.ratings {
                let bounds = rating.topLow.flatMap { low in rating.topHigh.map { (low, $0) } }
                table.add([
                    visible(aspect.aspect), rating.scale, grouped(rating.count), fixed(rating.mean, 2),
                    rating.adjusted.map { fixed($0, 2) } ?? "-", rating.topShare.map { percent($0) } ?? "-",
                    bounds.map { "\(fixed($0.0 * 100, 1)) to \(fixed($0.1 * 100, 1))" } ?? "-",
                    histogram(rating.histogram, style),
                ])
            }
            if aspect.otherRatings > 0 {
                table.add([visible(aspect.aspect), "other", grouped(aspect.otherRatings), "-", "-", "-", "-", ""])
            }
        }
        return table
    }

    /// Left out first: the bar, the reports.
    private func uses() -> TextTable {
        var table = TextTable([
            .init("aspect", least: 14, most: 0.35), .init("times", .right), .init("reports", .right, rank: 1),
            .init("", rank: 2),
        ])
        let most = summary.aspects.map(\.useTotal).max() ?? 0
        for aspect in summary.aspects.filter({ $0.kinds.uses > 0 }).sorted(by: { $0.useTotal > $1.useTotal }) {
            table.add([
                visible(aspect.aspect), grouped(aspect.useTotal), grouped(aspect.kinds.uses),
                bar(Double(aspect.useTotal) / Double(max(1, most)), 20, style),
            ])
        }
        return table
    }

    /// Left out first: the severity.
    private func faults() -> TextTable {
        let isSevere = summary.aspects.contains { ($0.maxSeverity ?? 0) > 0 }
        let severity = isSevere || summary.window == nil ? [TextTable.Column("severity", .right, rank: 1)] : []
        let areCoded = summary.window == nil || summary.aspects.contains { $0.faults?.isEmpty == false }
        let codes = areCoded ? [TextTable.Column("codes", least: 16)] : []
        var table = TextTable([.init("aspect", least: 14, most: 0.35), .init("times", .right)] + severity + codes)
        let failing = summary.aspects.filter { $0.faultTotal > 0 }.sorted { $0.faultTotal > $1.faultTotal }
        for aspect in failing {
            let named = enumeration(aspect.faults ?? [], most: 5) {
                "\($0) \(grouped($1.total))"
            } name: {
                $0.code
            }
            let most = aspect.maxSeverity.map { $0 == 0 ? "-" : String($0) } ?? ""
            var cells = [TextTable.Cell(visible(aspect.aspect)), TextTable.Cell(grouped(aspect.faultTotal))]
            if !severity.isEmpty { cells.append(TextTable.Cell(most)) }
            if areCoded { cells.append(named) }
            table.add(cells: cells)
        }
        return table
    }

    /// All that is told of small groups; the first row is of the product, when it is one itself.
    ///
    /// Left out first: the kinds, the customers, the devices.
    private func countsOnly() -> TextTable {
        let isWindow = summary.window != nil
        var rows: [CountsRow] = []
        if summary.isSmall {
            rows.append(CountsRow("(all)", summary.kinds, summary.devices, summary.customers))
        }
        for aspect in summary.aspects where aspect.isSmall {
            rows.append(CountsRow(visible(aspect.aspect), aspect.kinds, aspect.devices, aspect.customers))
        }
        let kinds = KindCounts.names.indices.filter { kind in rows.contains { $0.counts[kind] > 0 } }
        var heads: [TextTable.Column] = [.init("aspect", least: 14, most: 0.35), .init("events", .right)]
        // In a window only the product's are known, and these stand in the first lines.
        if !isWindow { heads += [.init("devices", .right, rank: 1), .init("customers", .right, rank: 2)] }
        for kind in kinds { heads.append(.init(KindCounts.names[kind], .right, rank: 3 + kind)) }
        var table = TextTable(heads)
        for row in rows {
            var cells = [row.name, grouped(row.events)]
            if !isWindow { cells += [grouped(row.devices ?? 0), grouped(row.customers ?? 0)] }
            for kind in kinds { cells.append(grouped(row.counts[kind])) }
            table.add(cells)
        }
        return table
    }

    /// Left out first: the aspect, the time.
    private func texts() -> TextTable {
        var table = TextTable([
            .init("time", rank: 1), .init("aspect", least: 10, most: 0.35, rank: 2), .init("", least: 24),
        ])
        for text in summary.texts {
            let rating = text.rating.map { "[\(short($0))] " } ?? ""
            table.add([
                String(rfc3339(text.time).prefix(16)), visible(text.aspect),
                rating + (text.text.map { visible($0) } ?? "(no longer there)"),
            ])
        }
        return table
    }
}

/// What is told of a small group.
private struct CountsRow {
    let name: String
    let events: UInt64
    /// In the order of `KindCounts.names`.
    let counts: [UInt64]
    let devices: Int?
    let customers: Int?

    init(_ name: String, _ kinds: KindCounts, _ devices: Int?, _ customers: Int?) {
        (self.name, events, counts) = (name, kinds.total, named(kinds).map(\.1))
        (self.devices, self.customers) = (devices, customers)
    }
}

extension WindowGap {
    /// In people's words; nil for what a table shows of no product.
    fileprivate var label: String? {
        switch self {
        case .quarantined: "events kept apart"
        case .missing: "events lost by the devices"
        case .duplicates, .first, .last, .aspectDevices, .aspectCustomers, .aspectFirst, .aspectLast: nil
        case .overflow: "events of aspects beyond the bound"
        case .topShare, .aspectTopShare: "how many give 4 or 5 (some rate in fractions)"
        case .preferenceDevices: "how many devices prefer what"
        case .changes: "changes of mind"
        case .flags: "true/false settings"
        case .numberDevices: nil
        case .quantiles: "medians"
        case .scales: "ratings on scales other than 1-5"
        case .severities: "severities"
        case .codes: "fault codes"
        case .olderTexts: "texts before the latest \(ProjectionLimits.textsPerProduct)"
        case .furtherDays: "days beyond the first \(grouped(ProjectionLimits.days)) with events"
        }
    }
}
