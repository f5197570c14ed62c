// The log's own figures: what `log stat` and `log verify` print.

import Events
package import Log

/// The segments of a log, with their sizes and the head of the chain.
package func renderStatistics(_ statistics: LogStatistics, as format: OutputFormat) -> String {
    switch format {
    case .table: statisticsTable(statistics)
    case .json: statisticsJSON(statistics)
    case .csv:
        csvLine(["file", "first_offset", "end_offset", "events", "blocks", "bytes", "sealed", "chain_head"])
            + statistics.segments.map { segment in
                csvLine([
                    segment.file, "\(segment.offsets.lowerBound.rawValue)", "\(segment.offsets.upperBound.rawValue)",
                    "\(segment.events)", "\(segment.blocks)", "\(segment.bytes)", segment.isSealed ? "true" : "false",
                    segment.chainHead,
                ])
            }.joined()
    }
}

private func statisticsTable(_ statistics: LogStatistics) -> String {
    var table = TextTable([
        ("segment", .left), ("events", .right), ("blocks", .right), ("bytes", .right), ("B/event", .right),
        ("from", .left), ("to", .left), ("state", .left),
    ])
    for segment in statistics.segments {
        table.add([
            segment.file, grouped(segment.events), grouped(segment.blocks), grouped(segment.bytes),
            fixed(segment.bytesPerEvent, 2), segment.times.map { rfc3339($0.lowerBound) } ?? "",
            segment.times.map { rfc3339($0.upperBound) } ?? "", segment.isSealed ? "sealed" : "active",
        ])
    }
    let perEvent = statistics.events == 0 ? 0 : Double(statistics.bytes) / Double(statistics.events)
    return table.lines(.plain, indent: 0).map { $0 + "\n" }.joined()
        + "\n\(grouped(statistics.events)) events, \(grouped(statistics.blocks)) blocks, "
        + "\(grouped(statistics.bytes)) bytes, \(fixed(perEvent, 2)) B/event\nchain head \(statistics.chainHead)\n"
}

private func statisticsJSON(_ statistics: LogStatistics) -> String {
    let segments = statistics.segments.map { segment in
        var fields = [
            "\"file\":\(jsonString(segment.file))", "\"first_offset\":\(segment.offsets.lowerBound.rawValue)",
            "\"end_offset\":\(segment.offsets.upperBound.rawValue)", "\"events\":\(segment.events)",
            "\"blocks\":\(segment.blocks)", "\"bytes\":\(segment.bytes)",
            "\"sealed\":\(segment.isSealed)", "\"chain_head\":\(jsonString(segment.chainHead))",
        ]
        if let times = segment.times {
            fields += [
                "\"time_min\":\(jsonString(rfc3339(times.lowerBound)))",
                "\"time_max\":\(jsonString(rfc3339(times.upperBound)))",
            ]
        }
        return "{" + fields.joined(separator: ",") + "}"
    }
    return "{\"events\":\(statistics.events),\"blocks\":\(statistics.blocks),\"bytes\":\(statistics.bytes),"
        + "\"chain_head\":\(jsonString(statistics.chainHead)),\"segments\":[\(segments.joined(separator: ","))]}\n"
}

/// What a check of the whole log found.
package func renderVerification(_ report: VerifyReport, as format: OutputFormat) -> String {
    switch format {
    case .table:
        let head =
            "\(grouped(report.segments)) segments, \(grouped(report.blocks)) blocks, "
            + "\(grouped(report.events)) events"
        guard !report.isClean else { return "ok: \(head); chain head \(report.chainHead)\n" }
        return report.damages.map { damage in
            "damage in \(damage.segment), \(range(damage.offsets)): \(visible(damage.cause))\n"
        }.joined() + "\(grouped(report.damages.count)) damaged places in \(head)\n"
    case .json:
        let damages = report.damages.map { damage in
            "{\"segment\":\(jsonString(damage.segment)),\"first_offset\":\(damage.offsets.lowerBound.rawValue),"
                + "\"end_offset\":\(damage.offsets.upperBound.rawValue),\"cause\":\(jsonString(damage.cause))}"
        }
        return "{\"clean\":\(report.isClean),\"segments\":\(report.segments),\"blocks\":\(report.blocks),"
            + "\"events\":\(report.events),\"chain_head\":\(jsonString(report.chainHead)),"
            + "\"damages\":[\(damages.joined(separator: ","))]}\n"
    case .csv:
        return csvLine(["segment", "first_offset", "end_offset", "cause"])
            + report.damages.map { damage in
                csvLine([
                    damage.segment, "\(damage.offsets.lowerBound.rawValue)",
                    "\(damage.offsets.upperBound.rawValue)", damage.cause,
                ])
            }.joined()
    }
}

private func range(_ offsets: Range<Offset>) -> String {
    offsets.isEmpty
        ? "at event \(offsets.lowerBound.rawValue)"
        : "events \(offsets.lowerBound.rawValue) to \(offsets.upperBound.rawValue - 1)"
}
