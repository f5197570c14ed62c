// How long a client over HTTP is waited for, on a clock that the test turns.

import NIOCore
import Testing
import Transport

@Suite struct HTTPTimeoutsTests {
    private let settings = TransportSettings()

    private func at(_ seconds: Int64) -> NIODeadline { .uptimeNanoseconds(0) + .seconds(1_000 + seconds) }

    private func expired(_ timeouts: HTTPTimeouts, _ seconds: Int64, awaitsAnswer: Bool = false)
        -> ConnectionExpiry?
    {
        timeouts.expired(at: at(seconds), settings, awaitsAnswer: awaitsAnswer)
    }

    @Test func theFirstByteMustComeSoon() {
        let timeouts = HTTPTimeouts(since: at(0))
        #expect(expired(timeouts, 10) == nil)
        #expect(expired(timeouts, 11) == .noFirstByte)
    }

    @Test func aHeadMayNotDrip() {
        var timeouts = HTTPTimeouts(since: at(0))
        for now in 1...11 as ClosedRange<Int64> {
            timeouts.receivedOfHead(at: at(now))
            #expect(expired(timeouts, now) == nil)
        }
        #expect(expired(timeouts, 12) == .unfinished)
        #expect(expired(timeouts, 12, awaitsAnswer: true) == .unfinished, "an answer to another request is no excuse")
    }

    @Test func aBodyMustKeepItsPace() {
        var timeouts = HTTPTimeouts(since: at(0))
        timeouts.begins(at: at(0))
        timeouts.received(20 * 1_024)
        #expect(expired(timeouts, 30) == nil)
        #expect(expired(timeouts, 31) == .unfinished)
        timeouts.received(1_024)
        #expect(expired(timeouts, 31) == nil)
        var dripping = HTTPTimeouts(since: at(0))
        dripping.begins(at: at(0))
        for _ in 0...10 { dripping.received(10) }
        #expect(expired(dripping, 11) == .unfinished)
    }

    @Test func betweenRequestsAMinuteIsEnough() {
        var timeouts = HTTPTimeouts(since: at(0))
        timeouts.begins(at: at(1))
        timeouts.rests(at: at(2))
        #expect(expired(timeouts, 500, awaitsAnswer: true) == nil)
        timeouts.answered(at: at(500))
        #expect(expired(timeouts, 560) == nil)
        #expect(expired(timeouts, 561) == .idle)
    }

    @Test func timeInWhichTheClientWasNotReadDoesNotCount() {
        var timeouts = HTTPTimeouts(since: at(0))
        timeouts.begins(at: at(0))
        timeouts.pauses(at: at(5))
        #expect(expired(timeouts, 500) == nil)
        timeouts.resumes(at: at(500))
        #expect(expired(timeouts, 505) == nil)
        #expect(expired(timeouts, 506) == .unfinished)
    }
}
