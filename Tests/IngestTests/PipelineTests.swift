// When a block is begun and when it is closed, and who is told that there is room again.

import Admission
import Events
import Ingest
import Log
import Logging
import NIOCore
import NIOEmbedded
import Testing
import Transport

@Suite struct PipelineTests {
    private let station = Station()

    @Test func noBlockIsBegunWhileTheProjectorIsAwaited() {
        #expect(station.pipeline.hasRoom())
        station.isAwaited = true
        #expect(!station.pipeline.hasRoom())
        station.isAwaited = false
        #expect(station.pipeline.hasRoom())
    }

    @Test func aBlockThatIsBegunIsFilledButNotClosedWhileTheProjectorIsAwaited() {
        station.add(1_000)
        station.isAwaited = true
        #expect(station.pipeline.hasRoom(), "it is not full")
        station.add(3_000)
        #expect(!station.pipeline.hasRoom() && station.closed.isEmpty)
        station.isAwaited = false
        #expect(station.pipeline.hasRoom())
        #expect(station.closed == [4_000])
    }

    @Test func whoWaitsGoesOnWhenTheProjectorIsNear() {
        let peer = Peer()
        station.isAwaited = true
        #expect(!station.pipeline.hasRoom())
        station.pipeline.awaitRoom(peer)
        station.pipeline.projectorCaughtUp()
        #expect(peer.resumed == 0, "nothing has changed")
        station.isAwaited = false
        station.pipeline.projectorCaughtUp()
        #expect(peer.resumed == 1)
    }

    @Test func whoWaitsForAProjectorThatStandsStillGoesOnByItself() {
        let peer = Peer()
        station.isAwaited = true
        #expect(!station.pipeline.hasRoom())
        station.pipeline.awaitRoom(peer)
        station.loop.advanceTime(by: .milliseconds(99))
        #expect(peer.resumed == 0)
        station.isAwaited = false
        station.loop.advanceTime(by: .milliseconds(1))
        #expect(peer.resumed == 1)
    }
}

/// A pipeline of blocks of 4,096 events between an event loop and nothing.
private final class Station {
    let loop = EmbeddedEventLoop()
    private(set) var closed: [Int] = []
    var isAwaited = false

    private(set) lazy var pipeline: Pipeline = {
        var settings = Pipeline.Settings()
        settings.groupCommit.blockMaxEvents = 4_096
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        return Pipeline(
            vocabulary: Vocabulary(), dedupe: DedupeTable(), settings: settings, eventLoop: loop,
            events: InternalEvents(logger: logger), pool: BatchPool(), shouldWait: { [unowned self] in isAwaited },
            submit: { [unowned self] in closed.append($0.batch.count) })
    }()

    func add(_ count: Int) {
        pipeline.filling.events += Array(repeating: Event(), count: count)
    }
}

private final class Peer: CommitListener {
    private(set) var resumed = 0

    func committed(through ticket: UInt64) {}
    func resume() { resumed += 1 }
}
