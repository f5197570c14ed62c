// A device has one name and one product, whatever they are and whatever way it is named.

import Events
import Testing
import TidingsTesting
import Wire

struct SourceTests {
    private static let awkward = [
        "a", "/", ":", "%", "a/b", "a:b", "a%2fb", "a%2Fb", "%25", "%%", "%2", "a%", "//", "urn:dev:ops:1-b-2",
        "urn:dev:ops:1-a-2", "urn:dev:ops:", "urn:x", "http://x/y", "☕️", "a b", "a-b", "%3A", "%3a:", "-", ".",
        String(repeating: "/", count: 128), String(repeating: "x", count: 128), String(repeating: "é", count: 64),
    ]

    /// Product and device by the keys of JSON, then by the source that the client writes, natively and in a CloudEvent.
    private func expectSame(_ product: String, _ device: String, _ comment: Comment) throws {
        var vocabulary = Vocabulary()
        var batch = EventBatch()
        let event = #""type":"feature.used","aspect":"a"}"#
        let line = "{\"product\":\(quoted(product)),\"device\":\(quoted(device)),\(event)"
        try readEventLine(
            bytes(line).span, arrival: Timestamp(rawValue: 0), vocabulary: &vocabulary, into: &batch)
        let source = deviceSource(product: bytes(product)[...], name: bytes(device)[...])
        #expect(source.count <= Limits.sourceBytes)
        let native = try readDevice(source.span, vocabulary: &vocabulary)
        #expect(native == batch.events[0].device, comment)
        let text = quoted(String(decoding: source, as: UTF8.self))
        let cloudEvent = "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\(text),\(event)"
        try readEventLine(
            bytes(cloudEvent).span, arrival: Timestamp(rawValue: 0), vocabulary: &vocabulary, into: &batch)
        #expect(batch.events[1].device == native && batch.events[1].product == batch.events[0].product, comment)
        #expect(String(decoding: vocabulary.text(.product, batch.events[0].product), as: UTF8.self) == product)
        #expect(vocabulary.deviceCount == 1 && vocabulary.count(.product) == 1, comment)
    }

    private func quoted(_ text: String) -> String {
        "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }

    @Test func awkwardNamesAreOneDevice() throws {
        var pairs = 0
        for product in Self.awkward {
            for device in Self.awkward {
                try expectSame(product, device, "\(product) and \(device)")
                pairs += 1
            }
        }
        let seed: UInt64 = 9
        var generator = SeededGenerator(seed: seed)
        let letters = ["%", "2", "F", "f", "/", ":", "5", "3", "A", "a", "é", "-", "urn:dev:ops:1-", "☕️"]
        for _ in 0..<20_000 {
            let names = (0..<2).map { _ in
                (0...generator.below(9)).map { _ in letters[generator.below(letters.count)] }.joined()
            }
            guard names.allSatisfy({ $0.utf8.count <= 128 }) else { continue }
            try expectSame(names[0], names[1], "\(names) of seed \(seed)")
            pairs += 1
        }
        print("sources: \(pairs) pairs of product and device, each one device in three forms")
    }

    /// What an old log knows by a name that looks escaped stays what it is; only unknown sources are decoded.
    @Test func aSourceThatIsKnownAsItStandsStaysThatDevice() throws {
        var vocabulary = Vocabulary()
        let known = vocabulary.symbol(.product, bytes("a%2Fb").span)
        let product = try #require(known)
        let device = vocabulary.device(product: product, name: bytes("x").span)
        let old = try #require(device)
        let found = try readDevice(bytes("a%2Fb/x").span, vocabulary: &vocabulary)
        #expect(found == old)
        let new = try readDevice(bytes("a%2Fb/y").span, vocabulary: &vocabulary)
        #expect(vocabulary.product(of: new) != product)
        #expect(Array(vocabulary.text(.product, vocabulary.product(of: new))) == bytes("a/b"))
    }

    @Test func onlyTheThreeEscapesAreDecodedAndOnlyInTheProduct() throws {
        var vocabulary = Vocabulary()
        let device = try readDevice(bytes("%2F%3a%25%20%2%/a%2Fb").span, vocabulary: &vocabulary)
        #expect(Array(vocabulary.name(of: device)) == bytes("a%2Fb"))
        #expect(Array(vocabulary.text(.product, vocabulary.product(of: device))) == bytes("/:%%20%2%"))
    }

    @Test func aDecodedProductIsMeasured() {
        var vocabulary = Vocabulary()
        let product = String(repeating: "%2F", count: 128)
        #expect(throws: Never.self) { try readDevice(bytes(product + "/x").span, vocabulary: &vocabulary) }
        #expect(throws: Refusal.tooLong) { try readDevice(bytes(product + "x/x").span, vocabulary: &vocabulary) }
    }
}
