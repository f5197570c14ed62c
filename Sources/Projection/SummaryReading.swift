// One product's rows, read and put together within one transaction.

import Events
import Foundation
import GRDB

/// The reading of one product; lives no longer than its transaction.
struct SummaryReading {
    let db: Database
    let id: UInt32
    var summary: ProductSummary
    private var names: [UInt64: String] = [:]

    init(_ db: Database, id: UInt32, product: String, position: SummaryPosition) {
        self.db = db
        self.id = id
        summary = ProductSummary(product: product, position: position)
    }

    /// Everything from the log's beginning on.
    mutating func whole() throws -> ProductSummary? {
        guard let row = try fetch("SELECT * FROM fold_product WHERE product = ?").first else { return nil }
        summary.kinds = try SummaryReader.kinds(row)
        summary.devices = try row.count("devices")
        summary.customers = try row.count("customers")
        try readApart(row)
        summary.first = SummaryReader.time(try row.value("first_ms"))
        summary.last = SummaryReader.time(try row.value("last_ms"))
        let ratings = try row.count("rating_count")
        if ratings > 0 {
            let top = try row.count("rating_top")
            let sum: Double = try row.value("rating_sum")
            summary.rating = RatingSummary(
                scale: "1-5", count: ratings, mean: sum / Double(ratings), adjusted: nil,
                topShare: Double(top) / Double(ratings), topLow: try row.value("top_low"),
                topHigh: try row.value("top_high"),
                histogram: try NumberArray(try row.value("rating_histogram")).counts())
        }
        let sql = """
            SELECT a.* FROM fold_slot AS s JOIN fold_aspect AS a USING (slot)
            WHERE s.id BETWEEN ?1 << 32 AND (?1 << 32) + 4294967295
            """
        for row in try fetch(sql) {
            summary.aspects.append(try aspect(row))
        }
        sortAspects()
        try readDays(.always)
        try readTexts()
        return summary
    }

    /// What is known of a product only from the log's beginning on.
    mutating func readApart(_ row: Row) throws {
        summary.missing = try row.count("missing")
        summary.duplicates = try row.count("duplicates")
        summary.unfiled = try row.count("unfiled")
        summary.quarantined = quarantined(try row.value("quarantine_reasons"))
        if let first: Int64 = try row.value("first_ms"), let last: Int64 = try row.value("last_ms") {
            let (first, last) = (Day(Timestamp(rawValue: first)), Day(Timestamp(rawValue: last)))
            if first <= last { summary.extent = first...last }
        }
    }

    mutating func sortAspects() {
        summary.aspects.sort { ($1.kinds.total, $0.aspect) < ($0.kinds.total, $1.aspect) }
    }

    func fetch(_ sql: String) throws -> [Row] {
        try Row.fetchAll(db.cachedStatement(sql: sql), arguments: [id])
    }

    mutating func name(_ kind: SymbolKind, _ id: UInt32) throws -> String {
        let key = UInt64(kind.rawValue) << 32 | UInt64(id)
        if let known = names[key] { return known }
        let sql = "SELECT \(StoredText.bytes("text")) FROM word WHERE kind = ? AND id = ?"
        let row = try Row.fetchOne(db.cachedStatement(sql: sql), arguments: [kind.rawValue, id])
        let text = try row.map { try $0.text(0) } ?? "\(kind.name)#\(id)"
        names[key] = text
        return text
    }

    private func quarantined(_ json: String) -> [ProductSummary.Quarantined] {
        json.dropFirst().dropLast().split(separator: ",").compactMap { pair in
            let parts = pair.split(separator: ":")
            guard parts.count == 2, let count = Int(parts[1]) else { return nil }
            return .init(reason: String(parts[0].dropFirst().dropLast()), count: count)
        }
    }

    private mutating func aspect(_ row: Row) throws -> AspectSummary {
        var aspect = AspectSummary(aspect: try name(.aspect, try row.value("aspect")))
        aspect.kinds = try SummaryReader.kinds(row)
        aspect.devices = try row.count("devices")
        aspect.customers = try row.count("customers")
        aspect.first = SummaryReader.time(try row.value("first_ms"))
        aspect.last = SummaryReader.time(try row.value("last_ms"))
        aspect.useTotal = try row.total("use_total")
        aspect.faultTotal = try row.total("fault_total")
        aspect.maxSeverity = try row.total("max_severity")
        if aspect.kinds.preferences > 0 { aspect.preference = try preference(row) }
        for scale in NumberArray(try row.value("rating_scales")).arrays { aspect.ratings.append(try rating(scale)) }
        aspect.ratings.sort { $0.count > $1.count }
        var faults: [FaultSummary] = []
        for code in NumberArray(try row.value("fault_codes")).arrays {
            let word = try name(.value, try code.word(0))
            faults.append(
                FaultSummary(
                    code: word, events: try code.count(1), total: code.total(2), maxSeverity: try code.count(3)))
        }
        let others = try row.total("other_faults")
        if others > 0 {
            faults.append(FaultSummary(code: "__other__", events: nil, total: others, maxSeverity: nil))
        }
        faults.sort { ($1.total, $0.code) < ($0.total, $1.code) }
        aspect.faults = faults
        return aspect
    }

    private mutating func preference(_ row: Row) throws -> PreferenceSummary {
        var preference = PreferenceSummary()
        preference.sets = try row.count("preferences")
        preference.moves = try row.count("moves")
        let (choosing, numbering) = (try row.count("choosing"), try row.count("numbering"))
        let (on, off) = (try row.count("flags_on"), try row.count("flags_off"))
        let devices = choosing + numbering + on + off
        preference.devices = devices
        let whole = Double(max(1, devices))
        func add(_ value: String, _ devices: Int, _ sets: Int?) {
            preference.choices.append(
                ChoiceSummary(value: value, devices: devices, share: Double(devices) / whole, sets: sets))
        }
        for choice in NumberArray(try row.value("choices")).arrays {
            add(try name(.value, try choice.word(0)), try choice.count(1), try choice.count(2))
        }
        if on + off > 0 {
            add("true", on, nil)
            add("false", off, nil)
        }
        let (otherNow, otherSets) = (try row.count("other_now"), try row.count("other_sets"))
        if otherNow + otherSets > 0 { add("__other__", otherNow, otherSets) }
        preference.choices.sort {
            ($1.devices ?? 0, $1.sets ?? 0, $0.value) < ($0.devices ?? 0, $0.sets ?? 0, $1.value)
        }
        preference.numbers = try numbers(row, unit: try row.value("unit"))
        preference.numbers?.devices = numbering
        if numbering > 0 {
            preference.numbers?.quantiles = [
                try row.value("p5"), try row.value("p25"), try row.value("p50"), try row.value("p75"),
                try row.value("p95"),
            ]
        }
        return preference
    }

    private mutating func numbers(_ row: Row, unit: UInt32) throws -> NumberSummary? {
        let count = try row.count("number_count")
        guard count > 0 else { return nil }
        var numbers = NumberSummary()
        numbers.unit = unit == 0 ? nil : try name(.unit, unit)
        numbers.sets = count
        let sum: Double = try row.value("number_sum")
        numbers.mean = sum / Double(count)
        numbers.least = try row.value("number_min")
        numbers.most = try row.value("number_max")
        return numbers
    }

    private func rating(_ scale: NumberArray) throws -> RatingSummary {
        let (number, count) = (try scale.count(0), try scale.count(1))
        let sum = scale.number(2)
        let whole = Double(max(1, count))
        var adjusted: Double?
        if number == 0, let overall = summary.rating {
            let prior = Double(ProjectionLimits.priorRatings)
            adjusted = (sum + prior * overall.mean) / (whole + prior)
        }
        return RatingSummary(
            scale: SummarySchema.scaleName(number),
            count: count, mean: sum / whole, adjusted: adjusted, topShare: scale.number(3) / whole,
            topLow: scale.number(4), topHigh: scale.number(5), histogram: try scale.arrays.first?.counts() ?? [])
    }

    mutating func readTexts(_ window: ClosedRange<Day> = .always) throws {
        let sql = """
            SELECT "offset", time_ms, aspect, language, rating, \(StoredText.bytes("text")) AS body FROM fold_feedback
            WHERE id BETWEEN ?1 << 8 AND (?1 << 8) + 255 AND time_ms BETWEEN ?2 AND ?3
            ORDER BY number DESC LIMIT \(SummaryReader.texts)
            """
        let (first, last) = window.milliseconds
        for row in try Row.fetchAll(db.cachedStatement(sql: sql), arguments: [id, first, last]) {
            let (aspect, language): (UInt32, UInt32) = (try row.value("aspect"), try row.value("language"))
            let offset: UInt64 = try row.value("offset")
            summary.texts.append(
                FeedbackText(
                    offset: Offset(rawValue: offset), time: Timestamp(rawValue: try row.value("time_ms")),
                    aspect: aspect == 0 ? "" : try name(.aspect, aspect),
                    language: language == 0 ? nil : try name(.language, language), rating: try row.value("rating"),
                    text: try row.text(5)))
        }
    }

    func dayKey(_ day: Day) -> Int64 { SummarySchema.productDayKey(id, day.rawValue) }

    mutating func readDays(_ window: ClosedRange<Day>) throws {
        let sql = "SELECT * FROM fold_product_day WHERE id BETWEEN ? AND ? ORDER BY id"
        let rows = try Row.fetchAll(
            db.cachedStatement(sql: sql),
            arguments: [dayKey(window.lowerBound), dayKey(window.upperBound)])
        for row in rows {
            summary.days.append(
                DaySummary(
                    day: Day(rawValue: try row.value("day")), kinds: try SummaryReader.kinds(row),
                    devices: try row.count("devices"),
                    customers: try row.count("customers")))
        }
    }
}
