// Every property of every published schema is read, whatever way it comes, and written out again: the examples of
// schemas/events, read as they are when the test runs.

import Events
import Foundation
import SwiftProtobuf
import Testing
import Wire

/// One example of a schema.
private struct Example {
    var kind: String
    var path: String
    var data: [String: Any]

    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "schemas/events")

    static func all() throws -> [Example] {
        var found: [Example] = []
        let enumerator = FileManager.default.enumerator(atPath: folder.path)
        while let path = enumerator?.nextObject() as? String {
            guard path.hasSuffix(".json") else { continue }
            let data = try #require(FileManager.default.contents(atPath: folder.appending(path: path).path))
            let schema = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
            for example in try #require(schema["examples"] as? [[String: Any]]) {
                found.append(Example(kind: String(path.split(separator: "/")[0]), path: path, data: example))
            }
        }
        return found
    }

    func line(_ envelope: [String: Any]) throws -> [UInt8] {
        let data = try JSONSerialization.data(withJSONObject: envelope, options: [.withoutEscapingSlashes])
        return Array(data)
    }

    var short: [String: Any] {
        data.merging(
            [
                "product": "kettle", "device": "k-1", "customer": "cu-1", "id": "7-42", "time": 1_767_225_600_000,
                "type": kind,
            ]) { $1 }
    }

    var cloudEvent: [String: Any] {
        [
            "specversion": "1.0", "source": "kettle/k-1", "subject": "cu-1", "id": "7-42",
            "time": "2026-01-01T00:00:00Z", "type": "org.tidings.\(kind).v1", "data": data,
        ]
    }

    /// The same in the native format, by the meaning of its properties and with the generated types.
    var message: Tidings_Wire_V1_Batch {
        var batch = Tidings_Wire_V1_Batch()
        batch.define = ["kettle/k-1", "cu-1"]
        (batch.device, batch.seq, batch.epoch, batch.timeMs) = (1, 42, 7, 1_767_225_600_000)
        func reference(_ text: Any?) -> UInt32 {
            guard let text = text as? String else { return 0 }
            batch.define.append(text)
            return UInt32(batch.define.count)
        }
        func number(_ key: String) -> UInt32 { (data[key] as? NSNumber)?.uint32Value ?? 0 }
        var event = Tidings_Wire_V1_Event()
        event.kind = UInt32(EventKind.allCases.first { $0.name.description == kind }?.rawValue ?? 0)
        event.subject = 2
        event.aspect = reference(data["aspect"])
        for key in ["value", "ratingValue", "duration"] {
            guard let value = data[key] as? NSNumber else { continue }
            let written = (try? JSONSerialization.data(withJSONObject: [value])).map {
                String(decoding: $0, as: UTF8.self)
            }
            if written == "[true]" || written == "[false]" {
                event.flag = value.boolValue
            } else {
                event.real64 = value.doubleValue
            }
        }
        for key in ["value", "purpose"] where data[key] is String { event.ref = reference(data[key]) }
        event.unit = reference(data["unit"])
        event.lang = reference(data["lang"])
        (event.count, event.severity) = (number("count"), number("severity"))
        if let best = data["bestRating"] as? Int { event.scale = best == 5 ? 0 : UInt32(best) }
        if let text = data["text"] as? String { event.text = text }
        if let cause = data["cause"] as? String { event.cause = cause }
        event.origin = ["user": 1, "default": 2, "rule": 3][data["origin"] as? String ?? ""] ?? 0
        let stages = ["received", "shown", "answered", "dismissed", "failed", "sent", "applied", "refused"]
        if let stage = data["stage"] as? String { event.scale = UInt32((stages.firstIndex(of: stage) ?? -2) + 1) }
        if let evidence = data["evidence"] as? String { event.severity = evidence == "app" ? 2 : 1 }
        event.notice = reference(data["notice"])
        event.method = reference(data["method"])
        if let expiry = data["expiry"] as? NSNumber { event.expiryMs = expiry.int64Value }
        if let expiry = data["expiry"] as? String {
            let date = try? Date(expiry, strategy: .iso8601)
            event.expiryMs = Int64((date?.timeIntervalSince1970 ?? 0) * 1_000)
        }
        batch.events = [event]
        return batch
    }
}

struct ContractTests {
    private func exported(_ line: [UInt8]) throws -> String {
        var reading = Reading()
        try readEventLine(
            line.span, arrival: reading.arrival, vocabulary: &reading.vocabulary, into: &reading.batch)
        return reading.line(0)
    }

    /// Short form, CloudEvents, native, and the exported line sent again: all are one event, which says every property.
    @Test func everyExampleOfEverySchemaIsOneEventInEveryForm() throws {
        var forms = 0
        var properties = 0
        let examples = try Example.all()
        for example in examples {
            let short = try exported(try example.line(example.short))
            #expect(!short.contains("quarantined"), "\(example.path): \(short)")
            #expect(try exported(try example.line(example.cloudEvent)) == short, "\(example.path) as a CloudEvent")
            var native = Reading()
            _ = try native.read(example.message)
            #expect(native.line(0) == short, "\(example.path) natively")
            #expect(try exported(Array(short.utf8)) == short, "\(example.path) exported and sent again")
            forms += 4
            let said = try #require(try JSONSerialization.jsonObject(with: Data(short.utf8)) as? [String: Any])
            for (key, value) in example.data {
                let written = ["ratingValue": "value", "purpose": "value", "bestRating": "scale"][key] ?? key
                let isUsual = ["bestRating", "worstRating"].contains(key) || value as? Int == 1
                #expect(said[written] != nil || isUsual, "\(example.path): \(key) is lost in \(short)")
                properties += 1
            }
        }
        print("contract: \(examples.count) examples in \(forms) forms, \(properties) properties, all equal")
        #expect(examples.count > 25 && properties > 60)
    }
}
