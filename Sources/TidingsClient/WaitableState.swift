// What a sending task and an event loop share: a value behind a lock, which the task may wait for.

import Synchronization

/// A value that any thread may change, and whose change one task at a time may wait for.
///
/// Whoever changes the value calls `wake` afterwards. These are two steps, so that what must be done before the task
/// goes on, such as handing over verdicts, can be done between them, without the lock.
package final class WaitableState<Value: Sendable>: Sendable {
    private struct Guarded {
        var value: Value
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let guarded: Mutex<Guarded>

    package init(_ value: Value) { guarded = Mutex(Guarded(value: value)) }

    /// Reads or changes the value.
    package func withLock<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
        guarded.withLock { body(&$0.value) }
    }

    /// Has whoever waits look at the value again.
    package func wake() {
        let waiter = guarded.withLock { guarded in
            defer { guarded.waiter = nil }
            return guarded.waiter
        }
        waiter?.resume()
    }

    /// Waits until the value is as `isDue` wants it.
    package func wait(until isDue: (Value) -> Bool) async {
        while !guarded.withLock({ isDue($0.value) }) {
            await withCheckedContinuation { continuation in
                let isWaiting = guarded.withLock { guarded in
                    if isDue(guarded.value) { return false }
                    guarded.waiter = continuation
                    return true
                }
                if !isWaiting { continuation.resume() }
            }
        }
    }
}
