// Buffers of blocks, used again: from the projector back to the ingest loop.

package import Events
import Synchronization

/// Batches whose events have been folded.
///
/// A batch is a megabyte or more. Were each a new one, the kernel would clear as many pages for every block, which
/// costs more than reading its events. A batch that somebody else still refers to is simply not used again: emptying
/// it gives it a new buffer.
package final class BatchPool: Sendable {
    private let batches = Mutex<[EventBatch]>([])

    package init() {}

    /// A batch with nothing in it, and room for so many events.
    package func take(capacity: Int) -> EventBatch {
        guard var batch = batches.withLock({ $0.popLast() }) else { return EventBatch(capacity: capacity) }
        batch.removeAll()
        return batch
    }

    /// Takes back a batch that nobody reads any more.
    package func give(_ batch: EventBatch) {
        guard batch.text.capacity <= IngestLimits.pooledTextBytes else { return }
        batches.withLock { batches in
            if batches.count < IngestLimits.pooledBatches { batches.append(batch) }
        }
    }
}
