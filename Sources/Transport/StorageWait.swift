// How long a peer waits for the log while that cannot be written: nobody is kept without a word until he gives up.

import NIOCore

/// Since when a peer has waited in vain.
struct StorageWait {
    private var since: NIODeadline?

    /// Whether the peer has waited for long enough. Asked about once a second.
    ///
    /// - Parameter isInVain: whether it waits for the log, and that cannot be written.
    mutating func isOver(at now: NIODeadline, isInVain: Bool) -> Bool {
        guard isInVain else {
            since = nil
            return false
        }
        let begun = since ?? now
        since = begun
        return now - begun >= .seconds(TransportLimits.storagePatienceSeconds)
    }
}
