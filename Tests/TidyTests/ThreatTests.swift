// The threat model has every threat that is to be answered now, and the tests that it names are there.

import Testing

@Suite struct ThreatTests {
    private static let document = Repository.read("docs/threat-model.md").text

    /// The rows of the tables under a title, without their heads.
    private static func rows(under title: String, upTo end: String) -> [[Substring]] {
        let part = document.components(between: "\n## \(title)\n", and: "\n## \(end)\n")
        return part.split(separator: "\n").filter { $0.hasPrefix("| ") && !$0.hasPrefix("|---") }.map { line in
            line.dropFirst(2).dropLast(2).split(separator: " | ", omittingEmptySubsequences: false)
        }
    }

    private static let threats = rows(under: "Who may send and read", upTo: "Bad input").filter { $0[0] != "#" }
    private static let badInput = Array(rows(under: "Bad input", upTo: "What is not answered").dropFirst())

    @Test func everyTestThatIsNamedIsThere() {
        let tests = Repository.tests
        let named = Self.document.matches(of: #/`([A-Z]\w+Tests)(?:\.(\w+))?`/#)
        #expect(named.count > 100)
        for match in named {
            let suite = String(match.output.1)
            let files = tests.filter { $0.text.contains("struct \(suite) ") || $0.text.contains("extension \(suite) ") }
            #expect(!files.isEmpty, "there is no suite \(suite)")
            guard let name = match.output.2 else { continue }
            #expect(files.contains { $0.text.contains("func \(name)(") }, "\(suite) has no test \(name)")
        }
    }

    /// Those of who may send and read; the others come with what they threaten.
    @Test func everyThreatHasItsNumbersAndAProof() {
        let numbers = Self.threats.flatMap { $0[0].split(separator: ", ").compactMap { Int($0) } }
        for number in Array(1...12) + Array(18...22) + Array(26...28) {
            #expect(numbers.filter { $0 == number }.count == 1, "threat \(number)")
        }
        for row in Self.threats {
            #expect(row.count == 5, "\(row)")
            #expect(row[2] == "–" || row[2].contains(#/^\d+\.\d+\.\d+ \([123]\)/#), "\(row[2])")
            #expect(row[4].contains(#/`(\w+Tests|scripts\/)/#), "threat \(row[0]) has no proof")
        }
    }

    @Test func everyBadInputHasAProof() {
        #expect(Self.badInput.count >= 27)
        for row in Self.badInput {
            #expect(row.count == 3, "\(row)")
            #expect(row[2].contains(#/`\w+Tests\.\w+`/#), "\(row[0]) has no test")
        }
    }
}

extension String {
    /// What stands between two texts; to the end when the second is not there.
    fileprivate func components(between start: String, and end: String) -> Substring {
        guard let first = firstRange(of: start) else { return "" }
        let rest = self[first.upperBound...]
        return rest[..<(rest.firstRange(of: end)?.lowerBound ?? rest.endIndex)]
    }
}
