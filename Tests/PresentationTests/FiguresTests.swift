// What commands print at their end: the same figures as a line, as JSON and as CSV.

import Foundation
import Presentation
import Testing

@Suite struct FiguresTests {
    private let counts: KeyValuePairs<String, UInt64> = ["sent": 1_500, "acked": 1_499, "lost": 1]

    @Test func countsInEveryForm() {
        #expect(renderCounts(counts, as: .table) == "sent 1500, acked 1499, lost 1\n")
        #expect(renderCounts(counts, as: .json) == #"{"sent":1500,"acked":1499,"lost":1}"# + "\n")
        #expect(renderCounts(counts, as: .csv) == "sent,acked,lost\r\n1500,1499,1\r\n")
    }

    @Test func aRebuildInEveryForm() {
        #expect(
            renderRebuild(events: 3_000, seconds: 1.50049, as: .table)
                == "rebuilt the summaries from 3000 events in 1.5 s (1999 events/s)\n")
        #expect(
            renderRebuild(events: 3_000, seconds: 2, as: .json)
                == #"{"events":3000,"seconds":2.0,"events_per_second":1500}"# + "\n")
        #expect(
            renderRebuild(events: 3_000, seconds: 2, as: .csv)
                == "events,seconds,events_per_second\r\n3000,2.0,1500\r\n")
    }

    @Test func nothingTakesNoTime() {
        #expect(
            renderRebuild(events: 0, seconds: 0, as: .json)
                == #"{"events":0,"seconds":0.0,"events_per_second":0}"# + "\n")
    }

    private let settings = [
        SettingInForce(name: "data_dir", value: #"a "quoted", folder"#, source: "environment"),
        SettingInForce(name: "log.block_max_events", value: "1", source: "a\u{1b}[31m.yaml"),
    ]

    @Test func settingsLineUpAndCannotMoveTheCursor() {
        #expect(
            renderSettings(settings, as: .table)
                == #"ok  data_dir              a "quoted", folder  (environment)"# + "\n"
                + #"ok  log.block_max_events  1  (a\u{1b}[31m.yaml)"# + "\n")
    }

    @Test func settingsForPrograms() throws {
        let json = try JSONSerialization.jsonObject(with: Data(renderSettings(settings, as: .json).utf8))
        let rows = try #require(json as? [[String: String]])
        #expect(rows.map { $0["key"] } == ["data_dir", "log.block_max_events"])
        #expect(rows[0]["value"] == #"a "quoted", folder"# && rows[1]["source"] == "a\u{1b}[31m.yaml")
        let lines = renderSettings(settings, as: .csv).components(separatedBy: "\r\n")
        #expect(lines[0] == "key,value,source")
        #expect(lines[1] == #"data_dir,"a ""quoted"", folder",environment"#)
    }

    @Test func noSettingsAreAnEmptyList() {
        #expect(renderSettings([], as: .json) == "[]\n")
        #expect(renderSettings([], as: .csv) == "key,value,source\r\n")
    }
}
