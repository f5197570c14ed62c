// What a content type says of a body or a payload.

import Bytes

/// The media types of what events come in.
package enum MediaType: Sendable {
    case none, lines, json, cloudEvent, cloudEventBatch, protobuf, other

    /// - Parameter contentType: may have parameters, which are not looked at.
    init(_ contentType: Span<UInt8>) {
        let name = trimmed(contentType, 0..<contentType.first(UInt8(ascii: ";"), from: 0))
        func isName(_ word: String) -> Bool { same(contentType.extracting(name), word) }
        self =
            if isName("application/x-ndjson") || isName("application/ndjson") || isName("application/jsonl") {
                .lines
            } else if isName("application/json") {
                .json
            } else if isName("application/cloudevents+json") {
                .cloudEvent
            } else if isName("application/cloudevents-batch+json") {
                .cloudEventBatch
            } else if isName("application/x-protobuf") || isName("application/protobuf") {
                .protobuf
            } else {
                .other
            }
    }
}
