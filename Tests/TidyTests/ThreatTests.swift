// The tests that the threat model names are there.

import Testing

@Suite struct ThreatTests {
    private static let document = Repository.read("docs/threat-model.md").text

    @Test func everyTestThatIsNamedIsThere() {
        let tests = Repository.tests
        let named = Self.document.matches(of: #/`([A-Z]\w+Tests)(?:\.(\w+))?`/#)
        #expect(named.count > 20)
        for match in named {
            let suite = String(match.output.1)
            let files = tests.filter { $0.text.contains("struct \(suite) ") || $0.text.contains("extension \(suite) ") }
            #expect(!files.isEmpty, "there is no suite \(suite)")
            guard let name = match.output.2 else { continue }
            #expect(files.contains { $0.text.contains("func \(name)(") }, "\(suite) has no test \(name)")
        }
    }
}
