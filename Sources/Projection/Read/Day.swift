// A calendar day in UTC: the bucket of the daily summaries.

import Bytes
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
        guard let date = CivilDate(Array(text.utf8).span) else { return nil }
        rawValue = Int32(date.daysSinceEpoch)
    }

    /// `2026-01-31`
    package var description: String {
        var text: [UInt8] = []
        CivilDate(daysSinceEpoch: Int(rawValue)).append(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}
