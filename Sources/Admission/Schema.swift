// Does an event say what its kind must say? The rules of schemas/events, in code.

package import Events

/// The verdict of the schemas on a decoded event: `.none` if it is well-formed.
///
/// What only the bytes can tell (a malformed aspect, a number that is not finite, text that was cut) is marked by the
/// decoder and left as it is.
package func schemaVerdict(_ event: Event) -> QuarantineReason {
    if event.quarantine != .none { return event.quarantine }
    guard event.kind.isUplink else { return .unknownType }
    if event.time < Limits.earliestTime
        || event.time.rawValue > event.arrival.rawValue + Limits.clockAheadMilliseconds
    {
        return .absurdClock
    }
    switch event.kind {
    case .preferenceSet, .stateReported:
        guard event.aspect != .none else { return .badAspect }
        return event.valueKind == .none ? .missingValue : .none
    case .ratingGiven:
        guard event.aspect != .none else { return .badAspect }
        return ratingVerdict(event)
    case .featureUsed:
        guard event.aspect != .none else { return .badAspect }
        return event.count == 0 ? .outOfRange : .none
    case .faultSeen:
        guard event.aspect != .none else { return .badAspect }
        return event.count == 0 || event.severity > 24 ? .outOfRange : .none
    case .feedbackText: return event.textLength == 0 ? .missingValue : .none
    case .consentGiven, .consentWithdrawn: return event.valueKind == .symbol ? .none : .missingValue
    case .receipt: return .none
    case .custom, .gap, .stateDesired, .reply, .notice, .question, .settings: return .unknownType
    }
}

private func ratingVerdict(_ event: Event) -> QuarantineReason {
    switch event.value {
    case .none: .missingValue
    case .symbol: .wrongValueType
    case .flag: event.scale == 1 ? .none : .wrongValueType
    case .whole(let rating): event.ratingBounds.contains(rating) ? .none : .outOfRange
    case .real(let rating):
        rating >= Double(event.ratingBounds.lowerBound) && rating <= Double(event.ratingBounds.upperBound)
            ? .none : .outOfRange
    }
}
