// How long a connection is waited for, on a clock that the test turns.

import NIOCore
import Testing
import Transport

@Suite struct ConnectionTimeoutsTests {
    private let settings: TransportSettings = {
        var settings = TransportSettings()
        settings.firstByteTimeoutSeconds = 10
        settings.frameTimeoutSeconds = 20
        settings.idleTimeoutSeconds = 100
        return settings
    }()

    private func at(_ seconds: Int64) -> NIODeadline { .uptimeNanoseconds(0) + .seconds(1_000 + seconds) }

    private func expired(_ timeouts: ConnectionTimeouts, _ seconds: Int64, awaitsAck: Bool = false)
        -> ConnectionExpiry?
    {
        timeouts.expired(at: at(seconds), settings, awaitsAck: awaitsAck)
    }

    @Test func theFirstByteMustComeSoon() {
        var timeouts = ConnectionTimeouts(since: at(0))
        #expect(expired(timeouts, 10) == nil)
        #expect(expired(timeouts, 11) == .noFirstByte)
        timeouts.received(at: at(5))
        timeouts.processed(consumed: 20, rest: 0, at: at(5))
        #expect(expired(timeouts, 105) == nil)
        #expect(expired(timeouts, 106) == .idle)
        #expect(expired(timeouts, 106, awaitsAck: true) == nil)
    }

    @Test func oneByteNowAndThenDoesNotMakeAUnitLonger() {
        var timeouts = ConnectionTimeouts(since: at(0))
        for now in 1...21 as ClosedRange<Int64> {
            timeouts.received(at: at(now))
            timeouts.processed(consumed: 0, rest: Int(now), at: at(now))
            #expect(expired(timeouts, now) == nil)
        }
        #expect(expired(timeouts, 22) == .unfinished)
        #expect(expired(timeouts, 22, awaitsAck: true) == .unfinished)
    }

    @Test func aStreamThatNeverEndsOnABoundaryIsNotSlow() {
        var timeouts = ConnectionTimeouts(since: at(0))
        for now in 1...200 as ClosedRange<Int64> {
            timeouts.received(at: at(now))
            timeouts.processed(consumed: 1, rest: 5, at: at(now))
            #expect(expired(timeouts, now) == nil)
        }
    }

    @Test func timeInWhichThePeerWasNotReadDoesNotCount() {
        var timeouts = ConnectionTimeouts(since: at(0))
        timeouts.received(at: at(1))
        timeouts.processed(consumed: 0, rest: 5, at: at(1))
        timeouts.resumed(at: at(500))
        #expect(expired(timeouts, 520) == nil)
        #expect(expired(timeouts, 521) == .unfinished)
        timeouts.processed(consumed: 5, rest: 0, at: at(521))
        #expect(expired(timeouts, 521) == nil)
    }
}
