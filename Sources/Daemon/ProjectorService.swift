// Keeps the summaries up with what is stored.

import Events
package import Ingest
package import Log
import Projection
import ServiceLifecycle

/// Folds committed blocks and writes checkpoints, until the feed ends.
package struct ProjectorService<Engine: EventLog>: NamedService {
    package static var name: StaticString { "ProjectorService" }
    private let storage: Storage<Engine>
    private let events: InternalEvents
    private let outbox: OutboxQueue
    /// How long it waits for a block before it looks whether a checkpoint is due.
    private static var idle: Duration { .milliseconds(50) }

    /// - Parameter outbox: is told of devices that have answered to messages.
    package init(storage: Storage<Engine>, events: InternalEvents, outbox: OutboxQueue = OutboxQueue()) {
        self.storage = storage
        self.events = events
        self.outbox = outbox
    }

    package func run() async throws {
        // Whoever runs services knows none of their types, so this code is compiled for any engine: what each block
        // needs is taken out of what depends on the engine, once.
        let (log, projector, feed, pool) = (storage.log, storage.projector, storage.feed, storage.pool)
        let (stages, health, events, outbox) = (storage.stages, storage.projection, events, outbox)
        try await projector.load()
        while !Task.isCancelled {
            var (blocks, head, isFinished) = feed.take()
            let isIdle = blocks.isEmpty
            // The last one is the first to go, so that nothing but the pool refers to a block once it is folded.
            blocks.reverse()
            do {
                while let block = blocks.popLast() {
                    if block.firstOffset > (await projector.offset) { break }
                    let start = ContinuousClock.now
                    let heard = await projector.apply(block)
                    if !heard.isEmpty { outbox.heard(heard) }
                    stages.add("project", since: start)
                    feed.projected(block.endOffset)
                    pool.give(block.batch)
                    try await projector.checkpointIfDue(at: .now, isBusy: true)
                }
                if await projector.offset < head, feed.isEmpty {
                    try await projector.catchUp(
                        with: log, progress: { feed.projected($0) }, damaged: { events.damaged($0) })
                }
                try await projector.checkpointIfDue(at: .now, isBusy: !feed.isEmpty)
                feed.projectorWorks(true)
                if health.worked(await projector.checkpointOffset) { events.projectionRecovered() }
            } catch {
                feed.projectorWorks(false)
                health.failed("\(error)", at: await projector.offset)
                events.projectionFailed("\(error)")
                try await Task.sleep(for: .seconds(1))
            }
            if isFinished, await projector.offset >= head { break }
            if isIdle { await feed.wait(atMost: Self.idle) }
        }
        do { try await projector.stop() } catch { events.projectionFailed("\(error)") }
        try await gracefulShutdown()
    }
}
