// JSON strings: escaped as little as JSON and a terminal allow, and the same text when read back.

import Bytes
import Foundation
import Testing

@Suite struct JSONStringTests {
    private func escaped(_ text: String, _ escapes: JSONEscapes) -> String {
        var output: [UInt8] = []
        appendJSONString(Array(text.utf8).span, escaping: escapes, to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    @Test(arguments: [
        ("größe 😀 /", #""größe 😀 /""#), ("\"\\", #""\"\\""#), ("\n\r\t", #""\n\r\t""#),
        ("\u{0}\u{1f}\u{7f}", #""\u0000\u001f\u007f""#), ("\u{80}\u{9f}\u{a0}", #""\u0080\u009f"# + "\u{a0}\""),
    ])
    func whatATerminalWouldObeyIsEscaped(text: String, expected: String) {
        #expect(escaped(text, .controls) == expected)
        #expect(jsonString(text) == expected)
    }

    @Test func directionsAreEscapedForPeople() {
        let text = "a\u{200d}\u{200e}\u{200f}\u{2027}\u{2028}\u{202e}\u{202f}\u{2065}\u{2066}\u{2069}\u{206a}\u{2190}"
        #expect(escaped(text, .controls) == "\"\(text)\"")
        let expected =
            "\"a\u{200d}" + #"\u200e\u200f"# + "\u{2027}" + #"\u2028\u202e"# + "\u{202f}\u{2065}" + #"\u2066\u2069"#
            + "\u{206a}\u{2190}\""
        #expect(jsonString(text) == expected)
    }

    /// Every scalar up to the end of the directions, and some of each length.
    @Test func everyTextIsReadBack() throws {
        let scalars = (0..<0x2100).compactMap(Unicode.Scalar.init) + ["\u{ffff}", "\u{10000}", "\u{10ffff}"]
        var text = ""
        text.unicodeScalars.append(contentsOf: scalars)
        for json in [escaped(text, .controls), jsonString(text)] {
            let read = try JSONDecoder().decode(String.self, from: Data(json.utf8))
            #expect(read.unicodeScalars.elementsEqual(text.unicodeScalars))
        }
    }

    /// Bytes that are no UTF-8 stay as they are, also at the end.
    @Test(arguments: [[0xc2], [0xe2], [0xe2, 0x80], [0xe2, 0x81], [0xc2, 0x22]] as [[UInt8]])
    func halfACharacterIsNoEnd(bytes: [UInt8]) {
        var output: [UInt8] = []
        appendJSONString(bytes.span, escaping: .controlsAndDirections, to: &output)
        let expected = bytes.flatMap { $0 == 0x22 ? [0x5c, 0x22] : [$0] }
        #expect(output == [0x22] + expected + [0x22])
    }
}
