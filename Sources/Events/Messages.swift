// What the event of a message says besides its words: how urgent it is, by what right it is sent, and to whom.

import Bytes

/// The id of a message: its ordinal in the log, and random bits by which an ordinal that is guessed, or of a copy of
/// the log that was put back, is told.
@usableFromInline package struct MessageID: Hashable, Sendable, BitwiseCopyable {
    @usableFromInline package var number: UInt32
    @usableFromInline package var tag: UInt32

    package init(number: UInt32, tag: UInt32) { (self.number, self.tag) = (number, tag) }

    /// As the native format has it.
    package var rawValue: UInt64 { UInt64(number) << 32 | UInt64(tag) }

    package init(rawValue: UInt64) {
        self.init(number: UInt32(truncatingIfNeeded: rawValue >> 32), tag: UInt32(truncatingIfNeeded: rawValue))
    }
}

extension MessageID: CustomStringConvertible {
    /// As it is written everywhere else: `m17-9f31c2aa`.
    @usableFromInline package var description: String {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    package func append(to output: inout [UInt8]) {
        Self.append(number, to: &output)
        output.append(UInt8(ascii: "-"))
        appendHexadecimal(UInt64(tag), digits: 8, to: &output)
    }

    /// Appends an id without its random part.
    package static func append(_ number: UInt32, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "m"))
        appendDecimal(UInt64(number), to: &output)
    }
}

/// How a message overtakes others on their way to a device. Raw values are part of the log format.
package enum MessagePriority: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    case normal = 0
    case low = 1
    case high = 2
    case urgent = 3

    package var name: StaticString {
        switch self {
        case .normal: "normal"
        case .low: "low"
        case .high: "high"
        case .urgent: "urgent"
        }
    }

    /// What goes first has the lower one.
    package var rank: UInt8 {
        switch self {
        case .urgent: 0
        case .high: 1
        case .normal: 2
        case .low: 3
        }
    }
}

/// What a setting does where the customer has chosen otherwise. Raw values are part of the log format.
package enum SettingPolicy: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    /// It holds until the customer chooses after it.
    case offer = 0
    /// It holds where the customer has chosen nothing.
    case `default` = 1
    /// It holds whatever the customer chooses.
    case require = 2

    package var name: StaticString {
        switch self {
        case .offer: "offer"
        case .default: "default"
        case .require: "require"
        }
    }
}

/// By what right somebody is written to. Raw values are part of the log format.
package enum MessageBasis: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    case consent = 0
    case contract = 1
    case safety = 2
    case legal = 3

    package var name: StaticString {
        switch self {
        case .consent: "consent"
        case .contract: "contract"
        case .safety: "safety"
        case .legal: "legal"
        }
    }
}

/// To whom a message goes; of two settings of one aspect the one with the higher scope holds. Raw values are part of
/// the log format.
package enum MessageScope: UInt8, CaseIterable, Sendable, BitwiseCopyable, Comparable {
    /// All devices of the product.
    case product = 0
    /// Some of them.
    case list = 1
    /// Those of one customer.
    case customer = 2
    case device = 3

    package var name: StaticString {
        switch self {
        case .product: "product"
        case .list: "list"
        case .customer: "customer"
        case .device: "device"
        }
    }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// Why a message is over (`EventKind.closed` keeps it in the event's `scale`).
package enum ClosingReason: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    case expired = 1
    case cancelled = 2
    case superseded = 3

    package var name: StaticString {
        switch self {
        case .expired: "expired"
        case .cancelled: "cancelled"
        case .superseded: "superseded"
        }
    }
}

/// How an event `addressed` names devices (it keeps it in its `scale`).
package enum AddressedForm: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    /// Every device that the product has when this event comes.
    case all = 1
    /// The numbers in the payload: a JSON array.
    case list = 2
    /// A bit for each number from `count` on: the payload is a JSON string of base64url.
    case bits = 3

    package var name: StaticString {
        switch self {
        case .all: "all"
        case .list: "list"
        case .bits: "bits"
        }
    }
}

/// The terms on which a message is sent; `Event` keeps them in its `scale` and `severity`.
package struct MessageTerms: Hashable, Sendable, BitwiseCopyable {
    package var priority = MessagePriority.normal
    package var policy = SettingPolicy.offer
    /// Whether only the program's own word ends it, and no transport's acknowledgement.
    package var awaitsApp = false
    package var basis = MessageBasis.consent
    /// Whether devices that come later get it too.
    package var isLive = false
    /// Whether it is not to be sent before the time of its event. Otherwise that is when it was accepted, and it may go
    /// at once, wherever the clock has gone since.
    package var isScheduled = false
    package var scope = MessageScope.product

    package init() {}

    package init(_ event: borrowing Event) {
        let scale = event.scale
        priority = MessagePriority(rawValue: event.severity & 3) ?? .normal
        policy = SettingPolicy(rawValue: scale & 3) ?? .offer
        awaitsApp = scale & 4 != 0
        basis = MessageBasis(rawValue: scale >> 3 & 3) ?? .consent
        isLive = scale & 0x20 != 0
        isScheduled = event.severity & 4 != 0
        scope = MessageScope(rawValue: scale >> 6) ?? .product
    }

    package func write(to event: inout Event) {
        event.severity = priority.rawValue | (isScheduled ? 4 : 0)
        event.scale =
            policy.rawValue | (awaitsApp ? 4 : 0) | basis.rawValue << 3 | (isLive ? 0x20 : 0) | scope.rawValue << 6
    }
}

extension EventKind {
    /// Whether it goes down to devices: a message, with an ordinal of its own.
    @inlinable package var isMessage: Bool {
        switch self {
        case .setting, .reply, .notice, .question, .settings: true
        case .custom, .preferenceSet, .ratingGiven, .featureUsed, .feedbackText, .faultSeen, .stateReported,
            .consentGiven, .consentWithdrawn, .receipt, .gap, .addressed, .closed, .rollout, .rolloutStep,
            .customerErased, .audited, .note, .dataRequested, .erasureRequested:
            false
        }
    }

    /// Whether it is a message or says something of one, and never comes from a device.
    @inlinable package var isOfOutbox: Bool {
        switch self {
        case .setting, .reply, .notice, .question, .settings, .addressed, .closed: true
        case .custom, .preferenceSet, .ratingGiven, .featureUsed, .feedbackText, .faultSeen, .stateReported,
            .consentGiven, .consentWithdrawn, .receipt, .gap, .rollout, .rolloutStep, .customerErased, .audited, .note,
            .dataRequested, .erasureRequested:
            false
        }
    }

    /// Whether it is written for a person to read or answer; these need a right to write to that person.
    package var isForPeople: Bool { isMessage && self != .setting && self != .settings }
}

extension Vocabulary {
    /// A word that an operator uses, given out if it is new, whatever senders may still name; nil when there are
    /// `Limits.symbols`.
    package mutating func ownSymbol(_ kind: SymbolKind, _ text: String) -> SymbolID? {
        let (quota, newest) = (newNames, newestValue)
        defer { (newNames, newestValue) = (quota, newest) }
        newNames = .max
        return symbol(kind, Array(text.utf8).span)
    }
}

extension EventDetails {
    /// Of a message: its own id. Other events have that of the message that they answer or speak of.
    package var message: MessageID? {
        get { cause == 0 || !hasCauseTag ? nil : MessageID(number: cause, tag: causeTag) }
        set { (cause, causeTag, hasCauseTag) = (newValue?.number ?? 0, newValue?.tag ?? 0, newValue != nil) }
    }

    /// Of a message: the word that later messages replace it by; kept in the place of a consent's notice.
    package var collapse: SymbolID {
        get { notice }
        set { notice = newValue }
    }

    /// Of a message: who has sent it; kept in the place of a consent's method.
    package var author: SymbolID {
        get { method }
        set { method = newValue }
    }
}
