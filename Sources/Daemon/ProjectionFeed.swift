// From the appender to the projector: committed blocks in memory, or, when it lags, the hint to read the log.

import Events
import Log
import Synchronization

/// A bounded queue of committed blocks. The appender offers, the projector takes; neither waits for the other.
///
/// A block that does not fit is simply not kept: it is in the log, and the projector reads it there.
final class ProjectionFeed: Sendable {
    /// Blocks held for a projector that is behind; about 46 MiB when all are full.
    private static let maxBlocks = 64

    private struct State {
        var blocks: [Block] = []
        var head = Offset.zero
        var isFinished = false
    }
    private let state: Mutex<State>
    private let offered = Nudge()

    /// - Parameter head: the offset that the log's next event will get.
    init(head: Offset) { state = Mutex(State(head: head)) }

    /// The offset after the last event that is durable.
    var head: Offset { state.withLock(\.head) }

    /// Whether there is nothing to take.
    var isEmpty: Bool { state.withLock(\.blocks.isEmpty) }

    /// Tells of a block that is durable.
    func offer(_ block: Block) {
        state.withLock { state in
            state.head = block.endOffset
            if state.blocks.count < Self.maxBlocks { state.blocks.append(block) }
        }
        offered.ring()
    }

    /// No more blocks will come; wakes the projector for its last checkpoint.
    func finish() {
        state.withLock { $0.isFinished = true }
        offered.ring()
    }

    /// What is waiting, and how far the log has come.
    func take() -> (blocks: [Block], head: Offset, isFinished: Bool) {
        state.withLock { state in
            let blocks = state.blocks
            state.blocks = []
            return (blocks, state.head, state.isFinished)
        }
    }

    /// Returns when there is something to take, at the latest after `timeout`.
    func wait(atMost timeout: Duration) async {
        let seen = offered.count
        guard state.withLock({ $0.blocks.isEmpty && !$0.isFinished }) else { return }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.offered.wait(past: seen) }
            group.addTask { try? await Task.sleep(for: timeout) }
            await group.next()
            group.cancelAll()
        }
    }
}
