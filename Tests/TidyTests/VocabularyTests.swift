// The schemas and the documents name the same kinds, reasons and limits as the code.

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
        }
        let units: [Unit]
    }

    @Test func kindsAgreeWithTheCode() throws {
        let kinds = try decode(Kinds.self, "schemas/kinds.json").kinds
        let source = Repository.read("Sources/Events/EventKind.swift").text
        let numbers = source.matches(of: #/case (\w+) = (\d+)/#)
        let names = source.matches(of: #/case \.(\w+): "([a-z._]+)"/#)
        let nameOfCase = Dictionary(uniqueKeysWithValues: names.map { (String($0.output.1), String($0.output.2)) })
        let code = numbers.map { "\($0.output.2) \(nameOfCase[String($0.output.1)] ?? "?")" }
        #expect(code.count > 10)
        #expect(kinds.map { "\($0.number) \($0.name)" } == code)
        for kind in kinds where kind.number != 0 {
            #expect(kind.type == "org.tidings.\(kind.name).v1")
            #expect(["up", "down", "daemon"].contains(kind.direction), "\(kind.name): \(kind.direction)")
        }
    }

    @Test func uplinkKindsAreThoseOfTheCode() throws {
        let source = Repository.read("Sources/Events/EventKind.swift").text
        let start = try #require(source.firstRange(of: "var isUplink"))
        let uplink = source[start.upperBound...].components(separatedBy: "true")[0]
        let cases = Set(uplink.matches(of: #/\.(\w+)/#).map { String($0.output.1) })
        let names = source.matches(of: #/case \.(\w+): "([a-z._]+)"/#)
        let inCode = Set(names.filter { cases.contains(String($0.output.1)) }.map { String($0.output.2) })
        let inSchema = try decode(Kinds.self, "schemas/kinds.json").kinds.filter { $0.direction == "up" }.map(\.name)
        #expect(Set(inSchema) == inCode)
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

    @Test func errorTableOfTheDocumentIsTheCodes() {
        let source = Repository.read("Sources/Events/Reasons.swift").text
        let parts = source.components(separatedBy: "package enum Refusal")
        #expect(parts.count == 2)
        let document = Repository.read("docs/wire.md").text
        let refusals = codes(in: parts[1], offset: 0)
        #expect(refusals.count > 20)
        for (code, name) in refusals { #expect(document.contains("| \(code) | `\(name)` |"), "\(code) \(name)") }
        for (code, name) in codes(in: parts[0], offset: 4220) where name != "none" {
            #expect(document.contains("| \(code) | `\(name)` |"), "\(code) \(name)")
        }
    }

    @Test func limitsOfTheDocumentAreTheCodes() {
        let source = Repository.read("Sources/Events/Limits.swift").text
        let limits = source.matches(of: #/static let (\w+)(?:: \w+)? = ([0-9_ *<]*)/#)
        #expect(limits.count > 20)
        let rows = Repository.read("docs/wire.md").text.matches(of: #/\| `(\w+)` \| [^|]+ \| ([^|]+) \|/#)
        let stated = Dictionary(
            rows.map { (String($0.output.1), String($0.output.2)) }, uniquingKeysWith: { first, _ in first })
        for limit in limits {
            let name = String(limit.output.1)
            guard let words = stated[name] else {
                Issue.record("docs/wire.md does not state the limit \(name)")
                continue
            }
            // Times are stated in words.
            guard let value = number(ofCode: limit.output.2), !name.hasSuffix("Milliseconds") else { continue }
            #expect(number(ofWords: words) == value, "docs/wire.md: \(name) is \(value), not \(words)")
        }
    }

    @Test func exitCodesOfTheDocumentAreTheCodes() {
        let codes = Repository.read("Sources/tidings/Failure.swift").text.matches(of: #/case \w+ = (\d+)/#)
        #expect(codes.count > 3)
        let document = Repository.read("docs/operating.md").text
        for code in codes { #expect(document.contains("\n| \(code.output.1) | "), "exit code \(code.output.1)") }
    }

    /// The value of `64 * 1024`, `1 << 20` or `1_000`.
    private func number(ofCode code: Substring) -> Int? {
        let plain = code.filter { $0 != "_" && $0 != " " }
        if let shift = plain.wholeMatch(of: #/(\d+)<<(\d+)/#) {
            return (Int(shift.output.1) ?? 0) << (Int(shift.output.2) ?? 0)
        }
        let factors = plain.split(separator: "*").map { Int($0) }
        return factors.isEmpty || factors.contains(nil) ? nil : factors.compactMap(\.self).reduce(1, *)
    }

    /// The value of `64 KiB`, `256 bytes` or `1,000`.
    private func number(ofWords words: String) -> Int? {
        let parts = words.split(separator: " ")
        guard let value = parts.first.flatMap({ Int($0.filter { $0 != "," }) }) else { return nil }
        switch parts.dropFirst().first {
        case "KiB": return value * 1_024
        case "MiB": return value * 1_024 * 1_024
        default: return value
        }
    }

    @Test func keysOfTheDocumentAreTheCodes() throws {
        let source = Repository.read("Sources/Daemon/ConfigurationKeys.swift").text
        let start = try #require(source.firstRange(of: "static let all"))
        let table = source[start.upperBound...].components(separatedBy: "\n    ]")[0]
        let keys = table.matches(of: #/\.init\(\s*"([a-z_.]+)",[^"]*?(?:\.choice\(\[[^\]]*\]\)[^"]*)?"([^"]*)"/#)
        let rows = Repository.read("docs/configuration.md").text.matches(
            of: #/\| `([a-z_.]+)` \| [^|]+ \| `([^`]*)` \|/#)
        #expect(rows.count > 10)
        #expect(rows.map { "\($0.output.1) = \($0.output.2)" } == keys.map { "\($0.output.1) = \($0.output.2)" })
    }

    /// Cases with numbers, and their names in the `name` switch of the same enum.
    private func codes(in source: String, offset: Int) -> [(Int, String)] {
        let named = source.matches(of: #/case \.(\w+): "([a-z0-9_]+)"/#)
        let names = Dictionary(
            named.map { (String($0.output.1), String($0.output.2)) }, uniquingKeysWith: { first, _ in first })
        return source.matches(of: #/case (\w+) = (\d+)/#).map { match in
            ((Int(match.output.2) ?? -1) + offset, names[String(match.output.1)] ?? "?")
        }
    }

    private func decode<Content: Decodable>(_ type: Content.Type, _ path: String) throws -> Content {
        try JSONDecoder().decode(type, from: Data(Repository.read(path).text.utf8))
    }
}
