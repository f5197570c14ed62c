// How long a connection is waited for, on a clock that the test turns.

import NIOCore
import Testing
import Transport

@Suite struct PatienceTests {
    private let settings: TransportSettings = {
        var settings = TransportSettings()
        settings.firstByteTimeoutSeconds = 10
        settings.frameTimeoutSeconds = 20
        settings.idleTimeoutSeconds = 100
        return settings
    }()

    private func at(_ seconds: Int64) -> NIODeadline { .uptimeNanoseconds(0) + .seconds(1_000 + seconds) }

    private func verdict(_ patience: Patience, _ seconds: Int64, awaitsAck: Bool = false) -> Patience.Verdict? {
        patience.verdict(at: at(seconds), settings, awaitsAck: awaitsAck)
    }

    @Test func theFirstByteMustComeSoon() {
        var patience = Patience(since: at(0))
        #expect(verdict(patience, 10) == nil)
        #expect(verdict(patience, 11) == .noFirstByte)
        patience.heard(at: at(5))
        patience.dealt(consumed: 20, rest: 0, at: at(5))
        #expect(verdict(patience, 105) == nil)
        #expect(verdict(patience, 106) == .idle)
        #expect(verdict(patience, 106, awaitsAck: true) == nil)
    }

    @Test func oneByteNowAndThenDoesNotMakeAUnitLonger() {
        var patience = Patience(since: at(0))
        for now in 1...21 as ClosedRange<Int64> {
            patience.heard(at: at(now))
            patience.dealt(consumed: 0, rest: Int(now), at: at(now))
            #expect(verdict(patience, now) == nil)
        }
        #expect(verdict(patience, 22) == .unfinished)
        #expect(verdict(patience, 22, awaitsAck: true) == .unfinished)
    }

    @Test func aStreamThatNeverEndsOnABoundaryIsNotSlow() {
        var patience = Patience(since: at(0))
        for now in 1...200 as ClosedRange<Int64> {
            patience.heard(at: at(now))
            patience.dealt(consumed: 1, rest: 5, at: at(now))
            #expect(verdict(patience, now) == nil)
        }
    }

    @Test func timeInWhichThePeerWasNotReadDoesNotCount() {
        var patience = Patience(since: at(0))
        patience.heard(at: at(1))
        patience.dealt(consumed: 0, rest: 5, at: at(1))
        patience.resumed(at: at(500))
        #expect(verdict(patience, 520) == nil)
        #expect(verdict(patience, 521) == .unfinished)
        patience.dealt(consumed: 5, rest: 0, at: at(521))
        #expect(verdict(patience, 521) == nil)
    }
}
