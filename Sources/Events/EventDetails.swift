// What few events say: kept beside the rows of a batch, so that an event that says none of it pays nothing.

/// How the bytes of a part are written in the log; raw values are part of its format.
@usableFromInline package enum PartCodec: UInt8, Sendable, BitwiseCopyable {
    /// UTF-8.
    case plain = 0
    /// Sealed with a customer's or a product's key.
    case sealed = 1
}

/// A piece of the text arena of a batch.
@usableFromInline package struct TextPart: Hashable, Sendable, BitwiseCopyable {
    @usableFromInline package var start: UInt32 = 0
    /// Bytes; 0 when there is no such part.
    @usableFromInline package var length: UInt32 = 0
    @usableFromInline package var codec: PartCodec = .plain
    /// Whether the end was cut off because it was too long.
    @usableFromInline package var isCut = false

    @inlinable package init() {}

    package var isEmpty: Bool { length == 0 }
}

/// What became of a message, as a receipt says (`EventKind.receipt` keeps it in the event's `scale`).
package enum ReceiptStage: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    case none = 0
    case received = 1
    case shown = 2
    case answered = 3
    case dismissed = 4
    case failed = 5
    case sent = 6
    case applied = 7
    case refused = 8

    package var name: StaticString {
        switch self {
        case .none: "none"
        case .received: "received"
        case .shown: "shown"
        case .answered: "answered"
        case .dismissed: "dismissed"
        case .failed: "failed"
        case .sent: "sent"
        case .applied: "applied"
        case .refused: "refused"
        }
    }
}

/// How a receipt's stage is known (`EventKind.receipt` keeps it in the event's `severity`).
package enum ReceiptEvidence: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    case none = 0
    /// The transport acknowledged the message: a library has it.
    case transport = 1
    /// The program on the device said so.
    case app = 2

    package var name: StaticString {
        switch self {
        case .none: "none"
        case .transport: "transport"
        case .app: "app"
        }
    }
}

/// What few events say. A plain value of fixed size; the words are numbers of the `Vocabulary`, the parts stand in the
/// text arena of the batch that it belongs to.
@usableFromInline package struct EventDetails: Hashable, Sendable, BitwiseCopyable {
    /// The number of the message that the event answers; 0 for none.
    @usableFromInline package var cause: UInt32 = 0
    /// The random part of the message's id, by which a number that is guessed or from another log is told; only with
    /// `hasCauseTag`.
    @usableFromInline package var causeTag: UInt32 = 0
    @usableFromInline package var hasCauseTag = false
    /// The text, when it is sealed: the event's own is then empty.
    @usableFromInline package var sealedText = TextPart()
    /// Of a consent: the version of the notice that the customer saw, how it was given, and until when it holds
    /// (`.none` and 0 when not said). Words of the vocabulary `value`. The purpose is the event's value.
    @usableFromInline package var notice: SymbolID = .none
    @usableFromInline package var method: SymbolID = .none
    @usableFromInline package var expiry = Timestamp(rawValue: 0)
    /// The event of the log in whose place this one stands, because it has repaired it: 1 + its offset; 0 for none.
    @usableFromInline package var replaysOffsetPlusOne: UInt64 = 0
    /// Properties that no schema knows: a JSON object of scalars.
    @usableFromInline package var extra = TextPart()
    /// What came in, when it cannot be read as an event: without the names in it.
    @usableFromInline package var raw = TextPart()
    /// What a message carries to devices: JSON.
    @usableFromInline package var payload = TextPart()
    /// A value that says something about one person: never a word of the vocabulary. The event's own is then empty.
    @usableFromInline package var personalValue = TextPart()

    @inlinable package init() {}

    /// All parts that an event may have, in the order in which they are written.
    package static var parts: [WritableKeyPath<EventDetails, TextPart>] {
        [\.sealedText, \.extra, \.raw, \.payload, \.personalValue]
    }

    /// The event in whose place this one stands.
    package var replays: Offset? {
        get { replaysOffsetPlusOne == 0 ? nil : Offset(rawValue: replaysOffsetPlusOne - 1) }
        set { replaysOffsetPlusOne = newValue.map { $0.rawValue + 1 } ?? 0 }
    }

    /// Whether nothing is said.
    package var isEmpty: Bool { self == EventDetails() }
}
