// The messages that come down to a device, each given on once.

package import Events
import Synchronization

/// Keeps the ids of the last messages, so that one that comes again is not given on again.
package final class MessageInbox: Sendable {
    /// How many ids are kept; the daemon has no more than a few messages under way to a device.
    package static let idsKept = 16
    /// Messages that wait for whoever takes them; the daemon is not told that it has brought another one.
    package static let limit = 64

    package let messages: AsyncStream<TidingsMessage>
    private let input: AsyncStream<TidingsMessage>.Continuation
    /// The oldest first.
    private let known = Mutex<[MessageID]>([])

    package init() {
        (messages, input) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.limit))
    }

    /// Takes a message.
    ///
    /// - Returns: its id, if it is here now: the daemon is to be told. Nil when it cannot be read, or there is no room.
    package func take(_ json: Span<UInt8>) -> MessageID? {
        guard let message = TidingsMessage(json), let id = message.number else { return nil }
        return known.withLock { known in
            if known.contains(id) { return id }
            guard case .enqueued = input.yield(message) else { return nil }
            known.append(id)
            if known.count > Self.idsKept { known.removeFirst() }
            return id
        }
    }

    /// No more come.
    package func finish() { input.finish() }
}
