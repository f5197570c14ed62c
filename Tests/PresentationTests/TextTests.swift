// Numbers, times and cells as they are shown.

import Events
import Presentation
import Testing

@Suite struct TextTests {
    @Test func numbersAreGrouped() {
        #expect(grouped(0) == "0")
        #expect(grouped(999) == "999")
        #expect(grouped(1_000) == "1,000")
        #expect(grouped(-1_234_567) == "-1,234,567")
        #expect(grouped(UInt64.max) == "18,446,744,073,709,551,615")
    }

    @Test func decimalsAreRounded() {
        #expect(fixed(3.7389, 2) == "3.74")
        #expect(fixed(0.005, 2) == "0.01")
        #expect(fixed(-0.004, 2) == "0.00")
        #expect(fixed(-1.5, 0) == "-2")
        #expect(fixed(1_234.5, 1) == "1,234.5")
        #expect(fixed(.infinity, 2) == "inf")
        #expect(short(92) == "92")
        #expect(short(92.5) == "92.5")
        #expect(short(0.0123) == "0.0123")
        #expect(short(12_345.6) == "12,346")
    }

    @Test func timesAreWrittenInFull() {
        #expect(rfc3339(Timestamp(rawValue: 0)) == "1970-01-01T00:00:00.000Z")
        #expect(rfc3339(Timestamp(rawValue: -1)) == "1969-12-31T23:59:59.999Z")
        #expect(rfc3339(Timestamp(rawValue: 1_767_225_600_123)) == "2026-01-01T00:00:00.123Z")
    }

    @Test func nothingReachesTheTerminalThatMovesItsCursor() {
        #expect(visible("kettle") == "kettle")
        #expect(visible("a\u{1b}[31mb\n") == "a\\u{1b}[31mb\\n")
        #expect(visible("x\u{202e}y\u{9b}z") == "x\\u{202e}y\\u{9b}z")
        #expect(visible("größer") == "größer")
    }

    @Test(arguments: [
        ("plain", "plain"), ("a,b", "\"a,b\""), ("say \"hi\"", "\"say \"\"hi\"\"\""), ("a\nb", "\"a\nb\""),
        ("=1+1", "'=1+1"), ("+cmd", "'+cmd"), ("@sum", "'@sum"), ("-5", "-5"), ("-5.5e3", "-5.5e3"),
        ("-5+cmd|'/c calc'!A0", "'-5+cmd|'/c calc'!A0"), ("=1,2", "\"'=1,2\""), ("\tx", "'\tx"), ("-inf", "'-inf"),
        ("\r=x", "\"'\r=x\""), ("", ""),
    ])
    func cellsAreInert(text: String, cell: String) { #expect(csvCell(text) == cell) }
}
