// The daemon's status for people and for spreadsheets: laid out for any width, whatever names are in it.

/// The status as lines of a name and its values, and the counts as a table.
package func renderStatus(_ status: DaemonStatus, style: TableStyle) -> String {
    var lines = [
        "tidings \(status.version), pid \(status.pid), up \(duration(seconds: status.uptimeSeconds))"
    ]
    let listening = status.listening.sorted { $0.key < $1.key }.map { "\($0) \($1)" }
    let connections = ["\(status.connections) connections", "\(status.connectionsAccepted) accepted since the start"]
    lines += entry("listening", listening + connections, style)
    if !status.exposed.isEmpty { lines += entry("exposed", exposed(status), style) }
    if let tls = status.tls {
        lines += entry("certificate", certificate(tls), style)
        lines += entry("handshakes", handshakes(tls), style)
    }
    if let mqtt = status.mqtt { lines += entry("mqtt", sessions(mqtt), style) }
    lines += entry("keys", keys(status), style)
    if let faults = credentialFaults(status, style) {
        lines += entry("no key", [faults.summary], style) + faults.lines
    }
    lines += entry("closed", ended(status) + ["\(status.pauses) pauses of senders over their quota"], style)
    lines += entry(
        "log",
        ["\(status.head) events", "\(status.devices) devices", "\(status.customers) customers"]
            + (status.consents > 0 ? ["\(grouped(status.consents)) consents"] : [])
            + (status.emailNames > 0 ? ["\(status.emailNames) new names with an @"] : []), style)
    lines += entry("last event", [status.lastEvent ?? "none"], style)
    lines += entry("chain head", [status.chainHead], style)
    lines += entry(
        "retained", ["from event \(status.start) on", "\(status.retentionEvents) events dropped since the start"],
        style)
    lines += entry("damaged", ["\(status.unreadable) events cannot be read"], style)
    lines += entry("scrub", scrubbed(status.scrub), style)
    let behind = status.head - min(status.head, status.projected)
    lines += entry("summaries", ["as of event \(status.projected)", "\(behind) behind"], style)
    if status.projection != "good" { lines += entry("", [status.projection], style) }
    lines += entry("storage", [status.storage], style)
    lines += entry("disk", disk(status), style)
    if status.configReloads > 0 { lines += entry("settings", reloads(status), style) }
    if status.idsRemembered > 0 { lines += entry("ids", ids(status), style) }
    lines += entry("balanced", [status.isBalanced ? "yes" : "NO: please report this"], style)
    lines += staleDevices(status, style)
    lines += [""] + counts(status, style)
    return lines.map { $0 + "\n" }.joined()
}

/// The counts of all transports as RFC 4180, a row for each outcome and reason.
package func statusCSV(_ status: DaemonStatus) -> String {
    var text = csvLine(["transport", "outcome", "reason", "events"])
    for (name, counts) in status.transports.sorted(by: { $0.key < $1.key }) {
        for row in rows(counts) { text += csvLine([name, row.outcome, row.reason, "\(row.events)"]) }
    }
    return text
}

/// A name, and its values beside it: as many on a line as have room, the others below them. A value is broken only when
/// it is longer than a line, and nothing of it is left out.
private func entry(_ name: String, _ values: [String], _ style: TableStyle) -> [String] {
    let indent = 13
    let room = style.width - indent
    var lines: [String] = []
    var line = ""
    func add(_ word: String) {
        if !line.isEmpty, columns(line) + 1 + columns(word) > room {
            lines.append(line)
            line = ""
        }
        line += line.isEmpty ? word : " " + word
    }
    for (index, value) in values.enumerated() {
        let value = visible(value) + (index < values.count - 1 ? "," : "")
        guard columns(value) > room else {
            add(value)
            continue
        }
        for word in value.split(separator: " ") {
            var word = String(word)
            while columns(word) > room {
                // A character at least, however narrow it is.
                let head = String(word.prefix(max(1, beginning(of: word, room).count)))
                add(head)
                word.removeFirst(head.count)
            }
            add(word)
        }
    }
    lines.append(line)
    return lines.enumerated().map { index, text in
        let label = index == 0 ? name : ""
        return label + String(repeating: " ", count: indent - label.count) + text
    }
}

private func exposed(_ status: DaemonStatus) -> [String] {
    let who =
        switch status.authMode {
        case "require": "who has a key or token can send"
        case "warn": "whoever reaches it can send, key or no key; who has none is counted"
        default: "whoever reaches it can write events: auth.mode is off"
        }
    return ["\(status.exposed.joined(separator: " and ")): \(who)"]
}

private func keys(_ status: DaemonStatus) -> [String] {
    let (access, needed) = (status.access, status.authMode == "require" ? "needed" : "not needed")
    return ["\(needed) to send (auth.mode: \(status.authMode))", "\(grouped(access.deviceKeys)) of devices"]
        + ["\(grouped(access.tokens)) tokens"]
        + (access.masterKeys > 1 ? ["two master keys, a rotation is under way"] : [])
        + (access.problem == "good" ? [] : [access.problem])
}

private func ended(_ status: DaemonStatus) -> [String] {
    let reasons = status.connectionsEnded.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
    return reasons.isEmpty ? ["no connection by the daemon"] : reasons
}

private func scrubbed(_ scrub: ScrubStatus) -> [String] {
    guard let last = scrub.last else { return ["no segment checked since the start"] }
    let found = scrub.damages == 0 ? "no damage" : "\(scrub.damages) damaged places; run `tidings log verify`"
    return ["\(scrub.segments) segments checked since the start", "the last at \(last)", found]
}

private func reloads(_ status: DaemonStatus) -> [String] {
    let waiting = status.configNeedsRestart.joined(separator: ", ")
    return ["read again \(times(status.configReloads))"]
        + (status.isLastReloadGood == false ? ["the last time WRONG and not applied: `tidings reload` says why"] : [])
        + (waiting.isEmpty ? [] : ["needs a restart: \(waiting)"])
}

private func ids(_ status: DaemonStatus) -> [String] {
    ["\(grouped(status.idsRemembered)) remembered"]
        + (status.idsForgotten > 0 ? ["\(grouped(status.idsForgotten)) gave way to later ones of their device"] : [])
        + (status.idsCrowdedOut > 0 ? ["\(grouped(status.idsCrowdedOut)) to those of all devices together"] : [])
}

private func disk(_ status: DaemonStatus) -> [String] {
    guard let free = status.diskFreeBytes else { return ["how much is free is not known"] }
    let left = status.diskHoursLeft.map { hours in
        hours < 48 ? "\(fixed(hours, 1)) hours left" : "\(grouped(Int(min(hours / 24, 1e9)))) days left"
    }
    return ["\(amount(free)) free", left ?? "time left unknown, the log has not grown long enough"]
}

/// `12.3 GB`
func amount(_ bytes: UInt64) -> String {
    var (value, unit) = (Double(bytes), "B")
    for larger in ["kB", "MB", "GB", "TB", "PB"] where value >= 1_000 { (value, unit) = (value / 1_000, larger) }
    return "\(fixed(value, unit == "B" ? 0 : 1)) \(unit)"
}

func duration(seconds: Double) -> String {
    let seconds = Int(min(max(seconds, 0), 1e12))
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60)
    if days > 0 { return "\(days) d \(hours) h" }
    if hours > 0 { return "\(hours) h \(minutes) min" }
    return minutes > 0 ? "\(minutes) min \(seconds % 60) s" : "\(seconds) s"
}

/// The devices that send numbers which are too old, and what helps.
private func staleDevices(_ status: DaemonStatus, _ style: TableStyle) -> [String] {
    guard status.staleEvents > 0 else { return [] }
    var lines = entry(
        "stale",
        [
            "\(status.staleEvents) events were numbered below what their device had sent before and are not stored; "
                + "a device that begins again from a low number must send another `epoch`"
        ], style)
    let most = status.staleDevices
    // The names share what the counts leave; each is cut for itself, so that the columns stay.
    let counts = most.map { grouped($0.events) }
    let room = style.width - 13 - (counts.map(\.count).max() ?? 0) - 4
    let names = most.map { ($0.product, $0.device) }.map { (visible($0), visible($1)) }
    let widest = (names.map { columns($0.0) }.max() ?? 0, names.map { columns($0.1) }.max() ?? 0)
    var product = min(widest.0, room / 2)
    let device = min(widest.1, room - product)
    product = min(widest.0, room - device)
    for (name, count) in zip(names, counts) {
        lines.append(
            String(repeating: " ", count: 13) + padded(cut(name.0, product, style), product) + "  "
                + padded(cut(name.1, device, style), device) + "  "
                + String(repeating: " ", count: (counts.map(\.count).max() ?? 0) - count.count) + count)
    }
    return lines
}

private func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - columns(text)))
}

private func counts(_ status: DaemonStatus, _ style: TableStyle) -> [String] {
    // Where there is no room the reason gives way; the count is whole.
    var table = TextTable([.init("transport"), .init("outcome"), .init("reason", least: 6), .init("events")])
    for (name, counts) in status.transports.sorted(by: { $0.key < $1.key }) {
        for row in rows(counts) { table.add([name, row.outcome, row.reason, "\(row.events)"]) }
    }
    return table.lines(style, indent: 0)
}

private func rows(_ counts: DaemonStatus.Counts) -> [(outcome: String, reason: String, events: UInt64)] {
    var rows: [(String, String, UInt64)] = [
        ("received", "", counts.received), ("committed", "", counts.committed),
        ("without consent", "", counts.withoutConsent),
        ("duplicate", "", counts.duplicate), ("stale", "", counts.stale),
    ]
    for (outcome, reasons) in [
        ("quarantined", counts.quarantined), ("refused", counts.refused), ("dropped", counts.dropped),
    ] {
        rows += reasons.sorted { $0.key < $1.key }.map { (outcome, $0.key, $0.value) }
    }
    rows.append(("in flight", "", counts.inFlight))
    return rows.filter { $0.2 > 0 || $0.0 == "received" }
}
