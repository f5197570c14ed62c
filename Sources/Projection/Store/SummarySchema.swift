// The views of summaries.sqlite that people query (docs/summaries.md), and the keys of its rows.

import Events

/// The public views, and what they and the tables' files share.
enum SummarySchema {
    /// Every public view in the order of `SummaryStore.dump`, each as SQLite keeps its definition.
    static let views: [(name: String, sql: String)] = [
        ("product_summary", ProductColumn.view), ("aspect_summary", AspectColumn.summaryView),
        ("preference", AspectColumn.preferenceView), ("numeric", AspectColumn.numericView),
        ("rating", AspectColumn.ratingView), ("feature_usage", AspectColumn.usageView),
        ("fault", AspectColumn.faultView), ("feedback", FeedbackColumn.view), ("daily_product", ProductDayColumn.view),
        ("daily_aspect", AspectDayField.view), ("daily_choice", AspectDayField.choiceView),
        ("daily_numeric", AspectDayField.numericView), ("message", MessageColumn.view),
        ("setting", MessageColumn.settingView), ("delivery", DeliveryFewColumn.view),
        ("question_result", AnswerColumn.view),
    ].map { (name: $0.0, sql: "CREATE VIEW \($0.0) AS \($0.1)") }

    // Keys are integers, so that a row is found by comparing numbers and rows that are written together lie together.

    /// The key of one day of a product: (product, day).
    static func productDayKey(_ product: UInt32, _ day: Int32) -> Int64 {
        Int64(product) << 32 | (Int64(day) - Int64(Int32.min))
    }
    /// The key of an aspect: (product, aspect).
    static func aspectKey(_ row: borrowing AspectRow) -> Int64 { Int64(row.product) << 32 | Int64(row.aspect) }
    /// The key of a feedback text: (product, slot among its latest texts).
    static func textKey(_ product: UInt32, _ slot: UInt64) -> Int64 { Int64(product) << textKeyBits | Int64(slot) }
    static let textKeyBits = 8

    /// The name of the symbol that a column has the number of.
    static func name(_ kind: SymbolKind, _ column: String, label: String? = nil) -> String {
        """
        coalesce((SELECT \(SymbolColumn.text) FROM \(SymbolColumn.table)
            WHERE \(SymbolColumn.kind) = \(kind.rawValue) AND \(SymbolColumn.id) = \(column)),
            '\(label ?? "\(kind.name)")#' || \(column))
        """
    }
    /// The same, and NULL where it is 0.
    static func nameIfAny(_ kind: SymbolKind, _ column: String) -> String {
        "CASE WHEN \(column) = 0 THEN NULL ELSE \(name(kind, column)) END"
    }
    static func time(_ column: some TableColumn) -> String {
        "strftime('%Y-%m-%dT%H:%M:%fZ', \(column) / 1000.0, 'unixepoch')"
    }
    static func date(_ day: String) -> String { "date(\(day) * 86400, 'unixepoch')" }
    static let kinds = KindCounts.names.joined(separator: ", ")
    /// All events and those of each kind, from the fields of an array of which `first` is the first kind's.
    static func events<Field: ArrayField>(_ first: Field) -> String {
        let kinds = KindCounts.indices.map { "json_extract(\(Field.column), '$[\(first.rawValue + $0)]')" }
        return kinds.joined(separator: " + ") + " AS events, "
            + zip(kinds, KindCounts.names).map { "\($0) AS \($1)" }.joined(separator: ", ")
    }
    static let product = name(.product, "product") + " AS product"
    static let aspect = "CASE WHEN aspect = 0 THEN '' ELSE \(name(.aspect, "aspect")) END AS aspect"
    static let unit = nameIfAny(.unit, "unit") + " AS unit"

    /// The scales whose names do not follow from their numbers; any other `n` is called `1-n`.
    private static let scaleNames: [(number: UInt8, name: String)] = [
        (0, "1-5"), (1, "0-1"), (10, "0-10"), (Event.scaleOneToTen, "1-10"),
    ]

    /// The name of a rating scale, such as `1-5`.
    static func scaleName(_ number: Int) -> String {
        scaleNames.first { Int($0.number) == number }?.name ?? "1-\(number)"
    }

    static let scale =
        "CASE \"scale\" "
        + scaleNames.map { "WHEN \($0.number) THEN '\($0.name)'" }.joined(separator: " ")
        + " ELSE '1-' || \"scale\" END"
}
