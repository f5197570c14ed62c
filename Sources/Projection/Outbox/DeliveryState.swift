// What has become of a message at one device: sixteen states in four bits, and how evidence moves them.

import Events

/// The state of one entry of the outbox, (message, device). Raw values are columns of the summaries.
package enum DeliveryState: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    case none = 0
    /// Addressed, and not on its way yet.
    case queued = 1
    /// On its way, and nothing heard within a second.
    case sent = 2
    case received = 3
    case shown = 4
    case answered = 5
    case applied = 6
    case dismissed = 7
    /// The device refused it, or could not do it.
    case refused = 8
    /// The daemon gave up.
    case failed = 9
    case expired = 10
    case cancelled = 11
    /// A newer message of the same collapse key took its place.
    case superseded = 12
    /// Nobody has agreed to it, or too much waits for the device.
    case withheld = 13
    /// The customer has chosen otherwise.
    case overridden = 14
    /// The customer was forgotten, or the device belongs to the targets no more.
    case left = 15

    /// Whether it is still to be brought to the device.
    var isPending: Bool { self == .queued || self == .sent }

    /// Evidence is a join: what ranks higher wins, in whatever order receipts come and however often. 0 for what is no
    /// evidence.
    private var rank: UInt8 {
        switch self {
        case .queued: 1
        case .sent: 2
        case .received: 3
        case .shown: 4
        case .dismissed: 5
        case .refused: 6
        case .answered: 7
        case .applied: 8
        case .none, .failed, .expired, .cancelled, .superseded, .withheld, .overridden, .left: 0
        }
    }

    /// What holds once evidence is there. It counts even when the message is over: then the message came all the same.
    func joined(with evidence: DeliveryState) -> DeliveryState {
        switch self {
        // What was never addressed to a device it can say nothing of; what the customer chose instead goes by the
        // device's numbers (`SettingEvidence`).
        case .none, .overridden, .left: self
        case .failed, .expired, .cancelled, .superseded, .withheld: evidence == .sent ? self : evidence
        case .queued, .sent, .received, .shown, .answered, .applied, .dismissed, .refused:
            evidence.rank > rank ? evidence : self
        }
    }

    /// What holds once the message is over: who has it keeps it.
    func closed(_ reason: ClosingReason) -> DeliveryState {
        guard isPending || self == .withheld else { return self }
        switch reason {
        case .expired: return .expired
        case .cancelled: return .cancelled
        case .superseded: return .superseded
        }
    }

    /// Whether a setting in this state gives way to what the customer chooses.
    var givesWay: Bool {
        switch self {
        case .queued, .sent, .received, .shown, .answered, .applied, .dismissed, .refused: true
        case .none, .failed, .expired, .cancelled, .superseded, .withheld, .overridden, .left: false
        }
    }

    package var name: StaticString {
        switch self {
        case .none: "none"
        case .queued: "queued"
        case .sent: "sent"
        case .received: "received"
        case .shown: "shown"
        case .answered: "answered"
        case .applied: "applied"
        case .dismissed: "dismissed"
        case .refused: "refused"
        case .failed: "failed"
        case .expired: "expired"
        case .cancelled: "cancelled"
        case .superseded: "superseded"
        case .withheld: "withheld"
        case .overridden: "overridden"
        case .left: "left"
        }
    }
}

/// One entry in one byte: the state below, above it how often the message was offered.
struct Delivery: Equatable, Sendable, BitwiseCopyable {
    var byte: UInt8 = 0

    init(byte: UInt8) { self.byte = byte }

    init(_ state: DeliveryState, attempts: UInt8 = 0) { byte = attempts << 4 | state.rawValue }

    var state: DeliveryState {
        get { DeliveryState(rawValue: byte & 15) ?? .none }
        set { byte = byte & 0xf0 | newValue.rawValue }
    }

    var attempts: UInt8 {
        get { byte >> 4 }
        set { byte = byte & 15 | newValue << 4 }
    }

    /// Withheld for good, since too much waited for the device: it is never offered, so that no attempt is lost.
    static let overQuota = Delivery(.withheld, attempts: 15)
    /// More attempts are not told apart where they would be taken for `overQuota`.
    static let mostAttempts: UInt8 = 14

    var isOverQuota: Bool { self == .overQuota }
}

/// The place of an event in a device's own order: the rank of its epoch, and its number. Events without numbers come in
/// the order of the log (`behind`).
struct DeviceOrder: Comparable, Hashable, Sendable, BitwiseCopyable {
    var rank: UInt32 = 0
    var seq: UInt64 = 0
    /// Of events without a number: how many came since the highest one with a number.
    var behind: UInt32 = 0

    init() {}

    init(rank: UInt32, seq: UInt64) { (self.rank, self.seq) = (rank, seq) }

    /// Nothing was said yet.
    var isNone: Bool { rank == 0 && seq == 0 && behind == 0 }

    static func < (a: Self, b: Self) -> Bool { (a.rank, a.seq, a.behind) < (b.rank, b.seq, b.behind) }

    /// The place of an event without a number that comes after this one.
    var next: DeviceOrder {
        var next = self
        next.behind &+= 1
        return next
    }
}

/// What decides between a setting and the customer's own choice: the last of each, in the order of the device, whatever
/// the clocks say and in whatever order they arrive.
struct SettingEvidence: Equatable, Sendable, BitwiseCopyable {
    var applied = DeviceOrder()
    var chosen = DeviceOrder()

    var isOverridden: Bool { !chosen.isNone && chosen > applied }
}
