// The body of a BATCH, read by hand: Protobuf over a span, straight into a batch of events.
import Bytes
package import Events

/// What the events of a batch take from the connection that they came over.
package struct BatchContext: Sendable, BitwiseCopyable {
    /// The device of the connection's Hello; `.none` if it named none.
    package var source: DeviceID
    /// The daemon's clock when the bytes were read.
    package var arrival: Timestamp
    /// The reset counter of Hello or of the datagram, for batches that name none.
    package var epoch: UInt32
    /// Whether properties that no schema knows are kept with the events.
    package var keepsUnknown: Bool

    package init(source: DeviceID, arrival: Timestamp, epoch: UInt32 = 0, keepsUnknown: Bool) {
        self.source = source
        self.arrival = arrival
        self.epoch = epoch
        self.keepsUnknown = keepsUnknown
    }
}

/// What a batch says of itself, for dedupe and acknowledgement.
package struct BatchHeader: Hashable, Sendable, BitwiseCopyable {
    package var epoch: UInt32 = 0
    /// The numbers of its first and last event; both 0 when the sender does not number its events or there are none.
    package var firstSeq: UInt64 = 0
    package var lastSeq: UInt64 = 0
    /// The lowest number that the sender still holds; 0 when it does not say.
    package var oldest: UInt64 = 0
    /// The device that numbers the events: the batch's own, else the connection's; `.none` if neither is known.
    package var device: DeviceID = .none
    package var count = 0
    /// Whether some of the events have ids of their own: their devices' windows then know nothing of the numbers that
    /// they have in the count of the batch.
    package var hasIDs = false
    /// Whether the batch says which messages its device has (`readReceived`).
    package var hasReceived = false
    /// Whether there is more to read of some events, or to keep of them as they came.
    var needsRest = false

    package init() {}
}

/// Appends the events of a BATCH body to a batch.
///
/// Two passes over the top level, one over each event: the first takes the batch's own fields, which Protobuf allows
/// behind the events, and all defines; the second decodes the events. Sets the verdicts that need no more than syntax
/// (`badAspect`, `notFinite`, `textTooLong`, `unknownType`, `wrongValueType` for two values at once, `outOfRange` for a
/// severity or scale over 255, an origin that is none or a negative duration, `unknownCause` for what is no message's
/// id); the others are Admission's. Such an event is kept as it came, beside its row, without the names in it.
///
/// - Throws: `.malformedBody` (also for more than `WireLimits.receivedIDs` messages that the device has), `.badUTF8`,
///   `.unknownReference` (also any catalogue), `.tableFull`, `.vocabularyFull`, `.forbidden`, `.tooManyEvents`,
///   `.tooBig` (one event), `.noDevice`, `.noProduct`, `.tooLong` (a name), `.badIdentity` (an empty customer, an id
///   that is empty or too long). The batch is then as it was; the defines are in the table even so, unless the body is
///   malformed.
package func readBatch(
    _ body: Span<UInt8>, context: BatchContext, table: inout StringTable, vocabulary: inout Vocabulary,
    into batch: inout EventBatch
) throws(Refusal) -> BatchHeader {
    let known = table.count
    let envelope = try readEnvelope(body, &table)
    table.seek(after: known, &vocabulary)
    defer { table.forgetSought() }
    let mark = batch.mark
    do {
        var header = try readEvents(body, envelope, context, &table, &vocabulary, &batch.events, &batch.text)
        if header.needsRest {
            let rest = BatchRest(firstEvent: envelope.firstEvent, keepsUnknown: context.keepsUnknown)
            header.hasIDs = try rest.read(body, from: mark.events, &table, &vocabulary, &batch)
        }
        if header.hasReceived { _ = try readReceived(body, .ofBatch) }
        return header
    } catch {
        batch.truncate(to: mark)
        throw error
    }
}

/// The batch's own fields.
private struct Envelope {
    var epoch: UInt32 = 0
    var device: UInt32 = 0
    var age: UInt32 = 0
    var catalogue: UInt32 = 0
    var hasReceived = false
    var seq: UInt64 = 0
    var oldest: UInt64 = 0
    var time: Int64 = 0
    var count = 0
    /// Where the first event's tag stands.
    var firstEvent = 0
}

private func readEnvelope(_ body: Span<UInt8>, _ table: inout StringTable) throws(Refusal) -> Envelope {
    var envelope = Envelope()
    var refusal: Refusal?
    var at = 0
    let end = body.count
    while at < end {
        let tagStart = at
        let tag = try readVarint(body, &at, end)
        switch tag {
        case BatchTag.event:
            if envelope.count == 0 { envelope.firstEvent = tagStart }
            envelope.count &+= 1
            _ = try readLength(body, &at, end)
        case BatchTag.define:
            let start = try readLength(body, &at, end)
            do {
                try table.define(body.extracting(start..<at))
            } catch {
                refusal = refusal ?? error
            }
        case BatchTag.epoch: envelope.epoch = try readVarint32(body, &at, end)
        case BatchTag.seq: envelope.seq = try readVarint(body, &at, end)
        case BatchTag.time: envelope.time = Int64(bitPattern: try readVarint(body, &at, end))
        case BatchTag.device: envelope.device = try readVarint32(body, &at, end)
        case BatchTag.oldest: envelope.oldest = try readVarint(body, &at, end)
        case BatchTag.age: envelope.age = try readVarint32(body, &at, end)
        case BatchTag.catalogue: envelope.catalogue = try readVarint32(body, &at, end)
        case BatchTag.received, BatchTag.received & ~7:
            envelope.hasReceived = true
            try skipField(tag: tag, body, &at, end)
        default: try skipField(tag: tag, body, &at, end)
        }
    }
    if let refusal { throw refusal }
    guard envelope.catalogue == 0 else { throw .unknownReference }
    guard envelope.count <= Limits.batchEvents else { throw .tooManyEvents }
    return envelope
}

/// What every event of a batch starts from.
private struct Defaults {
    /// Device, product, epoch, arrival, clock, and the time that distances are added to.
    var event = Event()
    /// Whether the sender numbers its events.
    var isNumbered = false
    /// Whether distances count: the sender has a clock, or said how old its events are.
    var isTimed = false

    init(
        _ envelope: Envelope, _ context: BatchContext, _ table: inout StringTable, _ vocabulary: inout Vocabulary
    ) throws(Refusal) {
        event.device = context.source
        if envelope.device != 0 {
            (event.device.rawValue, event.product.rawValue) = try table.device(envelope.device, &vocabulary)
        } else if event.device.rawValue != 0 {
            event.product = vocabulary.product(of: context.source)
        }
        event.arrival = context.arrival
        event.epoch = envelope.epoch != 0 ? envelope.epoch : context.epoch
        isNumbered = envelope.seq != 0
        isTimed = envelope.time != 0 || envelope.age != 0
        if envelope.time != 0 {
            event.time.rawValue = envelope.time
        } else {
            event.clock = envelope.age == 0 ? .arrival : .age
            event.time.rawValue = context.arrival.rawValue &- Int64(envelope.age)
        }
    }
}

private func readEvents(
    _ body: Span<UInt8>, _ envelope: Envelope, _ context: BatchContext, _ table: inout StringTable,
    _ vocabulary: inout Vocabulary, _ list: inout [Event], _ arena: inout [UInt8]
) throws(Refusal) -> BatchHeader {
    let defaults = try Defaults(envelope, context, &table, &vocabulary)
    var header = BatchHeader()
    header.epoch = defaults.event.epoch
    header.oldest = envelope.oldest
    header.device = defaults.event.device
    header.count = envelope.count
    header.hasReceived = envelope.hasReceived
    guard envelope.count > 0 else { return header }

    table.prefetch(forEvents: envelope.count)
    // Events are made where they stay: a copy of what was just written in pieces would stall.
    let mark = list.count
    list.append(contentsOf: repeatElement(defaults.event, count: envelope.count))
    var events = list.mutableSpan
    var seq = envelope.seq &- 1
    var index = mark
    var at = envelope.firstEvent
    let end = body.count
    while at < end {
        let tag = try readVarint(body, &at, end)
        guard tag == BatchTag.event else {
            try skipField(tag: tag, body, &at, end)
            continue
        }
        let start = try readLength(body, &at, end)
        guard at &- start <= Limits.nativeEventBytes else { throw .tooBig }
        var fields = EventFields()
        let message = body.extracting(start..<at)
        try fields.read(message)
        seq &+= UInt64(max(fields.distance, 1))
        if index == mark { header.firstSeq = seq }
        try fill(&events[index], fields, seq, defaults, &table, &vocabulary)
        if fields.hasMore { try fillMore(&events[index], fields, message, &table, &vocabulary, &arena) }
        if case .none = events[index].quarantine, !fields.hasRare {} else { header.needsRest = true }
        if vocabulary.withholdsAfterReading(events[index]) { header.needsRest = true }
        index &+= 1
    }
    header.lastSeq = seq
    if !defaults.isNumbered { (header.firstSeq, header.lastSeq) = (0, 0) }
    return header
}

/// Makes a fresh copy of the defaults into the event that the fields describe.
@inline(__always)
private func fill(
    _ event: inout Event, _ fields: EventFields, _ seq: UInt64, _ defaults: Defaults, _ table: inout StringTable,
    _ vocabulary: inout Vocabulary
) throws(Refusal) {
    if defaults.isTimed { event.time.rawValue &+= fields.offset }
    event.quarantine = fields.quarantine
    event.count = max(fields.count, 1)
    event.severity = UInt8(clamping: fields.severity)
    event.scale = UInt8(clamping: fields.scale)
    if fields.severity | fields.scale > 255 { event.blame(.outOfRange) }
    if fields.device != 0 {
        try identifyForwarded(&event, fields, seq, defaults, &table, &vocabulary)
    } else if defaults.isNumbered {
        event.identity = .sequence
        event.seq = seq
    } else {
        event.epoch = 0
    }
    guard event.device.rawValue != 0 else { throw .noDevice }
    if fields.aspect != 0 {
        let id = try table.id(.aspect, fields.aspect, &vocabulary)
        if id == StringTable.invalid { event.blame(.badAspect) } else { event.aspect.rawValue = id }
    }
    if fields.isReference, vocabulary.personal.isAny, fields.isChoiceOrState,
        vocabulary.personal.contains(event.aspect)
    {
        // The second look at the batch takes the text.
        event.valueKind = .none
    } else if fields.isReference {
        let reference = UInt32(truncatingIfNeeded: fields.valueBits)
        let id = try table.id(.value, reference, &vocabulary)
        if id >= StringTable.firstSpecial || fields.kind == UInt32(EventKind.ratingGiven.rawValue) {
            try setSpecialValue(&event, fields.kind, id, reference, &table, &vocabulary)
        } else {
            event.valueKind = .symbol
            event.valueBits = UInt64(id)
        }
    } else {
        event.valueKind = fields.valueKind
        event.valueBits = fields.valueBits
    }
    if fields.subject != 0 {
        let id = try table.id(.customer, fields.subject, &vocabulary)
        guard id != StringTable.invalid else { throw .badIdentity }
        event.customer.rawValue = id
    }
    if let kind = UInt8(exactly: fields.kind).flatMap(EventKind.init(rawValue:)), kind.isUplink {
        event.kind = kind
        if event.isNegativeDuration { event.blame(.outOfRange) }
    } else {
        try setUnknownType(&event, fields, &table, &vocabulary)
    }
}

/// A string that is no word as a value: a flag, a rating's number, or one that is empty or too long. The purpose of a
/// consent is always a word.
@inline(never)
private func setSpecialValue(
    _ event: inout Event, _ kind: UInt32, _ id: UInt32, _ reference: UInt32, _ table: inout StringTable,
    _ vocabulary: inout Vocabulary
) throws(Refusal) {
    if kind == UInt32(EventKind.ratingGiven.rawValue) {
        let word = table.text(reference)
        if isNumber(word.span) {
            if let number = number(word.span) { event.value = number } else { event.blame(.notFinite) }
            return
        }
    }
    let isConsent =
        kind == UInt32(EventKind.consentGiven.rawValue) || kind == UInt32(EventKind.consentWithdrawn.rawValue)
    switch id {
    case StringTable.invalid: event.blame(.textTooLong)
    case StringTable.isTrue where !isConsent: event.value = .flag(true)
    case StringTable.isFalse where !isConsent: event.value = .flag(false)
    default: event.value = .symbol(SymbolID(rawValue: try table.id(.word, reference, &vocabulary)))
    }
}

/// The device of an event that a gateway forwards, and its identity: its own number, or a hash of the gateway's.
@inline(__always)
private func identifyForwarded(
    _ event: inout Event, _ fields: EventFields, _ seq: UInt64, _ defaults: Defaults, _ table: inout StringTable,
    _ vocabulary: inout Vocabulary
) throws(Refusal) {
    (event.device.rawValue, event.product.rawValue) = try table.device(fields.device, &vocabulary)
    event.epoch = 0
    if fields.seq != 0 {
        event.identity = .sequence
        event.epoch = fields.epoch
        event.seq = fields.seq
    } else if defaults.isNumbered {
        event.identity = .hash
        event.seq = forwardedHash(
            device: defaults.event.device.rawValue, epoch: defaults.event.epoch, seq: seq)
    }
}

/// `identityHash` of `<device>/<epoch>/<seq>` in decimal.
func forwardedHash(device: UInt32, epoch: UInt32, seq: UInt64) -> UInt64 {
    var buffer = [48 of UInt8](repeating: 0)
    var start = buffer.count
    for (number, isLast) in [(seq, false), (UInt64(epoch), false), (UInt64(device), true)] {
        var rest = number
        repeat {
            start -= 1
            buffer[start] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        } while rest > 0
        if !isLast {
            start -= 1
            buffer[start] = UInt8(ascii: "/")
        }
    }
    return identityHash(buffer.span.extracting(start..<buffer.count))
}

/// A vendor's own type, a kind that no device may send, or a number that stands for nothing: kept apart, with its word.
@inline(never)
private func setUnknownType(
    _ event: inout Event, _ fields: EventFields, _ table: inout StringTable, _ vocabulary: inout Vocabulary
) throws(Refusal) {
    event.kind = .custom
    event.blame(.unknownType)
    if fields.type != 0 {
        let id = try table.id(.type, fields.type, &vocabulary)
        if id != StringTable.invalid { event.type = SymbolID(rawValue: id) }
    } else if let kind = UInt8(exactly: fields.kind).flatMap(EventKind.init(rawValue:)), kind != .custom {
        let word = Array(kind.name.description.utf8)
        guard let id = vocabulary.symbol(.type, word.span) else { throw .vocabularyFull }
        event.type = id
    }
}

/// The fields that few events have: text, unit, language, an aspect outside the table.
@inline(never)
private func fillMore(
    _ event: inout Event, _ fields: EventFields, _ message: Span<UInt8>, _ table: inout StringTable,
    _ vocabulary: inout Vocabulary, _ arena: inout [UInt8]
) throws(Refusal) {
    if fields.unit != 0 {
        let id = try table.id(.unit, fields.unit, &vocabulary)
        if id == StringTable.invalid { event.blame(.textTooLong) } else { event.unit.rawValue = id }
    }
    if fields.language != 0 {
        let id = try table.id(.language, fields.language, &vocabulary)
        if id == StringTable.invalid { event.blame(.textTooLong) } else { event.language.rawValue = id }
    }
    let name = message.extracting(Int(fields.nameStart)..<Int(fields.nameEnd))
    if fields.aspect == 0, !name.isEmpty {
        if isAspect(name) {
            guard let id = vocabulary.symbol(.aspect, name) else { throw .vocabularyFull }
            event.aspect = id
        } else {
            event.blame(.badAspect)
        }
    }
    let text = message.extracting(Int(fields.textStart)..<Int(fields.textEnd))
    setText(text, of: &event, in: &arena)
}

/// Points the event at a copy of valid UTF-8 in the batch's arena, cut at `Limits.textBytes`.
func setText(_ text: Span<UInt8>, of event: inout Event, in arena: inout [UInt8]) {
    let kept = cut(text, limit: Limits.textBytes)
    if kept < text.count { event.blame(.textTooLong) }
    event.textStart = kept == 0 ? 0 : UInt32(arena.count)
    event.textLength = UInt32(kept)
    arena.append(copying: text.extracting(0..<kept))
}

extension Event {
    /// Marks the event as one to be kept apart; the first reason stays.
    @inline(__always)
    mutating func blame(_ reason: QuarantineReason) {
        if case .none = quarantine { quarantine = reason }
    }
}
