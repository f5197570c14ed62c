// The table of products: its columns, what stands in them, the view of it, and how it is read back.

import Events
import GRDB
import SQLite

/// The columns of `fold_product`, a row for each product.
enum ProductColumn: String, TableColumn {
    static let table = "fold_product"

    case product
    case events
    case preferences
    case ratings
    case uses
    case texts
    case faults
    case others
    case first = "first_ms"
    case last = "last_ms"
    case devices
    case customers
    case missing
    case duplicates
    case overflow = "unfiled"
    case quarantined
    case reasons = "quarantine_reasons"
    case ratingCount = "rating_count"
    case ratingSum = "rating_sum"
    case ratingTop = "rating_top"
    case topLow = "top_low"
    case topHigh = "top_high"
    case histogram = "rating_histogram"
    case useTotal = "use_total"
    case faultTotal = "fault_total"

    var type: ColumnType {
        switch self {
        case .product: .key
        case .ratingSum, .topLow, .topHigh: .real
        case .reasons, .histogram: .text
        default: .integer
        }
    }

    static let view = """
        SELECT \(SummarySchema.product), \(events), \(SummarySchema.kinds), \(devices), \(customers),
            \(SummarySchema.time(first)) AS first_time, \(SummarySchema.time(last)) AS last_time, \(quarantined),
            \(reasons), \(missing), \(duplicates), \(overflow), \(ratingCount),
            \(ratingSum) / nullif(\(ratingCount), 0) AS rating_mean, \(topLow), \(topHigh), \(histogram),
            \(useTotal), \(faultTotal)
        FROM \(table)
        """
}

extension CheckpointWriter {
    func writeProducts(_ state: borrowing SummaryState) throws {
        try db.insertRows(of: ProductColumn.self) { columns, rows in
            try Self.addProducts(state, columns, to: &rows)
        }
    }

    private static func addProducts(
        _ state: borrowing SummaryState, _ columns: [ProductColumn], to rows: inout RowInserter
    ) throws {
        for index in state.dirty.products {
            let row = state.products[Int(index)]
            for column in columns { rows.add(column, of: index, row, state) }
            try rows.endRow()
        }
    }
}

extension RowInserter {
    @inline(__always)
    fileprivate mutating func add(
        _ column: ProductColumn, of index: UInt32, _ row: ProductRow, _ state: borrowing SummaryState
    ) {
        switch column {
        case .product: add(index)
        case .events: add(row.kinds.total)
        case .preferences: add(row.kinds.preferences)
        case .ratings: add(row.kinds.ratings)
        case .uses: add(row.kinds.uses)
        case .texts: add(row.kinds.texts)
        case .faults: add(row.kinds.faults)
        case .others: add(row.kinds.others)
        case .first: add(row.first, if: row.first <= row.last)
        case .last: add(row.last, if: row.first <= row.last)
        case .devices: add(row.devices)
        case .customers: add(row.customers)
        case .missing: add(row.missing)
        case .duplicates: add(row.duplicates)
        case .overflow: add(row.overflow)
        case .quarantined: addQuarantined(row, state)
        case .reasons: addReasons(row, state)
        case .ratingCount: add(row.rating.count)
        case .ratingSum: add(row.rating.sum)
        case .ratingTop: add(row.rating.top)
        case .topLow: add(wilsonBounds(row.rating.top, of: row.rating.count).low)
        case .topHigh: add(wilsonBounds(row.rating.top, of: row.rating.count).high)
        case .histogram:
            addArray(of: 5) { json in for bucket in 0..<5 { json.addNumber(row.rating.histogram[bucket]) } }
        case .useTotal: add(row.useTotal)
        case .faultTotal: add(row.faultTotal)
        }
    }

    private mutating func addQuarantined(_ row: ProductRow, _ state: borrowing SummaryState) {
        var all: UInt64 = 0
        for reason in QuarantineReason.allCases { all += state.quarantined(row, reason) }
        add(all)
    }

    /// `{"reason":count, ...}`
    private mutating func addReasons(_ row: ProductRow, _ state: borrowing SummaryState) {
        let start = bytes.count
        bytes.append(UInt8(ascii: "{"))
        for reason in QuarantineReason.allCases {
            let count = state.quarantined(row, reason)
            guard count > 0 else { continue }
            if bytes.count > start + 1 { bytes.append(UInt8(ascii: ",")) }
            bytes += Array("\"\(reason.name)\":\(count)".utf8)
        }
        bytes.append(UInt8(ascii: "}"))
        addText(from: start)
    }
}

extension SummaryState {
    /// How many events of a product were quarantined for a reason.
    fileprivate func quarantined(_ product: ProductRow, _ reason: QuarantineReason) -> UInt64 {
        var next = product.quarantines
        while next != RowIndex.none {
            let row = quarantines[Int(next)]
            if row.reason == reason.rawValue { return row.count }
            next = row.next
        }
        return 0
    }
}

extension ProductLine {
    init(_ row: Row, name: String) throws {
        self.init(product: name)
        kinds = try KindCounts(row)
        devices = try row.count(ProductColumn.devices)
        customers = try row.count(ProductColumn.customers)
        quarantined = try row.count(ProductColumn.quarantined)
        missing = try row.count(ProductColumn.missing)
        ratings = try row.count(ProductColumn.ratingCount)
        let sum: Double = try row.value(ProductColumn.ratingSum)
        if ratings > 0 { ratingMean = sum / Double(ratings) }
        last = try row.time(ProductColumn.last)
    }
}

extension SummaryReading {
    /// The row of the product; nil when there is none.
    func product() throws -> Row? {
        try fetch("SELECT * FROM \(ProductColumn.table) WHERE \(ProductColumn.product) = ?").first
    }

    /// What is known of a product only from the log's beginning on.
    mutating func readApart(_ row: Row) throws {
        summary.missing = try row.count(ProductColumn.missing)
        summary.duplicates = try row.count(ProductColumn.duplicates)
        summary.overflow = try row.count(ProductColumn.overflow)
        summary.quarantined = quarantined(try row.value(ProductColumn.reasons))
        if let first = try row.time(ProductColumn.first), let last = try row.time(ProductColumn.last) {
            let (first, last) = (Day(first), Day(last))
            if first <= last { summary.extent = first...last }
        }
    }

    private func quarantined(_ json: String) -> [ProductSummary.Quarantined] {
        json.dropFirst().dropLast().split(separator: ",").compactMap { pair in
            let parts = pair.split(separator: ":")
            guard parts.count == 2, let count = Int(parts[1]) else { return nil }
            return .init(reason: String(parts[0].dropFirst().dropLast()), count: count)
        }
    }

    /// The product's ratings from 1 to 5; nil without any.
    func rating(_ row: Row) throws -> RatingSummary? {
        let ratings = try row.count(ProductColumn.ratingCount)
        guard ratings > 0 else { return nil }
        let top = try row.count(ProductColumn.ratingTop)
        let sum: Double = try row.value(ProductColumn.ratingSum)
        return RatingSummary(
            scale: "1-5", count: ratings, mean: sum / Double(ratings), adjusted: nil,
            topShare: Double(top) / Double(ratings), topLow: try row.value(ProductColumn.topLow),
            topHigh: try row.value(ProductColumn.topHigh),
            histogram: try NumberArray(try row.value(ProductColumn.histogram)).counts())
    }
}
