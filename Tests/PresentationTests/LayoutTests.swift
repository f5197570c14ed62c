// Tables fit the terminal, whatever stands in them.

import Events
import Log
import Presentation
import Testing

@Suite struct LayoutTests {
    private static let hostile = [
        "kettle", String(repeating: "k", count: 128), String(repeating: "冷蔵庫", count: 14), "e\u{301}gal\u{300}",
        "esc\u{1b}[2J", "rtl\u{202e}elttek", "👩\u{200d}🚀🔥", "nul\u{0}x", "",
    ]

    private static func style(_ width: Int) -> TableStyle {
        TableStyle(isUnicode: true, isColored: false, width: width)
    }

    private static func table() -> TextTable {
        var table = TextTable([
            .init("name", least: 12, most: 0.25), .init("events", .right), .init("second", .right, rank: 2),
            .init("first", .right, rank: 3), .init("words", least: 16, rank: 1),
        ])
        for (number, name) in hostile.enumerated() {
            let words = TextTable.Cell(forms: ["one · two · three · four", "one · two · 2 more", "one · 3 more"])
            table.add(cells: [
                TextTable.Cell(visible(name)), TextTable.Cell(grouped(number * 1_000_003)), "12,345,678", "9,999,999",
                words,
            ])
        }
        return table
    }

    @Test(arguments: [40, 60, 80, 120, 200])
    func noLineIsWiderThanTheTerminal(width: Int) {
        let lines = Self.table().lines(Self.style(width))
        #expect(lines.count == Self.hostile.count + 1)
        for line in lines { #expect(columns(line) <= width, "\(width): \(line)") }
        // A long name neither shortens nor moves the figures.
        #expect(lines.last?.contains("8,000,024") == true)
        #expect(lines[1].contains("kettle"))
    }

    @Test func theLeastImportantColumnsAreLeftOutFirst() {
        #expect(Self.table().lines(Self.style(120))[0].contains("first"))
        let middle = Self.table().lines(Self.style(62))[0]
        #expect(!middle.contains("first") && middle.contains("second") && middle.contains("words"))
        let narrow = Self.table().lines(Self.style(50))[0]
        #expect(!narrow.contains("second") && narrow.contains("words"))
    }

    @Test func cellsSayLessInLessRoom() {
        let row = { (width: Int) in Self.table().lines(Self.style(width))[1] }
        #expect(row(120).hasSuffix("one · two · three · four"))
        #expect(row(80).hasSuffix("one · two · 2 more"))
        #expect(row(50).hasSuffix("one · 3 more"))
    }

    @Test(arguments: [
        ("kettle", 6), ("冷蔵庫", 6), ("e\u{301}", 1), ("👍", 2), ("\u{1f1e9}\u{1f1ea}", 2), ("ก\u{e49}", 1), ("한글", 4),
        ("\u{fb01}", 1),
        ("❤", 1), ("⌚", 2), ("", 0),
    ])
    func widthsAreThoseOfTerminals(text: String, width: Int) { #expect(columns(text) == width) }

    @Test func whatIsCutFits() {
        for name in Self.hostile {
            for width in 0...20 { #expect(columns(cut(visible(name), width, Self.style(80))) <= width) }
        }
    }

    @Test func nothingHidesInAName() {
        for hidden in ["\u{ad}", "\u{feff}", "\u{200b}", "\u{2066}", "\u{180e}", "\u{e0041}", "\u{3164}", "\u{fff9}"] {
            #expect(visible("a" + hidden + "b") != "a" + hidden + "b")
        }
    }

    /// A quarantined event's reason is seen whole at every width.
    @Test(arguments: [40, 60, 80, 120, 200])
    func theReasonIsWhole(width: Int) throws {
        for product in Self.hostile where !product.isEmpty {
            var vocabulary = Vocabulary()
            var event = Event()
            event.kind = .preferenceSet
            event.product = vocabulary.symbol(.product, Array(product.utf8).span) ?? .none
            event.device = vocabulary.device(product: event.product, name: Array(product.utf8).span) ?? .none
            event.aspect = vocabulary.symbol(.aspect, Array(String(repeating: "aspect.", count: 8).utf8).span) ?? .none
            event.value = .symbol(
                vocabulary.symbol(.value, Array(String(repeating: "v", count: 200).utf8).span) ?? .none)
            event.time = Timestamp(rawValue: 1_767_225_600_000)
            let lines = EventLines(style: Self.style(width))
            for reason in QuarantineReason.allCases {
                event.quarantine = reason
                let line = lines.tableLine(event, text: "", offset: Offset(rawValue: 1_234), vocabulary: vocabulary)
                #expect(columns(line) <= width, "\(width): \(line)")
                if reason != .none { #expect(line.contains("\(reason.name)"), "\(width): \(line)") }
            }
        }
    }

    @Test(arguments: [60, 80, 200])
    func statisticsFit(width: Int) {
        let segments = (0..<3).map { number in
            let first = Offset(rawValue: UInt64(number) * 123_456_789)
            let time = Timestamp(rawValue: 1_767_225_600_000)
            return SegmentStatistics(
                file: "0000000000\(1_000_000_000 + number).tidings", offsets: first..<(first + 123_456_789),
                blocks: 12_345, bytes: 1_073_741_824, times: time...time, arrivals: time...time, isSealed: number < 2,
                chainHead: String(repeating: "a", count: 64))
        }
        let text = renderStatistics(LogStatistics(segments: segments), as: .table, style: Self.style(width))
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        for line in lines where !line.hasPrefix("chain head") { #expect(columns(String(line)) <= width, "\(line)") }
        #expect(text.contains("chain head 370370367:" + String(repeating: "a", count: 64) + "\n"))
        #expect(text.contains("sealed") && text.contains("active"))
    }
}

@Suite struct ProgressTextTests {
    private let events = ProgressText("rebuild", .events)

    @Test func aLineSaysWhatIsDoneHowFastAndWhatIsLeft() {
        #expect(
            events.line(done: 500_000, total: 2_000_000, seconds: 2, width: 120)
                == "rebuild  500,000 of 2,000,000 events  25.0 %  250,000/s  0:06 left")
        #expect(
            ProgressText("backup", .bytes).line(done: 50_000_000, total: 4_000_000_000, seconds: 0.5, width: 120)
                == "backup  50.0 of 4,000 MB  1.2 %  100 MB/s  0:40 left")
    }

    @Test func whatIsNotKnownIsNotSaid() {
        #expect(events.line(done: 0, total: 10, seconds: 2, width: 120) == "rebuild  0 of 10 events  0.0 %")
        #expect(events.line(done: 7, total: 0, seconds: 0, width: 120) == "rebuild  7 events")
        #expect(events.line(done: 10, total: 10, seconds: 1, width: 120) == "rebuild  10 of 10 events  100.0 %  10/s")
        #expect(events.line(done: 1, total: .max, seconds: 9, width: 120).hasSuffix("days left"))
    }

    @Test func oneEventShortIsNotDone() {
        #expect(events.line(done: 999_999, total: 1_000_000, seconds: 3_600, width: 120).contains("  99.9 %  "))
    }

    @Test(arguments: [0, 5, 12, 20, 30, 40, 60, 79])
    func itFits(width: Int) {
        let line = events.line(done: 123_456_789, total: 987_654_321, seconds: 100, width: width)
        #expect(columns(line) <= width)
    }
}
