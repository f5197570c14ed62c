// Many epochs of one device: each with its window, the oldest ones by their number alone.

import Admission
import Events
import Testing
import TidingsTesting

@Suite struct EpochTests {
    private let device = DeviceID(rawValue: 1)

    @Test func thirtyTwoEpochsAreRememberedInWhateverOrderTheyCome() {
        var table = DedupeTable()
        let epochs = (0..<32).map { UInt32($0 * 7_919 % 97) }
        for seq in 1...5 as ClosedRange<UInt64> {
            for epoch in epochs {
                let got = table.admit(device, epoch: epoch, seq: seq)
                #expect(got == .new)
            }
        }
        for epoch in epochs.reversed() {
            let got = table.admit(device, epoch: epoch, seq: 3)
            #expect(got == .duplicate)
            #expect(table.window(of: device, epoch: epoch)?.contiguous == 5)
        }
    }

    @Test func theEpochThatWasSilentLongestGoes() {
        var log = AdmittedLog()
        for epoch in 1...32 as ClosedRange<UInt32> { _ = log.admit(use(1, epoch: epoch)) }
        // Heard again; a repetition, which is not in the log, is not.
        _ = log.admit(use(2, epoch: 1))
        _ = log.admit(use(1, epoch: 2))
        _ = log.admit(use(1, epoch: 33))
        #expect(log.admission.dedupe.window(of: device, epoch: 1) != nil)
        #expect(log.admission.dedupe.window(of: device, epoch: 2) == nil)
        let verdicts = [log.admit(use(2, epoch: 1)), log.admit(use(1, epoch: 2)), log.admit(use(99, epoch: 2))]
        #expect(verdicts == [.duplicate, .stale, .stale])
        #expect(log.folded == log.admission.dedupe)
    }

    @Test func twoHundredEpochsSentTwiceDoubleNothing() {
        var admission = Admission()
        var stored = 0
        var told = 0
        var stale = 0
        for _ in 0..<2 {
            for epoch in 1...200 as ClosedRange<UInt32> {
                var batch = EventBatch()
                batch.events = (1...20).map { use($0, epoch: epoch) }
                let result = admission.admit(&batch, from: EventBatch.Mark(), transport: .tcp)
                stored += batch.count
                stale += result.stale
                told += result.named.count { $0.verdict == .stale }
            }
        }
        #expect(stored == 200 * 20)
        #expect(stale == (200 - 32) * 20)
        #expect(told == stale)
        print("200 epochs of 20 events sent twice: \(stored) stored, \(stale) stale, \(told) of them told")
    }

    @Test func beyondTheLast256ThatWentAnEpochIsNewAgain() {
        var log = AdmittedLog()
        for epoch in 1...300 as ClosedRange<UInt32> { _ = log.admit(use(1, epoch: epoch)) }
        let oldest = log.admit(use(1, epoch: 12))
        let kept = log.admit(use(1, epoch: 14))
        #expect(oldest == .new)
        #expect(kept == .stale)
        #expect(log.folded == log.admission.dedupe)
    }

    @Test func whatALostRunClosesIsOfItsEpoch() {
        var log = AdmittedLog()
        for seq in [1, 2, 5] as [UInt64] { _ = log.admit(use(seq, epoch: 1)) }
        _ = log.admit(use(1, epoch: 2))
        let lost = log.close(1, 1, below: 9, arrival: Timestamp(rawValue: newYear))
        #expect(lost == 5)
        #expect(log.admission.dedupe.window(of: device, epoch: 1)?.contiguous == 8)
        #expect(log.admission.dedupe.window(of: device).epoch == 1, "the log has heard of it last")
        #expect(log.folded == log.admission.dedupe)
    }

    /// A device that says what it lost before its first event leaves nothing in the log, and pushes no epoch out.
    @Test func whatIsOnlyAnnouncedPushesNothingOut() {
        var log = AdmittedLog()
        for epoch in 1...32 as ClosedRange<UInt32> { _ = log.admit(use(1, epoch: epoch)) }
        let lost = log.close(1, 77, below: 500, arrival: Timestamp(rawValue: newYear))
        #expect(lost == 0)
        #expect(log.admission.dedupe.window(of: device, epoch: 77)?.contiguous == 499)
        #expect(log.folded == log.admission.dedupe)
        let first = log.admit(use(500, epoch: 77))
        #expect(first == .new)
        let again = log.close(1, 77, below: 500, arrival: Timestamp(rawValue: newYear))
        #expect(again == 0)
        #expect(log.admission.dedupe.window(of: device, epoch: 77)?.contiguous == 500)
        let more = log.close(1, 77, below: 510, arrival: Timestamp(rawValue: newYear))
        #expect(more == 9)
        #expect(log.events.count == 34)
    }

    @Test func aGapThatADeviceOnlyClaimsClosesNothing() {
        var log = AdmittedLog()
        _ = log.admit(use(1, epoch: 1))
        var claimed = use(9, epoch: 1)
        (claimed.kind, claimed.count) = (.gap, 8)
        _ = log.admit(claimed)
        #expect(log.folded == log.admission.dedupe)
        let missing = log.admit(use(5, epoch: 1))
        #expect(missing == .new)
    }

    @Test func theHighestNumberThatThereIsDoesNoHarm() {
        var window = SequenceWindow()
        _ = window.insert(.max)
        #expect(window.ranges.count == 1)
        for seq in 1...70 as ClosedRange<UInt64> { _ = window.insert(.max - seq) }
        #expect(window.ranges.isEmpty)
        let gaps = window.close(below: .max)
        #expect(gaps.isEmpty)
    }
}
