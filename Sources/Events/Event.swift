// The event: one fixed-size row of small integers, copied by value, with no reference and no allocation.

/// What a preference, rating, use or fault says.
@usableFromInline package enum Value: Hashable, Sendable, BitwiseCopyable {
    case none
    case whole(Int64)
    /// Finite; never NaN or infinite.
    case real(Double)
    /// A word of the `value` vocabulary.
    case symbol(SymbolID)
    case flag(Bool)
}

/// How an event is told from every other event of its device.
@usableFromInline package enum Identity: UInt8, Sendable, BitwiseCopyable {
    /// The sender gave none: the event cannot be deduplicated.
    case none = 0
    /// `epoch` and `seq` are the device's own reset counter and sequence number.
    case sequence = 1
    /// `seq` holds a 64-bit hash (`IdentityHash`) of the sender's own id string; `epoch` is 0.
    case hash = 2
}

/// Where the event's `time` comes from.
@usableFromInline package enum Clock: UInt8, Sendable, BitwiseCopyable {
    /// The device's own clock.
    case device = 0
    /// The daemon's clock at arrival, less the age that the device gave.
    case age = 1
    /// The daemon's clock at arrival: the device gave no time.
    case arrival = 2
}

/// Who chose a value.
@usableFromInline package enum Origin: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    /// The sender did not say.
    case none = 0
    /// A person, on the device.
    case user = 1
    /// Nobody: the device came with it.
    case `default` = 2
    /// A rule or schedule on the device.
    case rule = 3

    package var name: StaticString {
        switch self {
        case .none: "none"
        case .user: "user"
        case .default: "default"
        case .rule: "rule"
        }
    }
}

/// One event, as it travels from decoding to the log and from the log to the projections.
///
/// Every name is a number of the `Vocabulary`; free text stands in the batch's text arena at
/// `textStart ..< textStart + textLength`; what few events say (`EventDetails`) in the batch's list of details.
@usableFromInline package struct Event: Hashable, Sendable, BitwiseCopyable {
    @usableFromInline package var device: DeviceID = .none
    @usableFromInline package var product: SymbolID = .none
    @usableFromInline package var customer: CustomerID = .none
    @usableFromInline package var aspect: SymbolID = .none
    /// The device's reset counter; 0 when the sender has none.
    @usableFromInline package var epoch: UInt32 = 0
    /// How often: uses, or repetitions of a fault, or the width of a gap. 1 when the sender gave none.
    @usableFromInline package var count: UInt32 = 1
    /// The sequence number, or the hash of the id string, as `identity` says.
    @usableFromInline package var seq: UInt64 = 0
    /// When it happened; how that is known is in `clock`.
    @usableFromInline package var time = Timestamp(rawValue: 0)
    /// When the daemon received it.
    @usableFromInline package var arrival = Timestamp(rawValue: 0)
    /// The value's payload; read and written through `value`.
    @usableFromInline package var valueBits: UInt64 = 0
    @usableFromInline package var unit: SymbolID = .none
    @usableFromInline package var language: SymbolID = .none
    /// The vendor's own type; only with `kind == .custom`.
    @usableFromInline package var type: SymbolID = .none
    @usableFromInline package var textStart: UInt32 = 0
    @usableFromInline package var textLength: UInt32 = 0
    @usableFromInline package var kind: EventKind = .custom
    @usableFromInline package var valueKind: ValueKind = .none
    @usableFromInline package var identity: Identity = .none
    @usableFromInline package var clock: Clock = .device
    /// Why the event is kept apart; `.none` for a good one.
    @usableFromInline package var quarantine: QuarantineReason = .none
    /// OpenTelemetry severity number, 1 ... 24; 0 when absent.
    @usableFromInline package var severity: UInt8 = 0
    /// The scale of a rating: 0 = 1 ... 5, 1 = 0 ... 1 (thumbs), 10 = 0 ... 10 (recommendation), 255 = 1 ... 10,
    /// n = 1 ... n.
    @usableFromInline package var scale: UInt8 = 0
    /// Small facts that few events have, as bits; read and written through `origin` and `isEpochAssigned`.
    @usableFromInline package var marks: UInt8 = 0
    /// Where the event's `EventDetails` stand in its batch: 1 + their index; 0 when it has none.
    @usableFromInline package var detail: UInt32 = 0

    @inlinable package init() {}

    /// Who chose the value.
    @inlinable package var origin: Origin {
        get { Origin(rawValue: marks & Self.originMarks) ?? .none }
        set { marks = marks & ~Self.originMarks | newValue.rawValue }
    }

    /// Whether the epoch was not the device's own but was given to it, as by an import: it says nothing of the order.
    @inlinable package var isEpochAssigned: Bool {
        get { marks & Self.assignedMark != 0 }
        set { marks = newValue ? marks | Self.assignedMark : marks & ~Self.assignedMark }
    }

    @inlinable static var originMarks: UInt8 { 3 }
    @inlinable static var assignedMark: UInt8 { 4 }

    /// Whether the value stands in a part of its own (`EventDetails.personalValue`), since it says something about one
    /// person. Said by who reads the event, for who admits it; in the log the part says so.
    @inlinable package var isValueWithheld: Bool {
        get { valueKind == .none && valueBits == 1 }
        set { (valueKind, valueBits) = (.none, newValue ? 1 : 0) }
    }

    /// The discriminator of `value`; raw values are part of the log format.
    @usableFromInline package enum ValueKind: UInt8, Sendable, BitwiseCopyable {
        case none = 0
        case whole = 1
        case real = 2
        case symbol = 3
        case flag = 4
    }

    /// What the event says.
    @inlinable package var value: Value {
        get {
            switch valueKind {
            case .none: .none
            case .whole: .whole(Int64(bitPattern: valueBits))
            case .real: .real(Double(bitPattern: valueBits))
            case .symbol: .symbol(SymbolID(rawValue: UInt32(truncatingIfNeeded: valueBits)))
            case .flag: .flag(valueBits != 0)
            }
        }
        set {
            switch newValue {
            case .none: (valueKind, valueBits) = (.none, 0)
            case .whole(let number): (valueKind, valueBits) = (.whole, UInt64(bitPattern: number))
            case .real(let number): (valueKind, valueBits) = (.real, number.bitPattern)
            case .symbol(let symbol): (valueKind, valueBits) = (.symbol, UInt64(symbol.rawValue))
            case .flag(let flag): (valueKind, valueBits) = (.flag, flag ? 1 : 0)
            }
        }
    }

    /// The value as a number, if it is one; a flag is 0 or 1.
    @inlinable package var number: Double? {
        switch value {
        case .whole(let number): Double(number)
        case .real(let number): number
        case .flag(let flag): flag ? 1 : 0
        case .none, .symbol: nil
        }
    }

    /// The scale of 1 to 10: 10 itself stands for 0 to 10.
    @inlinable package static var scaleOneToTen: UInt8 { 255 }

    /// The lowest and highest rating of this event's scale.
    @inlinable package var ratingBounds: ClosedRange<Int64> {
        switch scale {
        case 0: 1...5
        case 1: 0...1
        case 10: 0...10
        case Self.scaleOneToTen: 1...10
        default: 1...Int64(scale)
        }
    }
}
