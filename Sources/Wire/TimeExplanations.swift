// What a sender is told of a time that cannot be read or believed.

import Bytes
import Events

/// A time that lies where no event can have happened: by how much, and in which unit it would be believable.
func absurdClock(_ event: Event) -> String {
    let time = event.time.rawValue
    // Arrival is the daemon's own clock, which may be wrong too.
    let earliest = Limits.earliestTime.rawValue
    let believable = earliest...max(earliest, event.arrival.rawValue + Limits.clockAheadMilliseconds)
    var shown: [UInt8] = []
    appendTime(event.time, to: &shown)
    let date = String(decoding: shown.filter { $0 != UInt8(ascii: "\"") }, as: UTF8.self)
    for (unit, perMillisecond) in [("microseconds", 1_000 as Int64), ("nanoseconds", 1_000_000)]
    where believable.contains(time / perMillisecond) {
        return "the time \(time) is \(date); \(unit)? send milliseconds"
    }
    let (milliseconds, isTooLarge) = time.multipliedReportingOverflow(by: 1_000)
    if !isTooLarge, believable.contains(milliseconds) {
        return "the time \(time) is \(date); seconds? send milliseconds"
    }
    if time < believable.lowerBound {
        return "the time \(date) lies before 2000; set the device's clock, or leave time out"
    }
    return "the time \(date) lies more than a day ahead of arrival; set the device's clock, or leave time out"
}

/// A time that is there and is none.
func badTime(_ line: Span<UInt8>, _ contents: LineContents?) -> String {
    let wanted = "send milliseconds since 1970, or RFC 3339 such as 2026-01-31T12:00:00Z"
    // The time itself may be well, and the end of a consent not.
    let isExpiry = contents.map { $0[.expiry] != nil && isReadable($0[.time], line) } ?? false
    let key: EventKey = isExpiry ? .expiry : .time
    guard let entry = contents?[key] else { return "the time cannot be read; \(wanted)" }
    guard entry.isString(in: line) else {
        return "\(key) is \(entry.type(in: line)) (\(entry.shown(in: line))) that is no time; \(wanted)"
    }
    let text = entry.plain(in: line)
    let (dateBytes, zonelessBytes) = (10, 19)
    if text.count == dateBytes, isTime(text + Array("T00:00:00Z".utf8)) {
        return "\(key) \(entry.shown(in: line)) is a date only; add the time of day and the zone: \(wanted)"
    }
    if text.count >= zonelessBytes, isTime(text + Array("Z".utf8)) {
        return "\(key) \(entry.shown(in: line)) has no zone; add Z, or one such as +02:00"
    }
    // A zone of four digits, as ISO 8601 has it and RFC 3339 has not.
    if text.count > zonelessBytes + 4, isTime(text.dropLast(2) + [UInt8(ascii: ":")] + text.suffix(2)) {
        return "\(key) \(entry.shown(in: line)) has a zone without a colon; send it as +02:00"
    }
    return "\(key) \(entry.shown(in: line)) cannot be read; \(wanted)"
}

/// Whether a time is one, or is not there.
private func isReadable(_ entry: LineContents.Entry?, _ line: Span<UInt8>) -> Bool {
    guard let entry, !entry.isNull(in: line) else { return true }
    return entry.isNumber(in: line) || isTime(entry.plain(in: line))
}

private func isTime(_ text: some Sequence<UInt8>) -> Bool { readRFC3339(Array(text).span) != nil }
