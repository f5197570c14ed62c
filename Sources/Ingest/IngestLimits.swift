// The bounds between the sockets and the log, and behind it. When one is hit, sockets are not read.

import Events

enum IngestLimits {
    /// Blocks closed and not yet durable.
    static let blocksInFlight = 8
    /// A block with fewer events than this is followed by one that is closed at once: the load is light.
    static let lightBlockEvents = 64
    /// How long a block may fill under load, nanoseconds: the default of `log.block_max_delay_ms`.
    static let blockDelay: UInt64 = 5_000_000

    /// Blocks that are kept in memory for a projector that is behind, and the events in them, about 46 MiB. What does
    /// not fit is read from the log.
    static let feedBlocks = 64
    static let feedEvents = 32 * Limits.blockEvents
    /// A projector that is more events behind than the high watermark is waited for until it is at the low watermark.
    static let lowWatermarkEvents = UInt64(Limits.blockEvents)
    static let highWatermarkEvents = 6 * UInt64(Limits.blockEvents)
    /// One that is more than this behind is not waited for: it reads a long log, and that takes its time.
    static let giveUpEvents: UInt64 = 4_000_000
    /// One that has made no progress for so long is not waited for.
    static let stallTimeout: Duration = .milliseconds(500)

    /// Batches that are kept to be used again, and the largest arena of texts that one of them may have.
    static let pooledBatches = 16
    static let pooledTextBytes = 256 * 1_024
}
