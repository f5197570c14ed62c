// Dates with times of day (RFC 3339) to milliseconds since 1970 and back.

private let millisecondsPerDay: Int64 = 86_400_000

/// Reads an RFC 3339 date-time, to the millisecond; further digits are dropped. A leap second counts as the next one.
///
/// - Returns: milliseconds since 1970-01-01T00:00:00Z; nil when it is not one.
package func readRFC3339(_ text: Span<UInt8>) -> Int64? {
    guard text.count >= 20, text.count <= 64, let date = CivilDate(text.extracting(0..<10)),
        text[10] | 0x20 == UInt8(ascii: "t") || text[10] == UInt8(ascii: " "),
        let hour = text.decimal(at: 11, digits: 2), text[13] == UInt8(ascii: ":"),
        let minute = text.decimal(at: 14, digits: 2), text[16] == UInt8(ascii: ":"),
        let second = text.decimal(at: 17, digits: 2), hour < 24, minute < 60, second <= 60
    else { return nil }
    var at = 19
    var millisecond = 0
    if text[at] == UInt8(ascii: ".") {
        var scale = 100
        at += 1
        let first = at
        while at < text.count, text[at] >= UInt8(ascii: "0"), text[at] <= UInt8(ascii: "9") {
            millisecond += Int(text[at] - UInt8(ascii: "0")) * scale
            scale /= 10
            at += 1
        }
        guard at > first else { return nil }
    }
    guard let zone = readZone(text, &at), at == text.count else { return nil }
    let seconds = ((date.daysSinceEpoch * 24 + hour) * 60 + minute - zone) * 60 + second
    return Int64(seconds * 1_000 + millisecond)
}

/// Reads `Z` or `+01:00`: how many minutes the clock is before UTC.
private func readZone(_ text: Span<UInt8>, _ at: inout Int) -> Int? {
    guard at < text.count else { return nil }
    if text[at] | 0x20 == UInt8(ascii: "z") {
        at += 1
        return 0
    }
    let sign = text[at]
    guard sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"), at + 6 <= text.count,
        let hours = text.decimal(at: at + 1, digits: 2), text[at + 3] == UInt8(ascii: ":"),
        let minutes = text.decimal(at: at + 4, digits: 2), hours < 24, minutes < 60
    else { return nil }
    at += 6
    return (hours * 60 + minutes) * (sign == UInt8(ascii: "+") ? 1 : -1)
}

/// Appends `2026-01-01T00:00:00.000Z`, of milliseconds since 1970-01-01T00:00:00Z.
package func appendRFC3339(_ milliseconds: Int64, to bytes: inout [UInt8]) {
    let days = (milliseconds - (milliseconds < 0 ? millisecondsPerDay - 1 : 0)) / millisecondsPerDay
    let rest = Int(milliseconds - days * millisecondsPerDay)
    CivilDate(daysSinceEpoch: Int(days)).append(to: &bytes)
    bytes.append(UInt8(ascii: "T"))
    appendPadded(rest / 3_600_000, digits: 2, to: &bytes)
    bytes.append(UInt8(ascii: ":"))
    appendPadded(rest / 60_000 % 60, digits: 2, to: &bytes)
    bytes.append(UInt8(ascii: ":"))
    appendPadded(rest / 1_000 % 60, digits: 2, to: &bytes)
    bytes.append(UInt8(ascii: "."))
    appendPadded(rest % 1_000, digits: 3, to: &bytes)
    bytes.append(UInt8(ascii: "Z"))
}
