// Random histories against a model that keeps everything, with restarts; and snapshots that are damaged.

import Admission
import Events
import Testing
import TidingsTesting

@Suite struct DedupeModelTests {
    /// A sender without plan: many epochs, retries, lost runs, counters that begin again, days that pass.
    private struct Sender {
        var generator: SeededGenerator
        var epochs: Int
        var now = newYear
        var sent: [Event] = []
        var highest: [UInt64: UInt64] = [:]

        mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &generator) }

        mutating func next() -> Event {
            now += Int64(below(below(200) == 0 ? 40_000_000 : 20_000))
            if below(3) == 0, !sent.isEmpty {
                var event = sent[max(0, sent.count - 1 - below(below(4) == 0 ? sent.count : 200))]
                event.arrival = Timestamp(rawValue: now)
                return event
            }
            let device = UInt32(1 + below(4))
            var event: Event
            if below(5) == 0 {
                event = use(UInt64(below(2_000)), of: device, at: now)
                event.identity = .hash
            } else {
                let epoch = UInt32(below(3) == 0 ? 0 : below(3) == 0 ? below(epochs) : below(4))
                let key = UInt64(device) << 32 | UInt64(epoch)
                let top = highest[key] ?? 0
                let near = UInt64(max(1, Int(top) + 3 - below(below(9) == 0 ? 90 : 6)))
                let seq = below(60) == 0 ? UInt64(1 + below(40)) : near
                highest[key] = below(50) == 0 ? seq : max(top, seq)
                event = use(seq, of: device, epoch: epoch, at: now)
                event.time = Timestamp(rawValue: now - Int64(below(4) == 0 ? below(200_000) : 0))
                event.clock = [.device, .device, .device, .age, .arrival][below(5)]
            }
            if below(12) == 0 { event.count = 0 }
            sent.append(event)
            return event
        }
    }

    @Test(arguments: [41, 42, 43, 44, 45, 46] as [UInt64])
    func historiesAgreeWithTheModel(seed: UInt64) throws {
        // Of 500 some go and are forgotten, and are new when they come again.
        var sender = Sender(generator: SeededGenerator(seed: seed), epochs: seed.isMultiple(of: 2) ? 500 : 40)
        var (log, model) = (AdmittedLog(), DedupeModel())
        var counts: [DedupeVerdict: Int] = [:]
        var (restarts, lost) = (0, 0)
        for step in 0..<12_000 {
            let event = sender.next()
            let expected = model.admit(event, isGood: event.count > 0)
            let got = log.admit(event)
            try #require(got == expected, "seed \(seed) step \(step): \(event)")
            counts[got, default: 0] += 1
            if sender.below(100) == 0, let device = model.devices[event.device.rawValue], event.identity == .sequence,
                let epoch = device.epochs.randomElement(using: &sender.generator)
            {
                let oldest = epoch.highest + UInt64(sender.below(20))
                let closed = model.close(event.device.rawValue, epoch.name, below: oldest)
                let gaps = log.close(event.device.rawValue, epoch.name, below: oldest, arrival: event.arrival)
                try #require(gaps == closed, "seed \(seed) step \(step)")
                lost += closed
            }
            if sender.below(800) == 0 {
                let folded = log.folded
                try #require(folded == log.admission.dedupe, "seed \(seed) step \(step)")
                log.admission = Admission(dedupe: try #require(folded.restored))
                restarts += 1
            }
        }
        #expect(log.folded == log.admission.dedupe, "seed \(seed)")
        #expect(counts[.reused, default: 0] > 20 && counts[.stale, default: 0] > 20 && restarts > 3, "seed \(seed)")
        print(
            "seed \(seed): 12000 events, \(counts[.new] ?? 0) new, \(counts[.duplicate] ?? 0) duplicate, "
                + "\(counts[.stale] ?? 0) stale, \(counts[.reused] ?? 0) reused, \(lost) lost, \(restarts) restarts")
    }

    /// A table with everything that a page can hold.
    private var full: DedupeTable {
        var log = AdmittedLog()
        for epoch in 0..<40 as Range<UInt32> { _ = log.admit(use(5 + UInt64(epoch), epoch: epoch)) }
        for seq in 1...5 as ClosedRange<UInt64> { _ = log.admit(use(seq, of: 2)) }
        for seq in 1...5 as ClosedRange<UInt64> { _ = log.admit(use(seq, of: 2, at: newYear + 600_000)) }
        for id in 0..<70 as Range<UInt64> {
            var event = use(id &* 0x9e37_79b9_7f4a_7c15, of: 3)
            event.identity = .hash
            _ = log.admit(event)
        }
        return log.folded
    }

    @Test func aDamagedPageIsRefusedOrReadAsAnother() throws {
        let table = full
        #expect(table.restored == table)
        let page = table.page(0)
        var refused = 0
        for index in page.indices {
            for flip in [0x01, 0x10, 0x80, 0xff] as [UInt8] {
                var damaged = page
                damaged[index] ^= flip
                if !isUsable(damaged) { refused += 1 }
            }
            // Cut within a record, it is refused; between two of them, it is a page of fewer devices.
            _ = isUsable(Array(page[..<index]))
        }
        print("\(page.count) bytes of a page damaged in four ways each: \(refused) refused")
        #expect(refused > page.count / 4)
    }

    /// Whether a page is taken; a table that takes it must go on working.
    private func isUsable(_ page: [UInt8]) -> Bool {
        var table = DedupeTable()
        guard table.restore(page.span) else { return false }
        for device in 1...4 as ClosedRange<UInt32> {
            for epoch in [0, 7, 39, 1_000] as [UInt32] {
                _ = table.admit(use(40, of: device, epoch: epoch, at: newYear + 86_400_000))
                _ = table.close(DeviceID(rawValue: device), epoch: epoch, below: 50)
            }
            for id in 0..<50 as Range<UInt64> { _ = table.admit(DeviceID(rawValue: device), hash: id) }
            _ = table.window(of: DeviceID(rawValue: device)).ranges
        }
        return table.restored != nil
    }
}
