// A cursor that walks along the log and waits at its head.

package import Events

/// How a follower learns that the log has grown.
package enum Wakeup: Sendable {
    /// The appender in this process notifies.
    case signal(Signal)
    /// Another process writes: ask for the head this often.
    case poll(every: Duration)
}

/// A cursor over a log: returns the blocks after it, in order, each once.
///
/// A plain value, used by one task at a time.
package struct Follower: Sendable {
    private let log: any EventLog
    private let wakeup: Wakeup
    /// The offset of the next event to be returned.
    package private(set) var position: Offset

    package init(_ log: any EventLog, from position: Offset, wakeup: Wakeup) {
        self.log = log
        self.position = position
        self.wakeup = wakeup
    }

    /// The next blocks, at most `limit`; waits at the head. Empty only when the task was cancelled.
    ///
    /// When the position lies within a block, that block's earlier events are cut off. A damaged block throws
    /// `LogError.corrupt`; `skip(to:)` its end to go on.
    package mutating func next(limit: Int) async throws(LogError) -> [Block] {
        while !Task.isCancelled {
            let seen: UInt64 = if case .signal(let signal) = wakeup { signal.count } else { 0 }
            let blocks = try await nextAvailable(limit: limit)
            if !blocks.isEmpty { return blocks }
            switch wakeup {
            case .signal(let signal): await signal.wait(past: seen)
            case .poll(let interval): do { try await Task.sleep(for: interval) } catch { return [] }
            }
        }
        return []
    }

    /// As `next`, but returns no blocks at the head instead of waiting.
    package mutating func nextAvailable(limit: Int) async throws(LogError) -> [Block] {
        var blocks = try await log.read(from: position, limit: limit)
        if let first = blocks.first, first.firstOffset < position {
            blocks[0].batch.events.removeFirst(Int(position.rawValue - first.firstOffset.rawValue))
            blocks[0].firstOffset = position
        }
        if let last = blocks.last { position = last.endOffset }
        return blocks
    }

    /// Goes on at another offset, as after damage.
    package mutating func skip(to offset: Offset) { position = offset }
}
