// RFC 3339 and back, without a calendar library.
import Events

/// Reads an RFC 3339 date-time, to the millisecond; further digits are dropped. A leap second counts as the next one.
///
/// - Returns: nil when it is not one.
func readTime(_ text: Span<UInt8>) -> Timestamp? {
    guard text.count >= 20, text.count <= 64 else { return nil }
    guard let year = digits(text, 0, 4), text[4] == 0x2d, let month = digits(text, 5, 2), text[7] == 0x2d,
        let day = digits(text, 8, 2), text[10] | 0x20 == 0x74 || text[10] == 0x20, let hour = digits(text, 11, 2),
        text[13] == 0x3a, let minute = digits(text, 14, 2), text[16] == 0x3a, let second = digits(text, 17, 2),
        (1...12).contains(month), day >= 1, day <= daysIn(month: month, year: year), hour < 24, minute < 60,
        second <= 60
    else { return nil }
    var at = 19
    var millisecond = 0
    if text[at] == 0x2e {
        var scale = 100
        at += 1
        let first = at
        while at < text.count, text[at] >= 0x30, text[at] <= 0x39 {
            millisecond += Int(text[at] - 0x30) * scale
            scale /= 10
            at += 1
        }
        guard at > first else { return nil }
    }
    guard at < text.count else { return nil }
    var zone = 0
    if text[at] | 0x20 == 0x7a {
        at += 1
    } else {
        guard text[at] == 0x2b || text[at] == 0x2d, at + 6 <= text.count, let hours = digits(text, at + 1, 2),
            text[at + 3] == 0x3a, let minutes = digits(text, at + 4, 2), hours < 24, minutes < 60
        else { return nil }
        zone = (hours * 60 + minutes) * (text[at] == 0x2b ? 1 : -1)
        at += 6
    }
    guard at == text.count else { return nil }
    let seconds = ((daysSinceEpoch(year, month, day) * 24 + hour) * 60 + minute - zone) * 60 + second
    return Timestamp(rawValue: Int64(seconds * 1_000 + millisecond))
}

@inline(__always)
private func digits(_ text: Span<UInt8>, _ start: Int, _ count: Int) -> Int? {
    var number = 0
    for index in start..<(start + count) {
        let digit = text[index] &- 0x30
        guard digit < 10 else { return nil }
        number = number * 10 + Int(digit)
    }
    return number
}

private func daysIn(month: Int, year: Int) -> Int {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar (after Howard Hinnant's `days_from_civil`).
private func daysSinceEpoch(_ year: Int, _ month: Int, _ day: Int) -> Int {
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
}

/// 0000-01-01T00:00:00.000Z ... 9999-12-31T23:59:59.999Z, milliseconds.
private let writableTimes: ClosedRange<Int64> = -62_167_219_200_000...253_402_300_799_999

/// Appends `"2026-01-01T00:00:00.000Z"` with its quotes; a time outside the years 0 to 9999 as a plain number.
func appendTime(_ time: Timestamp, to bytes: inout [UInt8]) {
    guard writableTimes.contains(time.rawValue) else { return appendDecimal(time.rawValue, to: &bytes) }
    let days = Int(time.day)
    let rest = Int(time.rawValue) - days * 86_400_000
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    bytes.append(0x22)
    appendPadded(yearOfEra + era * 400 + (month <= 2 ? 1 : 0), 4, to: &bytes)
    bytes.append(0x2d)
    appendPadded(month, 2, to: &bytes)
    bytes.append(0x2d)
    appendPadded(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1, 2, to: &bytes)
    bytes.append(0x54)
    appendPadded(rest / 3_600_000, 2, to: &bytes)
    bytes.append(0x3a)
    appendPadded(rest / 60_000 % 60, 2, to: &bytes)
    bytes.append(0x3a)
    appendPadded(rest / 1_000 % 60, 2, to: &bytes)
    bytes.append(0x2e)
    appendPadded(rest % 1_000, 3, to: &bytes)
    bytes.append(0x5a)
    bytes.append(0x22)
}

private func appendPadded(_ number: Int, _ width: Int, to bytes: inout [UInt8]) {
    var divisor = 1
    for _ in 1..<width { divisor *= 10 }
    var rest = number
    while divisor > 0 {
        bytes.append(UInt8(truncatingIfNeeded: 0x30 + rest / divisor))
        rest %= divisor
        divisor /= 10
    }
}
