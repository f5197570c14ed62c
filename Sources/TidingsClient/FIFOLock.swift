// Calls of an actor that must not mix although each of them suspends.

/// Lets one caller in at a time, in the order in which they came. Confined to one actor.
package final class FIFOLock {
    private var isTaken = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    package init() {}

    /// Returns when it is the caller's turn; `unlock` ends it.
    package func lock() async {
        guard isTaken else {
            isTaken = true
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    /// Lets in whoever waits longest.
    package func unlock() {
        if waiting.isEmpty { isTaken = false } else { waiting.removeFirst().resume() }
    }
}
