// Asking for memory before it is needed: the fold's time is mostly spent waiting for it.

import Admission
import Events

extension SummaryState {
    /// How many events are looked at ahead of the fold.
    static let readAheadEvents = 32

    /// Reads, for a few coming events, one word of every cache line that their folding will touch.
    ///
    /// The loads of different events do not depend on each other, so the processor waits for all of them at once,
    /// where the fold would wait for one after the other. Changes nothing; what it reads is added up only so that the
    /// compiler keeps the loads.
    mutating func readAhead(_ events: borrowing [Event], _ range: Range<Int>) {
        var sum: UInt64 = 0
        for index in range {
            let device = min(Int(events[index].device.rawValue), devices.count - 1)
            if device >= 0 { sum &+= devices[device].aspects }
            sum &+= dedupe.window(of: events[index].device).highest
            let key = IndexTable.key(events[index].product.rawValue, events[index].aspect.rawValue)
            ahead.slots[index - range.lowerBound] = Int32(truncatingIfNeeded: slotIndex.find(key) ?? -1)
        }
        for index in range {
            let slot = Int(ahead.slots[index - range.lowerBound])
            guard slot >= 0 else { continue }
            sum &+= UInt64(aspects[slot].isDirty ? 1 : 0) &+ aspects[slot].devices &+ aspects[slot].moves
            let device = Int(events[index].device.rawValue)
            if device < devices.count {
                let customer = Int(devices[device].customerRow)
                if customer < customers.count { sum &+= customers[customer].aspects }
            }
            ahead.words[index - range.lowerBound] = readAheadValue(events[index], slot, &sum)
        }
        for index in range {
            let slot = Int(ahead.slots[index - range.lowerBound])
            guard slot >= 0 else { continue }
            let row = Int(aspects[slot].dayRow)
            if row < aspectDays.count { sum &+= aspectDays[row].kinds.uses &+ aspectDays[row].faultTotal }
            let word = Int(ahead.words[index - range.lowerBound])
            guard word >= 0 else { continue }
            switch events[index].valueKind {
            case .symbol:
                if case .preferenceSet = events[index].kind {
                    sum &+= choices[word].sets
                } else {
                    sum &+= faults[word].sets
                }
            default: sum &+= bins[word].count
            }
        }
        ahead.sum &+= sum
    }

    /// The row of the event's choice, number or code, if there is one already; else -1.
    @inline(__always)
    private func readAheadValue(_ event: Event, _ slot: Int, _ sum: inout UInt64) -> Int32 {
        var row: Int?
        let key = IndexTable.key(UInt32(slot), UInt32(truncatingIfNeeded: event.valueBits))
        switch (event.kind, event.valueKind) {
        case (.preferenceSet, _):
            sum &+= preferences.read(device: event.device.rawValue, slot: UInt32(slot))
            switch event.valueKind {
            case .symbol: row = choiceIndex.find(key)
            case .whole: row = binRow(slot, Double(Int64(bitPattern: event.valueBits)))
            case .real: row = binRow(slot, Double(bitPattern: event.valueBits))
            case .flag, .none: break
            }
        case (.faultSeen, .symbol): row = faultIndex.find(key)
        default: break
        }
        return Int32(truncatingIfNeeded: row ?? -1)
    }

    @inline(__always) private func binRow(_ slot: Int, _ number: Double) -> Int? {
        binIndex.find(IndexTable.key(UInt32(slot), UInt32(bitPattern: NumberBins.bin(of: number))))
    }

    /// Room for what is known of the events ahead.
    struct ReadAhead: Sendable {
        var slots = [Int32](repeating: -1, count: SummaryState.readAheadEvents)
        var words = [Int32](repeating: -1, count: SummaryState.readAheadEvents)
        var sum: UInt64 = 0
    }
}
