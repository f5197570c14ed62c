// Messages to devices, as table, JSON and CSV.

import Events
package import Projection

/// Rows of messages or deliveries.
package func renderOutbox(_ rows: OutboxRows, as format: OutputFormat, style: TableStyle) -> String {
    switch format {
    case .table: table(rows, style)
    case .csv: ([rows.columns] + rows.rows.map { $0.map { $0 ?? "" } }).map(csvLine).joined()
    case .json: rows.rows.map { json($0, rows.columns) }.joined()
    }
}

/// One message is shown as a list of what it says, many as a table.
private func table(_ rows: OutboxRows, _ style: TableStyle) -> String {
    guard !rows.rows.isEmpty else { return "  none\n" }
    if rows.columns.contains("basis"), let row = rows.rows.first {
        let width = rows.columns.reduce(0) { max($0, $1.count) }
        let lines = zip(rows.columns, row).compactMap { name, value -> String? in
            guard let value, value != "0", !value.isEmpty else { return nil }
            return "  " + name + String(repeating: " ", count: width - name.count + 2) + visible(value)
        }
        return lines.joined(separator: "\n") + "\n"
    }
    let left: Set<String> = [
        "message", "product", "kind", "aspect", "time", "expires", "state", "device", "value", "payload", "language",
        "reply",
        "text",
    ]
    let hidden: Set<String> = rows.columns.contains("text") ? [] : ["time"]
    let shown = rows.columns.indices.filter { !hidden.contains(rows.columns[$0]) }
    var table = TextTable(
        shown.map { index in
            let name = rows.columns[index]
            return TextTable.Column(
                name, left.contains(name) ? .left : .right, least: name == "payload" || name == "text" ? 10 : nil,
                rank: name == "payload" || name == "text" ? 3 : name == "expires" ? 2 : nil)
        })
    for row in rows.rows { table.add(shown.map { visible(row[$0] ?? "") }) }
    return table.lines(style).joined(separator: "\n") + "\n"
}

private func json(_ row: [String?], _ columns: [String]) -> String {
    let numbers: Set<String> = [
        "addressed", "waiting", "received", "answered", "applied", "refused", "attempts", "late", "devices", "offset",
        "as_of", "feedback", "closed_offset", "queued", "sent", "shown", "dismissed", "failed", "expired", "cancelled",
        "superseded", "withheld", "overridden", "left", "messages", "open", "over",
    ]
    return JSONWriter.line { json in
        for (name, value) in zip(columns, row) {
            if numbers.contains(name), let number = value.flatMap({ Int($0) }) {
                json.add(name, number)
            } else if name == "rating", let number = value.flatMap({ Double($0) }) {
                json.add(name, number)
            } else {
                json.add(name, value)
            }
        }
    }
}

/// What a check of messages against the log has found.
package func renderOutboxVerification(_ found: OutboxVerification, as format: OutputFormat) -> String {
    let faults = found.faults.map { (id: "\($0.message)", text: $0.text) }
    switch format {
    case .table:
        let counts =
            "\(grouped(found.messages)) messages, \(grouped(found.entries)) deliveries, \(grouped(found.addressed)) "
            + "choices of devices compared with \(grouped(found.offset.rawValue)) events"
        let unread = found.skipped > 0 ? "; \(grouped(found.skipped)) could not be read" : ""
        let lines = faults.map { "  \($0.id) \($0.text)" }
        let verdict =
            faults.isEmpty
            ? "the log says the same" : "\(faults.count) differ; `tidings rebuild` folds the log anew"
        return (lines + ["  \(counts)\(unread): \(verdict)"]).joined(separator: "\n") + "\n"
    case .csv: return ([["message", "fault"]] + faults.map { [$0.id, $0.text] }).map(csvLine).joined()
    case .json:
        return JSONWriter.line { json in
            json.add("messages", found.messages)
            json.add("deliveries", found.entries)
            json.add("choices", found.addressed)
            json.add("events", found.offset.rawValue)
            json.add("unreadable", found.skipped)
            json.array("faults") { json in
                for fault in faults {
                    json.object { json in
                        json.add("message", fault.id)
                        json.add("text", fault.text)
                    }
                }
            }
        }
    }
}
