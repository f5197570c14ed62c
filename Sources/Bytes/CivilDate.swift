// The civil calendar: days as years, months and days, and back, without a calendar library.

/// A day of the proleptic Gregorian calendar.
package struct CivilDate: Hashable, Sendable {
    package let year: Int
    /// 1 ... 12
    package let month: Int
    /// 1 ... 31
    package let day: Int

    /// Nil when there is no such day.
    package init?(year: Int, month: Int, day: Int) {
        guard (1...12).contains(month), day >= 1, day <= Self.days(inMonth: month, of: year) else { return nil }
        self.year = year
        self.month = month
        self.day = day
    }

    /// The day so many days after 1970-01-01 (after H. Hinnant, "chrono-compatible low-level date algorithms",
    /// `civil_from_days`).
    package init(daysSinceEpoch days: Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    }

    /// Days since 1970-01-01 (the same author's `days_from_civil`).
    package var daysSinceEpoch: Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// Reads `2026-01-31`; nil when the text is not a day.
    package init?(_ text: Span<UInt8>) {
        guard text.count == 10, let year = text.decimal(at: 0, digits: 4), text[4] == UInt8(ascii: "-"),
            let month = text.decimal(at: 5, digits: 2), text[7] == UInt8(ascii: "-"),
            let day = text.decimal(at: 8, digits: 2)
        else { return nil }
        self.init(year: year, month: month, day: day)
    }

    /// Appends `2026-01-31`; years beyond 9999 have more digits.
    package func append(to bytes: inout [UInt8]) {
        if (0...9_999).contains(year) {
            appendPadded(year, digits: 4, to: &bytes)
        } else {
            let text = String(year).utf8
            bytes.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: max(0, 4 - text.count)))
            bytes.append(contentsOf: text)
        }
        bytes.append(UInt8(ascii: "-"))
        appendPadded(month, digits: 2, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        appendPadded(day, digits: 2, to: &bytes)
    }

    private static func days(inMonth month: Int, of year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

extension Span where Element == UInt8 {
    /// The number in exactly so many decimal digits; nil when there are others than digits.
    @inline(__always)
    func decimal(at start: Int, digits count: Int) -> Int? {
        var number = 0
        for index in start..<(start + count) {
            let digit = self[index] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            number = number * 10 + Int(digit)
        }
        return number
    }
}

/// Appends a number in so many digits, with zeros before it.
func appendPadded(_ number: Int, digits: Int, to bytes: inout [UInt8]) {
    var divisor = 1
    for _ in 1..<digits { divisor *= 10 }
    var rest = number
    while divisor > 0 {
        bytes.append(UInt8(truncatingIfNeeded: Int(UInt8(ascii: "0")) + rest / divisor))
        rest %= divisor
        divisor /= 10
    }
}
