// Where the quotas meet what is read: asked before each unit, told after it.

import Admission
import Events

extension IngestContext {
    /// Until when nothing may be read from the sender at hand; nil when it may go on.
    ///
    /// - Parameter due: what `charge` has returned for the units before.
    func pause(_ due: Uptime, device: DeviceID = .none) -> Uptime? {
        guard limitsEvents, let quotas else { return nil }
        let until = max(due, quotas.ready(sender), quotas.ready(device))
        return until > uptime() ? until : nil
    }

    /// Takes the last `events` of the filling batch, which are not yet admitted, off the shares of their devices, and
    /// `units` off that of the sender.
    ///
    /// - Returns: until when the sender must wait.
    func charge(events: Int, units: Int) -> Uptime {
        if notesMissing, !principal.isKnown { noteMissing(events: events) }
        guard limitsEvents else { return 0 }
        return quotas?.take(intake.filling.events.suffix(events), units: units, from: sender, at: uptime()) ?? 0
    }

    /// Whether one of the devices of the last `events` of the filling batch has used up its share.
    func isOverQuota(events: Int) -> Bool {
        guard limitsEvents, let quotas else { return false }
        return quotas.ready(intake.filling.events.suffix(events)) > uptime()
    }

    /// Lets the sender at hand bring as many new names as it may. Once for each read.
    func grantNames() {
        guard limitsNames, let count = quotas?.newNames(sender, at: uptime()) else { return }
        grantedNames = count
        intake.vocabulary.newNames = count
    }

    /// Takes the new names that have come since `grantNames` off the sender's share.
    func chargeNames() {
        guard let granted = grantedNames else { return }
        grantedNames = nil
        quotas?.takeNewNames(granted - intake.vocabulary.newNames, from: sender, at: uptime())
        intake.vocabulary.newNames = .max
    }

    /// Why a unit was refused: a vocabulary that takes no name from this sender now is not full. Notes who names a
    /// device that is not his.
    func reason(_ refusal: Refusal) -> Refusal {
        if refusal == .forbidden { note(.scope) }
        guard refusal == .vocabularyFull, grantedNames != nil, intake.vocabulary.newNames == 0 else { return refusal }
        return .tooManyNewNames
    }
}
