// The limits that the documents state are those of the code.

import Events
import Foundation
import Testing

@Suite struct LimitTests {
    /// Every limit of `Limits`, by its name; those of time are stated in words.
    private static let limits: KeyValuePairs<String, Int?> = [
        "jsonEventBytes": Limits.jsonEventBytes, "nativeEventBytes": Limits.nativeEventBytes,
        "textBytes": Limits.textBytes, "rawBytes": Limits.rawBytes, "extraProperties": Limits.extraProperties,
        "extraBytes": Limits.extraBytes, "aspectBytes": Limits.aspectBytes, "aspectWords": Limits.aspectWords,
        "valueBytes": Limits.valueBytes, "valuesOfAspect": Limits.valuesOfAspect,
        "deviceBytes": Limits.deviceBytes, "customerBytes": Limits.customerBytes,
        "productBytes": Limits.productBytes, "sourceBytes": Limits.sourceBytes, "unitBytes": Limits.unitBytes,
        "idBytes": Limits.idBytes,
        "batchEvents": Limits.batchEvents, "frameBytes": Limits.frameBytes, "datagramBytes": Limits.datagramBytes,
        "datagramBytesRecommended": Limits.datagramBytesRecommended, "jsonDepth": Limits.jsonDepth,
        "jsonKeys": Limits.jsonKeys, "tableEntries": Limits.tableEntries, "tableBytes": Limits.tableBytes,
        "blockEvents": Limits.blockEvents, "blockTextBytes": Limits.blockTextBytes,
        "unitTextBytes": Limits.unitTextBytes, "symbols": Limits.symbols,
        "devices": Limits.devices, "customers": Limits.customers, "earliestTime": nil, "clockAheadMilliseconds": nil,
    ]

    /// So that a new limit is not forgotten above.
    @Test func everyLimitIsLookedAt() {
        let source = Repository.read("Sources/Events/Limits.swift").text
        let names = source.matches(of: #/static let (\w+)/#).map { String($0.output.1) }
        #expect(names == Self.limits.map(\.key))
    }

    @Test(arguments: limits.map(\.key)) func theDocumentStatesIt(_ name: String) throws {
        let rows = Repository.read("docs/wire.md").text.matches(of: #/\| `(\w+)` \| [^|]+ \| ([^|]+) \|/#)
        let row = try #require(rows.first { $0.output.1 == name }, "docs/wire.md does not state the limit \(name)")
        guard let value = Self.limits.first(where: { $0.key == name })?.value else { return }
        #expect(number(ofWords: row.output.2) == value, "docs/wire.md: \(name) is \(value), not \(row.output.2)")
    }

    /// The value of `64 KiB`, `256 bytes` or `1,000`.
    private func number(ofWords words: Substring) -> Int? {
        let parts = words.split(separator: " ")
        guard let value = parts.first.flatMap({ Int($0.filter { $0 != "," }) }) else { return nil }
        switch parts.dropFirst().first {
        case "KiB": return value * 1_024
        case "MiB": return value * 1_024 * 1_024
        default: return value
        }
    }
}
