// The sender's side of a batch: a string table that grows on one connection, and bodies cut to size.
import Bytes
package import Events

/// The value of an event to send.
package enum OutgoingValue: Hashable, Sendable, BitwiseCopyable {
    case none
    case whole(Int64)
    case real(Double)
    /// A table reference, from `BatchWriter.reference`.
    case reference(UInt32)
    case flag(Bool)
}

/// An event to send: every string is a table reference (0 = absent) from `BatchWriter.reference`.
package struct OutgoingEvent: Sendable {
    package var kind: EventKind = .custom
    package var aspect: UInt32 = 0
    package var value: OutgoingValue = .none
    /// UTF-8; empty = absent.
    package var text: ArraySlice<UInt8> = []
    /// nil = the batch's own time.
    package var time: Timestamp?
    package var unit: UInt32 = 0
    package var language: UInt32 = 0
    package var customer: UInt32 = 0
    /// The source of an event that a gateway forwards, and the number and reset counter that this device gave it
    /// (0 = it gave none).
    package var device: UInt32 = 0
    package var seq: UInt64 = 0
    package var epoch: UInt32 = 0
    /// The vendor's own type, with `kind == .custom`.
    package var type: UInt32 = 0
    package var count: UInt32 = 1
    package var severity: UInt8 = 0
    package var scale: UInt8 = 0
    package var origin: Origin = .none
    /// What few events say besides; nil = nothing.
    package var rare: OutgoingRare?

    package init(kind: EventKind) { self.kind = kind }
}

/// What few events say besides.
package struct OutgoingRare: Sendable {
    /// The event's own id, UTF-8; empty = it has none.
    package var id: [UInt8] = []
    /// The id of the message that it answers, UTF-8; empty = none.
    package var cause: [UInt8] = []
    /// A JSON object of scalars; empty = none.
    package var extra: ArraySlice<UInt8> = []
    package var notice: UInt32 = 0
    package var method: UInt32 = 0
    /// 0 = not said.
    package var expiry = Timestamp(rawValue: 0)

    package init() {}
}

/// Writes Batch bodies for one connection.
///
/// `begin`, then `add` until it says no or there is no more, then `finish`. Strings that are new go into the next body
/// as defines; a receiver keeps them as long as the connection lives, so after a reconnect (and before every datagram)
/// `reset` is needed, and every reference given out before is void. Owned by one thread at a time.
package struct BatchWriter: Sendable {
    private var strings = Interner()
    private var stringBytes = 0
    private let maxEntries: Int
    private let maxStringBytes: Int
    private let maxEvents: Int
    private let maxBodyBytes: Int
    private var defines: [UInt8] = []
    private var events: [UInt8] = []
    private var event: [UInt8] = []
    private var header = Header()
    /// Events added since `begin`.
    package private(set) var count = 0
    /// What the next body says besides: messages that the device has.
    package var received: [MessageID] = []
    /// To so many bytes the next body is filled up, so that its answer may be longer; 0 = it is not.
    package var paddedBytes = 0

    private struct Header {
        var epoch: UInt32 = 0
        var seq: UInt64 = 0
        var time: Int64 = 0
        var device: UInt32 = 0
        var oldest: UInt64 = 0
        var age: UInt32 = 0
    }

    /// More than the tags and numbers of a batch's own fields ever take, bytes.
    private static let headerBytes = 64

    /// - Parameters: the receiver's limits; bodies never exceed `maxBodyBytes`.
    package init(
        maxEntries: Int = Limits.tableEntries, maxStringBytes: Int = Limits.tableBytes,
        maxEvents: Int = Limits.batchEvents, maxBodyBytes: Int = Limits.frameBytes
    ) {
        self.maxEntries = maxEntries
        self.maxStringBytes = maxStringBytes
        self.maxEvents = maxEvents
        self.maxBodyBytes = maxBodyBytes
    }

    /// The entry for a string, made if there is none. 0 when the table is full: open a new connection.
    package mutating func reference(_ string: Span<UInt8>) -> UInt32 {
        let known = strings.count
        let fits = stringBytes + string.count <= maxStringBytes
        let id = strings.intern(string, limit: fits ? maxEntries : known)
        if Int(id) > known {
            stringBytes += string.count
            appendHeader(BatchTag.define, count: string.count, to: &defines)
            defines.append(copying: string)
        }
        return id
    }

    /// The entry for a string; see `reference(_:)`.
    package mutating func reference(_ string: String) -> UInt32 { reference(Array(string.utf8).span) }

    /// Forgets the table: for a new connection, or a new datagram. Also drops the batch under way.
    package mutating func reset() {
        strings = Interner()
        stringBytes = 0
        defines.removeAll(keepingCapacity: true)
        events.removeAll(keepingCapacity: true)
        count = 0
    }

    /// Starts a batch.
    ///
    /// - Parameters:
    ///   - epoch: 0 = the one of Hello or of the datagram.
    ///   - firstSeq: the number of the first event; the others follow without holes. 0 = not numbered.
    ///   - time: nil = the sender has no clock.
    ///   - oldest: the lowest number still held; 0 = not said.
    ///   - device: reference to the source of the events; 0 = the one of Hello.
    ///   - ageMilliseconds: without a `time`: how long ago the batch's zero of time was.
    package mutating func begin(
        epoch: UInt32 = 0, firstSeq: UInt64, time: Timestamp?, oldest: UInt64 = 0, device: UInt32 = 0,
        ageMilliseconds: UInt32 = 0
    ) {
        header = Header(
            epoch: epoch, seq: firstSeq, time: time?.rawValue ?? 0, device: device, oldest: oldest,
            age: ageMilliseconds)
        events.removeAll(keepingCapacity: true)
        count = 0
    }

    /// Bytes that `finish` would write at most.
    package var bodyBytes: Int { Self.headerBytes + defines.count + events.count + 12 * received.count }

    /// Adds an event.
    ///
    /// - Parameter skipping: numbers left out between the event before it and this one.
    /// - Returns: false when the batch is full; the event is then not in it.
    package mutating func add(_ outgoing: OutgoingEvent, skipping: UInt32 = 0) -> Bool {
        guard count < maxEvents else { return false }
        event.removeAll(keepingCapacity: true)
        encode(outgoing, skipping: skipping)
        guard bodyBytes + event.count + 4 <= maxBodyBytes else { return false }
        appendHeader(BatchTag.event, count: event.count, to: &events)
        events.append(contentsOf: event)
        count += 1
        return true
    }

    /// Appends the body of the batch under way, with the defines that no body has carried yet, and starts afresh.
    package mutating func finish(into output: inout [UInt8]) {
        let start = output.count
        appendField(BatchTag.epoch, UInt64(header.epoch), to: &output)
        appendField(BatchTag.seq, header.seq, to: &output)
        appendField(BatchTag.time, UInt64(bitPattern: header.time), to: &output)
        output.append(contentsOf: defines)
        appendField(BatchTag.device, UInt64(header.device), to: &output)
        appendField(BatchTag.oldest, header.oldest, to: &output)
        output.append(contentsOf: events)
        appendField(BatchTag.age, UInt64(header.age), to: &output)
        appendReceived(BatchTag.received, received, to: &output)
        pad(&output, from: start)
        received = []
        paddedBytes = 0
        defines.removeAll(keepingCapacity: true)
        events.removeAll(keepingCapacity: true)
        header = Header()
        count = 0
    }

    private func pad(_ output: inout [UInt8], from start: Int) {
        // A tag, a length of two bytes, and the rest.
        let rest = min(paddedBytes, maxBodyBytes) - (output.count - start) - 3
        guard rest >= 0x80 else { return }
        appendHeader(BatchTag.padding, count: rest, to: &output)
        output += repeatElement(0, count: rest)
    }

    private mutating func encode(_ outgoing: OutgoingEvent, skipping: UInt32) {
        appendField(EventTag.kind, UInt64(outgoing.kind.rawValue), to: &event)
        if skipping > 0 { appendField(EventTag.distance, UInt64(skipping) + 1, to: &event) }
        if let time = outgoing.time { appendField(EventTag.offset, zigzag(time.rawValue &- header.time), to: &event) }
        appendField(EventTag.aspect, UInt64(outgoing.aspect), to: &event)
        switch outgoing.value {
        case .whole(let number):
            appendVarint(EventTag.whole, to: &event)
            appendVarint(zigzag(number), to: &event)
        case .real(let number):
            // Four bytes do when the receiver reads the same double back from them.
            let short = Float(number)
            if widened(short) == number {
                appendVarint(EventTag.real, to: &event)
                appendLittleEndian(UInt64(short.bitPattern), size: 4, to: &event)
            }
        case .reference(let reference):
            appendVarint(EventTag.reference, to: &event)
            appendVarint(UInt64(reference), to: &event)
        case .none, .flag: break
        }
        appendText(EventTag.text, outgoing.text)
        if case .flag(let flag) = outgoing.value {
            appendVarint(EventTag.flag, to: &event)
            event.append(flag ? 1 : 0)
        }
        appendField(EventTag.severity, UInt64(outgoing.severity), to: &event)
        if outgoing.count != 1 { appendField(EventTag.count, UInt64(outgoing.count), to: &event) }
        appendField(EventTag.scale, UInt64(outgoing.scale), to: &event)
        appendField(EventTag.unit, UInt64(outgoing.unit), to: &event)
        appendField(EventTag.language, UInt64(outgoing.language), to: &event)
        appendField(EventTag.device, UInt64(outgoing.device), to: &event)
        if case .real(let number) = outgoing.value, widened(Float(number)) != number {
            appendVarint(EventTag.real64, to: &event)
            appendLittleEndian(number.bitPattern, size: 8, to: &event)
        }
        appendField(EventTag.subject, UInt64(outgoing.customer), to: &event)
        appendField(EventTag.type, UInt64(outgoing.type), to: &event)
        if let rare = outgoing.rare { appendText(EventTag.cause, rare.cause[...]) }
        appendField(EventTag.seq, outgoing.seq, to: &event)
        appendField(EventTag.epoch, UInt64(outgoing.epoch), to: &event)
        if let rare = outgoing.rare { appendText(EventTag.id, rare.id[...]) }
        appendField(EventTag.origin, UInt64(outgoing.origin.rawValue), to: &event)
        guard let rare = outgoing.rare else { return }
        appendText(EventTag.extra, rare.extra)
        appendField(EventTag.notice, UInt64(rare.notice), to: &event)
        appendField(EventTag.method, UInt64(rare.method), to: &event)
        appendField(EventTag.expiry, UInt64(bitPattern: rare.expiry.rawValue), to: &event)
    }

    private mutating func appendText(_ tag: UInt64, _ text: ArraySlice<UInt8>) {
        guard !text.isEmpty else { return }
        appendHeader(tag, count: text.count, to: &event)
        event.append(contentsOf: text)
    }
}
