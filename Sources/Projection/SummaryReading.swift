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
        summary.kinds = SummaryReader.kinds(row)
        summary.devices = row["devices"]
        summary.customers = row["customers"]
        summary.missing = row["missing"]
        summary.duplicates = row["duplicates"]
        summary.first = SummaryReader.time(row["first_ms"])
        summary.last = SummaryReader.time(row["last_ms"])
        summary.quarantined = quarantined(row["quarantine_reasons"])
        let ratings: Int = row["rating_count"]
        if ratings > 0 {
            let top: Int = row["rating_top"]
            let sum: Double = row["rating_sum"]
            summary.rating = RatingSummary(
                scale: "1-5", count: ratings, mean: sum / Double(ratings), adjusted: nil,
                topShare: Double(top) / Double(ratings), topLow: row["top_low"], topHigh: row["top_high"],
                histogram: NumberArray(row["rating_histogram"]).integers)
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
        var aspect = AspectSummary(aspect: try name(.aspect, row["aspect"]))
        aspect.kinds = SummaryReader.kinds(row)
        aspect.devices = row["devices"]
        aspect.customers = row["customers"]
        aspect.first = SummaryReader.time(row["first_ms"])
        aspect.last = SummaryReader.time(row["last_ms"])
        aspect.useTotal = row["use_total"]
        aspect.faultTotal = row["fault_total"]
        aspect.maxSeverity = row["max_severity"]
        if aspect.kinds.preferences > 0 { aspect.preference = try preference(row) }
        for scale in NumberArray(row["rating_scales"]).arrays { aspect.ratings.append(rating(scale)) }
        aspect.ratings.sort { $0.count > $1.count }
        for code in NumberArray(row["fault_codes"]).arrays {
            let word = try name(.value, UInt32(code.numbers[0]))
            aspect.faults.append(
                FaultSummary(
                    code: word, events: Int(code.numbers[1]), total: Int(code.numbers[2]),
                    maxSeverity: Int(code.numbers[3])))
        }
        let others: Int = row["other_faults"]
        if others > 0 {
            aspect.faults.append(FaultSummary(code: "__other__", events: 0, total: others, maxSeverity: 0))
        }
        aspect.faults.sort { ($1.total, $0.code) < ($0.total, $1.code) }
        return aspect
    }

    private mutating func preference(_ row: Row) throws -> PreferenceSummary {
        var preference = PreferenceSummary()
        preference.sets = row["preferences"]
        preference.moves = row["moves"]
        let (choosing, numbering): (Int, Int) = (row["choosing"], row["numbering"])
        let (on, off): (Int, Int) = (row["flags_on"], row["flags_off"])
        preference.devices = choosing + numbering + on + off
        let whole = Double(max(1, preference.devices))
        func add(_ value: String, _ devices: Int, _ sets: Int?) {
            preference.choices.append(
                ChoiceSummary(value: value, devices: devices, share: Double(devices) / whole, sets: sets))
        }
        for choice in NumberArray(row["choices"]).arrays {
            add(try name(.value, UInt32(choice.numbers[0])), Int(choice.numbers[1]), Int(choice.numbers[2]))
        }
        if on + off > 0 {
            add("true", on, nil)
            add("false", off, nil)
        }
        let (otherNow, otherSets): (Int, Int) = (row["other_now"], row["other_sets"])
        if otherNow + otherSets > 0 { add("__other__", otherNow, otherSets) }
        preference.choices.sort {
            ($1.devices ?? 0, $1.sets ?? 0, $0.value) < ($0.devices ?? 0, $0.sets ?? 0, $1.value)
        }
        preference.numbers = try numbers(row, unit: row["unit"])
        if numbering > 0 {
            preference.numbers?.devices = numbering
            preference.numbers?.quantiles = [row["p5"], row["p25"], row["p50"], row["p75"], row["p95"]]
        }
        return preference
    }

    private mutating func numbers(_ row: Row, unit: UInt32) throws -> NumberSummary? {
        let count: Int = row["number_count"]
        guard count > 0 else { return nil }
        var numbers = NumberSummary()
        numbers.unit = unit == 0 ? nil : try name(.unit, unit)
        numbers.sets = count
        let sum: Double = row["number_sum"]
        numbers.mean = sum / Double(count)
        numbers.least = row["number_min"]
        numbers.most = row["number_max"]
        return numbers
    }

    private func rating(_ scale: NumberArray) -> RatingSummary {
        let count = scale.numbers[1]
        let number = UInt8(scale.numbers[0])
        var adjusted: Double?
        if number == 0, let overall = summary.rating {
            let prior = Double(ProjectionLimits.priorRatings)
            adjusted = (scale.numbers[2] + prior * overall.mean) / (count + prior)
        }
        return RatingSummary(
            scale: number == 0 ? "1-5" : number == 1 ? "0-1" : number == 10 ? "0-10" : "1-\(number)",
            count: Int(count), mean: scale.numbers[2] / count, adjusted: adjusted, topShare: scale.numbers[3] / count,
            topLow: scale.numbers[4], topHigh: scale.numbers[5], histogram: scale.arrays[0].integers)
    }

    private mutating func readTexts() throws {
        let sql = """
            SELECT * FROM fold_feedback WHERE id BETWEEN ?1 << 8 AND (?1 << 8) + 255
            ORDER BY number DESC LIMIT \(SummaryReader.texts)
            """
        for row in try fetch(sql) {
            let (aspect, language): (UInt32, UInt32) = (row["aspect"], row["language"])
            let offset: UInt64 = row["offset"]
            summary.texts.append(
                FeedbackText(
                    offset: Offset(rawValue: offset), time: Timestamp(rawValue: row["time_ms"]),
                    aspect: aspect == 0 ? "" : try name(.aspect, aspect),
                    language: language == 0 ? nil : try name(.language, language), rating: row["rating"],
                    text: row["text"]))
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
                    day: Day(rawValue: row["day"]), kinds: SummaryReader.kinds(row), devices: row["devices"],
                    customers: row["customers"]))
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
            let (deviceSet, customerSet): (Data, Data) = (row[0], row[1])
            if let day = DistinctCount(encoded: [UInt8](deviceSet).span) { devices.formUnion(day) }
            if let day = DistinctCount(encoded: [UInt8](customerSet).span) { customers.formUnion(day) }
        }
        // An estimate may exceed the exact count of the whole time; a window cannot.
        let whole = try fetch("SELECT devices, customers FROM fold_product WHERE product = ?").first
        summary.devices = min(devices.count, whole?[0] ?? .max)
        summary.customers = min(customers.count, whole?[1] ?? .max)
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
            let slot: UInt32 = row["slot"]
            if sums.last?.slot != slot { sums.append(WindowSum(slot: slot, aspect: row["aspect"], unit: row["unit"])) }
            sums[sums.count - 1].add(row)
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

    mutating func add(_ row: Row) {
        kinds.add(SummaryReader.kinds(row))
        useTotal += row["use_total"]
        faultTotal += row["fault_total"]
        otherSets += row["other_sets"]
        for choice in NumberArray(row["choices"] ?? "[]").arrays {
            choices[UInt32(choice.numbers[0]), default: 0] += Int(choice.numbers[1])
        }
        let count: Int = row["number_count"]
        if count > 0 {
            numberCount += count
            numberSum += row["number_sum"]
            least = min(least, row["number_min"])
            most = max(most, row["number_max"])
        }
        ratingCount += row["rating_count"]
        ratingSum += row["rating_sum"]
        for (place, count) in NumberArray(row["rating_histogram"] ?? "[]").integers.prefix(5).enumerated() {
            histogram[place] += count
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

/// A JSON array of numbers and arrays, as `JSONNumbers` writes it.
struct NumberArray {
    private(set) var numbers: [Double] = []
    private(set) var arrays: [NumberArray] = []

    var integers: [Int] { numbers.map { Int($0) } }

    init(_ json: String) {
        let bytes = Array(json.utf8)
        var at = 0
        self.init(bytes, &at)
    }

    /// Reads from the bracket at `at` to behind its partner.
    private init(_ bytes: [UInt8], _ at: inout Int) {
        at += 1
        while at < bytes.count, bytes[at] != UInt8(ascii: "]") {
            if bytes[at] == UInt8(ascii: "[") {
                arrays.append(NumberArray(bytes, &at))
            } else if bytes[at] == UInt8(ascii: ",") {
                at += 1
            } else {
                numbers.append(Self.number(bytes, &at))
            }
        }
        at += 1
    }

    private static func number(_ bytes: [UInt8], _ at: inout Int) -> Double {
        let start = at
        var whole: UInt64 = 0
        var isWhole = true
        while at < bytes.count, bytes[at] != UInt8(ascii: ","), bytes[at] != UInt8(ascii: "]") {
            if bytes[at] >= 48, bytes[at] <= 57 {
                whole = whole &* 10 &+ UInt64(bytes[at] - 48)
            } else {
                isWhole = false
            }
            at += 1
        }
        if isWhole, at - start < 16 { return Double(whole) }
        return Double(String(decoding: bytes[start..<at], as: UTF8.self)) ?? 0
    }
}
