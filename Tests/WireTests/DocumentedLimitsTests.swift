// What docs/wire.md says of each limit is what happens, and its field numbers are those of the schema.

import Events
import Foundation
import Testing
import Wire

@Suite struct DocumentedLimitsTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    private static func read(_ path: String) throws -> String {
        try String(contentsOf: folder.appendingPathComponent(path), encoding: .utf8)
    }

    /// The code that a line which exceeds the limit is answered with.
    private func code(_ line: String) -> UInt16 {
        switch judged(bytes(line)) {
        case .success(let event): Verdict.quarantined(event.quarantine).code
        case .failure(let refusal): refusal.rawValue
        }
    }

    @Test func whatLiesBeyondALimitIsAsDocumented() throws {
        func long(_ count: Int) -> String { String(repeating: "x", count: count + 1) }
        let head = #"{"product":"p","device":"d","type":"preference.set","#
        func line(_ keys: String) -> String { head + #""aspect":"a","value":1,"# + keys + "}" }
        let keys = (0...Limits.jsonKeys).map { "\"k\($0)\":0" }.joined(separator: ",")
        let depth = String(repeating: "[", count: Limits.jsonDepth)
        let words = Array(repeating: "a", count: Limits.aspectWords + 1).joined(separator: ".")
        let beyond: [String: String] = [
            "jsonEventBytes": line(#""x":"\#(long(Limits.jsonEventBytes))""#),
            "textBytes": line(#""text":"\#(long(Limits.textBytes))""#),
            "aspectBytes": head + #""aspect":"\#(long(Limits.aspectBytes))"}"#,
            "aspectWords": head + #""aspect":"\#(words)"}"#,
            "valueBytes": head + #""aspect":"a","value":"\#(long(Limits.valueBytes))"}"#,
            "deviceBytes": #"{"product":"p","device":"\#(long(Limits.deviceBytes))"}"#,
            "customerBytes": line(#""customer":"\#(long(Limits.customerBytes))""#),
            "productBytes": #"{"device":"d","product":"\#(long(Limits.productBytes))"}"#,
            "unitBytes": line(#""unit":"\#(long(Limits.unitBytes))""#),
            "idBytes": line(#""id":"\#(long(Limits.idBytes))""#),
            "jsonDepth": line(#""x":\#(depth)"#),
            "jsonKeys": line(keys),
        ]
        let document = try Self.read("docs/wire.md")
        for (name, line) in beyond {
            let row = try #require(document.split(separator: "\n").first { $0.hasPrefix("| `\(name)` |") }, "\(name)")
            #expect(row.contains("\(code(line))"), "\(name) is answered with \(code(line)): \(row)")
        }
    }

    @Test func fieldNumbersOfTheDocumentAreThoseOfTheSchema() throws {
        let schema = try Self.read("schemas/wire/v1/tidings.proto")
        let document = try Self.read("docs/wire.md")
        var count = 0
        for message in schema.matches(of: #/message (\w+) \{([^}]*)\}/#) {
            let fields = message.output.2.matches(of: #/ (\w+) = (\d+);/#).map { "\($0.output.2) `\($0.output.1)`" }
            count += fields.count
            let row = "| `\(message.output.1)` | \(fields.joined(separator: ", ")) |"
            #expect(document.contains(row), "docs/wire.md lacks: \(row)")
        }
        #expect(count > 50)
    }

    /// Whatever property a published schema has, the reader knows it or passes it over on purpose: it is no mistake.
    @Test func keysOfSchemasAreNoMistakes() throws {
        let enumerator = FileManager.default.enumerator(atPath: Self.folder.appendingPathComponent("schemas").path)
        var seen = 0
        while let path = enumerator?.nextObject() as? String {
            guard path.hasSuffix(".json"), path.hasPrefix("events/") || path.hasPrefix("envelope/") else { continue }
            let object = try JSONSerialization.jsonObject(with: Data(try Self.read("schemas/" + path).utf8))
            guard let properties = (object as? [String: Any])?["properties"] as? [String: Any] else { continue }
            for key in properties.keys {
                seen += 1
                #expect(unknownKeys(of: bytes("{\"\(key)\":1}").span).isEmpty, "\(path): \(key)")
            }
        }
        #expect(seen > 40)
    }
}
