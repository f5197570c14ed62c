// What `tidings top` shows: a screen of lines, or what it knows for programs.

extension TopModel {
    /// A screen: as many lines as there is room for, none wider than the terminal.
    ///
    /// - Parameter now: by the clock of the samples.
    package func screen(height: Int, now: Double, style: TableStyle) -> [String] {
        var lines = head(now, style)
        let keys = ["q quit", "o overview", "p products", "r refusals", "d devices", "t tail"]
        let room = height - lines.count - 1
        let body = newest == nil ? [] : body(room, style)
        lines += body.prefix(max(0, room))
        while lines.count < height - 1 { lines.append("") }
        lines = Array(lines.prefix(max(1, height - 1)))
        lines.append(style.faint(cut(keys.joined(separator: "  "), style.width, style)))
        return lines
    }

    /// The same for a file or a pipe: all of it, once.
    package func report(style: TableStyle) -> String {
        let lines = head(newest?.seconds ?? 0, style) + body(Int(Int32.max), style)
        return lines.map { $0 + "\n" }.joined()
    }

    // MARK: Above

    private func head(_ now: Double, _ style: TableStyle) -> [String] {
        guard let newest else {
            return folded([silence.map { "no daemon: \($0.reason)" } ?? "asking the daemon"], "", style)
        }
        let status = newest.status
        var title = ["tidings \(status.version)", "pid \(status.pid)", "up \(duration(seconds: status.uptimeSeconds))"]
        if restarts > 0 { title.append("restarted \(times(restarts)) meanwhile") }
        var lines = folded(title, ", ", style).map(style.bold)
        if let silence {
            let text = "no answer for \(duration(seconds: now - silence.since)): \(silence.reason); trying again"
            lines += folded([text], "", style).map(style.warning)
        }
        for problem in problems(status) { lines += folded([problem], "", style).map(style.warning) }
        let history = received.map { Int($0.rounded()) }
        lines += folded(
            ["in \(rate(rates?.received))", "stored \(rate(rates?.stored))", "duplicate \(rate(rates?.duplicate))"]
                + ["stale \(rate(rates?.stale))", "kept apart \(rate(rates?.apart))"]
                + ["refused \(rate(rates?.refused))", "dropped \(rate(rates?.dropped))"]
                + (style.isUnicode && history.contains { $0 > 0 } ? [histogram(history, style)] : []),
            "  ", style)
        let behind = status.head - min(status.head, status.projected)
        lines += folded(
            ["log \(grouped(status.head)) events", "summaries \(grouped(behind)) behind", disk(status)]
                + [memory(newest)] + ["connections \(grouped(status.connections))"]
                + ["messages \(grouped(newest.openMessages)) open, \(grouped(newest.waitingDeliveries)) waiting"],
            "  ", style)
        return lines + [""]
    }

    private func problems(_ status: DaemonStatus) -> [String] {
        [status.storage, status.projection, status.access.problem].filter { $0 != "good" }.map(visible)
            + (status.scrub.damages > 0 ? ["\(status.scrub.damages) damaged places; run `tidings log verify`"] : [])
            + (status.isBalanced ? [] : ["the counts do not add up: please report this"])
    }

    private func rate(_ events: Double?) -> String {
        guard let events else { return "-/s" }
        return (events == 0 ? "0" : events < 10 ? fixed(events, 1) : grouped(Int(min(events, 1e12)))) + "/s"
    }

    private func disk(_ status: DaemonStatus) -> String {
        guard let free = status.diskFreeBytes else { return "disk not known" }
        guard let hours = status.diskHoursLeft else { return "disk \(amount(free)) free" }
        return "disk \(amount(free)), \(grouped(Int(min(hours, 1e9)))) hours left"
    }

    private func memory(_ sample: TopSample) -> String {
        let memory = sample.memoryBytes.map(amount) ?? "not known"
        return "memory \(memory)" + (processorShare.map { "  processor \(percent($0))" } ?? "")
    }

    // MARK: Below

    private func body(_ room: Int, _ style: TableStyle) -> [String] {
        switch view {
        case .overview:
            let half = room == Int(Int32.max) ? room : max(2, (room - 1) / 2)
            let refusals = refusals(half, style)
            let products = products(room - refusals.count - 1, style)
            return products + (products.isEmpty || refusals.isEmpty ? [] : [""]) + refusals
        case .products: return or(products(room, style), "no products yet")
        case .refusals: return or(refusals(room, style), "nothing was refused, kept apart or dropped")
        case .devices: return or(devices(room, style), "no device is stale, and none lacks its key")
        case .tail: return or(tail.suffix(max(0, room)).map { cut($0, style.width, style) }, "no events yet")
        }
    }

    private func or(_ lines: [String], _ text: String) -> [String] { lines.isEmpty ? [text] : lines }

    private func products(_ room: Int, _ style: TableStyle) -> [String] {
        var table = TextTable([
            .init("product", least: 12, most: 0.5), .init("events/s", .right), .init("events", .right),
            .init("devices", .right, rank: 1),
        ])
        for product in busiest().prefix(max(0, room - 1)) {
            let grown = productRates[product.name].map { rate($0).replacing("/s", with: "") } ?? "-"
            table.add([visible(product.name), grown, grouped(product.events), grouped(product.devices)])
        }
        return table.lines(style, indent: 0)
    }

    private func refusals(_ room: Int, _ style: TableStyle) -> [String] {
        var table = TextTable([
            .init("not stored", least: 10), .init("reason", least: 12), .init("events/s", .right),
            .init("events", .right), .init(style.isUnicode ? "last \(Self.remembered) s" : "", rank: 1),
        ])
        for one in reasons().prefix(max(0, room - 1)) {
            let blocks = one.rates.map { Int(($0 * 100).rounded()) }
            table.add([
                one.reason.outcome, visible(one.reason.name),
                one.rates.last.map { rate($0).replacing("/s", with: "") } ?? "-", grouped(one.total),
                style.isUnicode ? histogram(blocks, style) : "",
            ])
        }
        return table.lines(style, indent: 0)
    }

    private func devices(_ room: Int, _ style: TableStyle) -> [String] {
        guard let status = newest?.status else { return [] }
        var table = TextTable([
            .init("device", least: 20, most: 0.6), .init("why", least: 8), .init("events", .right),
        ])
        for one in status.staleDevices {
            table.add([visible("\(one.product)/\(one.device)"), "stale: send another `epoch`", grouped(one.events)])
        }
        for one in status.credentialFaults {
            table.add([visible(one.sender), one.fault + " credential", grouped(one.count)])
        }
        return Array(table.lines(style, indent: 0).prefix(max(0, room)))
    }
}
