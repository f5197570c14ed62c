// One product at a glance: what is preferred, how it is rated, used, and where it fails.

import Events
package import Projection

/// One product's summary.
package func renderSummary(
    _ summary: ProductSummary, as format: OutputFormat, style: TableStyle = .plain
) -> String {
    switch format {
    case .table: SummaryTable(summary, style).text()
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
    private let style: TableStyle
    private var lines: [String] = []

    init(_ summary: ProductSummary, _ style: TableStyle) {
        self.summary = summary
        self.style = style
    }

    consuming func text() -> String {
        head()
        section(summary.window == nil ? "Preferred now" : "Preferred in these days", preferences())
        section("Ratings", ratings())
        section("Use", uses())
        section("Faults", faults())
        section("Latest feedback", texts())
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
            counts.append(
                window.upperBound.rawValue - window.lowerBound.rawValue > 700_000
                    ? "a window of days" : "\(window.lowerBound) to \(window.upperBound)")
        } else if let first = summary.first, let last = summary.last {
            counts.append("\(Day(first)) to \(Day(last))")
        }
        lines.append(style.bold(visible(summary.product)))
        lines.append(counts.joined(separator: style.dot))
        if let rating = summary.rating {
            lines.append(
                "rated \(fixed(rating.mean, 2)) of 5  \(style.accent(histogram(rating.histogram, style)))  "
                    + "\(grouped(rating.count)) ratings\(style.dot)\(percent(rating.topShare)) give 4 or 5 "
                    + "(\(fixed(rating.topLow * 100, 1)) to \(percent(rating.topHigh)))")
        }
        let kept = summary.quarantined.map { "\(grouped($0.count)) \($0.reason)" }
        if !kept.isEmpty { lines.append(style.warning("kept apart: " + kept.joined(separator: ", "))) }
        if summary.missing > 0 {
            lines.append(style.warning("lost by the devices themselves: \(grouped(summary.missing)) events"))
        }
        lines.append(style.faint(freshness(summary.position)))
    }

    private func preferences() -> TextTable {
        let isWindow = summary.window != nil
        var table = TextTable([
            ("aspect", .left), (isWindow ? "sets" : "devices", .right), ("moves", .right), ("", .left), ("", .left),
        ])
        for aspect in summary.aspects {
            guard let preference = aspect.preference else { continue }
            let base = [
                visible(aspect.aspect), grouped(isWindow ? preference.sets : preference.devices),
                isWindow ? "-" : grouped(preference.moves),
            ]
            if let first = preference.choices.first {
                table.add(base + [bar(first.share, 10, style), choices(preference.choices)])
            }
            if let numbers = preference.numbers {
                let label = preference.choices.isEmpty ? base : ["", "", ""]
                table.add(label + ["", self.numbers(numbers)])
            }
        }
        return table
    }

    private func choices(_ choices: [ChoiceSummary]) -> String {
        let shown = choices.prefix(4).map { "\(visible($0.value)) \(percent($0.share))" }
        let rest = choices.count > 4 ? ["\(choices.count - 4) more"] : []
        return (shown + rest).joined(separator: style.dot)
    }

    private func numbers(_ numbers: NumberSummary) -> String {
        let unit = numbers.unit.map { " " + visible($0) } ?? ""
        guard numbers.quantiles.count == 5 else {
            return "mean \(short(numbers.mean))\(unit), \(short(numbers.least)) to \(short(numbers.most))"
        }
        return "median \(short(numbers.quantiles[2]))\(unit), half within \(short(numbers.quantiles[1])) to "
            + "\(short(numbers.quantiles[3])), 90 % within \(short(numbers.quantiles[0])) to "
            + short(numbers.quantiles[4])
    }

    private func ratings() -> TextTable {
        var table = TextTable([
            ("aspect", .left), ("scale", .left), ("ratings", .right), ("mean", .right), ("adjusted", .right),
            ("best", .right), ("(95 % sure)", .left), ("", .left),
        ])
        for aspect in summary.aspects {
            for rating in aspect.ratings {
                table.add([
                    visible(aspect.aspect), rating.scale, grouped(rating.count), fixed(rating.mean, 2),
                    rating.adjusted.map { fixed($0, 2) } ?? "-", percent(rating.topShare),
                    "\(fixed(rating.topLow * 100, 1)) to \(fixed(rating.topHigh * 100, 1))",
                    histogram(rating.histogram, style),
                ])
            }
        }
        return table
    }

    private func uses() -> TextTable {
        var table = TextTable([("aspect", .left), ("times", .right), ("reports", .right), ("", .left)])
        let most = summary.aspects.map(\.useTotal).max() ?? 0
        for aspect in summary.aspects.filter({ $0.kinds.uses > 0 }).sorted(by: { $0.useTotal > $1.useTotal }) {
            table.add([
                visible(aspect.aspect), grouped(aspect.useTotal), grouped(aspect.kinds.uses),
                bar(Double(aspect.useTotal) / Double(max(1, most)), 20, style),
            ])
        }
        return table
    }

    private func faults() -> TextTable {
        var table = TextTable([("aspect", .left), ("times", .right), ("severity", .right), ("codes", .left)])
        let failing = summary.aspects.filter { $0.faultTotal > 0 }.sorted { $0.faultTotal > $1.faultTotal }
        for aspect in failing {
            let codes = aspect.faults.prefix(5).map { "\(visible($0.code)) \(grouped($0.total))" }
            let rest = aspect.faults.count > 5 ? ["\(aspect.faults.count - 5) more"] : []
            table.add([
                visible(aspect.aspect), grouped(aspect.faultTotal),
                aspect.maxSeverity == 0 ? "-" : String(aspect.maxSeverity),
                (codes + rest).joined(separator: style.dot),
            ])
        }
        return table
    }

    private func texts() -> TextTable {
        var table = TextTable([("time", .left), ("aspect", .left), ("", .left)])
        for text in summary.texts {
            let rating = text.rating.map { "[\(short($0))] " } ?? ""
            table.add([
                String(rfc3339(text.time).prefix(16)), visible(text.aspect), rating + visible(text.text),
            ])
        }
        return table
    }
}
