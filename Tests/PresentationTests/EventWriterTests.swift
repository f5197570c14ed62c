// What `log tail` and `log export` print of events, in every form.

import Events
import Foundation
import Presentation
import Testing

@Suite struct EventWriterTests {
    private func written(_ format: OutputFormat) -> [String] {
        var vocabulary = Vocabulary()
        let kettle = vocabulary.symbol(.product, Array("kettle".utf8).span) ?? .none
        var event = Event()
        event.product = kettle
        event.device = vocabulary.device(product: kettle, name: Array("k-1".utf8).span) ?? event.device
        event.kind = .feedbackText
        event.time = Timestamp(rawValue: 1_795_132_800_000)
        event.arrival = event.time
        var batch = EventBatch()
        batch.setText(Array("=too \"loud\"".utf8).span, of: &event)
        batch.events.append(event)
        var writer = EventWriter(format: format, vocabulary: vocabulary)
        var pieces = [writer.header]
        for offset in 7...8 { writer.append(event, in: batch, at: Offset(rawValue: UInt64(offset))) }
        writer.flush { pieces.append(String(decoding: $0, as: UTF8.self)) }
        writer.flush { _ in Issue.record("there was nothing left") }
        return pieces
    }

    @Test func aTableHasALineForEachEvent() {
        let pieces = written(.table)
        #expect(pieces[0].isEmpty)
        let lines = pieces[1].split(separator: "\n")
        #expect(lines.count == 2 && lines.allSatisfy { $0.contains("kettle") && $0.contains("loud") })
    }

    @Test func linesOfJSONAreObjects() throws {
        let pieces = written(.json)
        #expect(pieces[0].isEmpty)
        for (index, line) in pieces[1].split(separator: "\n").enumerated() {
            let fields = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            #expect(fields?["offset"] as? Int == 7 + index)
            #expect(fields?["product"] as? String == "kettle")
        }
        #expect(pieces[1].hasSuffix("}\n"))
    }

    @Test func aSpreadsheetIsNotTricked() {
        let pieces = written(.csv)
        #expect(pieces[0] == EventLines.csvHeader)
        let rows = pieces[1].components(separatedBy: "\r\n")
        #expect(rows.count == 3 && rows[2].isEmpty)
        #expect(rows[0].contains(#""'=too ""loud""""#), "\(rows[0])")
        #expect(rows[1].hasPrefix("8,"))
    }
}
