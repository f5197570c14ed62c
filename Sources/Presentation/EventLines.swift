// Events of the log as lines: for the eye or for a spreadsheet. (As JSON they are written by Wire.)

package import Events

/// Renders single events for `log tail` and `log export`.
package struct EventLines: Sendable {
    private let style: TableStyle
    /// The room of each column that the terminal has room for.
    private let widths: [Field: Int]

    /// The columns of a line, but the last one, which says what was said. Left out first when there is no room: the
    /// offset, the device, the type, the time.
    private enum Field: CaseIterable {
        case offset, time, product, device, type, aspect

        /// The width that is enough, the least one, and the rank of those that may be left out.
        var room: (enough: Int, least: Int, rank: Int) {
            switch self {
            case .offset: (9, 9, 4)
            case .time: (23, 11, 1)
            case .product: (24, 8, 0)
            case .device: (20, 8, 3)
            case .type: (17, 8, 2)
            case .aspect: (24, 8, 0)
            }
        }
    }

    /// What was said has room for any reason of a quarantine, whole.
    private static let longestReason = QuarantineReason.allCases.reduce(0) { max($0, $1.name.utf8CodeUnitCount) }

    package init(style: TableStyle = .plain) {
        self.style = style
        var fields = Field.allCases
        while true {
            let natural = fields.map(\.room.enough) + [40]
            let least = fields.map(\.room.least) + [Self.longestReason]
            let widths = ColumnWidths.fit(natural, least: least, room: style.width)
            let last = fields.max { $0.room.rank < $1.room.rank }
            guard widths == nil, let last, last.room.rank > 0 else {
                self.widths = Dictionary(uniqueKeysWithValues: zip(fields, widths ?? least))
                return
            }
            fields.removeAll { $0 == last }
        }
    }

    /// The header of the CSV form, with its line end.
    package static let csvHeader = csvLine([
        "offset", "time", "clock", "arrival", "product", "device", "customer", "id", "type", "aspect", "value", "unit",
        "count", "severity", "scale", "text", "lang", "quarantined",
    ])

    /// One event as a line of a table, without a line end; cut to the terminal.
    package func tableLine(_ event: Event, text: String, offset: Offset, vocabulary: Vocabulary) -> String {
        let names = EventNames(event, vocabulary)
        var line = ""
        var used = 0
        for field in Field.allCases {
            guard let width = widths[field] else { continue }
            let cell =
                switch field {
                case .offset: String(offset.rawValue)
                case .time: time(event.time, width)
                case .product: cut(visible(names.product), width, style)
                case .device: cut(visible(names.device), width, style)
                case .type: cut(visible(names.type), width, style)
                case .aspect: cut(visible(names.aspect), width, style)
                }
            let taken = field == .time ? columns(cell) : max(width, columns(cell))
            let padding = String(repeating: " ", count: taken - columns(cell))
            switch field {
            case .offset: line += style.faint(padding + cell)
            case .type: line += style.accent(cell) + padding
            case .time, .product, .device, .aspect: line += cell + padding
            }
            line += "  "
            used += taken + ColumnWidths.gap
        }
        line += said(event, names, text, room: max(Self.longestReason, style.width - used))
        while line.hasSuffix(" ") { line.removeLast() }
        return line
    }

    /// As much of the time as there is room for; from the day of the year on when the year has none.
    private func time(_ time: Timestamp, _ width: Int) -> String {
        let text = rfc3339(time)
        if width >= 23 { return String(text.prefix(23)) }
        if width >= 19 { return String(text.prefix(19)) }
        return width >= 16 ? String(text.prefix(16)) : String(text.dropFirst(text.count - 19).prefix(11))
    }

    /// The value and the text; first, and whole, why the event is kept apart.
    private func said(_ event: Event, _ names: EventNames, _ text: String, room: Int) -> String {
        var said = names.value
        if event.unit != .none { said += " " + names.unit }
        if event.count != 1 { said += (said.isEmpty ? "" : " ") + "x\(event.count)" }
        if !text.isEmpty { said += (said.isEmpty ? "" : " ") + "\"" + text + "\"" }
        said = visible(said)
        guard event.quarantine != .none else { return cut(said, room, style) }
        let full = "quarantined: \(event.quarantine.name)"
        let reason = columns(full) <= room ? full : "\(event.quarantine.name)"
        let rest = room - columns(reason) - ColumnWidths.gap
        return style.warning(reason) + (rest < 4 || said.isEmpty ? "" : "  " + cut(said, rest, style))
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
