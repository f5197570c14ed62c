// When the ingest loop waits for the projector, and when it must not.

import Events
import Ingest
import Log
import Synchronization
import Testing

@Suite struct ProjectionFeedTests {
    private let now = ContinuousClock.now
    private let feed = ProjectionFeed(head: .zero)

    /// Tells of blocks that are durable, up to `end`; none holds an event, for only offsets matter here.
    private func store(upTo end: UInt64) {
        feed.offer(Block(firstOffset: Offset(rawValue: end), batch: EventBatch()))
    }

    init() { feed.projectorWorks(true) }

    @Test func oneThatCannotWriteIsNotWaitedFor() {
        store(upTo: 200_000)
        feed.projected(Offset(rawValue: 10_000), at: now)
        #expect(feed.shouldWait(at: now))
        feed.projectorWorks(false)
        #expect(!feed.shouldWait(at: now))
    }

    @Test func aProjectorThatIsNearIsNotWaitedFor() {
        feed.projected(.zero, at: now)
        store(upTo: 90_000)
        #expect(!feed.shouldWait(at: now))
    }

    @Test func oneThatLagsIsWaitedForUntilItIsNear() {
        let near = Mutex(0)
        feed.onCaughtUp { near.withLock { $0 += 1 } }
        store(upTo: 150_000)
        #expect(!feed.shouldWait(at: now), "it has not begun")
        feed.projected(Offset(rawValue: 10_000), at: now)
        #expect(feed.shouldWait(at: now))
        #expect(feed.shouldWait(at: now + .milliseconds(400)))
        feed.projected(Offset(rawValue: 100_000), at: now + .milliseconds(450))
        #expect(feed.shouldWait(at: now + .milliseconds(900)), "it would not be asked to wait by now, but it is")
        #expect(near.withLock { $0 } == 0)
        feed.projected(Offset(rawValue: 140_000), at: now + .milliseconds(900))
        #expect(near.withLock { $0 } == 1)
        #expect(!feed.shouldWait(at: now + .milliseconds(900)))
        store(upTo: 200_000)
        #expect(!feed.shouldWait(at: now + .milliseconds(900)), "it is a little behind once more")
    }

    @Test func oneThatStandsStillIsNotWaitedFor() {
        store(upTo: 200_000)
        feed.projected(Offset(rawValue: 10_000), at: now)
        #expect(feed.shouldWait(at: now))
        #expect(!feed.shouldWait(at: now + .milliseconds(500)))
    }

    @Test func oneThatReadsALongLogIsNotWaitedFor() {
        store(upTo: 100_000_000)
        feed.projected(Offset(rawValue: 10_000), at: now)
        #expect(!feed.shouldWait(at: now))
    }

    @Test func whatIsHeldIsBoundedByBlocksAndByEvents() {
        let small = Block(firstOffset: .zero, batch: EventBatch())
        for _ in 0..<100 { feed.offer(small) }
        #expect(feed.take().blocks.count == 64)
        var batch = EventBatch()
        batch.events = Array(repeating: Event(), count: Limits.blockEvents)
        let large = Block(firstOffset: .zero, batch: batch)
        for _ in 0..<100 { feed.offer(large) }
        #expect(feed.take().blocks.count == 32)
    }

    @Test func whatWasReadElsewhereIsLetGo() {
        for end in [10_000, 20_000, 30_000] as [UInt64] { store(upTo: end) }
        feed.projected(Offset(rawValue: 20_000), at: now)
        #expect(feed.take().blocks.map(\.firstOffset.rawValue) == [30_000])
    }
}
