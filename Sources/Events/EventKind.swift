// What happened: the closed list of kinds, their numbers on the wire and in the log, and their names in JSON.

/// The kind of an event.
///
/// The numbers are part of the wire and log formats (`schemas/kinds.json`) and are never reused.
@usableFromInline package enum EventKind: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    /// A vendor's own type, kept as it came.
    case custom = 0
    case preferenceSet = 1
    case ratingGiven = 2
    case featureUsed = 3
    case feedbackText = 4
    case faultSeen = 5
    case stateReported = 6
    case stateDesired = 7
    case consentGiven = 8
    case consentWithdrawn = 9
    case receipt = 10
    /// Written by the daemon: the device itself lost the sequence numbers `seq - count + 1 ... seq`.
    case gap = 11
    case reply = 12
    case notice = 13
    case question = 14
    case settings = 15

    /// The short name in JSON, such as `preference.set`; the CloudEvents type is `org.tidings.<name>.v1`.
    package var name: StaticString {
        switch self {
        case .custom: "custom"
        case .preferenceSet: "preference.set"
        case .ratingGiven: "rating.given"
        case .featureUsed: "feature.used"
        case .feedbackText: "feedback.text"
        case .faultSeen: "fault.seen"
        case .stateReported: "state.reported"
        case .stateDesired: "state.desired"
        case .consentGiven: "consent.given"
        case .consentWithdrawn: "consent.withdrawn"
        case .receipt: "receipt"
        case .gap: "gap"
        case .reply: "reply"
        case .notice: "notice"
        case .question: "question"
        case .settings: "settings"
        }
    }

    /// Whether a device may send this kind; the others are written by the daemon or travel down to devices.
    @inlinable package var isUplink: Bool {
        switch self {
        case .preferenceSet, .ratingGiven, .featureUsed, .feedbackText, .faultSeen, .stateReported, .consentGiven,
            .consentWithdrawn, .receipt:
            true
        case .custom, .stateDesired, .gap, .reply, .notice, .question, .settings: false
        }
    }
}
