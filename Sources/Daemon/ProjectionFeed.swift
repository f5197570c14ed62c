// From the appender to the projector: committed blocks in memory, or, when it lags, the hint to read the log.

import Events
import Log
import Synchronization

/// A bounded queue of committed blocks. The appender offers, the projector takes; neither waits for the other.
///
/// A block that does not fit is simply not kept: it is in the log, and the projector reads it there.
final class ProjectionFeed: Sendable {
    /// Blocks held for a projector that is behind; about 40 MiB when all are full.
    private static let maxBlocks = 64

    private struct State {
        var blocks: [Block] = []
        var head = Offset.zero
        var isFinished = false
        var waiter: CheckedContinuation<Void, Never>?
    }
    private let state: Mutex<State>

    /// - Parameter head: the offset that the log's next event will get.
    init(head: Offset) { state = Mutex(State(head: head)) }

    /// The offset after the last event that is durable.
    var head: Offset { state.withLock(\.head) }

    /// Whether there is nothing to take.
    var isEmpty: Bool { state.withLock(\.blocks.isEmpty) }

    /// Tells of a block that is durable.
    func offer(_ block: Block) {
        wake { state in
            state.head = block.endOffset
            if state.blocks.count < Self.maxBlocks { state.blocks.append(block) }
        }
    }

    /// No more blocks will come; wakes the projector for its last checkpoint.
    func finish() { wake { $0.isFinished = true } }

    /// Wakes the projector, as when a checkpoint was asked for.
    func wake() { wake { _ in } }

    /// What is waiting, and how far the log has come.
    func take() -> (blocks: [Block], head: Offset, isFinished: Bool) {
        state.withLock { state in
            let blocks = state.blocks
            state.blocks.removeAll(keepingCapacity: true)
            return (blocks, state.head, state.isFinished)
        }
    }

    /// Returns when something may have changed, at the latest after `timeout`.
    func wait(atMost timeout: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.waitForWake() }
            group.addTask { try? await Task.sleep(for: timeout) }
            await group.next()
            group.cancelAll()
        }
    }

    private func waitForWake() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    guard state.blocks.isEmpty, !state.isFinished, !Task.isCancelled else { return true }
                    state.waiter = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            wake { _ in }
        }
    }

    private func wake(_ change: (inout sending State) -> Void) {
        let waiter = state.withLock { state in
            change(&state)
            let waiter = state.waiter
            state.waiter = nil
            return waiter
        }
        waiter?.resume()
    }
}
