// Events of the log as lines: for the eye or for a spreadsheet. (As JSON they are written by Wire.)

package import Events

/// Renders single events for `log tail` and `log export`.
package struct EventLines: Sendable {
    private let style: TableStyle

    package init(style: TableStyle = .plain) { self.style = style }

    /// The header of the CSV form, with its line end.
    package static let csvHeader = csvLine([
        "offset", "time", "clock", "arrival", "product", "device", "customer", "id", "type", "aspect", "value", "unit",
        "count", "severity", "scale", "text", "lang", "quarantined",
    ])

    /// One event as a line of a table, without a line end; cut to the terminal.
    package func tableLine(_ event: Event, text: String, offset: Offset, vocabulary: Vocabulary) -> String {
        let names = EventNames(event, vocabulary)
        var line = style.faint(pad(String(offset.rawValue), 9)) + "  " + String(rfc3339(event.time).prefix(23))
        var used = 34
        func add(_ cell: String, _ width: Int, paint: (String) -> String = { $0 }) {
            let cell = cut(visible(cell), max(8, style.width - used), style)
            line += "  " + paint(cell)
            let padding = max(0, width - columns(cell))
            line += String(repeating: " ", count: padding)
            used += 2 + columns(cell) + padding
        }
        add(names.product, 16)
        add(names.device, 14)
        add(names.type, 14, paint: style.accent)
        add(names.aspect, 18)
        if event.quarantine != .none { add("quarantined: \(event.quarantine.name)", 0, paint: style.warning) }
        var said = names.value
        if event.unit != .none { said += " " + names.unit }
        if event.count != 1 { said += (said.isEmpty ? "" : " ") + "x\(event.count)" }
        if !text.isEmpty { said += (said.isEmpty ? "" : " ") + "\"" + text + "\"" }
        if used + 10 < style.width { add(said, 0) }
        while line.hasSuffix(" ") { line.removeLast() }
        return line
    }

    /// One event as a line of CSV, with its line end.
    package func csvText(_ event: Event, text: String, offset: Offset, vocabulary: Vocabulary) -> String {
        let names = EventNames(event, vocabulary)
        return csvLine([
            String(offset.rawValue), rfc3339(event.time), names.clock, rfc3339(event.arrival), names.product,
            names.device, names.customer, names.identity, names.type, names.aspect, names.value, names.unit,
            String(event.count), event.severity == 0 ? "" : String(event.severity),
            event.scale == 0 ? "" : String(event.scale), text, names.language,
            event.quarantine == .none ? "" : "\(event.quarantine.name)",
        ])
    }

    private func pad(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}

/// The words of one event.
private struct EventNames {
    private let event: Event
    private let vocabulary: Vocabulary

    init(_ event: Event, _ vocabulary: Vocabulary) {
        self.event = event
        self.vocabulary = vocabulary
    }

    private func word(_ kind: SymbolKind, _ id: SymbolID) -> String {
        guard id != .none else { return "" }
        let bytes = vocabulary.text(kind, id)
        return bytes.isEmpty ? "\(kind.name)#\(id.rawValue)" : String(decoding: bytes, as: UTF8.self)
    }

    var product: String { word(.product, event.product) }
    var aspect: String { word(.aspect, event.aspect) }
    var unit: String { word(.unit, event.unit) }
    var language: String { word(.language, event.language) }
    var type: String { event.type == .none ? "\(event.kind.name)" : word(.type, event.type) }

    var device: String {
        guard event.device != .none else { return "" }
        let name = vocabulary.name(of: event.device)
        return name.isEmpty ? "device#\(event.device.rawValue)" : String(decoding: name, as: UTF8.self)
    }

    var customer: String {
        guard event.customer != .none else { return "" }
        let name = vocabulary.name(of: event.customer)
        return name.isEmpty ? "customer#\(event.customer.rawValue)" : String(decoding: name, as: UTF8.self)
    }

    var clock: String {
        switch event.clock {
        case .device: ""
        case .age: "age"
        case .arrival: "arrival"
        }
    }

    var identity: String {
        switch event.identity {
        case .none: return ""
        case .sequence: return "\(event.epoch)-\(event.seq)"
        case .hash:
            let digits = String(event.seq, radix: 16)
            return "#" + String(repeating: "0", count: 16 - digits.count) + digits
        }
    }

    var value: String {
        switch event.value {
        case .none: ""
        case .whole(let number): String(number)
        case .real(let number): "\(number)"
        case .symbol(let id): word(.value, id)
        case .flag(let flag): flag ? "true" : "false"
        }
    }
}
