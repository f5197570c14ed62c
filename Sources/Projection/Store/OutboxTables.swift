// The tables of messages to devices: their columns, what stands in them, and the views of them.

import Events
import GRDB
import SQLite

/// The columns of `fold_message`, a row for each message.
enum MessageColumn: String, TableColumn {
    static let table = "fold_message"

    case number
    case tag
    case offset
    case kind
    case product
    case device
    case customer
    case aspect
    case author
    case priority
    case basis
    case scope
    case policy
    case collapse
    case isLive = "is_live"
    case awaitsApp = "awaits_app"
    case valueKind = "value_kind"
    case value
    case unit
    /// The offset of the feedback that a reply answers.
    case feedback
    case notBefore = "not_before_ms"
    case expires = "expires_ms"
    case asOf = "as_of"
    case closing = "closed"
    case closedAt = "closed_offset"
    case addressed
    /// A JSON array: how many devices are in each state, by the number of the state.
    case states
    case late
    case attempts
    /// NULL when it cannot be read any more: it was for somebody who is forgotten.
    case payload

    var type: ColumnType {
        switch self {
        case .number: .key
        case .value: .real
        case .states, .payload: .text
        default: .integer
        }
    }

    /// SQL has a word of this name.
    var description: String { self == .offset ? "\"offset\"" : rawValue }

    /// The id of a message, as devices have it.
    static let id = "printf('m%d-%08x', number, tag) AS message"

    private static func named(_ column: Self, _ names: [(UInt8, String)]) -> String {
        "CASE \(column) " + names.map { "WHEN \($0.0) THEN '\($0.1)'" }.joined(separator: " ") + " END"
    }
    private static let kindNames = EventKind.allCases.filter(\.isMessage).map { ($0.rawValue, "\($0.name)") }
    private static let closingNames = ClosingReason.allCases.map { ($0.rawValue, "\($0.name)") }
    private static let counts = DeliveryState.allCases.dropFirst().map {
        "json_extract(\(states), '$[\($0.rawValue)]') AS \"\($0.name)\""
    }.joined(separator: ", ")
    static let valueText = """
        CASE \(valueKind) WHEN \(Event.ValueKind.symbol.rawValue) THEN \(SummarySchema.name(.value, "\(value)"))
            WHEN \(Event.ValueKind.flag.rawValue) THEN iif(\(value), 'true', 'false')
            WHEN \(Event.ValueKind.none.rawValue) THEN NULL ELSE \(value) END AS value
        """

    static let view = """
        SELECT \(id), \(SummarySchema.product), \(named(.kind, kindNames)) AS kind, \(SummarySchema.aspect),
            \(named(.priority, MessagePriority.allCases.map { ($0.rawValue, "\($0.name)") })) AS priority,
            \(named(.basis, MessageBasis.allCases.map { ($0.rawValue, "\($0.name)") })) AS basis,
            \(named(.scope, MessageScope.allCases.map { ($0.rawValue, "\($0.name)") })) AS target,
            nullif(\(device), 0) AS device, \(SummarySchema.nameIfAny(.value, "\(author)")) AS author,
            \(SummarySchema.nameIfAny(.value, "\(collapse)")) AS collapse, \(offset),
            \(SummarySchema.time(notBefore)) AS time,
            CASE WHEN \(expires) = 0 THEN NULL ELSE \(SummarySchema.time(expires)) END AS expires,
            \(asOf), \(feedback), \(named(.closing, closingNames)) AS closed, \(closedAt), \(addressed), \(counts),
            \(late), \(attempts), \(payload)
        FROM \(table)
        """

    static let settingView = """
        SELECT \(id), \(SummarySchema.product), \(SummarySchema.aspect),
            \(named(.scope, MessageScope.allCases.map { ($0.rawValue, "\($0.name)") })) AS target,
            nullif(\(device), 0) AS device, \(valueText), \(SummarySchema.unit),
            \(named(.policy, SettingPolicy.allCases.map { ($0.rawValue, "\($0.name)") })) AS policy,
            number AS version, \(closing) = 0 AS is_open
        FROM \(table) WHERE \(kind) = \(EventKind.setting.rawValue)
        """
}

/// The columns of `fold_delivery`: the entries of messages to many, a byte for each device of a page.
enum DeliveryPageColumn: String, TableColumn {
    static let table = "fold_delivery"
    static let primaryKey = [message, page]

    case message
    case page
    /// A byte for each of 4,096 device numbers: the state in the lower four bits, the attempts in the upper ones.
    case states

    var type: ColumnType { self == .states ? .blob : .integer }
}

/// The columns of `fold_delivery_few`: the entries of messages to few.
enum DeliveryFewColumn: String, TableColumn {
    static let table = "fold_delivery_few"
    static let primaryKey = [message, device]

    case message
    case device
    case entry

    var type: ColumnType { .integer }

    private static let stateName =
        "CASE entry & 15 "
        + DeliveryState.allCases.map { "WHEN \($0.rawValue) THEN '\($0.name)'" }.joined(separator: " ") + " END"

    /// Every entry as a row, those of pages too.
    static let view = """
        SELECT message, device, \(stateName) AS state,
            CASE WHEN entry = \(Delivery.overQuota.byte) THEN 0 ELSE entry >> 4 END AS attempts
        FROM (
            SELECT message, device, entry FROM \(table)
            UNION ALL
            SELECT message, device, instr('\(hexadecimal)', substr(digits, 1, 1)) * 16
                + instr('\(hexadecimal)', substr(digits, 2, 1)) - 17 AS entry
            FROM (
                WITH RECURSIVE place(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM place WHERE n < 4095)
                SELECT message, page * 4096 + n AS device, hex(substr(states, n + 1, 1)) AS digits
                FROM \(DeliveryPageColumn.table), place WHERE substr(states, n + 1, 1) <> x'00'
            )
        )
        """
    private static let hexadecimal = "0123456789ABCDEF"
}

/// The columns of `fold_answer`: how many devices have answered what last.
enum AnswerColumn: String, TableColumn {
    static let table = "fold_answer"
    static let primaryKey = [message, valueKind, bits]

    case message
    case valueKind = "value_kind"
    case bits
    case value
    case devices

    var type: ColumnType { self == .value ? .real : .integer }

    static let view = """
        SELECT (SELECT printf('m%d-%08x', number, tag) FROM \(MessageColumn.table) WHERE number = message) AS message,
            \(MessageColumn.valueText), devices
        FROM \(table)
        """
}

/// A value as a column: words by their number.
private func columnValue(_ kind: Event.ValueKind, _ bits: UInt64) -> Double {
    switch kind {
    case .none: 0
    case .whole: Double(Int64(bitPattern: bits))
    case .real: Double(bitPattern: bits)
    case .symbol, .flag: Double(bits)
    }
}

extension CheckpointWriter {
    /// Writes the messages that changed, and what has changed of their entries and answers.
    func writeOutbox(_ state: borrowing SummaryState) throws {
        guard state.outbox.isDirty else { return }
        let dirty = state.outbox.dirty.sorted()
        try db.insertRows(of: MessageColumn.self) { columns, rows in
            for index in dirty {
                for column in columns { rows.add(column, of: index, state.outbox) }
                try rows.endRow()
            }
        }
        for index in dirty where state.outbox.entries[index].hasOutgrownList {
            let sql = "DELETE FROM \(DeliveryFewColumn.table) WHERE message = ?"
            try db.execute(sql: sql, arguments: [state.outbox.messages[index].number])
        }
        try db.insertRows(of: DeliveryFewColumn.self) { columns, rows in
            for index in dirty { try Self.addFew(columns, index, state.outbox, &rows) }
        }
        try db.insertRows(of: DeliveryPageColumn.self, rowsAtOnce: 1) { columns, rows in
            for index in dirty { try Self.addPages(columns, index, state.outbox, &rows) }
        }
        try writeAnswers(dirty.filter { state.outbox.messages[$0].hasNewAnswers }, state.outbox)
    }

    private static func addFew(
        _ columns: [DeliveryFewColumn], _ index: Int, _ outbox: borrowing Outbox, _ rows: inout RowInserter
    ) throws {
        for device in outbox.entries[index].dirtyDevices.sorted() {
            for column in columns {
                switch column {
                case .message: rows.add(outbox.messages[index].number)
                case .device: rows.add(device)
                case .entry: rows.add(UInt32(outbox.entries[index][device].byte))
                }
            }
            try rows.endRow()
        }
    }

    private static func addPages(
        _ columns: [DeliveryPageColumn], _ index: Int, _ outbox: borrowing Outbox, _ rows: inout RowInserter
    ) throws {
        for page in outbox.entries[index].dirtyPages.sorted() {
            for column in columns {
                switch column {
                case .message: rows.add(outbox.messages[index].number)
                case .page: rows.add(page)
                case .states:
                    let start = rows.bytes.count
                    rows.bytes += outbox.entries[index].pages[Int(page)]
                    rows.addBlob(from: start)
                }
            }
            try rows.endRow()
        }
    }

    private func writeAnswers(_ changed: [Int], _ outbox: borrowing Outbox) throws {
        guard !changed.isEmpty else { return }
        let numbers = Set(changed.map { outbox.messages[$0].number })
        var counts: [UInt32: [OutboxAnswer: UInt64]] = [:]
        for (key, answer) in outbox.answers {
            let number = UInt32(key >> 32)
            guard numbers.contains(number) else { continue }
            var value = OutboxAnswer()
            (value.valueKind, value.bits) = (answer.valueKind, answer.bits)
            counts[number, default: [:]][value, default: 0] += 1
        }
        for number in numbers {
            try db.execute(sql: "DELETE FROM \(AnswerColumn.table) WHERE message = ?", arguments: [number])
        }
        try db.insertRows(of: AnswerColumn.self) { columns, rows in
            for (number, values) in counts {
                for (value, devices) in values {
                    for name in columns {
                        switch name {
                        case .message: rows.add(number)
                        case .valueKind: rows.add(UInt32(value.valueKind.rawValue))
                        case .bits: rows.add(Int64(bitPattern: value.bits))
                        case .value: rows.add(columnValue(value.valueKind, value.bits))
                        case .devices: rows.add(devices)
                        }
                    }
                    try rows.endRow()
                }
            }
        }
    }
}

extension RowInserter {
    fileprivate mutating func add(_ column: MessageColumn, of index: Int, _ outbox: borrowing Outbox) {
        let message = outbox.messages[index]
        switch column {
        case .number: add(message.number)
        case .tag: add(message.tag)
        case .offset: add(message.offset)
        case .kind: add(UInt32(message.kind.rawValue))
        case .product: add(message.product)
        case .device: add(message.device)
        case .customer: add(message.customer)
        case .aspect: add(message.aspect)
        case .author: add(message.author)
        case .priority: add(UInt32(message.terms.priority.rawValue))
        case .basis: add(UInt32(message.terms.basis.rawValue))
        case .scope: add(UInt32(message.terms.scope.rawValue))
        case .policy: add(UInt32(message.terms.policy.rawValue))
        case .collapse: add(message.collapse)
        case .isLive: add(message.terms.isLive ? 1 : 0 as UInt32)
        case .awaitsApp: add(message.terms.awaitsApp ? 1 : 0 as UInt32)
        case .valueKind: add(UInt32(message.valueKind.rawValue))
        case .value: add(columnValue(message.valueKind, message.valueBits))
        case .unit: add(message.unit)
        case .feedback: add(Int64(clamping: message.feedback) - 1, if: message.feedback > 0)
        case .notBefore: add(message.notBefore)
        case .expires: add(message.expires)
        case .asOf: add(Int64(clamping: message.asOf) - 1, if: message.asOf > 0)
        case .closing: add(UInt32(message.closing))
        case .closedAt: add(Int64(clamping: message.closedAt), if: message.closing != 0)
        case .addressed: add(message.addressed)
        case .states:
            addArray(of: DeliveryState.allCases.count) { json in
                for state in DeliveryState.allCases { json.addNumber(UInt64(message.states[Int(state.rawValue)])) }
            }
        case .late: add(message.late)
        case .attempts: add(message.attempts)
        case .payload:
            guard !outbox.payloads[index].isEmpty else { return addNull() }
            let start = bytes.count
            bytes += outbox.payloads[index]
            addText(from: start)
        }
    }
}
