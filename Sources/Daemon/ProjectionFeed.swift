// From the appender to the projector: committed blocks in memory, or, when it lags, the hint to read the log.

package import Events
package import Log
import Synchronization

/// A bounded queue of committed blocks. The appender offers, the projector takes.
///
/// A block that does not fit is simply not kept: it is in the log, and the projector reads it there. But to read it
/// costs half as much as to fold it, and the summaries would be late for as long as the load lasts. So the ingest loop
/// takes no more once the projector is a little behind, until it is near again (`isWorthWaiting`). One that is not seen
/// to come nearer, be it that the disk of the summaries fails or that it reads a long log after a kill, is not waited
/// for.
///
/// Between "behind" and "near" lie some blocks, so that on one core each side works for some ten milliseconds before
/// the other one has its turn: folding and decoding each have megabytes of tables, and with every turn fetch them anew.
package final class ProjectionFeed: Sendable {
    /// What is held for a projector that is behind: so many blocks, and no more when they have so many events, which
    /// are about 46 MiB.
    private static let (maxBlocks, maxEvents) = (64, 32 * Limits.blockEvents)
    /// A projector that is more events behind than the second of these is waited for until it is no further behind than
    /// the first; one that is hopelessly behind is not.
    private static let (nearEvents, toleratedEvents, hopelessEvents) =
        (UInt64(Limits.blockEvents), 6 * UInt64(Limits.blockEvents), 4_000_000 as UInt64)
    /// A projector that has come no nearer for so long is not waited for.
    private static let patience = Duration.milliseconds(500)

    private struct State {
        var blocks: [Block] = []
        var head = Offset.zero
        var isFinished = false
        /// How far the projector is, and when it said so.
        var projected = Offset.zero
        var nearer: ContinuousClock.Instant?
        /// Whether the last attempt to write the summaries went well.
        var isWorking = false
        /// Whether somebody was told to wait.
        var isAwaited = false
        var whenNear: (@Sendable () -> Void)?

        var hasRoom: Bool {
            blocks.count < ProjectionFeed.maxBlocks
                && blocks.reduce(0) { $0 + $1.count } < ProjectionFeed.maxEvents
        }
        var eventsBehind: UInt64 { head.rawValue &- projected.rawValue }
        var isNear: Bool { eventsBehind <= ProjectionFeed.nearEvents }
        var isTooFar: Bool {
            let least = isAwaited ? ProjectionFeed.nearEvents + 1 : ProjectionFeed.toleratedEvents
            return (least...ProjectionFeed.hopelessEvents).contains(eventsBehind)
        }
    }
    private let state: Mutex<State>
    private let offered = Signal()

    /// - Parameter head: the offset that the log's next event will get.
    package init(head: Offset) { state = Mutex(State(head: head)) }

    /// Whether the ingest loop had better wait for the projector. When it need no longer, `whenNear` is called; when it
    /// need not for another reason, nothing is: who waits must ask again.
    package func isWorthWaiting(at now: @autoclosure () -> ContinuousClock.Instant = .now) -> Bool {
        state.withLock { state in
            guard state.isTooFar, state.isWorking, let nearer = state.nearer else { return false }
            state.isAwaited = nearer.duration(to: now()) < Self.patience
            return state.isAwaited
        }
    }

    /// Has `action` called when a projector that was waited for is near again. On the projector's thread; must not
    /// block.
    package func whenNear(_ action: @escaping @Sendable () -> Void) { state.withLock { $0.whenNear = action } }

    /// Whether the projector can write the summaries; one that cannot is not waited for.
    package func projectorWorks(_ isWorking: Bool) { state.withLock { $0.isWorking = isWorking } }

    /// The projector has folded everything before `offset`.
    package func projected(_ offset: Offset, at now: ContinuousClock.Instant = .now) {
        let near = state.withLock { state in
            (state.projected, state.nearer) = (offset, now)
            let passed = state.blocks.prefix { $0.endOffset <= offset }.count
            state.blocks.removeFirst(passed)
            guard state.isAwaited, state.isNear else { return nil as (@Sendable () -> Void)? }
            state.isAwaited = false
            return state.whenNear
        }
        near?()
    }

    /// The offset after the last event that is durable.
    var head: Offset { state.withLock(\.head) }

    /// Whether there is nothing to take.
    var isEmpty: Bool { state.withLock(\.blocks.isEmpty) }

    /// Tells of a block that is durable.
    package func offer(_ block: Block) {
        state.withLock { state in
            state.head = block.endOffset
            if state.hasRoom { state.blocks.append(block) }
        }
        offered.notify()
    }

    /// No more blocks will come; wakes the projector for its last checkpoint.
    func finish() {
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
