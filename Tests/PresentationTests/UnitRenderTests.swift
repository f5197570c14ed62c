// Numbers of several units, as people and programs get them.

import Events
import Foundation
import Log
import Presentation
import Projection
import Testing

@Suite struct UnitRenderTests {
    private func summary() throws -> ProductSummary {
        var vocabulary = Vocabulary()
        func word(_ kind: SymbolKind, _ text: String) -> SymbolID {
            vocabulary.symbol(kind, Array(text.utf8).span) ?? .none
        }
        var batch = EventBatch()
        let said: [(Int64, String)] = [(90, "Cel"), (92, "Cel"), (94, "Cel"), (198, "Far"), (5, "psi")]
        for (index, (number, unit)) in said.enumerated() {
            var event = Event()
            (event.kind, event.product, event.value) = (.preferenceSet, word(.product, "kettle"), .whole(number))
            event.device = vocabulary.device(product: event.product, name: Array("k\(index)".utf8).span) ?? .none
            (event.aspect, event.unit) = (word(.aspect, "temperature"), word(.unit, unit))
            event.time = Timestamp(rawValue: 1_767_225_600_000)
            batch.events.append(event)
        }
        var state = SummaryState()
        state.apply(Block(firstOffset: .zero, batch: batch, definitions: vocabulary.takeDefinitions()))
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tidings-units-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("summaries.sqlite").path
        var store = try SummaryStore(path: path, identity: "log")
        try store.checkpoint(&state, updated: Timestamp(rawValue: 0))
        try store.close()
        return try #require(try SummaryReader(path: path).summary(product: "kettle"))
    }

    @Test func theMedianIsInTheFirstUnitAndTheOthersHaveTheirOwnLine() throws {
        let table = renderSummary(
            try summary(), smallGroups: .shown, as: .table,
            style: TableStyle(isUnicode: true, isColored: false, width: 100))
        let lines = table.split(separator: "\n").map(String.init)
        let first = try #require(lines.firstIndex { $0.contains("temperature") })
        #expect(lines[first].contains("5      0") && lines[first].contains("median 92 Cel"), "\(table)")
        #expect(lines[first + 1].contains("median 5 psi"), "\(table)")
    }

    @Test func programsGetEachUnit() throws {
        let json = renderSummary(try summary(), smallGroups: .shown, as: .json)
        let data = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        let aspect = try #require((data["aspects"] as? [[String: Any]])?.first)
        let preference = try #require(aspect["preference"] as? [String: Any])
        let numbers = try #require(preference["numbers"] as? [String: Any])
        #expect(numbers["unit"] as? String == "Cel" && numbers["devices"] as? Int == 4)
        let others = try #require(preference["other_units"] as? [[String: Any]])
        #expect(others.count == 1 && others[0]["unit"] as? String == "psi" && others[0]["p50"] as? Double == 5)

        let csv = renderSummary(try summary(), smallGroups: .shown, as: .csv)
        for line in [
            "kettle,temperature,number,unit,Cel", "kettle,temperature,other_unit.devices,psi,1",
            "kettle,temperature,other_unit.p50,psi,5.0", "kettle,temperature,other_unit.max,psi,5.0",
        ] {
            #expect(csv.contains(line + "\r\n"), "\(line)")
        }
    }
}
