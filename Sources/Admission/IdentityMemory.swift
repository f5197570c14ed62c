// What is remembered of devices beside the window of the epoch heard last: one fold, for the ingest and for summaries.

package import Events

/// Older epochs, ids and reused numbers of all devices. With what every event needs of its device (`DeviceIdentity`),
/// which its owner keeps where it is at hand, this is all that tells a repetition from a new event.
package struct IdentityMemory: Sendable {
    package var older = OlderEpochs()
    package var ids = IDHashes()
    package var reused = ReusedNumbers()

    package init() {}

    /// Folds an event that is in the log.
    ///
    /// - Parameters:
    ///   - device: that of the event.
    ///   - rank: that of its latest epoch.
    /// - Returns: `new`, or what else the event is by the log before it.
    package mutating func fold(
        _ event: borrowing Event, _ device: inout DeviceIdentity, rank: inout UInt32
    ) -> DedupeVerdict {
        switch event.identity {
        case .none: return .new
        case .hash: return ids.admit(event.device, hash: event.seq)
        case .sequence: break
        }
        if let gap = SequenceWindow.gap(of: event) {
            if older.hear(event.epoch, event.device, &device.epochs, at: event.arrival, rank: &rank) {
                device.epochs.latest.take(gap)
            }
            return .new
        }
        if case .numberReused = event.quarantine, event.epoch == 0 {
            let verdict = ids.admit(event.device, hash: ReusedNumbers.hash(event))
            if case .new = verdict { reused.count(event) }
            return verdict
        }
        let verdict = older.admit(
            event.seq, of: event.epoch, event.device, &device.epochs, at: event.arrival, rank: &rank)
        if case .new = verdict, case .none = event.quarantine { device.note(event) }
        return verdict
    }

    /// What an event is that comes with a number which was taken, or is too old: no repetition when its device counts
    /// anew without an epoch.
    mutating func judge(_ event: borrowing Event, _ verdict: DedupeVerdict, _ device: DeviceIdentity) -> DedupeVerdict {
        guard ReusedNumbers.isLater(event, than: device.newestTime),
            older.window(of: event.epoch, device.epochs) != nil
        else { return verdict }
        let hash = ReusedNumbers.hash(event)
        if ids.contains(event.device, hash: hash) { return .duplicate }
        guard reused.hasRoom(for: event) else { return .stale }
        _ = ids.admit(event.device, hash: hash)
        reused.count(event)
        return .reused
    }
}
