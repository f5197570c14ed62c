// The schemas and the documents name the same kinds, reasons and limits as the code.

import Admission
import Daemon
import Events
import Foundation
import Testing

@Suite struct VocabularyTests {
    private struct Kinds: Decodable {
        struct Kind: Decodable {
            let number: Int
            let name: String
            let type: String?
            let direction: String
            let schema: String?
        }
        let kinds: [Kind]
    }

    private struct Units: Decodable {
        struct Unit: Decodable {
            let senml: String
            let ucum: String?
            let name: String
            let base: String
            let factor: Double
            let offset: Double
        }
        let units: [Unit]
    }

    @Test func kindsAgreeWithTheCode() throws {
        let kinds = try decode(Kinds.self, "schemas/kinds.json").kinds
        #expect(kinds.map { "\($0.number) \($0.name)" } == EventKind.allCases.map { "\($0.rawValue) \($0.name)" })
        for kind in kinds where kind.number != 0 {
            #expect(kind.type == "org.tidings.\(kind.name).v1")
            #expect(["up", "down", "daemon"].contains(kind.direction), "\(kind.name): \(kind.direction)")
        }
    }

    @Test func uplinkKindsAreThoseOfTheCode() throws {
        let kinds = try decode(Kinds.self, "schemas/kinds.json").kinds
        let uplink = EventKind.allCases.filter { $0.isUplink && $0 != .custom }
        #expect(kinds.filter { $0.direction == "up" && $0.number != 0 }.map(\.name) == uplink.map { "\($0.name)" })
    }

    @Test func everyKindThatDevicesSendHasASchema() throws {
        for kind in try decode(Kinds.self, "schemas/kinds.json").kinds where kind.direction == "up" {
            let path = try #require(kind.schema, "\(kind.name) has no schema")
            #expect(Repository.exists("schemas/\(path)"), "\(path)")
        }
    }

    @Test func unitsAreDistinct() throws {
        let units = try decode(Units.self, "schemas/units.json").units
        #expect(units.count > 30)
        #expect(Set(units.map(\.senml)).count == units.count)
        for unit in units { #expect(!unit.senml.isEmpty && unit.senml.utf8.count <= 32 && !unit.name.isEmpty) }
    }

    /// The code has the units that can be converted, with the numbers of the schema.
    @Test func unitsThatCanBeConvertedAreTheCodes() throws {
        let units = try decode(Units.self, "schemas/units.json").units
        let families = Dictionary(grouping: units, by: \.base)
        for (base, family) in families {
            let own = family.first { $0.senml == base }
            #expect(own?.factor == 1 && own?.offset == 0, "\(base)")
        }
        let wanted = units.filter { (families[$0.base]?.count ?? 0) > 1 }
        let text = { (name: String, base: String, factor: Double, offset: Double) in
            "\(name) \(base) \(factor) \(offset)"
        }
        let found = MeasurementUnit.known.map { text($0.name, $0.base, $0.factor, $0.offset) }
        #expect(found.sorted() == wanted.map { text($0.senml, $0.base, $0.factor, $0.offset) }.sorted())
        #expect(found.count < 256)
    }

    @Test func errorTableOfTheDocumentIsTheCodes() {
        let document = Repository.read("docs/wire.md").text
        for refusal in Refusal.allCases {
            let row = "| \(refusal.rawValue) | `\(refusal.name)` |"
            #expect(document.contains(row), "\(row)")
        }
        for reason in QuarantineReason.allCases where reason != .none {
            let row = "| \(Verdict.quarantined(reason).code) | `\(reason.name)` |"
            #expect(document.contains(row), "\(row)")
        }
    }

    /// Every transport that is counted is named to those who read the counts.
    @Test func transportsOfTheDocumentAreTheCodes() {
        let document = Repository.read("docs/operating.md").text
        for kind in TransportKind.allCases { #expect(document.contains("`\(kind.name)`"), "\(kind.name)") }
    }

    @Test func exitCodesOfTheDocumentAreTheCodes() {
        let codes = Repository.read("Sources/Commands/Failure.swift").text.matches(of: #/case \w+ = (\d+)/#)
        #expect(codes.count > 3)
        let document = Repository.read("docs/operating.md").text
        for code in codes { #expect(document.contains("\n| \(code.output.1) | "), "exit code \(code.output.1)") }
    }

    @Test func keysOfTheDocumentAreTheCodes() {
        let rows = Repository.read("docs/configuration.md").text.matches(
            of: #/\| `([a-z_.]+)` \| ([^|]+) \| `([^`]*)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|/#
        ).map { row in
            [row.output.1, row.output.3, row.output.5, row.output.6].map { $0.trimmingCharacters(in: .whitespaces) }
        }
        #expect(
            rows
                == ConfigurationKey.all.map {
                    [$0.name, $0.defaultValue, $0.meaning, word($0.takesEffect)]
                })
    }

    private func word(_ takesEffect: ConfigurationKey.TakesEffect) -> String {
        switch takesEffect {
        case .onReload: "reload"
        case .onReloadIfStricter: "reload, if stricter"
        case .onRestart: "restart"
        }
    }

    /// Whoever reads the property learns what stands in the file.
    @Test func everySettingIsDocumentedWhereItIsHeld() throws {
        let comments = Repository.read("Sources/Daemon/Configuration.swift").lines.map {
            $0.trimmingPrefix { $0 == " " }
        }
        .filter { $0.hasPrefix("///") }.map { $0.dropFirst(4) }
        let text = comments.joined(separator: " ")
        for key in ConfigurationKey.all where !key.name.contains(#/^listen\.[a-z]+\.(host|port)$/#) {
            let start = try #require(text.firstRange(of: "`\(key.name)`: "), "\(key.name) has no property").upperBound
            let end = text[start...].firstRange(of: "Default: ")
            let stated = try #require(end, "\(key.name): no default").upperBound
            #expect(
                text[stated...].hasPrefix("`\(key.defaultValue)`"), "\(key.name): the default is \(key.defaultValue)")
            let example = text[stated...].prefix(120).firstRange(of: "Example: `")
            #expect(example != nil, "\(key.name): no example")
        }
    }

    private func decode<Content: Decodable>(_ type: Content.Type, _ path: String) throws -> Content {
        try JSONDecoder().decode(type, from: Data(Repository.read(path).text.utf8))
    }
}
