// All tables of summaries.sqlite, and those without rows of the fold: what the file says of itself, symbols, state.

import Admission
import Bytes
import Events
import GRDB
import SQLite

/// The tables of summaries.sqlite; each is described by its columns, in a file of its own if it has rows of the fold.
///
/// The `fold_` tables hold numbers, many of them in one column as a JSON array, so that a checkpoint is cheap; the
/// views give them names and are the public interface. Their columns have no NOT NULL: where a row of many could be
/// refused for it, SQLite would first copy each page that it touches (its statement journal).
package enum SummaryTables {
    /// Goes up with every change of what is folded that tables and rows do not show.
    private static let foldVersion = 8

    /// Another one means: rebuild. Its second half changes with every table, column, array and row of the fold.
    static let version = "\(foldVersion)-\(String(digest & 0xffff_ffff, radix: 16))"

    /// Of how everything is stored.
    static let digest: UInt64 = {
        let rows = [
            MemoryLayout<ProductRow>.size, MemoryLayout<ProductDayRow>.size, MemoryLayout<AspectRow>.size,
            MemoryLayout<AspectDayRow>.size, MemoryLayout<DeviceRow>.size, MemoryLayout<CustomerRow>.size,
            MemoryLayout<RatingRow>.size, MemoryLayout<ChoiceRow>.size, MemoryLayout<FaultRow>.size,
            MemoryLayout<BinRow>.size, MemoryLayout<DayChoiceRow>.size, MemoryLayout<Preference>.size,
            MemoryLayout<PackedPreference>.size, MemoryLayout<OtherUnitRow>.size, MemoryLayout<DayUnitRow>.size,
            MemoryLayout<QuarantineRow>.size, MemoryLayout<Consent>.size, MemoryLayout<OutboxMessage>.size,
        ]
        let arrays = [
            AspectField.allCases.count, ChoiceField.allCases.count, FaultField.allCases.count,
            ScaleField.allCases.count, AspectDayField.allCases.count, DayRatingField.allCases.count,
            DayNumberField.allCases.count, DayChoiceField.allCases.count, OtherUnitField.allCases.count,
            DayUnitField.allCases.count,
        ]
        // Other factors of a unit make other numbers.
        let units = MeasurementUnit.known.map { "\($0.name) \($0.base) \($0.factor) \($0.offset)" }
        let numbers = ([foldVersion] + rows + arrays).map { String($0) }
        let text = definitions + (numbers + units).joined(separator: " ")
        return hashBytes(Array(text.utf8).span, seed: 0)
    }()

    /// A table without its type.
    struct Table {
        let definition: String
        let columns: [(table: String, column: String)]

        @inline(__always) init<Column: TableColumn>(_ table: Column.Type) {
            definition = table.definition
            columns = table.allCases.map { (table.table, $0.rawValue) }
        }
    }

    static var all: [Table] {
        [
            Table(MetaColumn.self), Table(SymbolColumn.self), Table(ProductColumn.self), Table(AspectColumn.self),
            Table(ProductDayColumn.self), Table(FeedbackColumn.self), Table(MessageColumn.self),
            Table(DeliveryPageColumn.self), Table(DeliveryFewColumn.self), Table(AnswerColumn.self),
            Table(StateColumn.self),
        ]
    }

    /// Every column of every table, in the order of the schema.
    package static var columns: [(table: String, column: String)] { all.flatMap(\.columns) }

    /// The SQL that makes those that are not there.
    static let definitions: String = {
        let columns = "\(SymbolColumn.kind), \(SymbolColumn.text)"
        let index = "CREATE INDEX IF NOT EXISTS word_text ON \(SymbolColumn.table) (\(columns));"
        return (all.map(\.definition) + [index]).joined(separator: "\n")
    }()

    /// The condition that the upper half of a column is the query's first argument: rows of one product.
    static func isOfProduct(_ column: some TableColumn, shift: Int = 32) -> String {
        "\(column) BETWEEN ?1 << \(shift) AND (?1 << \(shift)) + \(1 << shift - 1)"
    }
}

/// The columns of `meta`.
enum MetaColumn: String, TableColumn {
    static let table = "meta"
    static let primaryKey = [key]

    case key
    case value

    var type: ColumnType { .text.required }
}

/// What `meta` says; the names of its keys.
enum MetaKey: String {
    case version = "projection_version"
    case log = "log_identity"
    case offset
    case snapshotOffset = "snapshot_offset"
    case skipped
    case updated
}

/// The columns of `word`: the names behind the numbers of each kind of symbol.
enum SymbolColumn: String, TableColumn {
    static let table = "word"
    static let primaryKey = [kind, id]

    case kind
    case id
    case text

    var type: ColumnType { self == .text ? .text.required : .integer.required }
}

/// The columns of `state`: the pages of the last snapshot.
enum StateColumn: String, TableColumn {
    static let table = "state"
    static let primaryKey = [part, page]
    static let areRowsLarge = true

    case part
    case page
    case checksum
    case body

    var type: ColumnType { self == .body ? .blob.required : .integer.required }
}

extension CheckpointWriter {
    func writeSymbols(_ state: borrowing SummaryState) throws {
        try db.insertRows(of: SymbolColumn.self) { columns, rows in try Self.addSymbols(state, columns, to: &rows) }
    }

    private static func addSymbols(
        _ state: borrowing SummaryState, _ columns: [SymbolColumn], to rows: inout RowInserter
    ) throws {
        for symbol in state.dirty.symbols {
            for column in columns {
                switch column {
                case .kind: rows.add(UInt64(symbol.kind.rawValue))
                case .id: rows.add(symbol.id.rawValue)
                case .text:
                    rows.bytes += Array(String(decoding: symbol.text, as: UTF8.self).utf8)
                    rows.addText(from: rows.rowStart)
                }
            }
            try rows.endRow()
        }
    }
}
