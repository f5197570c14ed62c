// The golden frames of schemas/wire/v1/golden: the documents are the truth, the reader must agree with them.
import Events
import Foundation
import SwiftProtobuf
import Testing
import Wire

private let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "schemas/wire/v1/golden")

private func contents(_ name: String) throws -> String {
    String(
        decoding: try #require(FileManager.default.contents(atPath: folder.appending(path: name).path)), as: UTF8.self)
}

/// What the golden files take as the time of arrival: 2026-11-20T00:00:05.000Z.
private let arrival = Timestamp(rawValue: 1_795_132_805_000)

struct GoldenTests {
    /// Every golden file: what its bytes are.
    enum Shape: String, CaseIterable {
        case batch, control, datagram, line
    }

    private static func names(_ shape: Shape) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path)
            .filter { $0.hasPrefix(shape.rawValue) && $0.hasSuffix(".hex") }.map { String($0.dropLast(4)) }.sorted()
    }

    private func lines(_ body: [UInt8], epoch: UInt32 = 0) throws -> String {
        var reading = Reading()
        let context = BatchContext(source: .none, arrival: arrival, epoch: epoch, keepsUnknown: false)
        _ = try readBatch(
            body.span, context: context, table: &reading.table, vocabulary: &reading.vocabulary, into: &reading.batch)
        return reading.batch.events.indices.map { reading.line($0) + "\n" }.joined()
    }

    @Test func batchesAreReadAsWritten() throws {
        let names = try Self.names(.batch)
        #expect(names.count >= 5)
        for name in names {
            let bytes = hex(try contents(name + ".hex"))
            let frame = try #require(try findFrame(bytes), "\(name)")
            #expect(frame.type == .batch && frame.end == bytes.count, "\(name)")
            var body = Array(bytes[frame.body])
            if frame.flags == .deflated { body = try inflated(body, limit: Limits.frameBytes) }
            #expect(try lines(body) == contents(name + ".json"), "\(name)")
            #expect(throws: Never.self) { try Tidings_Wire_V1_Batch(serializedBytes: body) }
        }
    }

    @Test func datagramsAreReadAsWritten() throws {
        for name in try Self.names(.datagram) {
            let bytes = hex(try contents(name + ".hex"))
            let header = try readHeader(bytes)
            let body = Array(bytes[DatagramHeader.body(count: bytes.count)])
            var again: [UInt8] = []
            header.write(body: body.span, into: &again)
            #expect(again == bytes, "\(name)")
            if header.type == .batch {
                #expect(try lines(body, epoch: header.epoch) == contents(name + ".json"), "\(name)")
            }
        }
    }

    @Test func controlFramesAreReadAsWritten() throws {
        for name in try Self.names(.control) {
            let bytes = hex(try contents(name + ".hex"))
            let frame = try #require(try findFrame(bytes), "\(name)")
            let body = Array(bytes[frame.body])
            let json: String
            switch frame.type {
            case .hello: json = try Tidings_Wire_V1_Hello(serializedBytes: body).jsonString(options: options)
            case .welcome: json = try Tidings_Wire_V1_Welcome(serializedBytes: body).jsonString(options: options)
            case .ack: json = try Tidings_Wire_V1_Ack(serializedBytes: body).jsonString(options: options)
            default: json = try Tidings_Wire_V1_Reject(serializedBytes: body).jsonString(options: options)
            }
            #expect(json + "\n" == (try contents(name + ".json")), "\(name)")
            var again: [UInt8] = []
            let written = try reencoded(frame.type, body)
            writeFrame(frame.type, body: written.span, into: &again)
            #expect(again == bytes, "\(name)")
        }
    }

    @Test func linesAreReadAsWritten() throws {
        for name in try Self.names(.line) {
            let bytes = hex(try contents(name + ".hex"))
            var reading = Reading()
            try readEventLine(bytes.span, arrival: arrival, vocabulary: &reading.vocabulary, into: &reading.batch)
            #expect(reading.line(0) + "\n" == (try contents(name + ".json")), "\(name)")
        }
    }

    private let options: JSONEncodingOptions = {
        var options = JSONEncodingOptions()
        options.preserveProtoFieldNames = true
        return options
    }()

    private func reencoded(_ type: FrameType, _ body: [UInt8]) throws -> [UInt8] {
        switch type {
        case .hello: try Hello(decoding: body.span).encode()
        case .welcome: try Welcome(decoding: body.span).encode()
        case .ack: try Ack(decoding: body.span).encode()
        default: try Reject(decoding: body.span).encode()
        }
    }
}
