// One native event as it stands on the wire: its fields, before any reference is followed.
import Bytes
import Events

/// The fields of one Event message. Fixed size, no references: made and read on the stack.
struct EventFields {
    var kind: UInt32 = 0
    var distance: UInt32 = 0
    var aspect: UInt32 = 0
    var count: UInt32 = 0
    var device: UInt32 = 0
    var subject: UInt32 = 0
    var type: UInt32 = 0
    var unit: UInt32 = 0
    var language: UInt32 = 0
    var epoch: UInt32 = 0
    var severity: UInt32 = 0
    var scale: UInt32 = 0
    var nameStart: UInt32 = 0
    var nameEnd: UInt32 = 0
    var textStart: UInt32 = 0
    var textEnd: UInt32 = 0
    var offset: Int64 = 0
    var seq: UInt64 = 0
    var valueBits: UInt64 = 0
    /// The tag of the field that the value came in; 0 = there is none.
    var valueTag: UInt8 = 0
    var valueKind: Event.ValueKind = .none
    var quarantine: QuarantineReason = .none
    /// Whether the value is a reference to the table.
    var isReference: Bool { valueTag == UInt8(EventTag.reference) }
    /// Whether it says what somebody chose or what a device reports.
    var isChoiceOrState: Bool {
        kind == UInt32(EventKind.preferenceSet.rawValue) || kind == UInt32(EventKind.stateReported.rawValue)
    }
    /// Whether there is a text, a unit, a language, an aspect outside the table or one of the `RareEventFields`.
    var hasMore = false
    var hasRare = false

    /// The two bytes of a tag that does not fit into one.
    @inline(__always) private static func first(of tag: UInt64) -> UInt64 { tag & 0x7f | 0x80 }
    @inline(__always) private static func second(of tag: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: tag >> 7) }

    /// Reads a message. Places of texts and names are counted from its beginning.
    @inline(__always)
    mutating func read(_ bytes: Span<UInt8>) throws(Refusal) {
        let end = bytes.count
        var at = 0
        while at < end {
            // Of a tag in two bytes the first one; the fields that are met often have tags of at most two.
            let first = UInt64(bytes[at])
            at &+= 1
            switch first {
            case EventTag.kind: kind = try readVarint32(bytes, &at, end)
            case EventTag.distance: distance = try readVarint32(bytes, &at, end)
            case EventTag.offset: offset = unzigzag(try readVarint(bytes, &at, end))
            case EventTag.aspect: aspect = try readVarint32(bytes, &at, end)
            case EventTag.whole: setWhole(unzigzag(try readVarint(bytes, &at, end)))
            case EventTag.real:
                let bits = UInt32(try readFixed(bytes, &at, end, size: 4))
                setReal(widened(Float(bitPattern: bits)), tag: first)
            case EventTag.reference: setValue(.symbol, UInt64(try readVarint32(bytes, &at, end)), tag: first)
            case EventTag.flag: setValue(.flag, try readVarint(bytes, &at, end) == 0 ? 0 : 1, tag: first)
            case EventTag.count: count = try readVarint32(bytes, &at, end)
            case EventTag.device: device = try readVarint32(bytes, &at, end)
            case Self.first(of: EventTag.subject) where at < end && bytes[at] == Self.second(of: EventTag.subject):
                at &+= 1
                subject = try readVarint32(bytes, &at, end)
            case Self.first(of: EventTag.seq) where at < end && bytes[at] == Self.second(of: EventTag.seq):
                at &+= 1
                seq = try readVarint(bytes, &at, end)
            case Self.first(of: EventTag.epoch) where at < end && bytes[at] == Self.second(of: EventTag.epoch):
                at &+= 1
                epoch = try readVarint32(bytes, &at, end)
            default:
                at &-= 1
                try readRare(bytes, &at, end)
            }
        }
    }

    /// Reads one field that few events have, or skips one that is not known.
    @inline(never)
    private mutating func readRare(_ bytes: Span<UInt8>, _ at: inout Int, _ end: Int) throws(Refusal) {
        let first = bytes[at]
        let tag = try readVarint(bytes, &at, end)
        // A tag in more bytes than it needs would hide a field from `read`.
        guard tag >= 0x80 || first < 0x80 else { throw .malformedBody }
        switch tag {
        case EventTag.text:
            let text = try readString(bytes, &at, end)
            (textStart, textEnd) = (UInt32(text.lowerBound), UInt32(text.upperBound))
            hasMore = true
        case EventTag.severity: severity = try readVarint32(bytes, &at, end)
        case EventTag.scale: scale = try readVarint32(bytes, &at, end)
        case EventTag.unit:
            unit = try readVarint32(bytes, &at, end)
            hasMore = true
        case EventTag.language:
            language = try readVarint32(bytes, &at, end)
            hasMore = true
        case EventTag.real64:
            setReal(Double(bitPattern: try readFixed(bytes, &at, end, size: 8)), tag: tag)
        case EventTag.aspectName:
            let name = try readString(bytes, &at, end)
            (nameStart, nameEnd) = (UInt32(name.lowerBound), UInt32(name.upperBound))
            hasMore = true
        case EventTag.type: type = try readVarint32(bytes, &at, end)
        case EventTag.cause, EventTag.id, EventTag.extra:
            _ = try readString(bytes, &at, end)
            (hasMore, hasRare) = (true, true)
        case EventTag.origin, EventTag.notice, EventTag.method, EventTag.expiry:
            _ = try readVarint(bytes, &at, end)
            (hasMore, hasRare) = (true, true)
        default: try skipField(tag: tag, bytes, &at, end)
        }
    }

    /// Sets the value; a second one from another field makes the event ambiguous.
    @inline(__always)
    private mutating func setValue(_ kind: Event.ValueKind, _ bits: UInt64, tag: UInt64) {
        let tag = UInt8(truncatingIfNeeded: tag)
        if valueTag != 0, valueTag != tag {
            if case .none = quarantine { quarantine = .wrongValueType }
            return
        }
        valueTag = tag
        valueKind = kind
        valueBits = bits
    }

    @inline(__always)
    private mutating func setWhole(_ number: Int64) {
        if number.magnitude < wholeLimit {
            setValue(.whole, UInt64(bitPattern: number), tag: EventTag.whole)
        } else {
            setNotFinite(tag: EventTag.whole)
        }
    }

    private mutating func setReal(_ number: Double, tag: UInt64) {
        guard number.isFinite else { return setNotFinite(tag: tag) }
        if let whole = wholeNumber(number) {
            setValue(.whole, UInt64(bitPattern: whole), tag: tag)
        } else {
            setValue(.real, number.bitPattern, tag: tag)
        }
    }

    private mutating func setNotFinite(tag: UInt64) {
        setValue(.none, 0, tag: tag)
        if case .none = quarantine { quarantine = .notFinite }
    }
}
