// The one writer: takes closed blocks in order, stores each, and says so only when it is durable.

package import Events
import Synchronization

/// A block that waits to be stored.
package struct PendingBlock: Sendable {
    /// Counts up; named again when the block is durable.
    package var ticket: UInt64
    package var batch: EventBatch
    /// Names first used by this batch.
    package var definitions: Definitions

    package init(ticket: UInt64, batch: EventBatch, definitions: Definitions) {
        self.ticket = ticket
        self.batch = batch
        self.definitions = definitions
    }
}

/// What became of a block.
package enum AppendOutcome: Sendable {
    /// Durable; the offset of its first event.
    case stored(PendingBlock, at: Offset)
    /// Not stored; the same block is tried again after a pause. Nothing is acknowledged meanwhile.
    case failed(LogError)
}

/// Stores blocks one after another, on the log's own thread. While one is compressed and committed, the ingest loop
/// fills the next.
///
/// Any thread. Between the loop that closes a block and the thread that commits it there is no task that would have to
/// be woken: on an idle machine each such step is a good part of the time that an acknowledgement takes.
package final class Appender<Log: EventLog>: Sendable {
    package typealias Report = @Sendable (AppendOutcome) -> Void

    private struct State {
        /// In order; the first one is being stored if `isStoring`.
        var waiting: [PendingBlock] = []
        var isStoring = false
        /// The first one could not be stored, and waits for its next try.
        var hasFailed = false
        var isFinished = false
        var isCancelled = false
        /// Nothing is stored before there is somebody to tell.
        var report: Report?

        /// The block to be stored now, if there is one.
        mutating func next() -> PendingBlock? {
            guard report != nil, !isStoring, !hasFailed, let first = waiting.first else { return nil }
            isStoring = true
            return first
        }

        /// What `run` has to do; nil when it has to wait.
        var duty: Duty? {
            if isStoring { return nil }
            if hasFailed { return .tryAgain }
            return isCancelled || isFinished && waiting.isEmpty ? .end : nil
        }
    }

    private enum Duty { case tryAgain, end }

    private let log: Log
    /// How long it waits before a failed block is tried again.
    private let retryDelay: Duration
    private let state = Mutex(State())
    /// Notified when `run` has something to do.
    private let signal = Signal()

    package init(_ log: Log, retryDelay: Duration = .milliseconds(500)) {
        self.log = log
        self.retryDelay = retryDelay
    }

    /// Takes a block; the caller bounds how many there are. Returns at once.
    package func submit(_ block: PendingBlock) { go { $0.waiting.append(block) } }

    /// No more blocks will come: `run` returns when the last of them is stored.
    package func finish() { go { $0.isFinished = true } }

    /// Begins to store, and tries again what has failed. Returns when all is stored after `finish`; when the task is
    /// cancelled, as soon as no block is being stored.
    ///
    /// - Parameter report: called for every outcome, in order, on the log's thread; must not block.
    package func run(report: @escaping Report) async {
        go { $0.report = report }
        await withTaskCancellationHandler {
            while case .tryAgain = await duty() {
                do { try await Task.sleep(for: retryDelay) } catch { break }
                go { $0.hasFailed = false }
            }
        } onCancel: {
            go { $0.isCancelled = true }
        }
        state.withLock { $0.report = nil }
    }

    private func duty() async -> Duty {
        while true {
            let seen = signal.count
            if let duty = state.withLock({ $0.duty }) { return duty }
            // A block that is being stored is waited for: its outcome must be told.
            await signal.waitDespiteCancellation(past: seen)
        }
    }

    /// Changes the state, and does what follows from it: the next block is stored, or `run` goes on.
    private func go(_ change: (inout State) -> Void) {
        let (next, hasDuty) = state.withLock { state in
            change(&state)
            return (state.next(), state.duty != nil)
        }
        if hasDuty { signal.notify() }
        if let next { store(next) }
    }

    private func store(_ block: PendingBlock) {
        log.append(block.batch, defining: block.definitions) { [self] result in
            let report = state.withLock { state in
                if case .success = result { state.waiting.removeFirst() }
                return state.report
            }
            // Still counted as being stored, so that the next outcome cannot overtake this one.
            switch result {
            case .success(let offset): report?(.stored(block, at: offset))
            case .failure(let error): report?(.failed(error))
            }
            go { state in
                state.isStoring = false
                if case .failure = result { state.hasFailed = true }
            }
        }
    }
}
