// What a reload of the configuration has come to: what `tidings reload` prints, as the daemon sends it.

/// One key whose value differs from the one in force.
package struct SettingChange: Codable, Sendable, Equatable {
    package enum Outcome: String, Codable, Sendable {
        case applied
        /// The old value stays in force until the daemon is started again.
        case needsRestart = "needs_restart"
    }

    /// As in `quota.burst_seconds`.
    package var key: String
    package var old: String
    package var new: String
    package var outcome: Outcome

    package init(key: String, old: String, new: String, outcome: Outcome) {
        (self.key, self.old, self.new, self.outcome) = (key, old, new, outcome)
    }
}

/// The answer to `reload`.
package struct ReloadReport: Codable, Sendable, Equatable {
    /// Why nothing was changed, one line with the remedy; nil when the configuration is good.
    @NullIfUnknown package var error: String?
    /// In the order of the keys.
    package var changes: [SettingChange] = []
    /// Whether everything that is `applied` is in force already.
    package var isInForce = true

    package init(error: String? = nil, changes: [SettingChange] = [], isInForce: Bool = true) {
        (self.error, self.changes, self.isInForce) = (error, changes, isInForce)
    }

    package func keys(_ outcome: SettingChange.Outcome) -> [String] {
        changes.filter { $0.outcome == outcome }.map(\.key)
    }

    enum CodingKeys: String, CodingKey {
        case error, changes
        case isInForce = "in_force"
    }
}

/// What has changed, a row for each key.
package func renderReload(_ report: ReloadReport, as format: OutputFormat, style: TableStyle) -> String {
    switch format {
    case .table: return reloadTable(report, style)
    case .json:
        return JSONWriter.line { json in
            json.add("in_force", report.isInForce)
            json.array("changes") { json in
                for change in report.changes {
                    json.object { json in
                        json.add("key", change.key)
                        json.add("old", change.old)
                        json.add("new", change.new)
                        json.add("outcome", change.outcome.rawValue)
                    }
                }
            }
        }
    case .csv:
        return csvLine(["key", "old", "new", "outcome"])
            + report.changes.map { csvLine([$0.key, $0.old, $0.new, $0.outcome.rawValue]) }.joined()
    }
}

private func reloadTable(_ report: ReloadReport, _ style: TableStyle) -> String {
    guard !report.changes.isEmpty else { return "nothing has changed\n" }
    var table = TextTable([
        .init("key"), .init("in force before", least: 6), .init("now set", least: 6), .init("outcome"),
    ])
    for change in report.changes {
        let outcome = change.outcome == .applied ? "applied" : "needs a restart"
        table.add([change.key, visible(change.old), visible(change.new), outcome])
    }
    let (applied, waiting) = (report.keys(.applied).count, report.keys(.needsRestart).count)
    var lines = table.lines(style, indent: 0)
    if waiting > 0 {
        lines.append("\(waiting) of \(report.changes.count) stay as they were until the daemon is restarted")
    }
    if applied > 0, !report.isInForce { lines.append("what is applied is in force in a moment; `--wait` waits for it") }
    return lines.map { $0 + "\n" }.joined()
}
