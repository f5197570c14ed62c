// The table of feedback texts: its columns, what stands in them, the view of it, and how it is read back.

import Events
import GRDB
import SQLite

/// The columns of `fold_feedback`, a row for each of a product's latest texts.
enum FeedbackColumn: String, TableColumn {
    static let table = "fold_feedback"

    case id
    case product
    case number
    case offset
    case aspect
    case language
    case time = "time_ms"
    case rating
    case scale
    /// NULL when it cannot be read any more: whoever has said it was forgotten.
    case text
    case customer
    case device

    var type: ColumnType {
        switch self {
        case .id: .key
        case .rating: .real
        case .text: .text
        default: .integer
        }
    }

    /// SQL has a word of this name.
    var description: String { self == .offset ? "\"offset\"" : rawValue }

    static let view = """
        SELECT \(SummarySchema.product), \(offset), \(SummarySchema.time(time)) AS time, \(SummarySchema.aspect),
            \(SummarySchema.nameIfAny(.language, "\(language)")) AS language, \(rating), \(text)
        FROM \(table)
        """
}

extension CheckpointWriter {
    /// Takes texts away that were said by somebody who is forgotten.
    func eraseTexts(_ state: borrowing SummaryState) throws {
        try eraseTexts(.customer, state.dirty.erasedCustomers)
        try eraseTexts(.device, state.dirty.erasedDevices)
    }

    private func eraseTexts(_ column: FeedbackColumn, _ numbers: [UInt32]) throws {
        // Numbers in the statement: there is no bound on how many there are but its length.
        for start in stride(from: 0, to: numbers.count, by: 10_000) {
            let list = numbers[start..<min(numbers.count, start + 10_000)].map { String($0) }.joined(separator: ",")
            try db.execute(
                sql: """
                    UPDATE \(FeedbackColumn.table) SET \(FeedbackColumn.text) = NULL
                    WHERE \(column) IN (\(list)) AND \(FeedbackColumn.text) IS NOT NULL
                    """)
        }
    }

    func writeTexts(_ state: borrowing SummaryState) throws {
        let room = UInt64(ProjectionLimits.textsPerProduct)
        var keys: [SortKey] = []
        for (index, text) in state.dirty.texts.enumerated()
        where text.number + room >= state.products[Int(text.product)].textNumber {
            let key = SummarySchema.textKey(text.product, text.number % room)
            keys.append(SortKey(key: key, row: UInt32(truncatingIfNeeded: index)))
        }
        keys.sortByKey()
        try db.insertRows(of: FeedbackColumn.self) { columns, rows in
            try Self.addTexts(keys, state, columns, to: &rows)
        }
    }

    private static func addTexts(
        _ keys: [SortKey], _ state: borrowing SummaryState, _ columns: [FeedbackColumn], to rows: inout RowInserter
    ) throws {
        let (texts, textBytes) = (state.dirty.texts.span, state.dirty.textBytes.span)
        for (index, key) in keys.enumerated() {
            if index + 16 < keys.count { texts.prefetch(Int(keys[index + 16].row)) }
            if index + 8 < keys.count {
                let next = texts[Int(keys[index + 8].row)]
                if next.length > 0 {
                    textBytes.prefetch(next.start)
                    textBytes.prefetch(next.start + next.length - 1)
                }
            }
            let text = texts[Int(key.row)]
            for column in columns { rows.add(column, of: key.key, text, state) }
            try rows.endRow()
        }
    }
}

extension RowInserter {
    @inline(__always)
    fileprivate mutating func add(
        _ column: FeedbackColumn, of key: Int64, _ text: PendingText, _ state: borrowing SummaryState
    ) {
        switch column {
        case .id: add(key)
        case .product: add(text.product)
        case .number: add(text.number)
        case .offset: add(text.offset)
        case .aspect: add(text.aspect)
        case .language: add(text.language)
        case .time: add(text.time)
        case .rating: add(text.rating ?? 0, if: text.rating != nil)
        case .scale: add(UInt64(text.scale))
        case .customer: add(text.customer)
        case .device: add(text.device)
        case .text:
            let start = bytes.count
            if text.isUnreadable { return addNull() }
            bytes += state.dirty.textBytes[text.start..<text.start + text.length]
            addText(from: start)
        }
    }
}

extension SummaryReading {
    mutating func readTexts(_ window: ClosedRange<Day> = .always) throws {
        typealias Column = FeedbackColumn
        // The text comes first, as bytes.
        let sql = """
            SELECT \(StoredText.bytes("\(Column.text)")), * FROM \(Column.table)
            WHERE \(SummaryTables.isOfProduct(Column.id, shift: SummarySchema.textKeyBits))
                AND \(Column.time) BETWEEN ?2 AND ?3
            ORDER BY \(Column.number) DESC LIMIT \(ProjectionLimits.textsShown)
            """
        let (first, last) = window.milliseconds
        for row in try Row.fetchAll(db.cachedStatement(sql: sql), arguments: [id, first, last]) {
            let (aspect, language): (UInt32, UInt32) = (try row.value(Column.aspect), try row.value(Column.language))
            let offset: UInt64 = try row.value(Column.offset)
            summary.texts.append(
                FeedbackText(
                    offset: Offset(rawValue: offset), time: Timestamp(rawValue: try row.value(Column.time)),
                    aspect: aspect == 0 ? "" : try name(.aspect, aspect),
                    language: language == 0 ? nil : try name(.language, language),
                    rating: try row.value(Column.rating), text: try row.textIfAny(0)))
        }
    }

    /// The number of the product's latest text; nil without any.
    func latestText() throws -> Int? {
        typealias Column = FeedbackColumn
        let sql = """
            SELECT max(\(Column.number)) FROM \(Column.table)
            WHERE \(SummaryTables.isOfProduct(Column.id, shift: SummarySchema.textKeyBits))
            """
        return try Int.fetchOne(db.cachedStatement(sql: sql), arguments: [id])
    }
}
