// A calendar day in UTC: the bucket of the daily summaries.

package import Events

/// A day of the proleptic Gregorian calendar, UTC.
package struct Day: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    /// How long a day is; there are no leap seconds in UTC as computers keep it.
    static let milliseconds: Int64 = 86_400_000

    /// Days since 1970-01-01.
    package var rawValue: Int32

    package init(rawValue: Int32) { self.rawValue = rawValue }

    package init(_ time: Timestamp) { rawValue = time.day }

    /// The day of a text such as `2026-01-31`; nil when it is not one.
    package init?(_ text: some StringProtocol) {
        let parts = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].count == 4, parts[1].count == 2, parts[2].count == 2,
            let year = Day.number(parts[0]), let month = Day.number(parts[1]), let day = Day.number(parts[2]),
            (1...12).contains(month), day >= 1, day <= Day.length(of: month, year)
        else { return nil }
        self.init(year: year, month: month, day: day)
    }

    /// After H. Hinnant, "chrono-compatible low-level date algorithms", `days_from_civil`.
    private init(year: Int, month: Int, day: Int) {
        let year = month <= 2 ? year - 1 : year
        let era = (year >= 0 ? year : year - 399) / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        rawValue = Int32(era * 146_097 + dayOfEra - 719_468)
    }

    /// Year, month (1 ... 12) and day (1 ... 31).
    package var civil: (year: Int, month: Int, day: Int) {
        let shifted = Int(rawValue) + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    /// `2026-01-31`
    package var description: String {
        let (year, month, day) = civil
        let yearText = String(year)
        let zeros = String(repeating: "0", count: max(0, 4 - yearText.count))
        return "\(zeros)\(yearText)-\(month < 10 ? "0" : "")\(month)-\(day < 10 ? "0" : "")\(day)"
    }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

    private static func number(_ digits: some Collection<UInt8>) -> Int? {
        var number = 0
        for digit in digits {
            guard digit >= 48, digit <= 57 else { return nil }
            number = number * 10 + Int(digit - 48)
        }
        return number
    }

    private static func length(of month: Int, _ year: Int) -> Int {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        return month == 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
    }
}
