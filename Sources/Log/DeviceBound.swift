// How many devices a block may speak of, so that a false one cannot make its reader keep a gigabyte.

import Events
import Synchronization

/// The highest pseudonym that is believed: the first million always are, more when there are that many names.
///
/// Names are committed before the blocks that use them, so a sound log has no device without one. Twice as many are
/// let through, for the names may be an older copy than the log. Any thread.
package final class DeviceBound: Sendable {
    private let limit: Mutex<Int>
    private let known: @Sendable () -> Int?

    /// - Parameter known: the highest pseudonym that has a name; asked when a higher one than so far is met. Nil when
    ///   nothing tells: then all that the format allows are believed.
    package init(known: @escaping @Sendable () -> Int?) {
        limit = Mutex(LogLimits.believedDevices)
        self.known = known
    }

    /// All that the format allows.
    package static let format = DeviceBound { nil }

    /// Whether a pseudonym is believed.
    package func allows(_ device: Int) -> Bool {
        limit.withLock { limit in
            if device <= limit { return true }
            guard device <= Limits.devices else { return false }
            limit =
                known().map { min(LogLimits.believedDevices + 2 * max(0, min($0, Limits.devices)), Limits.devices) }
                ?? Limits.devices
            return device <= limit
        }
    }
}
