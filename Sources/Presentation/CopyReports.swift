// What `log backup`, `log restore` and `log salvage` print.

import Bytes
import Events
package import Log

/// The figures of a copy.
///
/// - Parameter verb: the first word of the line for people.
package func renderCopy(_ report: CopyReport, verb: String, as format: OutputFormat) -> String {
    let check = report.verification
    let head = "\(check.head.rawValue):\(check.chainHead)"
    switch format {
    case .table:
        var text =
            "\(verb): \(grouped(report.copied)) segments copied (\(grouped(report.bytes)) bytes), "
            + "\(grouped(report.skipped)) skipped, \(grouped(check.events)) events\n"
        for name in report.kept {
            text += "\(visible(name)) is damaged in the log; its older copy was kept: restore the file from it\n"
        }
        if check.isClean { return text + "verified; chain head \(head)\n" }
        return text + renderVerification(check, as: .table)
    case .json:
        let kept = report.kept.map(jsonString).joined(separator: ",")
        return "{\"segments_copied\":\(report.copied),\"segments_skipped\":\(report.skipped),\"kept\":[\(kept)],"
            + "\"bytes_copied\":\(report.bytes),\"verification\":\(renderVerification(check, as: .json).dropLast())}\n"
    case .csv:
        return csvLine(["segments_copied", "segments_skipped", "bytes_copied", "events", "clean", "chain_head"])
            + csvLine([
                "\(report.copied)", "\(report.skipped)", "\(report.bytes)", "\(check.events)", "\(check.isClean)", head,
            ])
    }
}

/// The figures of a salvage.
package func renderSalvage(_ report: SalvageReport, as format: OutputFormat) -> String {
    let check = report.verification
    let head = "\(check.head.rawValue):\(check.chainHead)"
    switch format {
    case .table:
        return "salvaged \(grouped(Int(clamping: report.events))) events, "
            + "left out \(grouped(Int(clamping: report.leftOut)))\n"
            + (check.isClean ? "verified; chain head \(head)\n" : renderVerification(check, as: .table))
    case .json:
        return "{\"events\":\(report.events),\"left_out\":\(report.leftOut),"
            + "\"verification\":\(renderVerification(check, as: .json).dropLast())}\n"
    case .csv:
        return csvLine(["events", "left_out", "clean", "chain_head"])
            + csvLine(["\(report.events)", "\(report.leftOut)", "\(check.isClean)", head])
    }
}
