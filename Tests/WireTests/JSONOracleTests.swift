// Foundation as an oracle of what is JSON: the same texts are accepted and refused.

import Events
import Foundation
import Testing
import TidingsTesting
import Wire

@Suite struct JSONOracleTests {
    private static let seed: UInt64 = 8_259
    private static let rounds = 6_000

    /// Whether our reader takes a text within the brackets of an array, for a key that it does not know; nil when it
    /// refuses it by a limit or a rule of ours, and not as bad JSON.
    private func isRead(_ text: [UInt8]) -> Bool? {
        let line =
            Array(#"{"product":"p","device":"d","type":"feature.used","aspect":"a","unknown":["#.utf8) + text
            + Array("]}".utf8)
        var vocabulary = Vocabulary()
        var batch = EventBatch()
        do throws(Refusal) {
            try readEventLine(line.span, arrival: Timestamp(rawValue: 0), vocabulary: &vocabulary, into: &batch)
            return true
        } catch {
            return error == .malformedJSON ? false : nil
        }
    }

    /// Foundation lets a comma stand behind the last element, which RFC 8259 does not.
    private func hasTrailingComma(_ text: [UInt8]) -> Bool {
        String(decoding: text + [0x5d], as: UTF8.self).contains(#/,\s*\]/#)
    }

    private func isReadByFoundation(_ text: [UInt8]) -> Bool {
        (try? JSONSerialization.jsonObject(with: Data("[".utf8 + text + "]".utf8))) != nil
    }

    @Test func theSameIsJSON() {
        var random = SeededGenerator(seed: Self.seed)
        var (accepted, refused) = (0, 0)
        for round in 0..<Self.rounds {
            var text: [UInt8] = []
            append(depth: 3, to: &text, &random)
            for _ in 0..<Int.random(in: 0...2, using: &random) where !text.isEmpty { damage(&text, &random) }
            guard let isRead = isRead(text), !hasTrailingComma(text) else { continue }
            let expected = isReadByFoundation(text)
            #expect(
                isRead == expected,
                "seed \(Self.seed), round \(round): \(String(decoding: text, as: UTF8.self)) is JSON: \(expected)")
            if expected { accepted += 1 } else { refused += 1 }
        }
        // Else the test would say nothing about one of the two.
        #expect(accepted > 1_000 && refused > 1_000, "accepted \(accepted), refused \(refused)")
    }

    private func append(depth: Int, to text: inout [UInt8], _ random: inout SeededGenerator) {
        switch Int.random(in: 0..<(depth > 0 ? 7 : 5), using: &random) {
        case 0: text += Array(["true", "false", "null"][Int.random(in: 0..<3, using: &random)].utf8)
        case 1, 2: appendNumber(to: &text, &random)
        case 3, 4: appendString(to: &text, &random)
        case 5: appendList(open: "[", close: "]", depth, to: &text, &random) { _, _, _ in }
        default:
            appendList(open: "{", close: "}", depth, to: &text, &random) { index, text, random in
                // A key twice is JSON, and refused by a rule of ours.
                text += Array("\"k\(index)\":".utf8)
            }
        }
    }

    private func appendList(
        open: String, close: String, _ depth: Int, to text: inout [UInt8], _ random: inout SeededGenerator,
        before: (Int, inout [UInt8], inout SeededGenerator) -> Void
    ) {
        text += Array(open.utf8)
        for index in 0..<Int.random(in: 0...3, using: &random) {
            if index > 0 { text += Array([",", ", ", " ,\t"][Int.random(in: 0..<3, using: &random)].utf8) }
            before(index, &text, &random)
            append(depth: depth - 1, to: &text, &random)
        }
        text += Array(close.utf8)
    }

    private func appendNumber(to text: inout [UInt8], _ random: inout SeededGenerator) {
        let forms = [
            "0", "-0", "7", "-12", "0.5", "10.25", "1e3", "1E-2", "-3.5e+1", "01", "1.", ".5", "+1", "1e", "-",
        ]
        text += Array(forms[Int.random(in: 0..<forms.count, using: &random)].utf8)
    }

    private func appendString(to text: inout [UInt8], _ random: inout SeededGenerator) {
        let parts = [
            "a", "door", "é", "漢", "😀", " ", "", #"\n"#, #"\""#, #"\\"#, #"\/"#, #"\u0041"#, #"\ud83d\ude00"#,
        ]
        text.append(0x22)
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            text += Array(parts[Int.random(in: 0..<parts.count, using: &random)].utf8)
        }
        text.append(0x22)
    }

    /// Changes, removes or adds a byte of ASCII: what is not UTF-8 the two refuse for reasons of their own.
    private func damage(_ text: inout [UInt8], _ random: inout SeededGenerator) {
        let at = Int.random(in: 0..<text.count, using: &random)
        guard text[at] < 0x80 else { return }
        let other = Array(#"{}[]",:\ u0e+-.1x"#.utf8)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: text[at] = other[Int.random(in: 0..<other.count, using: &random)]
        case 1: text.remove(at: at)
        default: text.insert(other[Int.random(in: 0..<other.count, using: &random)], at: at)
        }
    }
}
