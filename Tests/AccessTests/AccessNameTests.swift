// What is typed as a source or a prefix, and whose events it then is for.

import Access
import Events
import Testing

@Suite struct AccessNameTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test(arguments: [
        ("kettle/k-1", "kettle", "k-1"), ("kettle/hall/3", "kettle", "hall/3"), ("a%2Fb/1", "a/b", "1"),
        ("a%2fb/1", "a/b", "1"), ("100%/1", "100%", "1"), ("kettle/+#/:%", "kettle", "+#/:%"),
        ("Ofen Süd/Gerät 7", "Ofen Süd", "Gerät 7"),
        ("urn:dev:ops:32473-oven-7", "oven", "urn:dev:ops:32473-oven-7"),
    ])
    func sourcesNameADevice(_ source: String, _ product: String, _ name: String) throws {
        #expect(try Scope(source: source) == .device(product: bytes(product), name: bytes(name)))
        // As it is shown it means the same.
        let shown = try Scope(source: source).text
        #expect(try Scope(source: shown) == .device(product: bytes(product), name: bytes(name)))
    }

    @Test func aSourceWithoutAProductNeedsOne() throws {
        #expect(
            try Scope(source: "https://a.example/7", product: "oven")
                == .device(product: bytes("oven"), name: bytes("https://a.example/7")))
        #expect(refusal { _ = try Scope(source: "k-1") }.contains("k-1 names no product"))
        #expect(refusal { _ = try Scope(source: "a/b", product: "c") }.contains("leave out --product"))
    }

    @Test(arguments: [
        "", "/a", "a/", "a/b\n", "a/\u{1b}[2Jb", "a\u{0}/b", "a/\u{85}", "a/" + String(repeating: "x", count: 129),
    ])
    func unusableSourcesAreRefusedInOneLine(_ source: String) {
        let line = refusal { _ = try Scope(source: source) }
        #expect(!line.isEmpty && !line.contains(where: \.isNewline) && !line.contains("\u{1b}"), "\(line)")
    }

    @Test(arguments: [
        ("kettle/", "kettle/"), ("kettle/hall-3/", "kettle/hall-3/"), ("a%2fb/", "a%2Fb/"), ("100%/", "100%25/"),
        ("urn:dev:ops:1-oven-a/", "oven/urn:dev:ops:1-oven-a/"),
    ])
    func prefixesEndAtASlash(_ typed: String, _ prefix: String) throws {
        #expect(try Scope(gateway: typed) == .prefix(bytes(prefix)))
        #expect(try Scope(gateway: typed).text == prefix)
    }

    @Test(arguments: ["", "/", "//", "kettle", "kettle/hall", "ket\ntle/", "https://a/"])
    func whatIsNoPrefixIsRefused(_ typed: String) {
        #expect(!refusal { _ = try Scope(gateway: typed) }.isEmpty)
    }
}
