// Which epochs signed datagrams may name: known ones, and higher ones; also when hundreds came between, and after a
// restart.

import Admission
import Events
import Testing
import Wire

@Suite struct SignedEpochTests {
    private let device = DeviceID(rawValue: 3)
    private let now = Timestamp(rawValue: 1_795_132_800_000)
    private var today: UInt32 { UInt32((now.rawValue - Limits.earliestTime.rawValue) / 1_000) }

    private func use(_ epoch: UInt32, _ seq: UInt64 = 1) -> Event {
        var event = Event()
        (event.kind, event.identity, event.epoch, event.seq) = (.featureUsed, .sequence, epoch, seq)
        event.device = device
        event.arrival = now
        return event
    }

    private func restarted(_ table: DedupeTable) throws -> DedupeTable {
        var restored = DedupeTable()
        for page in 0..<table.pageCount {
            let bytes = table.page(page)
            let isRestored = restored.restore(bytes.span)
            try #require(isRestored)
        }
        return restored
    }

    @Test func aDeviceThatIsNotKnownMayBeginAnywhereUpToTomorrow() {
        let table = DedupeTable()
        for epoch in [0, 1, today, today + 86_400] {
            #expect(table.highestEpoch(refusing: epoch, of: device, at: now) == nil)
        }
        #expect(table.highestEpoch(refusing: today + 86_401, of: device, at: now) == 0)
    }

    /// However many epochs of connections, which are random, came after it.
    @Test func whatWasForgottenStaysRefused() throws {
        var table = DedupeTable()
        _ = table.admit(use(today - 10))
        _ = table.admit(use(today))
        for random in 0..<1_000 as Range<UInt32> { _ = table.admit(use(today + 100_000 + random * 2_654)) }
        for table in [table, try restarted(table)] {
            #expect(table.highestEpoch(refusing: today - 10, of: device, at: now) == today)
            #expect(table.highestEpoch(refusing: today - 11, of: device, at: now) == today)
            #expect(table.highestEpoch(refusing: today, of: device, at: now) == nil)
            #expect(table.highestEpoch(refusing: today + 1, of: device, at: now) == nil)
        }
    }

    /// Each that is let in as new is higher than all before: none is ever let in a second time.
    @Test func noEpochBeginsTwice() {
        var table = DedupeTable()
        var generator = SystemRandomNumberGenerator()
        var begun: Set<UInt32> = []
        var isSigned: Set<UInt32> = []
        for _ in 0..<20_000 {
            let epoch =
                Bool.random(using: &generator)
                ? UInt32.random(in: today - 5_000...today + 5_000, using: &generator)
                : UInt32.random(in: today + 90_000...UInt32.max, using: &generator)
            let isKey = epoch < today + 90_000
            if isKey, table.highestEpoch(refusing: epoch, of: device, at: now) != nil { continue }
            if case .new = table.admit(use(epoch)), isKey {
                #expect(!isSigned.contains(epoch) && begun.insert(epoch).inserted, "\(epoch) was taken twice")
                isSigned.insert(epoch)
            }
        }
        #expect(!begun.isEmpty)
    }
}
