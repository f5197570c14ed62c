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
    /// How one setting of a device should stand.
    case setting = 7
    case consentGiven = 8
    case consentWithdrawn = 9
    case receipt = 10
    /// Written by the daemon: the device itself lost the sequence numbers `seq - count + 1 ... seq`.
    case gap = 11
    case reply = 12
    case notice = 13
    case question = 14
    /// Several settings at once.
    case settings = 15
    /// Written by the daemon: whom a message goes to.
    case addressed = 16
    /// Written by the daemon: a message is over.
    case closed = 17
    case rollout = 18
    case rolloutStep = 19
    case customerErased = 20
    /// Somebody looked at or changed something that is watched.
    case audited = 21
    /// A dated remark of an operator or analyst.
    case note = 22
    case dataRequested = 23
    case erasureRequested = 24

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
        case .setting: "setting"
        case .consentGiven: "consent.given"
        case .consentWithdrawn: "consent.withdrawn"
        case .receipt: "receipt"
        case .gap: "gap"
        case .reply: "reply"
        case .notice: "notice"
        case .question: "question"
        case .settings: "settings"
        case .addressed: "addressed"
        case .closed: "closed"
        case .rollout: "rollout"
        case .rolloutStep: "rollout.step"
        case .customerErased: "customer.erased"
        case .audited: "audited"
        case .note: "note"
        case .dataRequested: "data.requested"
        case .erasureRequested: "erasure.requested"
        }
    }

    /// Whether a device may send this kind; the others are written by the daemon or travel down to devices.
    @inlinable package var isUplink: Bool {
        switch self {
        case .preferenceSet, .ratingGiven, .featureUsed, .feedbackText, .faultSeen, .stateReported, .consentGiven,
            .consentWithdrawn, .receipt, .dataRequested, .erasureRequested:
            true
        case .custom, .setting, .gap, .reply, .notice, .question, .settings, .addressed, .closed, .rollout,
            .rolloutStep, .customerErased, .audited, .note:
            false
        }
    }

    /// Whether it says what the data may be used for.
    @inlinable package var isConsent: Bool {
        switch self {
        case .consentGiven, .consentWithdrawn: true
        case .preferenceSet, .ratingGiven, .featureUsed, .feedbackText, .faultSeen, .stateReported, .receipt, .custom,
            .setting, .gap, .reply, .notice, .question, .settings, .addressed, .closed, .rollout, .rolloutStep,
            .customerErased, .audited, .note, .dataRequested, .erasureRequested:
            false
        }
    }
}
