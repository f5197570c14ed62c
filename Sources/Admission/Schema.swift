// Does an event say what its kind must say? The rules of schemas/events, in code.

package import Events

/// The verdict of the schemas on a decoded event: `.none` if it is well-formed.
///
/// What only the bytes can tell (a malformed aspect, a number that is not finite, text that was cut) is marked by the
/// decoder and left as it is.
package func schemaVerdict(_ event: Event) -> QuarantineReason {
    var consents = false
    return verdict(
        event, earliest: Limits.earliestTime, clockAhead: Limits.clockAheadMilliseconds, consents: &consents)
}

/// The same, for a loop that has fetched the limits.
///
/// - Parameter consents: becomes true when the event is a good consent. Here it costs other events nothing.
@inline(__always)
func verdict(
    _ event: Event, earliest: Timestamp, clockAhead: Int64, consents: inout Bool
) -> QuarantineReason {
    if case .none = event.quarantine {} else { return event.quarantine }
    if !isCredible(event.time, arrival: event.arrival, earliest: earliest, clockAhead: clockAhead) {
        // A kind that no device may send is told first.
        return event.kind.isUplink ? .absurdClock : .unknownType
    }
    switch event.kind {
    case .preferenceSet, .stateReported:
        guard event.aspect != .none else { return .badAspect }
        if case .none = event.valueKind, !event.isValueWithheld { return .missingValue }
        return .none
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
    case .consentGiven, .consentWithdrawn:
        guard case .symbol = event.valueKind else { return .missingValue }
        consents = true
        return .none
    case .receipt: return .none
    // Whose data is meant is all that they say.
    case .dataRequested, .erasureRequested: return event.customer == .none ? .missingValue : .none
    case .custom, .setting, .gap, .reply, .notice, .question, .settings, .addressed, .closed, .rollout, .rolloutStep,
        .customerErased, .audited, .note:
        return .unknownType
    }
}

/// Whether a time can be that of an event: not long before there were such devices, nor long after it arrived.
@inline(__always)
func isCredible(
    _ time: Timestamp, arrival: Timestamp, earliest: Timestamp = Limits.earliestTime,
    clockAhead: Int64 = Limits.clockAheadMilliseconds
) -> Bool {
    time >= earliest && time.rawValue <= arrival.rawValue + clockAhead
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
