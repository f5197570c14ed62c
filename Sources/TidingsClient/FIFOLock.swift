// Calls of an actor that must not mix although each of them suspends.

/// Lets one caller in at a time, in the order in which they came. Confined to one actor.
final class FIFOLock {
    private var isTaken = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    /// Returns when it is the caller's turn; `unlock` ends it.
    func lock() async {
        guard isTaken else {
            isTaken = true
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    /// Lets in whoever waits longest.
    func unlock() {
        if waiting.isEmpty { isTaken = false } else { waiting.removeFirst().resume() }
    }
}
