// What the daemon's parts note of themselves for `tidings status`.

package import Events
import Synchronization

/// Why the summaries are not further, if they are not.
package final class ProjectionHealth: Sendable {
    private struct Failure {
        var cause: String
        /// How far events were folded when it came about.
        var offset: Offset
    }
    private let failure = Mutex<Failure?>(nil)

    package init() {}

    /// "good", or one line with the cause and the remedy.
    package var line: String { failure.withLock { $0?.cause ?? "good" } }

    package var isGood: Bool { failure.withLock { $0 == nil } }

    /// An attempt has failed.
    package func failed(_ cause: String, at offset: Offset) {
        failure.withLock { $0 = Failure(cause: cause, offset: offset) }
    }

    /// An attempt went well, and what is written counts up to `checkpoint`. That nothing was due to be written does
    /// not mean that it can be.
    ///
    /// - Returns: whether that ended a failure.
    @discardableResult
    package func worked(_ checkpoint: Offset) -> Bool {
        failure.withLock { failure in
            guard let former = failure, checkpoint >= former.offset else { return false }
            failure = nil
            return true
        }
    }
}

/// When the last event that is stored arrived; nil before the first.
final class LastArrival: Sendable {
    private let arrival = Mutex<Timestamp?>(nil)

    var value: Timestamp? {
        get { arrival.withLock { $0 } }
        set { arrival.withLock { $0 = newValue } }
    }
}
