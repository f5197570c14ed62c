// Which messages a device has: a set of their ids, in its ACK frames and beside its events.

import Bytes
package import Events

/// Where the set stands.
package enum ReceivedField: Sendable, BitwiseCopyable {
    /// In the body of an ACK.
    case ofAck
    /// In the body of a BATCH.
    case ofBatch

    fileprivate var tag: UInt64 {
        switch self {
        case .ofAck: AckTag.received
        case .ofBatch: BatchTag.received
        }
    }
}

/// The ids of the messages that a device says it has. They are no more than that: what is not among them may be there
/// as well.
///
/// - Throws: `.malformedBody`, also for more than `WireLimits.receivedIDs`.
package func readReceived(_ body: Span<UInt8>, _ field: ReceivedField) throws(Refusal) -> [MessageID] {
    var ids: [MessageID] = []
    func add(_ raw: UInt64) throws(Refusal) {
        guard ids.count < WireLimits.receivedIDs else { throw .malformedBody }
        ids.append(MessageID(rawValue: raw))
    }
    var at = 0
    while at < body.count {
        let tag = try readVarint(body, &at, body.count)
        if tag == field.tag {
            var next = try readLength(body, &at, body.count)
            while next < at { try add(readVarint(body, &next, at)) }
        } else if tag == field.tag & ~7 {
            // Writers that do not pack put a tag before each.
            try add(readVarint(body, &at, body.count))
        } else {
            try skipField(tag: tag, body, &at, body.count)
        }
    }
    return ids
}

/// Appends the set to a body.
func appendReceived(_ tag: UInt64, _ ids: [MessageID], to bytes: inout [UInt8]) {
    guard !ids.isEmpty else { return }
    var packed: [UInt8] = []
    for id in ids { appendVarint(id.rawValue, to: &packed) }
    appendHeader(tag, count: packed.count, to: &bytes)
    bytes += packed
}
