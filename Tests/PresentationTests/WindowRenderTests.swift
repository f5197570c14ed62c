// A window of days as people and programs get it: what it cannot know is not there, and is named.

import Events
import Foundation
import Log
import Presentation
import Projection
import Testing

@Suite struct WindowRenderTests {
    /// A window over the second of two days: a flag, a number, ratings on another scale, a fault.
    private static func summary(since: Day?, until: Day? = nil) throws -> ProductSummary {
        var vocabulary = Vocabulary()
        func word(_ kind: SymbolKind, _ text: String) -> SymbolID {
            vocabulary.symbol(kind, Array(text.utf8).span) ?? .none
        }
        var batch = EventBatch()
        let kettle = word(.product, "kettle")
        func add(
            _ kind: EventKind, _ day: Int64, _ aspect: String, _ value: Value,
            _ change: (inout Event) -> Void = { _ in }
        ) {
            var event = Event()
            (event.kind, event.product, event.aspect, event.value) = (kind, kettle, word(.aspect, aspect), value)
            event.device = vocabulary.device(product: kettle, name: Array("k-1".utf8).span) ?? .none
            event.time = Timestamp(rawValue: 1_767_225_600_000 + day * 86_400_000)
            change(&event)
            batch.events.append(event)
        }
        add(.preferenceSet, 0, "keep_warm", .flag(true))
        add(.preferenceSet, 1, "keep_warm", .flag(false))
        for _ in 0..<2 { add(.preferenceSet, 1, "keep_warm", .flag(true)) }
        add(.preferenceSet, 1, "temperature", .whole(92))
        for rating in 5...9 as ClosedRange<Int64> { add(.ratingGiven, 1, "pump", .whole(rating)) { $0.scale = 10 } }
        add(.faultSeen, 1, "pump", .symbol(word(.value, "E07"))) { ($0.count, $0.severity) = (2, 17) }
        add(.featureUsed, 1, "pump", .none) { $0.quarantine = .badAspect }
        add(.gap, 1, "pump", .none) { $0.count = 3 }
        var state = SummaryState()
        state.apply(Block(firstOffset: .zero, batch: batch, definitions: vocabulary.takeDefinitions()))
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "tidings-window-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("summaries.sqlite").path
        var store = try SummaryStore(path: path, identity: "log")
        try store.checkpoint(&state, updated: Timestamp(rawValue: 1_767_225_700_000))
        try store.close()
        return try #require(try SummaryReader(path: path).summary(product: "kettle", since: since, until: until))
    }

    @Test func theJSONLeavesOutWhatIsNotKnown() throws {
        let text = renderSummary(try Self.summary(since: Day("2026-01-02")), smallGroups: .shown, as: .json)
        let json = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(json["since"] as? String == "2026-01-02")
        for key in ["until", "quarantined", "missing", "first", "last"] { #expect(json[key] == nil, "\(key)") }
        #expect(json["duplicates"] as? Int == 0)
        #expect(
            json["not_in_window"] as? [String] == [
                "quarantined", "missing", "first", "last", "aspects.devices", "aspects.customers", "aspects.first",
                "aspects.last", "aspects.preference.devices", "aspects.preference.moves", "aspects.preference.flags",
                "aspects.preference.numbers.devices", "aspects.preference.numbers.quantiles",
                "aspects.ratings.other_scales", "aspects.faults.max_severity", "aspects.faults.codes",
            ])
        let all = try #require(json["aspects"] as? [[String: Any]])
        let aspects = Dictionary(uniqueKeysWithValues: all.map { ($0["aspect"] as? String ?? "", $0) })
        let flag = try #require(aspects["keep_warm"]?["preference"] as? [String: Any])
        #expect(Set(flag.keys) == ["sets"])
        let number = try #require(aspects["temperature"]?["preference"] as? [String: Any])
        #expect(Set(number.keys) == ["sets", "moves", "choices", "numbers"])
        #expect((number["numbers"] as? [String: Any])?["devices"] == nil)
        let faults = try #require(aspects["pump"]?["faults"] as? [String: Any])
        #expect(Set(faults.keys) == ["events", "total"])
    }

    @Test func theTableSaysItAtItsEnd() throws {
        let style = TableStyle(isUnicode: true, isColored: false, width: 200)
        let summary = try Self.summary(since: Day("2026-01-02"))
        let lines = renderSummary(summary, smallGroups: .shown, as: .table, style: style).split(separator: "\n")
        #expect(lines[1].hasSuffix("2026-01-02 and after"))
        #expect(
            lines.suffix(2) == [
                "not known for a window: events kept apart, events lost by the devices, how many devices prefer what, "
                    + "changes of mind, true/false settings, medians, ratings on scales other than 1-5, severities,",
                "fault codes",
            ])
        #expect(lines.contains("  keep_warm       3  true or false 3 times"))
        #expect(lines.contains("  pump    other        5     -         -     -  -"))
        #expect(lines.contains("  pump        2"))
        #expect(!lines.contains { $0.contains("moves") || $0.contains("codes ") })
    }

    @Test func theCSVHasNoLineForIt() throws {
        let summary = try Self.summary(since: Day("2026-01-02"))
        let lines = renderSummary(summary, smallGroups: .shown, as: .csv).split(separator: "\r\n")
        #expect(!lines.contains { $0.contains(",missing,,") && !$0.contains("not_in_window") })
        #expect(!lines.contains { $0.contains("max_severity,") || $0.contains("preference.moves,,0,") })
        #expect(lines.contains("kettle,,not_in_window,,aspects.faults.codes"))
    }

    @Test func aWindowWithoutEventsSaysSo() throws {
        let summary = try Self.summary(since: nil, until: Day("2020-01-01"))
        let text = renderSummary(summary, smallGroups: .shown, as: .table)
        #expect(text.contains("no events in these days; there are some from 2026-01-01 to 2026-01-02\n"))
        #expect(text.contains("up to 2020-01-01"))
    }
}
