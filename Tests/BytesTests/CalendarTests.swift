// Days and times: the calendar agrees with Foundation's, and texts are read back.

import Bytes
import Foundation
import Testing

@Suite struct CalendarTests {
    private func text(_ date: CivilDate) -> String {
        var output: [UInt8] = []
        date.append(to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    private func rfc3339(_ milliseconds: Int64) -> String {
        var output: [UInt8] = []
        appendRFC3339(milliseconds, to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    private func milliseconds(_ text: String) -> Int64? { readRFC3339(Array(text.utf8).span) }

    @Test func everyDayIsReadBack() throws {
        for days in stride(from: -719_528, through: 2_932_896, by: 97) {
            let date = CivilDate(daysSinceEpoch: days)
            #expect(date.daysSinceEpoch == days)
            #expect(CivilDate(Array(text(date).utf8).span) == date)
        }
        #expect(text(CivilDate(daysSinceEpoch: 19_782)) == "2024-02-29")
        #expect(text(CivilDate(daysSinceEpoch: 2_932_897)) == "10000-01-01")
    }

    @Test func timesAreThoseOfFoundation() {
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        for seconds in stride(from: -11_000_000_000, through: 250_000_000_000, by: 7_777_777_777) {
            let milliseconds = Int64(seconds) * 1_000 + 250
            #expect(rfc3339(milliseconds) == Date(timeIntervalSince1970: Double(seconds) + 0.25).formatted(style))
            #expect(self.milliseconds(rfc3339(milliseconds)) == milliseconds)
        }
    }

    @Test(
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("1970-01-01 00:00:00.0019z", 1), ("1970-01-01t01:00:00.5+01:00", 500),
            ("1969-12-31T23:59:60Z", 0), ("1969-12-31T00:01:00-23:59", 0), ("1969-12-31T23:59:59.999Z", -1),
        ] as [(String, Int64)])
    func timesAreRead(text: String, expected: Int64) { #expect(milliseconds(text) == expected) }

    @Test(arguments: [
        "", "1970-01-01T00:00:00", "1970-02-29T00:00:00Z", "1970-13-01T00:00:00Z", "1970-00-01T00:00:00Z",
        "1970-01-00T00:00:00Z", "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z", "1970-01-01T00:00:61Z",
        "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00+24:00", "1970-01-01T00:00:00+0100", "1970-01-01T00:00:00Zx",
        "1970-01-01x00:00:00Z", "197o-01-01T00:00:00Z", "1970-01-01T00:00:00+01:0",
    ])
    func whatIsNoTimeIsRefused(text: String) { #expect(milliseconds(text) == nil) }
}
