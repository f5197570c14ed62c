// Many events at once: what crosses every boundary between rooms.

import Bytes

/// Events in arrival order, the bytes of their texts, and what few of them say besides.
///
/// Owned by one thread at a time: the ingest event loop fills it, the appender encodes it, the projection folds it.
@usableFromInline package struct EventBatch: Sendable, Equatable {
    @usableFromInline package var events: [Event]
    /// The bytes of all texts and other parts, without separators; UTF-8 but for what is sealed.
    @usableFromInline package var text: [UInt8]
    /// What few events say; an event's `detail` is 1 + the index here.
    @usableFromInline package var details: [EventDetails]

    @inlinable package init(capacity: Int = 0) {
        events = []
        text = []
        details = []
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

    /// What an event says besides; blank for most.
    @inlinable package func details(of event: Event) -> EventDetails {
        event.detail == 0 ? EventDetails() : details[Int(event.detail) - 1]
    }

    /// Keeps what an event says besides, in the place of what it said before.
    package mutating func setDetails(_ new: EventDetails, of event: inout Event) {
        if event.detail != 0 {
            details[Int(event.detail) - 1] = new
        } else if !new.isEmpty {
            details.append(new)
            event.detail = UInt32(details.count)
        }
    }

    /// Appends `bytes` to the arena.
    package mutating func append(part bytes: Span<UInt8>, isCut: Bool = false) -> TextPart {
        var part = TextPart()
        part.start = UInt32(text.count)
        part.length = UInt32(bytes.count)
        part.isCut = isCut
        text.append(copying: bytes)
        return part
    }

    /// Appends an event of another batch, with its text and what it says besides.
    package mutating func append(_ event: Event, of other: borrowing EventBatch) {
        var event = event
        if event.textLength > 0 {
            let text = other.text(of: event)
            event.textStart = UInt32(self.text.count)
            self.text.append(contentsOf: text)
        }
        if event.detail != 0 {
            var details = other.details(of: event)
            for part in EventDetails.parts where !details[keyPath: part].isEmpty {
                let bytes = other.bytes(of: details[keyPath: part])
                details[keyPath: part].start = UInt32(self.text.count)
                self.text.append(contentsOf: bytes)
            }
            event.detail = 0
            setDetails(details, of: &event)
        }
        events.append(event)
    }

    /// The bytes of a part; empty when there is none.
    package func bytes(of part: TextPart) -> ArraySlice<UInt8> {
        text[Int(part.start)..<Int(part.start) + Int(part.length)]
    }

    /// How far a batch has been filled.
    @usableFromInline package struct Mark: Sendable, BitwiseCopyable {
        package var events = 0
        package var text = 0
        package var details = 0

        /// The mark of an empty batch.
        package init() {}

        init(events: Int, text: Int, details: Int) {
            (self.events, self.text, self.details) = (events, text, details)
        }
    }

    /// How far it is filled now.
    package var mark: Mark { Mark(events: events.count, text: text.count, details: details.count) }

    /// Takes back everything after a mark, as a decoder does when a frame turns out to be malformed.
    package mutating func truncate(to mark: Mark) {
        events.removeLast(events.count - mark.events)
        text.removeLast(text.count - mark.text)
        details.removeLast(details.count - mark.details)
    }

    @inlinable package mutating func removeAll() {
        events.removeAll(keepingCapacity: true)
        text.removeAll(keepingCapacity: true)
        details.removeAll(keepingCapacity: true)
    }
}
