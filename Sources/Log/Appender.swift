// The one writer: takes closed blocks in order, stores each, and says so only when it is durable.

package import Events

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

/// Stores blocks one after another. While one is compressed and committed, the ingest loop fills the next.
package struct Appender<Log: EventLog>: Sendable {
    private let log: Log
    /// How long it waits before a failed block is tried again.
    private let retryDelay: Duration

    package init(_ log: Log, retryDelay: Duration = .milliseconds(500)) {
        self.log = log
        self.retryDelay = retryDelay
    }

    /// Runs until `blocks` ends and the last of them is stored, or until the task is cancelled while the log fails.
    ///
    /// - Parameter report: called for every outcome, in order, from this task; must not block.
    package func run(
        _ blocks: some AsyncSequence<PendingBlock, Never> & Sendable, report: @Sendable (AppendOutcome) async -> Void
    ) async {
        for await block in blocks {
            while true {
                do {
                    let offset = try await log.append(block.batch, defining: block.definitions)
                    await report(.stored(block, at: offset))
                    break
                } catch {
                    await report(.failed(error))
                    do { try await Task.sleep(for: retryDelay) } catch { return }
                }
            }
        }
    }
}
