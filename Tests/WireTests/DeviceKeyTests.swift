// What devices make of their keys is as docs/wire.md shows it, byte for byte.

import Bytes
import Events
import Foundation
import Testing
import Wire

@Suite struct DeviceKeyTests {
    /// The values of the example, by the words before them.
    private static func example() throws -> [String: String] {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("docs/wire.md")
        let lines = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n")
        let start = try #require(lines.firstIndex { $0.hasPrefix("key         ") })
        var values: [String: String] = [:]
        var name = ""
        for line in lines[start...].prefix(while: { $0 != "```" }) where !line.isEmpty {
            if !line.hasPrefix(" ") { name = String(line.prefix { $0 != " " }) }
            values[name, default: ""] += line.dropFirst(12)
        }
        return values
    }

    private func bytes(_ hex: String?) throws -> [UInt8] {
        let digits = Array(try #require(hex).utf8)
        return stride(from: 0, to: digits.count, by: 2).compactMap {
            UInt8(String(decoding: digits[$0...($0 + 1)], as: UTF8.self), radix: 16)
        }
    }

    @Test func theExampleIsRight() throws {
        let example = try Self.example()
        let text = Array(try #require(example["key"]).utf8)
        let key = try #require(base64URLDecoded(text.span).flatMap { DeviceKey($0) })
        #expect(key.bearer(id: 7) == example["bearer"])
        let (body, nonce) = (try bytes(example["hello"]), try bytes(example["nonce"]))
        let hello = try Hello(decoding: body.span)
        #expect(hello.keyID == 7)
        #expect(hello.epoch == 7)
        #expect(hello.source == Array("kettle/k-1".utf8))
        #expect(key.proof(nonce: nonce, ownNonce: hello.nonce, hello: body) == (try bytes(example["proof"])))
        let datagram = try bytes(example["datagram"])
        let header = try DatagramHeader.read(datagram.span)
        #expect(header == DatagramHeader(type: .batch, keyID: 7, epoch: 849_100_000, counter: 1))
        #expect(key.signer.hasSigned(datagram))
        var again: [UInt8] = []
        header.write(body: datagram.span.extracting(DatagramHeader.body(count: datagram.count)), into: &again)
        key.signer.sign(&again, from: 0)
        #expect(again == datagram)
        var vocabulary = Vocabulary()
        var batch = EventBatch()
        var table = StringTable(maxEntries: 10, maxBytes: 100)
        let context = BatchContext(
            source: .none, arrival: Timestamp(rawValue: 1), epoch: header.epoch, keepsUnknown: false)
        let read = try readBatch(
            datagram.span.extracting(DatagramHeader.body(count: datagram.count)), context: context, table: &table,
            vocabulary: &vocabulary, into: &batch)
        #expect(read.count == 1)
        #expect(read.firstSeq == 1)
        #expect(batch.events.map(\.kind) == [.featureUsed])
    }
}
