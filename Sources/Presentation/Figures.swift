// A handful of figures with names, in one line: what `tidings send` and `tidings rebuild` end with.

/// Names and counts, each once.
///
/// - Returns: `sent 3, acked 2`, an object of JSON, or two lines of CSV; with its line end.
package func renderCounts(_ counts: KeyValuePairs<String, UInt64>, as format: OutputFormat) -> String {
    switch format {
    case .table: return counts.map { "\($0.key) \($0.value)" }.joined(separator: ", ") + "\n"
    case .json:
        return JSONWriter.line { json in
            for (name, count) in counts { json.add(name, count) }
        }
    case .csv: return csvLine(counts.map(\.key)) + csvLine(counts.map { "\($0.value)" })
    }
}

/// How many events were folded into new summaries, and how long that took.
package func renderRebuild(events: UInt64, seconds: Double, as format: OutputFormat) -> String {
    let rate = seconds > 0 ? Int(Double(events) / seconds) : 0
    let seconds = (seconds * 1_000).rounded() / 1_000
    switch format {
    case .table: return "rebuilt the summaries from \(events) events in \(seconds) s (\(rate) events/s)\n"
    case .json:
        return JSONWriter.line { json in
            json.add("events", events)
            json.add("seconds", seconds)
            json.add("events_per_second", rate)
        }
    case .csv:
        return csvLine(["events", "seconds", "events_per_second"]) + csvLine(["\(events)", "\(seconds)", "\(rate)"])
    }
}
