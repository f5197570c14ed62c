// The first inputs of the targets whose bytes nobody could write by hand.

import Events
import Foundation
import Log
import TidingsTesting
import Wire

extension FuzzTarget {
    /// Writes this target's first inputs into a folder.
    func writeSeeds(_ folder: URL) {
        for (name, bytes) in seeds() {
            do {
                try Data(bytes).write(to: folder.appending(path: name))
            } catch {
                print("cannot write \(name): \(error)")
                exit(1)
            }
        }
    }

    private func seeds() -> [(String, [UInt8])] {
        switch self {
        case .blocks, .columns: blocks()
        case .keyframes: keyframes()
        case .snapshots: snapshots()
        case .segments: columns(0..<23) + [flips]
        case .connections: connections()
        case .deflate: sections()
        case .http: requestsOverHTTP()
        case .mqtt, .packets: packetSeeds()
        case .frames, .datagrams, .bodies, .control, .lines, .inflate, .answers, .requests, .configuration,
            .certificates, .messages, .ids:
            []
        }
    }

    /// The pages of a snapshot as they are, and inputs that change one column each.
    private func snapshots() -> [(String, [UInt8])] {
        var seeds = columns(17..<36) + [flips]
        for page in (try? SnapshotFuzz.shared.pages()) ?? [] {
            seeds.append(("part-\(page.part)", [UInt8(page.part)] + page.body.prefix(4_000)))
        }
        let numbers: [(column: UInt8, json: String)] = [
            (28, "[[1,2,3],[4,5,6]]"), (29, "[[1,2,3,4]]"), (30, "[[0,3,12,2,0.1,0.9,[1,1,1]]]"),
        ]
        for (column, json) in numbers { seeds.append(("numbers-\(column)", [column, 0] + Array(json.utf8))) }
        return seeds
    }

    private func columns(_ columns: Range<UInt8>) -> [(String, [UInt8])] {
        columns.map { column in ("column-\(column)", [column, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0]) }
    }

    /// Two changed bytes of a file.
    private var flips: (String, [UInt8]) { ("bytes", [255, 100, 1, 0, 1, 0, 32, 0, 255]) }

    private func sections() -> [(String, [UInt8])] {
        (0..<4).map { (strategy: UInt8) in
            let head: [UInt8] = [strategy, 64 + strategy, 5, 3, 0, strategy * 9]
            let bytes: [UInt8] = [1, 1, 1, 1, 1, 1, 2, 3, 200]
            return ("pieces-\(strategy)", head + bytes)
        }
    }

    /// Two frames behind the magic, and lines.
    private func connections() -> [(String, [UInt8])] {
        var hello = Hello()
        hello.source = Array("kettle/k-1".utf8)
        var frames: [UInt8] = [128] + streamMagic
        writeFrame(.hello, body: hello.encode().span, into: &frames)
        writeFrame(.ping, body: [1, 2].span, into: &frames)
        let line = #"{"product":"kettle","device":"k-1","type":"preference.set","aspect":"t","value":92}"# + "\n"
        return [("frames", frames), ("lines", [100] + Array((line + line).utf8))]
    }

    /// Each form of a body, and two requests in one.
    private func requestsOverHTTP() -> [(String, [UInt8])] {
        let event = #"{"product":"kettle","device":"k-1","id":3,"type":"preference.set","aspect":"t","value":92}"#
        let cloud =
            #"{"specversion":"1.0","id":"1-2","source":"kettle/k-1","type":"feature.used","data":{"aspect":"b"}}"#
        var writer = BatchWriter()
        let device = writer.reference("kettle/k-1")
        writer.begin(epoch: 1, firstSeq: 9, time: nil, device: device)
        var outgoing = OutgoingEvent(kind: .feedbackText)
        outgoing.text = Array("so".utf8)[...]
        _ = writer.add(outgoing, skipping: 0)
        var batch: [UInt8] = []
        writer.finish(into: &batch)
        let bodies: [(String, String, [UInt8])] = [
            ("lines", "Content-Type: application/x-ndjson", Array((event + "\n" + event + "\n{}\n").utf8)),
            ("json", "Content-Type: application/json", Array(event.utf8)),
            ("array", "Content-Type: application/json", Array("[\(event), \(cloud)]".utf8)),
            ("cloud", "Content-Type: application/cloudevents+json", Array(cloud.utf8)),
            ("clouds", "Content-Type: application/cloudevents-batch+json", Array("[\(cloud)]".utf8)),
            (
                "binary", "ce-specversion: 1.0\nce-id: 1\nce-source: kettle/k%2D1\nce-type: feature.used",
                Array(#"{"aspect":"b"}"#.utf8)
            ),
            ("native", "Content-Type: application/x-protobuf", batch),
            ("packed", "Content-Type: application/x-ndjson\nContent-Encoding: gzip", Self.packed),
        ]
        return bodies.map { name, fields, body in
            let head = "POST /v1/events 1\nHost: a\n\(fields)\nTransfer-Encoding: chunked\n\n"
            return (name, [100] + Array(head.utf8) + body)
        } + [("pipeline", [9] + Array("GET /x?y 1\nHost: a\n\n".utf8) + [0xff] + Array("OPTIONS * 0\n\n".utf8))]
    }

    /// `{}` and a newline in gzip.
    private static let packed: [UInt8] = [
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0xae, 0xe5, 2, 0, 6, 0xb0, 0xa1, 0xdd, 3, 0, 0, 0,
    ]

    private func blocks() -> [(String, [UInt8])] {
        [1, 3, 20, 60].compactMap { count in
            var sample = SampleEvents(seed: UInt64(count))
            guard var encoder = try? BlockEncoder(), let block = try? encoder.encode(sample.batch(count).batch) else {
                return nil
            }
            let (size, texts) = (block.stored.rawSize, block.text?.stored.rawSize ?? 0)
            let text = [UInt8(texts & 255), UInt8(texts >> 8 & 255)]
            let head = [UInt8(count), UInt8((size >> 16) << 6), UInt8(size & 255), UInt8(size >> 8 & 255)] + text
            return (
                "events-\(count)", self == .columns ? text + encoder.raw.prefix(size) : head + block.stored.body
            )
        }
    }

    private func keyframes() -> [(String, [UInt8])] {
        [1, 30, 200].compactMap { count in
            var sample = SampleEvents(seed: UInt64(count))
            guard var encoder = try? BlockEncoder(), (try? encoder.encode(sample.batch(count).batch)) != nil,
                let frame = try? encoder.state.keyframe(at: .zero)
            else { return nil }
            let size = frame.rawSize
            return ("events-\(count)", [UInt8(size & 255), UInt8(size >> 8 & 255), UInt8(size >> 16)] + frame.body)
        }
    }
}
