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
    /// How long it waits for a block before it looks whether a checkpoint is due.
    private static var idle: Duration { .milliseconds(50) }

    package init(storage: Storage<Engine>, events: InternalEvents) {
        self.storage = storage
        self.events = events
    }

    package func run() async throws {
        // Whoever runs services knows none of their types, so this code is compiled for any engine: what each block
        // needs is taken out of what depends on the engine, once.
        let (log, projector, feed, pool) = (storage.log, storage.projector, storage.feed, storage.pool)
        let (stages, health, events) = (storage.stages, storage.projection, events)
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
                    await projector.apply(block)
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
