// One native event as it stands on the wire: its fields, before any reference is followed.
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
    /// The field that the value came in; 0 = there is none.
    var valueField: UInt8 = 0
    var valueKind: Event.ValueKind = .none
    var quarantine: QuarantineReason = .none
    /// Whether there is a text, a unit, a language or an aspect outside the table.
    var hasMore = false

    static let refField: UInt8 = 7

    /// Reads a message. Places of texts and names are counted from its beginning.
    @inline(__always)
    mutating func read(_ bytes: Span<UInt8>) throws(Refusal) {
        let end = bytes.count
        var at = 0
        while at < end {
            let tag = bytes[at]
            at &+= 1
            switch tag {
            case 0x08: kind = try readVarint32(bytes, &at, end)
            case 0x10: distance = try readVarint32(bytes, &at, end)
            case 0x18: offset = unzigzag(try readVarint(bytes, &at, end))
            case 0x20: aspect = try readVarint32(bytes, &at, end)
            case 0x28: setWhole(unzigzag(try readVarint(bytes, &at, end)))
            case 0x35: setReal(widened(Float(bitPattern: UInt32(try readFixed(bytes, &at, end, size: 4)))), field: 6)
            case 0x38: setValue(.symbol, UInt64(try readVarint32(bytes, &at, end)), field: Self.refField)
            case 0x48: setValue(.flag, try readVarint(bytes, &at, end) == 0 ? 0 : 1, field: 9)
            case 0x58: count = try readVarint32(bytes, &at, end)
            case 0x78: device = try readVarint32(bytes, &at, end)
            case 0x88 where at < end && bytes[at] == 0x01:
                at &+= 1
                subject = try readVarint32(bytes, &at, end)
            case 0xb8 where at < end && bytes[at] == 0x01:
                at &+= 1
                seq = try readVarint(bytes, &at, end)
            case 0xc0 where at < end && bytes[at] == 0x01:
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
        case 0x42:
            textStart = UInt32(try readLength(bytes, &at, end))
            textEnd = UInt32(at)
            hasMore = true
        case 0x50: severity = try readVarint32(bytes, &at, end)
        case 0x60: scale = try readVarint32(bytes, &at, end)
        case 0x68:
            unit = try readVarint32(bytes, &at, end)
            hasMore = true
        case 0x70:
            language = try readVarint32(bytes, &at, end)
            hasMore = true
        case 16 << 3 | 1:
            setReal(Double(bitPattern: try readFixed(bytes, &at, end, size: 8)), field: 16)
        case 19 << 3 | 2:
            nameStart = UInt32(try readLength(bytes, &at, end))
            nameEnd = UInt32(at)
            hasMore = true
        case 20 << 3: type = try readVarint32(bytes, &at, end)
        case 21 << 3 | 2:
            let start = try readLength(bytes, &at, end)
            guard isUTF8(bytes.extracting(start..<at)) else { throw .badUTF8 }
        default: try skipField(tag: tag, bytes, &at, end)
        }
    }

    /// Sets the value; a second one from another field makes the event ambiguous.
    @inline(__always)
    private mutating func setValue(_ kind: Event.ValueKind, _ bits: UInt64, field: UInt8) {
        if valueField != 0, valueField != field {
            if case .none = quarantine { quarantine = .wrongValueType }
            return
        }
        valueField = field
        valueKind = kind
        valueBits = bits
    }

    @inline(__always)
    private mutating func setWhole(_ number: Int64) {
        if number.magnitude < wholeLimit {
            setValue(.whole, UInt64(bitPattern: number), field: 5)
        } else {
            setNotFinite(field: 5)
        }
    }

    private mutating func setReal(_ number: Double, field: UInt8) {
        guard number.isFinite else { return setNotFinite(field: field) }
        if let whole = wholeNumber(number) {
            setValue(.whole, UInt64(bitPattern: whole), field: field)
        } else {
            setValue(.real, number.bitPattern, field: field)
        }
    }

    private mutating func setNotFinite(field: UInt8) {
        setValue(.none, 0, field: field)
        if case .none = quarantine { quarantine = .notFinite }
    }
}
