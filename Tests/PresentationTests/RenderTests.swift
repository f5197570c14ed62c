// Summaries as people and programs get them.

import Events
import Foundation
import Log
import Presentation
import Projection
import Testing

/// A kettle's summary, folded from a handful of events.
private struct Kettle {
    let reader: SummaryReader
    private let folder: URL

    init(product: String = "kettle", choice: String = "strong") throws {
        var vocabulary = Vocabulary()
        func word(_ kind: SymbolKind, _ text: String) -> SymbolID {
            vocabulary.symbol(kind, Array(text.utf8).span) ?? .none
        }
        var batch = EventBatch()
        let kettle = word(.product, product)
        func add(_ kind: EventKind, _ device: String, _ aspect: String, _ value: Value, text: String = "") {
            var event = Event()
            (event.kind, event.product, event.value) = (kind, kettle, value)
            event.device = vocabulary.device(product: kettle, name: Array(device.utf8).span) ?? .none
            event.aspect = word(.aspect, aspect)
            event.customer = vocabulary.customer(Array("c\(device)".utf8).span) ?? .none
            event.time = Timestamp(rawValue: 1_767_225_600_000 + Int64(batch.count) * 1_000)
            if aspect == "brew.temperature" { event.unit = word(.unit, "Cel") }
            if !text.isEmpty { batch.setText(Array(text.utf8).span, of: &event) }
            batch.events.append(event)
        }
        let strong = word(.value, choice)
        let mild = word(.value, "mild")
        for device in ["a", "b", "c"] { add(.preferenceSet, device, "brew.strength", .symbol(strong)) }
        add(.preferenceSet, "c", "brew.strength", .symbol(mild))
        for (device, degrees) in [("a", 92), ("b", 94), ("c", 96)] as [(String, Int64)] {
            add(.preferenceSet, device, "brew.temperature", .whole(degrees))
        }
        for rating in [2, 4, 5, 5] as [Int64] { add(.ratingGiven, "a", "brew.strength", .whole(rating)) }
        add(.featureUsed, "a", "milk.foam", .none)
        add(.faultSeen, "b", "milk.foam", .symbol(word(.value, "E07")))
        add(.feedbackText, "b", "milk.foam", .none, text: "too \u{1b}[2Jloud")
        var state = SummaryState()
        state.apply(Block(firstOffset: .zero, batch: batch, definitions: vocabulary.takeDefinitions()))
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("tidings-kettle-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let path = folder.appendingPathComponent("summaries.sqlite").path
        var store = try SummaryStore(path: path, identity: "log")
        try store.checkpoint(&state, updated: Timestamp(rawValue: 1_767_225_700_000))
        try store.close()
        reader = try SummaryReader(path: path)
    }

    func remove() { try? FileManager.default.removeItem(at: folder) }
}

@Suite struct RenderTests {
    @Test func theTableTellsWhatIsPreferredNow() throws {
        let kettle = try Kettle()
        defer { kettle.remove() }
        let summary = try #require(try kettle.reader.summary(product: "kettle"))
        let style = TableStyle(isUnicode: true, isColored: false, width: 100)
        let expected = """
            kettle
            14 events · 3 devices · 3 customers · 2026-01-01 to 2026-01-01
            rated 4.00 of 5   ▄ ▄█  4 ratings · 75.0 % give 4 or 5 (30.1 to 95.4 %)
            as of event 14, 2026-01-01T00:01:40.000Z

            Preferred now
              aspect            devices  moves
              brew.strength           3      1  ██████▋     strong 66.7 % · mild 33.3 %
              brew.temperature        3      0              median 94 Cel, half within 92 to 94

            Ratings
              aspect         scale  ratings  mean  adjusted    best  (95 % sure)
              brew.strength  1-5          4  4.00      4.00  75.0 %  30.1 to 95.4   ▄ ▄█

            Use
              aspect     times  reports
              milk.foam      1        1  ████████████████████

            Faults
              aspect     times  severity  codes
              milk.foam      1         -  E07 1

            Latest feedback
              time              aspect
              2026-01-01T00:00  milk.foam  too \\u{1b}[2Jloud

            """
        #expect(renderSummary(summary, smallGroups: .shown, as: .table, style: style) == expected)
    }

    @Test func withoutUnicodeItIsPlainASCII() throws {
        let kettle = try Kettle()
        defer { kettle.remove() }
        let summary = try #require(try kettle.reader.summary(product: "kettle"))
        let text = renderSummary(summary, smallGroups: .shown, as: .table, style: .plain)
        #expect(text.utf8.allSatisfy { $0 < 0x80 && ($0 >= 0x20 || $0 == 0x0a) })
        #expect(text.contains("#######..."))
    }

    @Test func theJSONIsJSONWithTheSameFigures() throws {
        let kettle = try Kettle(choice: "a\"b\\\n\u{7}")
        defer { kettle.remove() }
        let summary = try #require(try kettle.reader.summary(product: "kettle"))
        let text = renderSummary(summary, smallGroups: .shown, as: .json)
        let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        #expect(object?["events"] as? Int == 14)
        #expect((object?["rating"] as? [String: Any])?["histogram"] as? [Int] == [0, 1, 0, 1, 2])
        let aspects = try #require(object?["aspects"] as? [[String: Any]])
        let preference = try #require(aspects.first?["preference"] as? [String: Any])
        let choices = try #require(preference["choices"] as? [[String: Any]])
        #expect(choices.first?["value"] as? String == "a\"b\\\n\u{7}")
        #expect(choices.first?["devices"] as? Int == 2)
        let products = renderProducts(
            try kettle.reader.products(), position: summary.position, smallGroups: .shown, as: .json)
        let list = try JSONSerialization.jsonObject(with: Data(products.utf8)) as? [String: Any]
        #expect((list?["products"] as? [[String: Any]])?.first?["customers"] as? Int == 3)
    }

    @Test func theCSVCannotTrickASpreadsheet() throws {
        let kettle = try Kettle(product: "=cmd|' /C calc'!A0", choice: "@SUM(1,2)")
        defer { kettle.remove() }
        let summary = try #require(try kettle.reader.summary(product: "=cmd|' /C calc'!A0"))
        let lines = renderSummary(summary, smallGroups: .shown, as: .csv).split(separator: "\r\n")
        #expect(lines.contains("'=cmd|' /C calc'!A0,brew.strength,preference.devices,\"'@SUM(1,2)\",2"))
        #expect(lines.dropFirst().allSatisfy { $0.hasPrefix("'=cmd") })
        let list = renderProducts(
            try kettle.reader.products(), position: summary.position, smallGroups: .shown, as: .csv)
        let line = try #require(list.split(separator: "\r\n").last)
        #expect(line.hasPrefix("'=cmd|' /C calc'!A0,14,7,4,1,1,1,0,3,3,0,0,4.0,"))
    }

    @Test func unknownProductsNameTheNearest() throws {
        let kettle = try Kettle()
        defer { kettle.remove() }
        #expect(try kettle.reader.summary(product: "ketle") == nil)
        let nearest = try kettle.reader.nearest(to: "Ketle")
        #expect(
            renderUnknown(product: "ketle\u{7}", nearest: nearest)
                == "no product \"ketle\\u{7}\"; the nearest known: \"kettle\"")
        #expect(try kettle.reader.nearest(to: "washing machine").isEmpty)
    }

    @Test func eventLinesAreEscapedAndCut() throws {
        var vocabulary = Vocabulary()
        var event = Event()
        event.kind = .preferenceSet
        event.product = vocabulary.symbol(.product, Array("kettle".utf8).span) ?? .none
        event.device = vocabulary.device(product: event.product, name: Array("k-1\u{1b}[2J".utf8).span) ?? .none
        event.customer = CustomerID(rawValue: 12)
        event.aspect = vocabulary.symbol(.aspect, Array("temperature".utf8).span) ?? .none
        event.value = .real(92.5)
        event.time = Timestamp(rawValue: 1_767_225_600_000)
        (event.identity, event.epoch, event.seq) = (.sequence, 3, 42)
        event.quarantine = .outOfRange
        let style = TableStyle(isUnicode: true, isColored: false, width: 180)
        let line = EventLines(style: style).tableLine(event, text: "", offset: .zero, vocabulary: vocabulary)
        let expected =
            "        0  2026-01-01T00:00:00.000  kettle                    k-1\\u{1b}[2J          "
            + "preference.set     temperature               quarantined: out_of_range  92.5"
        #expect(line == expected)
        let narrow = TableStyle(isUnicode: true, isColored: false, width: 60)
        let short = EventLines(style: narrow).tableLine(event, text: "", offset: .zero, vocabulary: vocabulary)
        #expect(short == "01-01T00:00  kettle    prefere…  tempera…  out_of_range")
        let csv = EventLines().csvText(event, text: "=x", offset: Offset(rawValue: 7), vocabulary: vocabulary)
        let cells =
            "7,2026-01-01T00:00:00.000Z,,1970-01-01T00:00:00.000Z,kettle,k-1\u{1b}[2J,customer#12,3-42,"
            + "preference.set,temperature,92.5,,1,,,'=x,,out_of_range\r\n"
        #expect(csv == cells)
    }
}
