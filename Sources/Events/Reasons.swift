// Why an event was kept apart or turned away: one closed list each, used for counting, answering and logging.

/// Why an event is kept in the log but outside the summaries. Raw values are part of the log format; the code told to a
/// sender is `4220 + rawValue` (docs/wire.md; the event is stored and acknowledged). 20 is never given: 4240 is the
/// code of `Verdict.stale`.
@usableFromInline package enum QuarantineReason: UInt8, CaseIterable, Error, Sendable, BitwiseCopyable {
    case none = 0
    /// The type is neither ours nor a vendor type that may be kept.
    case unknownType = 1
    /// No aspect, or not a dotted path of `[a-z0-9_]` words.
    case badAspect = 2
    /// The kind needs a value and there is none.
    case missingValue = 3
    /// The value is of a type that the kind does not take.
    case wrongValueType = 5
    /// A rating outside its scale, or a count of zero.
    case outOfRange = 6
    /// The device's time lies before 2000 or more than a day after arrival.
    case absurdClock = 7
    /// The value is NaN or infinite, or a number too large to hold exactly.
    case notFinite = 8
    /// The text is longer than `Limits.textBytes`; it is cut.
    case textTooLong = 9
    /// An extension demands a treatment that this daemon cannot promise.
    case policy = 10
    /// It names a message that was never sent to its device.
    case unknownCause = 11
    /// The answer is not one that its question allows.
    case badAnswer = 12
    /// The time is there and cannot be read: no RFC 3339 date-time with a zone, nor a number of milliseconds.
    case badTime = 13
    /// The device counts again from the beginning without a new epoch: the number was taken, the time is a later one.
    case numberReused = 14
    /// The product's catalogue does not know the aspect or the value.
    case outsideCatalogue = 15
    /// The product's catalogue does not know the unit.
    case unknownUnit = 16

    /// How long arrays are that count by `rawValue`: a power of two, with room for reasons to come.
    package static let slots = 64

    package var name: StaticString {
        switch self {
        case .none: "none"
        case .unknownType: "unknown_type"
        case .badAspect: "bad_aspect"
        case .missingValue: "missing_value"
        case .wrongValueType: "wrong_value_type"
        case .outOfRange: "out_of_range"
        case .absurdClock: "absurd_clock"
        case .notFinite: "not_finite"
        case .textTooLong: "text_too_long"
        case .policy: "policy"
        case .unknownCause: "unknown_cause"
        case .badAnswer: "bad_answer"
        case .badTime: "bad_time"
        case .numberReused: "number_reused"
        case .outsideCatalogue: "outside_catalogue"
        case .unknownUnit: "unknown_unit"
        }
    }
}

/// What a sender is told of an event that it sent and that is acknowledged all the same.
package enum Verdict: Hashable, Sendable, BitwiseCopyable {
    /// Stored, and kept out of the summaries.
    case quarantined(QuarantineReason)
    /// Not stored: its number is too far below the highest one to tell whether it was taken before.
    case stale

    /// The code on the wire.
    package var code: UInt16 {
        switch self {
        case .quarantined(let reason): Self.quarantineBase + UInt16(reason.rawValue)
        case .stale: 4240
        }
    }

    package var name: StaticString {
        switch self {
        case .quarantined(let reason): reason.name
        case .stale: "stale"
        }
    }

    /// What a quarantine reason's number is added to.
    private static let quarantineBase: UInt16 = 4220

    /// The verdict with this code; nil for a refusal's, or one of a later release.
    package init?(code: UInt32) {
        if code == UInt32(Verdict.stale.code) {
            self = .stale
        } else if code > UInt32(Self.quarantineBase),
            let reason = UInt8(exactly: code - UInt32(Self.quarantineBase)).flatMap(QuarantineReason.init(rawValue:))
        {
            self = .quarantined(reason)
        } else {
            return nil
        }
    }
}

/// Why input was turned away; the raw value is the code on the wire. Nothing of it is in the log.
package enum Refusal: UInt16, CaseIterable, Error, Sendable, BitwiseCopyable {
    case malformedFrame = 4000
    case badChecksum = 4001
    case badMagic = 4002
    case malformedBody = 4003
    case badInflate = 4004
    case malformedJSON = 4005
    case badUTF8 = 4006
    case duplicateKey = 4007
    case tooDeep = 4008
    case truncated = 4009
    case noDevice = 4011
    case noProduct = 4012
    case badIdentity = 4013
    case badMessage = 4014
    case badCohort = 4015
    case tooLong = 4016
    case wrongType = 4017
    case alreadyQuarantined = 4018
    case unauthorized = 4010
    case forbidden = 4030
    case noConsent = 4031
    case unknownMessage = 4040
    case unknownTarget = 4041
    case foreignTopic = 4042
    case tooSlow = 4080
    case versionConflict = 4090
    case alreadyClosed = 4091
    case rolloutActive = 4092
    case takenOver = 4093
    case tooBig = 4130
    case tooManyEvents = 4131
    case inflatesTooBig = 4132
    case tableFull = 4133
    case vocabularyFull = 4134
    case messageTooBig = 4135
    case mediaType = 4150
    case unknownReference = 4224
    case tooManyConnections = 4290
    case overQuota = 4291
    case tooManyNewNames = 4292
    case tooManyOpen = 4293
    case busy = 5030
    case storageUnavailable = 5031
    case shuttingDown = 5032

    /// The counter's label and the log's word.
    package var name: StaticString {
        switch self {
        case .malformedFrame: "malformed_frame"
        case .badChecksum: "bad_checksum"
        case .badMagic: "bad_magic"
        case .malformedBody: "malformed_body"
        case .badInflate: "bad_inflate"
        case .malformedJSON: "malformed_json"
        case .badUTF8: "bad_utf8"
        case .duplicateKey: "duplicate_key"
        case .tooDeep: "too_deep"
        case .truncated: "truncated"
        case .noDevice: "no_device"
        case .noProduct: "no_product"
        case .badIdentity: "bad_identity"
        case .badMessage: "bad_message"
        case .badCohort: "bad_cohort"
        case .tooLong: "too_long"
        case .wrongType: "wrong_type"
        case .alreadyQuarantined: "already_quarantined"
        case .unauthorized: "unauthorized"
        case .forbidden: "forbidden"
        case .noConsent: "no_consent"
        case .unknownMessage: "unknown_message"
        case .unknownTarget: "unknown_target"
        case .foreignTopic: "foreign_topic"
        case .versionConflict: "version_conflict"
        case .alreadyClosed: "already_closed"
        case .rolloutActive: "rollout_active"
        case .takenOver: "taken_over"
        case .tooSlow: "too_slow"
        case .tooBig: "too_big"
        case .tooManyEvents: "too_many_events"
        case .inflatesTooBig: "inflates_too_big"
        case .tableFull: "table_full"
        case .vocabularyFull: "vocabulary_full"
        case .messageTooBig: "message_too_big"
        case .mediaType: "media_type"
        case .unknownReference: "unknown_reference"
        case .tooManyConnections: "too_many_connections"
        case .overQuota: "over_quota"
        case .tooManyNewNames: "too_many_new_names"
        case .tooManyOpen: "too_many_open"
        case .busy: "busy"
        case .storageUnavailable: "storage_unavailable"
        case .shuttingDown: "shutting_down"
        }
    }

    /// Whether the stream cannot be trusted after this, so that the connection is closed once the sender is told.
    package var closesConnection: Bool {
        switch self {
        case .malformedFrame, .badChecksum, .badMagic, .malformedBody, .badInflate, .truncated, .unauthorized,
            .forbidden, .takenOver, .tooSlow, .tooBig, .inflatesTooBig, .tooManyConnections, .shuttingDown:
            true
        case .malformedJSON, .badUTF8, .duplicateKey, .tooDeep, .noDevice, .noProduct, .badIdentity, .tooLong,
            .wrongType, .alreadyQuarantined, .foreignTopic, .tooManyEvents, .tableFull, .vocabularyFull, .mediaType,
            .unknownReference, .overQuota, .tooManyNewNames, .busy, .storageUnavailable, .badMessage, .badCohort,
            .noConsent, .unknownMessage, .unknownTarget, .versionConflict, .alreadyClosed, .rolloutActive,
            .messageTooBig, .tooManyOpen:
            false
        }
    }

    /// Whether the sender may try the same bytes again later.
    package var isRetryable: Bool { rawValue >= 4290 }
}
