// One product's rows, read and put together within one transaction.

import Events
import Foundation
import GRDB

/// The reading of one product; lives no longer than its transaction.
struct SummaryReading {
    private let db: Database
    private let id: UInt32
    private var summary: ProductSummary
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
        summary.missing = try row.count("missing")
        summary.duplicates = try row.count("duplicates")
        summary.first = SummaryReader.time(try row.value("first_ms"))
        summary.last = SummaryReader.time(try row.value("last_ms"))
        summary.quarantined = quarantined(try row.value("quarantine_reasons"))
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
        try readDays(Day(rawValue: .min)...Day(rawValue: .max))
        try readTexts()
        return summary
    }

    private mutating func sortAspects() {
        summary.aspects.sort { ($1.kinds.total, $0.aspect) < ($0.kinds.total, $1.aspect) }
    }

    private func fetch(_ sql: String) throws -> [Row] {
        try Row.fetchAll(db.cachedStatement(sql: sql), arguments: [id])
    }

    private mutating func name(_ kind: SymbolKind, _ id: UInt32) throws -> String {
        let key = UInt64(kind.rawValue) << 32 | UInt64(id)
        if let known = names[key] { return known }
        let statement = try db.cachedStatement(sql: "SELECT text FROM word WHERE kind = ? AND id = ?")
        let text = try String.fetchOne(statement, arguments: [kind.rawValue, id]) ?? "\(kind.name)#\(id)"
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
        for code in NumberArray(try row.value("fault_codes")).arrays {
            let word = try name(.value, try code.word(0))
            aspect.faults.append(
                FaultSummary(
                    code: word, events: try code.count(1), total: code.total(2), maxSeverity: try code.count(3)))
        }
        let others = try row.total("other_faults")
        if others > 0 {
            aspect.faults.append(FaultSummary(code: "__other__", events: 0, total: others, maxSeverity: 0))
        }
        aspect.faults.sort { ($1.total, $0.code) < ($0.total, $1.code) }
        return aspect
    }

    private mutating func preference(_ row: Row) throws -> PreferenceSummary {
        var preference = PreferenceSummary()
        preference.sets = try row.count("preferences")
        preference.moves = try row.count("moves")
        let (choosing, numbering) = (try row.count("choosing"), try row.count("numbering"))
        let (on, off) = (try row.count("flags_on"), try row.count("flags_off"))
        preference.devices = choosing + numbering + on + off
        let whole = Double(max(1, preference.devices))
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
        if numbering > 0 {
            preference.numbers?.devices = numbering
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

    private mutating func readTexts() throws {
        let sql = """
            SELECT * FROM fold_feedback WHERE id BETWEEN ?1 << 8 AND (?1 << 8) + 255
            ORDER BY number DESC LIMIT \(SummaryReader.texts)
            """
        for row in try fetch(sql) {
            let (aspect, language): (UInt32, UInt32) = (try row.value("aspect"), try row.value("language"))
            let offset: UInt64 = try row.value("offset")
            summary.texts.append(
                FeedbackText(
                    offset: Offset(rawValue: offset), time: Timestamp(rawValue: try row.value("time_ms")),
                    aspect: aspect == 0 ? "" : try name(.aspect, aspect),
                    language: language == 0 ? nil : try name(.language, language), rating: try row.value("rating"),
                    text: try row.value("text")))
        }
    }

    private func dayKey(_ day: Day) -> Int64 { SummarySchema.productDayKey(id, day.rawValue) }

    private mutating func readDays(_ window: ClosedRange<Day>) throws {
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

extension SummaryReading {
    /// A window of days: sums of the days' rows, and merged sets.
    mutating func window(_ window: ClosedRange<Day>) throws -> ProductSummary? {
        summary.window = window
        try readDays(window)
        for day in summary.days { summary.kinds.add(day.kinds) }
        try mergeSets(window)
        try sumAspects(window)
        return summary
    }

    private mutating func mergeSets(_ window: ClosedRange<Day>) throws {
        let sql = "SELECT device_set, customer_set FROM fold_product_day WHERE id BETWEEN ? AND ?"
        let rows = try Row.fetchCursor(
            db.cachedStatement(sql: sql),
            arguments: [dayKey(window.lowerBound), dayKey(window.upperBound)])
        var devices = DistinctCount()
        var customers = DistinctCount()
        while let row = try rows.next() {
            let deviceSet = [UInt8](try row.decode(Data.self, atIndex: 0))
            let customerSet = [UInt8](try row.decode(Data.self, atIndex: 1))
            if let day = DistinctCount(encoded: deviceSet.span) { devices.formUnion(day) }
            if let day = DistinctCount(encoded: customerSet.span) { customers.formUnion(day) }
        }
        // An estimate may exceed the exact count of the whole time; a window cannot.
        let whole = try fetch("SELECT devices, customers FROM fold_product WHERE product = ?").first
        summary.devices = min(devices.count, try whole?.count("devices") ?? .max)
        summary.customers = min(customers.count, try whole?.count("customers") ?? .max)
        summary.isExact = devices.isExact && customers.isExact
    }

    private mutating func sumAspects(_ window: ClosedRange<Day>) throws {
        let sql = """
            SELECT d.*, a.slot, a.aspect, a.unit
            FROM fold_slot AS s CROSS JOIN fold_aspect AS a USING (slot) CROSS JOIN fold_product_day AS p
            CROSS JOIN fold_aspect_day AS d ON d.id = (p.day << 32) + a.slot
            WHERE s.id BETWEEN ?1 << 32 AND (?1 << 32) + 4294967295 AND p.id BETWEEN ?2 AND ?3
            ORDER BY s.id, p.id
            """
        let rows = try Row.fetchCursor(
            db.cachedStatement(sql: sql),
            arguments: [id, dayKey(window.lowerBound), dayKey(window.upperBound)])
        var sums: [WindowSum] = []
        while let row = try rows.next() {
            let slot: UInt32 = try row.value("slot")
            if sums.last?.slot != slot {
                sums.append(WindowSum(slot: slot, aspect: try row.value("aspect"), unit: try row.value("unit")))
            }
            try sums[sums.count - 1].add(row)
        }
        var overall = WindowSum(slot: 0, aspect: 0, unit: 0)
        for sum in sums { overall.addRatings(of: sum) }
        summary.rating = overall.rating(overall: nil)
        for sum in sums {
            var aspect = AspectSummary(aspect: try name(.aspect, sum.aspect))
            aspect.kinds = sum.kinds
            aspect.useTotal = sum.useTotal
            aspect.faultTotal = sum.faultTotal
            if let rating = sum.rating(overall: summary.rating?.mean) { aspect.ratings = [rating] }
            if sum.kinds.preferences > 0 { aspect.preference = try preference(sum) }
            summary.aspects.append(aspect)
        }
        sortAspects()
    }

    private mutating func preference(_ sum: WindowSum) throws -> PreferenceSummary {
        var preference = PreferenceSummary()
        preference.sets = Int(sum.kinds.preferences)
        let whole = Double(max(1, preference.sets))
        for (word, sets) in sum.choices {
            preference.choices.append(
                ChoiceSummary(
                    value: try name(.value, word), devices: nil, share: Double(sets) / whole, sets: sets))
        }
        if sum.otherSets > 0 {
            preference.choices.append(
                ChoiceSummary(
                    value: "__other__", devices: nil, share: Double(sum.otherSets) / whole, sets: sum.otherSets))
        }
        preference.choices.sort { ($1.sets ?? 0, $0.value) < ($0.sets ?? 0, $1.value) }
        if sum.numberCount > 0 {
            var numbers = NumberSummary()
            numbers.unit = sum.unit == 0 ? nil : try name(.unit, sum.unit)
            numbers.sets = sum.numberCount
            numbers.mean = sum.numberSum / Double(sum.numberCount)
            numbers.least = sum.least
            numbers.most = sum.most
            preference.numbers = numbers
        }
        return preference
    }
}

/// The days of one aspect, added up.
private struct WindowSum {
    let slot: UInt32
    let aspect: UInt32
    let unit: UInt32
    var kinds = KindCounts()
    var useTotal = 0
    var faultTotal = 0
    var otherSets = 0
    var choices: [UInt32: Int] = [:]
    var numberCount = 0
    var numberSum = 0.0
    var least = Double.infinity
    var most = -Double.infinity
    var ratingCount = 0
    var ratingSum = 0.0
    var histogram = [0, 0, 0, 0, 0]

    init(slot: UInt32, aspect: UInt32, unit: UInt32) {
        self.slot = slot
        self.aspect = aspect
        self.unit = unit
    }

    mutating func add(_ row: Row) throws {
        let counts = NumberArray(try row.value("counts"))
        kinds.add(try counts.kinds())
        useTotal = plus(useTotal, counts.total(6))
        faultTotal = plus(faultTotal, counts.total(7))
        otherSets += try counts.count(8)
        for choice in NumberArray(try row.decode(String?.self, forColumn: "choices") ?? "[]").arrays {
            choices[try choice.word(0), default: 0] += try choice.count(1)
        }
        if let ratings = counts.arrays.first {
            ratingCount += try ratings.count(0)
            ratingSum += ratings.number(1)
            for place in 0..<5 { histogram[place] += try ratings.count(2 + place) }
        }
        if counts.arrays.count > 1 {
            let numbers = counts.arrays[1]
            numberCount += try numbers.count(0)
            numberSum += numbers.number(1)
            least = min(least, numbers.number(2))
            most = max(most, numbers.number(3))
        }
    }

    mutating func addRatings(of other: WindowSum) {
        ratingCount += other.ratingCount
        ratingSum += other.ratingSum
        for place in 0..<5 { histogram[place] += other.histogram[place] }
    }

    func rating(overall: Double?) -> RatingSummary? {
        guard ratingCount > 0 else { return nil }
        let count = Double(ratingCount)
        let top = UInt64(histogram[3] + histogram[4])
        let bounds = wilsonBounds(top, of: UInt64(ratingCount))
        let prior = Double(ProjectionLimits.priorRatings)
        return RatingSummary(
            scale: "1-5", count: ratingCount, mean: ratingSum / count,
            adjusted: overall.map { (ratingSum + prior * $0) / (count + prior) }, topShare: Double(top) / count,
            topLow: bounds.low, topHigh: bounds.high, histogram: histogram)
    }
}
