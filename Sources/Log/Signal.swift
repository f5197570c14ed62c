// Waiting until something has changed.

import Synchronization

/// Wakes tasks when something has changed. Any thread, any number of waiters.
///
/// Who waits reads `count`, then looks, and then waits past that count: so a change in between is not missed.
package final class Signal: Sendable {
    private struct State {
        var count: UInt64 = 0
        var nextWaiter: UInt64 = 0
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
    }
    private let state = Mutex(State())

    package init() {}

    /// How often it was notified.
    package var count: UInt64 { state.withLock { $0.count } }

    /// Wakes everybody who waits. Never blocks.
    package func notify() {
        let woken = state.withLock { state in
            state.count &+= 1
            let woken = Array(state.waiters.values)
            state.waiters.removeAll()
            return woken
        }
        for waiter in woken { waiter.resume() }
    }

    /// Returns when it has been notified since `seen` was read, or when the task is cancelled.
    package func wait(past seen: UInt64) async {
        let id = nextID()
        await withTaskCancellationHandler {
            await suspend(id, past: seen, endsWhenCancelled: true)
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
        }
    }

    /// Returns when it has been notified since `seen` was read, and not before, even if the task is cancelled.
    package func waitDespiteCancellation(past seen: UInt64) async {
        await suspend(nextID(), past: seen, endsWhenCancelled: false)
    }

    private func nextID() -> UInt64 {
        state.withLock { state in
            state.nextWaiter &+= 1
            return state.nextWaiter
        }
    }

    private func suspend(_ id: UInt64, past seen: UInt64, endsWhenCancelled: Bool) async {
        await withCheckedContinuation { continuation in
            let isDue = state.withLock { state in
                if state.count != seen || endsWhenCancelled && Task.isCancelled { return true }
                state.waiters[id] = continuation
                return false
            }
            if isDue { continuation.resume() }
        }
    }
}
