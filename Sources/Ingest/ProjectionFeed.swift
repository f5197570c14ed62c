// From the appender to the projector: committed blocks in memory, or, when it lags, the hint to read the log.

package import Events
package import Log
import Synchronization

/// A bounded queue of committed blocks. The appender offers, the projector takes.
///
/// A block that does not fit is simply not kept: it is in the log, and the projector reads it there. But to read it
/// costs half as much as to fold it, and the summaries would be late for as long as the load lasts. So the ingest loop
/// takes no more once the projector is more than the high watermark behind, until it is down to the low watermark
/// (`shouldWait`). One that makes no progress, be it that the disk of the summaries fails or that it reads a long log
/// after a kill, is not waited for.
///
/// Between the two watermarks lie some blocks, so that on one core each side works for some ten milliseconds before
/// the other one has its turn: folding and decoding each have megabytes of tables, and with every turn fetch them anew.
package final class ProjectionFeed: Sendable {
    private struct State {
        var blocks: [Block] = []
        var head = Offset.zero
        var isFinished = false
        /// How far the projector is, and when it said so.
        var projected = Offset.zero
        var lastProgress: ContinuousClock.Instant?
        /// Whether the last attempt to write the summaries went well.
        var isWorking = false
        /// Whether somebody was told to wait.
        var isAwaited = false
        var onCaughtUp: (@Sendable () -> Void)?

        var hasRoom: Bool {
            blocks.count < IngestLimits.feedBlocks
                && blocks.reduce(0) { $0 + $1.count } < IngestLimits.feedEvents
        }
        var eventsBehind: UInt64 { head.rawValue &- projected.rawValue }
        var isCaughtUp: Bool { eventsBehind <= IngestLimits.lowWatermarkEvents }
        var isTooFarBehind: Bool {
            let least = isAwaited ? IngestLimits.lowWatermarkEvents + 1 : IngestLimits.highWatermarkEvents
            return (least...IngestLimits.giveUpEvents).contains(eventsBehind)
        }
    }
    private let state: Mutex<State>
    private let offered = Signal()

    /// - Parameter head: the offset that the log's next event will get.
    package init(head: Offset) { state = Mutex(State(head: head)) }

    /// Whether the ingest loop had better wait for the projector. When the projector has caught up, `onCaughtUp` is
    /// called; when waiting ends for another reason, nothing is: who waits must ask again.
    package func shouldWait(at now: @autoclosure () -> ContinuousClock.Instant = .now) -> Bool {
        state.withLock { state in
            guard state.isTooFarBehind, state.isWorking, let lastProgress = state.lastProgress else { return false }
            state.isAwaited = lastProgress.duration(to: now()) < IngestLimits.stallTimeout
            return state.isAwaited
        }
    }

    /// Has `action` called when a projector that was waited for has caught up. On the projector's thread; must not
    /// block.
    package func onCaughtUp(_ action: @escaping @Sendable () -> Void) { state.withLock { $0.onCaughtUp = action } }

    /// Whether the projector can write the summaries; one that cannot is not waited for.
    package func projectorWorks(_ isWorking: Bool) { state.withLock { $0.isWorking = isWorking } }

    /// The projector has folded everything before `offset`.
    package func projected(_ offset: Offset, at now: ContinuousClock.Instant = .now) {
        let caughtUp = state.withLock { state in
            (state.projected, state.lastProgress) = (offset, now)
            let passed = state.blocks.prefix { $0.endOffset <= offset }.count
            state.blocks.removeFirst(passed)
            guard state.isAwaited, state.isCaughtUp else { return nil as (@Sendable () -> Void)? }
            state.isAwaited = false
            return state.onCaughtUp
        }
        caughtUp?()
    }

    /// The offset after the last event that is durable.
    package var head: Offset { state.withLock(\.head) }

    /// Whether there is nothing to take.
    package var isEmpty: Bool { state.withLock(\.blocks.isEmpty) }

    /// Tells of a block that is durable.
    package func offer(_ block: Block) {
        state.withLock { state in
            state.head = block.endOffset
            if state.hasRoom { state.blocks.append(block) }
        }
        offered.notify()
    }

    /// No more blocks will come; wakes the projector for its last checkpoint.
    package func finish() {
        state.withLock { $0.isFinished = true }
        offered.notify()
    }

    /// What is waiting, and how far the log has come.
    package func take() -> (blocks: [Block], head: Offset, isFinished: Bool) {
        state.withLock { state in
            let blocks = state.blocks
            state.blocks = []
            return (blocks, state.head, state.isFinished)
        }
    }

    /// Returns when there is something to take, at the latest after `timeout`.
    package func wait(atMost timeout: Duration) async {
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
