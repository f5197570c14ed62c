// The log's own figures: what `log stat` and `log verify` print.

import Bytes
import Events
package import Log

/// The segments of a log, with their sizes and the head of the chain.
package func renderStatistics(
    _ statistics: LogStatistics, as format: OutputFormat, style: TableStyle = .plain
) -> String {
    switch format {
    case .table: statisticsTable(statistics, style)
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

/// Left out first when there is no room: the blocks, the first time, bytes per event, the last time.
private func statisticsTable(_ statistics: LogStatistics, _ style: TableStyle) -> String {
    var table = TextTable([
        .init("segment", least: 10), .init("events", .right), .init("blocks", .right, rank: 4), .init("bytes", .right),
        .init("B/event", .right, rank: 2), .init("from", least: 10, rank: 3), .init("to", least: 10, rank: 1),
        .init("state"),
    ])
    func time(_ time: Timestamp?) -> TextTable.Cell {
        let text = time.map { rfc3339($0) } ?? ""
        return TextTable.Cell(forms: [text, String(text.prefix(16)), String(text.prefix(10))])
    }
    for segment in statistics.segments {
        let first = segment.offsets.lowerBound.rawValue
        table.add(cells: [
            TextTable.Cell(forms: [segment.file, "\(style.ellipsis)\(first)"]), TextTable.Cell(grouped(segment.events)),
            TextTable.Cell(grouped(segment.blocks)), TextTable.Cell(grouped(segment.bytes)),
            TextTable.Cell(fixed(segment.bytesPerEvent, 2)), time(segment.times?.lowerBound),
            time(segment.times?.upperBound),
            TextTable.Cell(segment.isReadable ? segment.isSealed ? "sealed" : "active" : "DAMAGED"),
        ])
    }
    let perEvent = statistics.events == 0 ? 0 : Double(statistics.bytes) / Double(statistics.events)
    let sums = [
        "\(grouped(statistics.events)) events", "\(grouped(statistics.blocks)) blocks",
        "\(grouped(statistics.bytes)) bytes", "\(fixed(perEvent, 2)) B/event",
    ]
    // The head is to be written down: it is never cut.
    return (table.lines(style, indent: 0) + [""] + folded(sums, ", ", style)).map { $0 + "\n" }.joined()
        + "start offset \(statistics.start.rawValue)\n"
        + "chain head \(statistics.head.rawValue):\(statistics.chainHead)\n"
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
        + "\"start_offset\":\(statistics.start.rawValue),\"head_offset\":\(statistics.head.rawValue),"
        + "\"chain_head\":\(jsonString(statistics.chainHead)),\"segments\":[\(segments.joined(separator: ","))]}\n"
}

/// What a check of the whole log found.
package func renderVerification(_ report: VerifyReport, as format: OutputFormat) -> String {
    switch format {
    case .table: verificationTable(report)
    case .json: verificationJSON(report)
    case .csv:
        csvLine(["segment", "first_offset", "end_offset", "cause"])
            + report.damages.map { damage in
                csvLine([
                    damage.segment, "\(damage.offsets.lowerBound.rawValue)",
                    "\(damage.offsets.upperBound.rawValue)", damage.cause,
                ])
            }.joined()
    }
}

private func verificationTable(_ report: VerifyReport) -> String {
    let head =
        "\(grouped(report.segments)) segments, \(grouped(report.blocks)) blocks, "
        + "\(grouped(report.events)) events"
    var text = report.damages.map { "damage in \(visible($0.line))\n" }.joined()
    if report.damageCount > report.damages.count {
        text += "and \(grouped(report.damageCount - report.damages.count)) more damaged places\n"
    }
    if report.isClean {
        text += "ok: \(head); chain head \(report.head.rawValue):\(report.chainHead)\n"
    } else {
        text += "\(grouped(report.damageCount)) damaged places in \(head)\n"
    }
    if report.leftOut > 0 { text += "\(grouped(Int(clamping: report.leftOut))) events were left out by a salvage\n" }
    if let claim = report.claim { text += line(claim, report) + "\n" }
    return text
}

/// One line: what was looked for, what was found, and what to do.
private func line(_ claim: ChainClaim, _ report: VerifyReport) -> String {
    let written = (claim.offset.map { "\($0.rawValue):" } ?? "") + claim.chain.description
    guard let found = claim.found else {
        let start = report.start.rawValue
        let cause =
            claim.offset.map { $0 < report.start } ?? false
            ? "the log begins at event \(start), behind it; check a copy that has the older segments"
            : "no block has this value: the log was cut, changed or is another one; compare it with a copy"
        return "NOT PROVEN \(written): \(cause)"
    }
    if let offset = claim.offset, offset != found {
        return "NOT PROVEN \(written): the value stands at event \(found.rawValue); was the right line written down?"
    }
    if claim.isBehindDamage {
        return "NOT PROVEN \(written): it is there, but events before it are damaged (above); restore those files"
    }
    let range = report.start == .zero ? "" : " from event \(report.start.rawValue) on"
    return "proven: nothing before event \(found.rawValue) has changed\(range)"
}

private func verificationJSON(_ report: VerifyReport) -> String {
    let damages = report.damages.map { damage in
        "{\"segment\":\(jsonString(damage.segment)),\"first_offset\":\(damage.offsets.lowerBound.rawValue),"
            + "\"end_offset\":\(damage.offsets.upperBound.rawValue),\"cause\":\(jsonString(damage.cause))}"
    }
    let claim = report.claim.map { claim in
        ",\"claim\":{\"chain\":\(jsonString(claim.chain.description)),\"proven\":\(claim.isProven),"
            + "\"offset\":\(claim.found.map { "\($0.rawValue)" } ?? "null")}"
    }
    return "{\"clean\":\(report.isClean),\"segments\":\(report.segments),\"blocks\":\(report.blocks),"
        + "\"events\":\(report.events),\"start_offset\":\(report.start.rawValue),"
        + "\"head_offset\":\(report.head.rawValue),\"chain_head\":\(jsonString(report.chainHead)),"
        + "\"left_out\":\(report.leftOut),\"damaged_places\":\(report.damageCount),"
        + "\"damages\":[\(damages.joined(separator: ","))]\(claim ?? "")}\n"
}
