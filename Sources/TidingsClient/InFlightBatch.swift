// Events or lines that were sent together and are kept until the daemon has dealt with them.

import Bytes
package import Events

/// What is written to a connection in one go.
package struct InFlightBatch: Sendable {
    package enum Content: Sendable {
        case events(EventBatch)
        /// JSON lines, each with its newline.
        case lines([UInt8])
    }

    var content: Content
    /// How many events or lines.
    var count: Int
    /// The number of its first event or line in its sender's own count, from 1.
    var firstSeq: UInt64
    /// Where each comes from; empty = it is told by its own number.
    var origins: [EventOrigin]
    /// How many of its first lines the daemon has dealt with.
    var done = 0

    var lastSeq: UInt64 { firstSeq + UInt64(count) - 1 }
    var rest: Int { count - done }

    package init(content: Content, count: Int, firstSeq: UInt64, origins: [EventOrigin] = []) {
        self.content = content
        self.count = count
        self.firstSeq = firstSeq
        self.origins = origins
    }

    /// Where one of its events or lines comes from.
    func origin(_ index: Int) -> EventOrigin {
        origins.isEmpty ? EventOrigin(number: firstSeq + UInt64(index)) : origins[index]
    }

    /// One of its events; nil when it has lines.
    func event(_ index: Int) -> Event? {
        guard case .events(let batch) = content else { return nil }
        return batch.events[index]
    }

    /// Leaves out lines: those that are done with, and those that `isOver` says are. What stays is counted anew.
    ///
    /// - Returns: how many were left out because of `isOver`.
    mutating func leaveOut(_ isOver: (_ origin: UInt64) -> Bool) -> Int {
        guard case .lines(let bytes) = content else { return 0 }
        var kept: [UInt8] = []
        var keptOrigins: [EventOrigin] = []
        var over = 0
        var (start, index) = (0, 0)
        while start < bytes.count, index < count {
            let end = bytes.span.first(UInt8(ascii: "\n"), from: start)
            if index >= done {
                if isOver(origin(index).number) {
                    over += 1
                } else {
                    kept += bytes[start..<min(end + 1, bytes.count)]
                    keptOrigins.append(origin(index))
                }
            }
            start = end + 1
            index += 1
        }
        content = .lines(kept)
        origins = keptOrigins
        count = keptOrigins.count
        done = 0
        return over
    }

    /// The bytes of one of its lines, newline included; empty when its content is no lines.
    func line(_ wanted: Int) -> ArraySlice<UInt8> {
        guard case .lines(let bytes) = content else { return [] }
        var start = 0
        for _ in 0..<wanted { start = min(bytes.span.first(UInt8(ascii: "\n"), from: start) + 1, bytes.count) }
        return bytes[start..<min(bytes.span.first(UInt8(ascii: "\n"), from: start) + 1, bytes.count)]
    }

    /// The same events, each in a batch of its own; empty when its content is no events.
    func split() -> [InFlightBatch] {
        guard case .events(let batch) = content else { return [] }
        return batch.events.indices.map { index in
            var one = EventBatch()
            var event = batch.events[index]
            if event.textLength > 0 {
                let text = Array(batch.text(of: event))
                one.setText(text.span, of: &event)
            }
            one.events.append(event)
            return InFlightBatch(
                content: .events(one), count: 1, firstSeq: firstSeq + UInt64(index), origins: [origin(index)])
        }
    }
}
