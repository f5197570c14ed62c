// The one place where the daemon asks what time it is.

package import Events
import Foundation

/// The wall clock, milliseconds since 1970 (UTC).
package func wallClock() -> Timestamp {
    Timestamp(rawValue: Int64(Date.now.timeIntervalSince1970 * 1_000))
}
