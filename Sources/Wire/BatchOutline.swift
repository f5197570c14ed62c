// What can be told of a batch without reading its events.

import Bytes

/// The number of the first event of a batch that could not be read as a whole; 0 when even that cannot be found.
package func firstSeq(ofUnreadable body: Span<UInt8>) -> UInt64 {
    var at = 0
    while let tag = body.varint(&at, end: body.count),
        let field = body.protobufField(tag: tag, &at, end: body.count)
    {
        if tag == BatchTag.seq { return field.varint }
    }
    return 0
}

/// Whether a body is read as a batch that has events, as far as its outermost fields tell.
package func hasEvents(_ body: Span<UInt8>) -> Bool {
    var (at, hasEvents) = (0, false)
    while at < body.count {
        guard let tag = body.varint(&at, end: body.count), body.protobufField(tag: tag, &at, end: body.count) != nil
        else { return false }
        hasEvents = hasEvents || tag == BatchTag.event
    }
    return hasEvents
}
