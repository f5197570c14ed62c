// What the daemon has answered about a message, for people and programs.

import Daemon
import Foundation
import Presentation

/// The answer to who has sent or cancelled messages.
func renderMessageAnswer(_ answer: MessageAnswer, as format: OutputFormat) -> String {
    switch format {
    case .json:
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return ((try? encoder.encode(answer)).map { String(decoding: $0, as: UTF8.self) } ?? "{}") + "\n"
    case .csv:
        var cells = [answer.id ?? ""]
        for count in [answer.addressed, answer.withheld, answer.devices] { cells.append(count.map { "\($0)" } ?? "") }
        cells.append(answer.asOf.map { "\($0)" } ?? "")
        return csvLine(["message", "addressed", "withheld", "devices", "as_of"]) + csvLine(cells)
    case .table: return sentence(answer) + "\n"
    }
}

private func sentence(_ answer: MessageAnswer) -> String {
    if let cancelled = answer.cancelled { return "cancelled \(cancelled.joined(separator: " "))" }
    let addressed = answer.addressed ?? 0
    let devices = answer.devices.map { " of \($0)" } ?? ""
    let withheld = answer.withheld.flatMap { $0 > 0 ? "; \($0) may not be written to" : nil } ?? ""
    guard let id = answer.id else {
        let names = (answer.examples ?? []).map(visible).joined(separator: " ")
        return "would go to \(addressed)\(devices)\(withheld)" + (names.isEmpty ? "" : ": \(names)")
            + "; nothing was sent"
    }
    if answer.isRepeated == true { return "\(id) was sent before, with this id; nothing was sent" }
    guard let asOf = answer.asOf else { return "\(id) stored; whom it goes to is found in a moment" }
    return "\(id) stored; addressed \(addressed)\(devices)\(withheld), as of event \(asOf)"
}
