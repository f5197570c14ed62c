// One product within a window of days: the rows of its days added up. What these do not hold is named, not guessed.

import Events
import Foundation
import GRDB

extension SummaryReading {
    /// A window of days: sums of the days' rows, and merged sets.
    mutating func window(_ window: DayWindow) throws -> ProductSummary? {
        guard let product = try product() else { return nil }
        summary.window = window
        try readApart(product)
        leaveOutApart()
        try readDays(window.days)
        for day in summary.days { summary.kinds.add(day.kinds) }
        try mergeSets(window.days, product)
        try sumAspects(window.days)
        try readRating(product)
        try readTexts(window.days)
        try lookForOlderTexts()
        try lookForFurtherDays()
        if summary.kinds.total > 0 { summary.gaps.formUnion([.first, .last]) }
        return summary
    }

    /// Days do not count these. Where there never was one, there is none in the window either.
    private mutating func leaveOutApart() {
        if summary.quarantined?.isEmpty == false {
            summary.quarantined = nil
            summary.gaps.insert(.quarantined)
        }
        leaveOut(&summary.missing, .missing, &summary.gaps)
        leaveOut(&summary.duplicates, .duplicates, &summary.gaps)
        leaveOut(&summary.overflow, .overflow, &summary.gaps)
    }

    private mutating func mergeSets(_ window: ClosedRange<Day>, _ product: Row) throws {
        typealias Column = ProductDayColumn
        let sql = """
            SELECT \(Column.deviceSet), \(Column.customerSet) FROM \(Column.table) WHERE \(Column.id) BETWEEN ? AND ?
            """
        let rows = try Row.fetchCursor(db.cachedStatement(sql: sql), arguments: keys(of: window))
        var devices = DistinctCount()
        var customers = DistinctCount()
        while let row = try rows.next() {
            let (deviceSet, customerSet): (Data, Data) = (
                try row.value(Column.deviceSet), try row.value(Column.customerSet)
            )
            if let day = DistinctCount(encoded: [UInt8](deviceSet).span) { devices.formUnion(day) }
            if let day = DistinctCount(encoded: [UInt8](customerSet).span) { customers.formUnion(day) }
        }
        // An estimate may exceed the exact count of the whole time; a window cannot.
        summary.devices = min(devices.count, try product.count(ProductColumn.devices))
        summary.customers = min(customers.count, try product.count(ProductColumn.customers))
        summary.isExact = devices.isExact && customers.isExact
    }

    private mutating func sumAspects(_ window: ClosedRange<Day>) throws {
        var sums = try aspectRows().map { try WindowSum($0) }
        var indices: [UInt32: Int] = [:]
        for (index, sum) in sums.enumerated() { indices[sum.aspect] = index }
        typealias Column = ProductDayColumn
        let sql = """
            SELECT \(Column.aspects) FROM \(Column.table) WHERE \(Column.id) BETWEEN ? AND ? ORDER BY \(Column.id)
            """
        let rows = try Row.fetchCursor(db.cachedStatement(sql: sql), arguments: keys(of: window))
        while let row = try rows.next() {
            for day in try row.arrays(Column.aspects) {
                // A day of an aspect that is not there is damage that hides nothing.
                guard let index = indices[try day.symbol(AspectDayField.aspect)] else { continue }
                try sums[index].add(day)
            }
        }
        sums.removeAll { !$0.hasDays }
        var overall = WindowSum()
        for sum in sums { overall.addRatings(of: sum) }
        summary.rating = overall.rating(overall: nil, isTopKnown: true)
        for sum in sums { summary.aspects.append(try aspect(sum)) }
        if !sums.isEmpty {
            summary.gaps.formUnion([.aspectDevices, .aspectCustomers, .aspectFirst, .aspectLast])
        }
        sortAspects()
    }

    private mutating func aspect(_ sum: WindowSum) throws -> AspectSummary {
        var aspect = AspectSummary(aspect: try name(.aspect, sum.aspect))
        aspect.kinds = sum.kinds
        aspect.everyone = sum.whole.everyone
        aspect.useTotal = sum.useTotal
        aspect.faultTotal = sum.faultTotal
        if let rating = sum.rating(overall: summary.rating?.mean, isTopKnown: sum.whole.isTopOfRatingsKnown) {
            aspect.ratings = [rating]
            if rating.topShare == nil { summary.gaps.insert(.aspectTopShare) }
        }
        aspect.otherRatings = max(0, Int(sum.kinds.ratings) - sum.ratingCount)
        if aspect.otherRatings > 0 { summary.gaps.insert(.scales) }
        if sum.kinds.preferences > 0 { aspect.preference = try preference(sum) }
        if sum.faultTotal > 0 {
            aspect.maxSeverity = sum.whole.maxSeverity
            leaveOut(&aspect.maxSeverity, .severities, &summary.gaps)
            if sum.whole.hasCodes {
                aspect.faults = nil
                summary.gaps.insert(.codes)
            }
        }
        return aspect
    }

    private mutating func preference(_ sum: WindowSum) throws -> PreferenceSummary {
        var preference = PreferenceSummary()
        preference.timesSet = Int(sum.kinds.preferences)
        preference.changes = sum.whole.changes
        leaveOut(&preference.changes, .changes, &summary.gaps)
        summary.gaps.insert(.preferenceDevices)
        // Each preference is a choice, a number or a flag.
        let apart = sum.otherUnits.values.reduce(0) { $0 + $1.timesSet }
        let others = sum.choices.values.reduce(sum.otherTimesSet, +) + sum.numbers.timesSet + apart
        preference.flagTimesSet = max(0, preference.timesSet - others)
        if preference.flagTimesSet > 0 { summary.gaps.insert(.flags) }
        let whole = Double(max(1, preference.timesSet))
        for (symbol, count) in sum.choices {
            preference.choices.append(
                ChoiceSummary(
                    value: try name(.value, symbol), devices: nil, share: Double(count) / whole, timesSet: count))
        }
        if sum.otherTimesSet > 0 {
            preference.choices.append(
                ChoiceSummary(
                    value: "__other__", devices: nil, share: Double(sum.otherTimesSet) / whole,
                    timesSet: sum.otherTimesSet))
        }
        preference.choices.sort { ($1.timesSet ?? 0, $0.value) < ($0.timesSet ?? 0, $1.value) }
        if sum.numbers.timesSet > 0 { preference.numbers = try numbers(sum.numbers, sum.unit) }
        for (unit, numbers) in sum.otherUnits where unit != OtherUnitRow.beyond {
            preference.otherUnits.append(try self.numbers(numbers, unit))
        }
        preference.otherUnits.sort { ($1.timesSet, $0.unit ?? "") < ($0.timesSet, $1.unit ?? "") }
        return preference
    }

    private mutating func numbers(_ sum: WindowNumbers, _ unit: UInt32) throws -> NumberSummary {
        summary.gaps.formUnion([.numberDevices, .quantiles])
        var numbers = NumberSummary()
        numbers.unit = unit == 0 ? nil : try name(.unit, unit)
        numbers.timesSet = sum.timesSet
        numbers.mean = sum.sum / Double(sum.timesSet)
        numbers.least = sum.least
        numbers.most = sum.most
        return numbers
    }

    /// The product's rating: which share of it is 4 or 5, days know only where no rating lies just below 4.
    private mutating func readRating(_ product: Row) throws {
        guard summary.rating != nil else { return }
        let histogram = try NumberArray(try product.value(ProductColumn.histogram)).counts()
        let top = try product.count(ProductColumn.ratingTop)
        guard histogram.count == 5, histogram[3] + histogram[4] != top else { return }
        summary.rating?.leaveOutTop()
        summary.gaps.insert(.topShare)
    }

    /// Says so when texts of the window may have been pushed out by later ones: those that are left are fewer than are
    /// shown, and than the window may have.
    private mutating func lookForOlderTexts() throws {
        guard summary.texts.count < ProjectionLimits.textsShown,
            UInt64(summary.texts.count) < summary.kinds.texts + summary.kinds.ratings
        else { return }
        let latest = try latestText() ?? 0
        if latest >= ProjectionLimits.textsPerProduct { summary.gaps.insert(.olderTexts) }
    }

    private mutating func lookForFurtherDays() throws {
        let isOfProduct = SummaryTables.isOfProduct(ProductDayColumn.id)
        let sql = "SELECT count(*) FROM \(ProductDayColumn.table) WHERE \(isOfProduct)"
        let days = try Int.fetchOne(db.cachedStatement(sql: sql), arguments: [id]) ?? 0
        if days >= ProjectionLimits.days { summary.gaps.insert(.furtherDays) }
    }
}

/// Leaves out a figure of which only the sum over all days is known; when that is 0 each day's is.
private func leaveOut(_ figure: inout Int?, _ gap: WindowGap, _ gaps: inout Set<WindowGap>) {
    guard figure != 0 else { return }
    figure = nil
    gaps.insert(gap)
}

extension RatingSummary {
    fileprivate mutating func leaveOutTop() { (topShare, topLow, topHigh) = (nil, nil, nil) }
}

/// Numbers of one unit, added up.
private struct WindowNumbers {
    private(set) var timesSet = 0
    private(set) var sum = 0.0
    private(set) var least = Double.infinity
    private(set) var most = -Double.infinity

    mutating func add(_ count: Int, _ sum: Double, _ least: Double, _ most: Double) {
        timesSet += count
        self.sum += sum
        self.least = min(self.least, least)
        self.most = max(self.most, most)
    }
}

/// The days of one aspect, added up.
private struct WindowSum {
    /// What is known of the aspect from the log's beginning on.
    struct Whole {
        var everyone = GroupSize()
        var changes: Int? = 0
        var maxSeverity: Int? = 0
        var hasCodes = false
        /// Whether the histogram tells how many ratings are 4 or 5: one of 3.5, which is neither, counts there as 4.
        var isTopOfRatingsKnown = true
    }

    private(set) var hasDays = false
    private(set) var aspect: UInt32 = 0
    private(set) var unit: UInt32 = 0
    private(set) var whole = Whole()
    private(set) var kinds = KindCounts()
    private(set) var useTotal = 0
    private(set) var faultTotal = 0
    private(set) var otherTimesSet = 0
    private(set) var choices: [UInt32: Int] = [:]
    private(set) var numbers = WindowNumbers()
    private(set) var otherUnits: [UInt32: WindowNumbers] = [:]
    private(set) var ratingCount = 0
    private var ratingSum = 0.0
    private var histogram = [0, 0, 0, 0, 0]

    init() {}

    init(_ row: Row) throws {
        aspect = try row.value(AspectColumn.aspect)
        unit = try row.value(AspectColumn.unit)
        let counts = NumberArray(try row.value(AspectColumn.counts))
        whole.everyone = try GroupSize(counts)
        whole.changes = try counts.count(AspectField.changes)
        whole.maxSeverity = counts.total(AspectField.maxSeverity)
        let codes = try row.arrays(AspectColumn.codes)
        let others = counts.total(AspectField.otherFaults)
        whole.hasCodes = !codes.isEmpty || others > 0
        for scale in try row.arrays(AspectColumn.scales) where try scale.count(ScaleField.scale) == 0 {
            let histogram = try scale.arrays.first?.counts() ?? []
            let top = scale.number(ScaleField.top)
            whole.isTopOfRatingsKnown = histogram.count == 5 && Double(histogram[3] + histogram[4]) == top
        }
    }

    mutating func add(_ counts: NumberArray) throws {
        hasDays = true
        kinds.add(try KindCounts(counts, from: AspectDayField.preferences))
        useTotal = plus(useTotal, counts.total(AspectDayField.useTotal))
        faultTotal = plus(faultTotal, counts.total(AspectDayField.faultTotal))
        otherTimesSet += try counts.count(AspectDayField.otherTimesSet)
        for choice in counts.array(AspectDayField.choices)?.arrays ?? [] {
            choices[try choice.symbol(DayChoiceField.symbol), default: 0] += try choice.count(DayChoiceField.timesSet)
        }
        if let ratings = counts.array(AspectDayField.rating) {
            ratingCount += try ratings.count(DayRatingField.count)
            ratingSum += ratings.number(DayRatingField.sum)
            for (bucket, index) in DayRatingField.histogram.enumerated() {
                histogram[bucket] += try ratings.count(at: index)
            }
        }
        if let numbers = counts.array(AspectDayField.numbers), !numbers.numbers.isEmpty {
            self.numbers.add(
                try numbers.count(DayNumberField.count), numbers.number(DayNumberField.sum),
                numbers.number(DayNumberField.least), numbers.number(DayNumberField.most))
        }
        for unit in counts.array(AspectDayField.otherUnits)?.arrays ?? [] {
            otherUnits[try unit.symbol(DayUnitField.unit), default: WindowNumbers()].add(
                try unit.count(DayUnitField.count), unit.number(DayUnitField.sum), unit.number(DayUnitField.least),
                unit.number(DayUnitField.most))
        }
    }

    mutating func addRatings(of other: WindowSum) {
        ratingCount += other.ratingCount
        ratingSum += other.ratingSum
        for bucket in 0..<5 { histogram[bucket] += other.histogram[bucket] }
    }

    func rating(overall: Double?, isTopKnown: Bool) -> RatingSummary? {
        guard ratingCount > 0 else { return nil }
        let count = Double(ratingCount)
        let top = UInt64(histogram[3] + histogram[4])
        let bounds = wilsonBounds(top, of: UInt64(ratingCount))
        let prior = Double(ProjectionLimits.priorRatings)
        var rating = RatingSummary(
            scale: "1-5", count: ratingCount, mean: ratingSum / count,
            adjusted: overall.map { (ratingSum + prior * $0) / (count + prior) }, topShare: Double(top) / count,
            topLow: bounds.low, topHigh: bounds.high, histogram: histogram)
        if !isTopKnown { rating.leaveOutTop() }
        return rating
    }
}
