// One JSON event as it stands in a line: which keys it has, in whatever order, before any name is looked up.
import Bytes
import Events

/// The keys that mean something; every other is checked and skipped.
enum EventKey: UInt8, CaseIterable {
    // Of the envelope: only at the top.
    case product, device, source, customer, subject, id, seq, epoch, time, type, data
    case specversion, datacontenttype, dataschema
    // Of an export: only to be refused.
    case quarantined
    // Of the payload: at the top, or in `data`.
    case aspect, value, unit, count, severity, scale, bestRating, worstRating, ratingValue, text, lang
    // Of the payload of few lines: only where they stand is kept.
    case origin, duration, purpose, notice, method, expiry, cause, stage, evidence, extra

    var isPayload: Bool { rawValue >= EventKey.aspect.rawValue }
    var isRare: Bool { rawValue >= EventKey.origin.rawValue }

    static let table = WordTable<EventKey>(EventKey.allCases.map { ("\($0)", $0) })
}

/// A value of the payload.
enum Scalar: Equatable {
    case absent
    case text(JSONToken)
    /// Checked, but not yet read: where it stands.
    case number(JSONToken)
    case flag(Bool)
    /// An array or an object.
    case other
}

/// The fields of one line.
struct EventLineFields {
    var product = JSONToken()
    var device = JSONToken()
    var source = JSONToken()
    var customer = JSONToken()
    var subject = JSONToken()
    var type = JSONToken()
    var specversion = JSONToken()
    var id = Scalar.absent
    var seq = Scalar.absent
    var epoch = Scalar.absent
    var time = Scalar.absent
    var aspect = Scalar.absent
    var value = Scalar.absent
    var unit = Scalar.absent
    var count = Scalar.absent
    var severity = Scalar.absent
    var scale = Scalar.absent
    var best = Scalar.absent
    var worst = Scalar.absent
    var rating = Scalar.absent
    var text = Scalar.absent
    var language = Scalar.absent
    /// `data` is there and is no object.
    var isDataOpaque = false
    var hasSpecversion = false
    /// Whether there is any key of those that few lines have.
    private(set) var hasRare = false
    /// A hash of the keys that are not ours; 0 for a line without any. Lines of one form have the same.
    private(set) var unknownKeys: UInt32 = 0

    /// Where the values of the keys that few lines have begin; 0 for those that are not there. Two bytes are enough for
    /// a line (`Limits.jsonEventBytes`), and these fields are copied for every line.
    private var rare = [10 of UInt16](repeating: 0)
    /// Payload keys that stood in `data`; they go before those at the top. A bit for each `EventKey`.
    private var inData: UInt64 = 0

    /// Reads a line, which must be one object and white space around it.
    ///
    /// - Throws: `.tooBig`, `.malformedJSON`, `.badUTF8`, `.duplicateKey`, `.tooDeep`, `.wrongType`,
    ///   `.alreadyQuarantined`.
    mutating func readWhole(_ line: Span<UInt8>) throws(Refusal) {
        guard line.count <= Limits.jsonEventBytes else { throw .tooBig }
        guard isUTF8(line) else { throw .badUTF8 }
        var at = 0
        guard nextByte(line, &at) == UInt8(ascii: "{") else { throw .malformedJSON }
        try read(line, &at, EventKey.table)
        guard nextByte(line, &at) == 0 else { throw .malformedJSON }
    }

    /// Reads the object whose opening brace is at `at`.
    private mutating func read(
        _ line: Span<UInt8>, _ at: inout Int, _ table: borrowing WordTable<EventKey>, isData: Bool = false
    ) throws(Refusal) {
        at &+= 1
        if nextByte(line, &at) == UInt8(ascii: "}") {
            at &+= 1
            return
        }
        var seen: UInt64 = 0
        var unknown = UnknownKeys()
        while true {
            guard nextByte(line, &at) == UInt8(ascii: "\"") else { throw .malformedJSON }
            let text = try readText(line, &at)
            try expect(UInt8(ascii: ":"), line, &at)
            let key = try find(text, line, table)
            if let key {
                let bit: UInt64 = 1 &<< UInt64(key.rawValue)
                guard seen & bit == 0 else { throw .duplicateKey }
                seen |= bit
            } else {
                unknownKeys &+= UInt32(truncatingIfNeeded: try unknown.add(text, line))
            }
            if let key, key.isRare {
                try noteRare(key, line, &at, isData: isData)
            } else if let key, key.isPayload {
                let bit: UInt64 = 1 &<< UInt64(key.rawValue)
                let scalar = try readScalar(line, &at, depth: isData ? 2 : 1)
                if isData { inData |= bit }
                if isData || inData & bit == 0 { setPayload(key, scalar) }
            } else if let key, !isData {
                try readEnvelope(key, line, &at, table)
            } else {
                try skipValue(line, &at, depth: isData ? 2 : 1)
            }
            let next = nextByte(line, &at)
            at &+= 1
            if next == UInt8(ascii: ",") { continue }
            guard next == UInt8(ascii: "}") else { throw .malformedJSON }
            return
        }
    }

    /// Keeps where the value of a key begins that few lines have, and moves behind it.
    @inline(never)
    private mutating func noteRare(
        _ key: EventKey, _ line: Span<UInt8>, _ at: inout Int, isData: Bool
    ) throws(Refusal) {
        _ = nextByte(line, &at)
        let start = at
        try skipValue(line, &at, depth: isData ? 2 : 1)
        let bit: UInt64 = 1 &<< UInt64(key.rawValue)
        if isData { inData |= bit }
        guard isData || inData & bit == 0 else { return }
        rare[Int(key.rawValue - EventKey.origin.rawValue)] = UInt16(truncatingIfNeeded: start)
        hasRare = true
    }

    /// The value of a key that few lines have; it has been checked before.
    func rare(_ key: EventKey, _ line: Span<UInt8>) throws(Refusal) -> Scalar {
        var at = start(of: key)
        return at == 0 ? .absent : try readScalar(line, &at, depth: 1)
    }

    /// Where the value of a key begins that few lines have; 0 when it is not there.
    func start(of key: EventKey) -> Int { Int(rare[Int(key.rawValue - EventKey.origin.rawValue)]) }

    @inline(__always)
    private func find(
        _ text: JSONToken, _ line: Span<UInt8>, _ table: borrowing WordTable<EventKey>
    ) throws(Refusal) -> EventKey? {
        if text.isEscaped {
            let plain = try unescaped(line, text)
            return table.find(plain.span, 0..<plain.count)
        }
        return table.find(line, text.range)
    }

    private mutating func readEnvelope(
        _ key: EventKey, _ line: Span<UInt8>, _ at: inout Int, _ table: borrowing WordTable<EventKey>
    ) throws(Refusal) {
        switch key {
        case .product: product = try readName(line, &at)
        case .device: device = try readName(line, &at)
        case .source: source = try readName(line, &at)
        case .customer: customer = try readName(line, &at)
        case .subject: subject = try readName(line, &at)
        case .type: type = try readName(line, &at)
        case .specversion:
            hasSpecversion = true
            specversion = try readName(line, &at)
        case .id: id = try readScalar(line, &at, depth: 1)
        case .seq: seq = try readScalar(line, &at, depth: 1)
        case .epoch: epoch = try readScalar(line, &at, depth: 1)
        case .time: time = try readScalar(line, &at, depth: 1)
        case .datacontenttype, .dataschema: _ = try readName(line, &at)
        case .quarantined:
            if case .absent = try readScalar(line, &at, depth: 1) { return }
            throw .alreadyQuarantined
        default:
            if nextByte(line, &at) == UInt8(ascii: "{") {
                try read(line, &at, table, isData: true)
            } else if case .absent = try readScalar(line, &at, depth: 1) {
                return
            } else {
                isDataOpaque = true
            }
        }
    }

    private mutating func setPayload(_ key: EventKey, _ scalar: Scalar) {
        switch key {
        case .aspect: aspect = scalar
        case .value: value = scalar
        case .unit: unit = scalar
        case .count: count = scalar
        case .severity: severity = scalar
        case .scale: scale = scalar
        case .bestRating: best = scalar
        case .worstRating: worst = scalar
        case .ratingValue: rating = scalar
        case .text: text = scalar
        default: language = scalar
        }
    }

    /// Reads a string, or `null` for none.
    ///
    /// - Throws: `.wrongType` for any other value, `.malformedJSON` for what is none.
    @inline(__always)
    private func readName(_ line: Span<UInt8>, _ at: inout Int) throws(Refusal) -> JSONToken {
        if nextByte(line, &at) == UInt8(ascii: "\"") { return try readText(line, &at) }
        guard case .absent = try readScalar(line, &at, depth: 1) else { throw .wrongType }
        return JSONToken()
    }

    /// Reads any value; `null` is absent.
    private func readScalar(_ line: Span<UInt8>, _ at: inout Int, depth: Int) throws(Refusal) -> Scalar {
        switch nextByte(line, &at) {
        case UInt8(ascii: "\""): return .text(try readText(line, &at))
        case UInt8(ascii: "-"), asciiDigits:
            let start = UInt32(truncatingIfNeeded: at)
            _ = try readNumber(line, &at)
            return .number(JSONToken(start: start, end: UInt32(truncatingIfNeeded: at)))
        case UInt8(ascii: "t"):
            try readLiteral("true", line, &at)
            return .flag(true)
        case UInt8(ascii: "f"):
            try readLiteral("false", line, &at)
            return .flag(false)
        case UInt8(ascii: "n"):
            try readLiteral("null", line, &at)
            return .absent
        default:
            try skipValue(line, &at, depth: depth)
            return .other
        }
    }
}
