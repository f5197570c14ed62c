// Many events at once: what crosses every boundary between rooms.

import Bytes

/// Events in arrival order, and the bytes of their free texts.
///
/// Owned by one thread at a time: the ingest event loop fills it, the appender encodes it, the projection folds it.
@usableFromInline package struct EventBatch: Sendable, Equatable {
    @usableFromInline package var events: [Event]
    /// UTF-8 of all free texts, back to back, without separators.
    @usableFromInline package var text: [UInt8]

    @inlinable package init(capacity: Int = 0) {
        events = []
        text = []
        events.reserveCapacity(capacity)
    }

    @inlinable package var count: Int { events.count }
    @inlinable package var isEmpty: Bool { events.isEmpty }

    /// Appends `bytes` to the arena and points `event` at them.
    package mutating func setText(_ bytes: Span<UInt8>, of event: inout Event) {
        event.textStart = UInt32(text.count)
        event.textLength = UInt32(bytes.count)
        text.append(copying: bytes)
    }

    /// The UTF-8 of an event's text; empty when it has none.
    @inlinable package func text(of event: Event) -> ArraySlice<UInt8> {
        text[Int(event.textStart)..<Int(event.textStart + event.textLength)]
    }

    /// Takes back everything after a mark, as a decoder does when a frame turns out to be malformed.
    @inlinable package mutating func truncate(events eventCount: Int, text textCount: Int) {
        events.removeLast(events.count - eventCount)
        text.removeLast(text.count - textCount)
    }

    @inlinable package mutating func removeAll() {
        events.removeAll(keepingCapacity: true)
        text.removeAll(keepingCapacity: true)
    }
}
