// One value that several threads read and a reload replaces.

import Synchronization

/// A value that is only ever replaced as a whole.
package final class Replaceable<Value: Sendable>: Sendable {
    private let stored: Mutex<Value>

    package init(_ value: Value) { stored = Mutex(value) }

    package var value: Value {
        get { stored.withLock { $0 } }
        set { stored.withLock { $0 = newValue } }
    }
}
