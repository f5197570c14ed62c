// A counter that begins again without an epoch: stored and told, and never mistaken for a repetition.

import Admission
import Events
import Testing

@Suite struct ReusedNumberTests {
    private let minute: Int64 = 60_000

    /// Ten events a second apart.
    private func started() -> AdmittedLog {
        var log = AdmittedLog()
        for seq in 1...10 as ClosedRange<UInt64> { _ = log.admit(use(seq, at: newYear + Int64(seq) * 1_000)) }
        return log
    }

    private var newest: Int64 { newYear + 10_000 }

    @Test func aLaterTimeUnderATakenNumberIsKeptApartOnce() {
        var log = started()
        let verdicts = [
            log.admit(use(3, at: newest + minute)), log.admit(use(3, at: newest + minute)),
            log.admit(use(3, at: newest + minute + 1)), log.admit(use(4, at: newest + minute - 1)),
            log.admit(use(4, at: newYear + 4_000)), log.admit(use(4, at: newest + 2 * minute, clock: .age)),
            log.admit(use(4, at: newest + 2 * minute, clock: .arrival)), log.admit(use(11, at: newest + 1_000)),
        ]
        #expect(
            verdicts == [.reused, .duplicate, .reused, .duplicate, .duplicate, .duplicate, .duplicate, .new])
        #expect(log.events.count { $0.quarantine == .numberReused } == 2)
        #expect(log.admission.counts[0].isBalanced)
        #expect(log.folded == log.admission.dedupe)
    }

    @Test func aNumberFarBelowTheHighestIsNoLongerLostForEver() {
        var log = started()
        _ = log.admit(use(500, at: newest + 1_000))
        let verdicts = [log.admit(use(1, at: newest + 2_000)), log.admit(use(1, at: newest + 2 * minute))]
        #expect(verdicts == [.stale, .reused])
    }

    @Test func whatIsNotStoredOrNotGoodMovesNothing() {
        var log = started()
        // Kept apart, by its schema: it is stored, and its time says nothing.
        var bad = use(11, at: newest + 3 * minute)
        bad.count = 0
        _ = log.admit(bad)
        _ = log.admit(use(2, at: newest + 2 * minute))
        let third = log.admit(use(3, at: newest + minute))
        #expect(third == .reused)
        // A repetition of something good is not stored.
        _ = log.admit(use(10, at: newest + minute - 1))
        let fourth = log.admit(use(4, at: newest + minute))
        #expect(fourth == .reused)
        #expect(log.folded == log.admission.dedupe)
    }

    @Test func onlyNumbersWithoutAnEpochAndWithATimeToCompare() {
        var log = AdmittedLog()
        _ = log.admit(use(1, epoch: 1))
        _ = log.admit(use(1, of: 2, clock: .arrival))
        let verdicts = [
            log.admit(use(1, epoch: 1, at: newYear + 10 * minute)), log.admit(use(1, of: 2, at: newYear + 10 * minute)),
            log.admit(use(1, at: newYear)), log.admit(use(1, at: newYear + 10 * minute)),
        ]
        #expect(verdicts == [.duplicate, .duplicate, .new, .reused])
        // A time that nobody believes: more than a day ahead of its arrival.
        let absurd = log.admit(use(1, at: newYear + 3 * 86_400_000, arrival: newYear))
        #expect(absurd == .duplicate)
    }

    @Test func aThousandADayAndThenStale() {
        var log = started()
        let arrival = newYear + 3_600_000
        let many = (0..<1_010).map { log.admit(use(1, at: newest + minute + Int64($0), arrival: arrival)) }
        #expect(many.prefix(1_000).allSatisfy { $0 == .reused })
        #expect(many.suffix(10).allSatisfy { $0 == .stale })
        let repeated = log.admit(use(1, at: newest + minute, arrival: arrival))
        #expect(repeated == .duplicate)
        #expect(log.folded == log.admission.dedupe)
        let nextDay = log.admit(use(1, at: newest + minute + 5_000, arrival: arrival + 86_400_000))
        #expect(nextDay == .reused)
        #expect(log.admission.dedupe.restored == log.folded)
    }

    @Test func theSenderIsToldWhichOne() throws {
        var log = started()
        var batch = EventBatch()
        batch.events = [use(12, at: newest + 1_000), use(3, at: newest + 5 * minute)]
        let result = log.admission.admit(&batch, from: EventBatch.Mark(), transport: .tcpLines)
        let named = try #require(result.named.first)
        #expect((named.index, named.seq, named.verdict) == (1, 3, .quarantined(.numberReused)))
        #expect(batch.events.map(\.quarantine) == [.none, .numberReused])
    }
}
