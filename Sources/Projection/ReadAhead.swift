// Asking for memory before it is needed: the fold's time is mostly spent waiting for it.

import Admission
import Events

/// Where the first passes think that an event will be counted, if its rows are there already.
struct Ahead: Sendable, BitwiseCopyable {
    var slot = Work.none
    /// The row of the choice, number or code.
    var row = Work.none
    /// The row of the customer, when the device was not heard with this one last.
    var customer = Work.none
}

extension SummaryState {
    /// Reads one word of every cache line that the folding of some events will touch, for no other reason than to
    /// have it near.
    ///
    /// The reads for different events do not depend on each other, so the processor waits for many of them at once,
    /// where the fold would wait for one after the other. What is read is added up only so that the compiler keeps
    /// the reads.
    mutating func readAhead(_ events: Span<Event>, _ range: Range<Int>, _ ahead: inout MutableSpan<Ahead>) {
        var sum = Self.readDevices(events, range, devices.span, dedupe)
        findSlots(events, range, &ahead)
        sum &+= readAspects(events, range, ahead.span)
        findCustomers(events, range, &ahead)
        sum &+= findValues(events, range, &ahead)
        sum &+= readRows(events, range, ahead.span)
        nearby &+= sum
    }

    private static func readDevices(
        _ events: Span<Event>, _ range: Range<Int>, _ devices: Span<DeviceRow>, _ dedupe: borrowing DedupeTable
    ) -> UInt64 {
        var sum: UInt64 = 0
        for index in range {
            let device = Int(events[index].device.rawValue)
            if device < devices.count { sum &+= devices[device].aspects }
            sum &+= dedupe.window(of: events[index].device).highest
        }
        return sum
    }

    private func findSlots(_ events: Span<Event>, _ range: Range<Int>, _ ahead: inout MutableSpan<Ahead>) {
        for index in range {
            let key = IndexTable.key(events[index].product.rawValue, events[index].aspect.rawValue)
            let slot = slotIndex.find(key).map { UInt32(truncatingIfNeeded: $0) }
            ahead[index &- range.lowerBound] = Ahead(slot: slot ?? Work.none)
        }
    }

    private func readAspects(_ events: Span<Event>, _ range: Range<Int>, _ ahead: Span<Ahead>) -> UInt64 {
        let (todays, aspects, devices, customers) = (todays.span, aspects.span, devices.span, customers.span)
        var sum: UInt64 = 0
        for index in range {
            let slot = Int(ahead[index &- range.lowerBound].slot)
            if slot < todays.count {
                sum &+= UInt64(todays[slot].devices) &+ UInt64(todays[slot].dayRow)
                if case .ratingGiven = events[index].kind { sum &+= UInt64(aspects[slot].ratings) }
            }
            let device = Int(events[index].device.rawValue)
            guard device < devices.count else { continue }
            let customer = Int(devices[device].customerRow)
            if customer < customers.count { sum &+= customers[customer].aspects }
        }
        return sum
    }

    private func findCustomers(_ events: Span<Event>, _ range: Range<Int>, _ ahead: inout MutableSpan<Ahead>) {
        let (devices, customers) = (devices.span, customers.span)
        for index in range {
            let device = Int(events[index].device.rawValue)
            guard device < devices.count, events[index].customer.rawValue != 0 else { continue }
            let customer = Int(devices[device].customerRow)
            guard customer >= customers.count || customers[customer].customer != events[index].customer.rawValue
            else { continue }
            let key = IndexTable.key(events[index].product.rawValue, events[index].customer.rawValue)
            guard let row = customerIndex.find(key) else { continue }
            ahead[index &- range.lowerBound].customer = UInt32(truncatingIfNeeded: row)
        }
    }

    private func findValues(
        _ events: Span<Event>, _ range: Range<Int>, _ ahead: inout MutableSpan<Ahead>
    ) -> UInt64 {
        var sum: UInt64 = 0
        for index in range {
            let slot = ahead[index &- range.lowerBound].slot
            guard slot != Work.none else { continue }
            let word = UInt32(truncatingIfNeeded: events[index].valueBits)
            var row: Int?
            switch events[index].kind {
            case .preferenceSet:
                sum &+= preferences.read(events[index].device.rawValue, slot)
                switch events[index].valueKind {
                case .symbol: row = choiceIndex.find(IndexTable.key(slot, word))
                case .whole: row = binRow(slot, Double(Int64(bitPattern: events[index].valueBits)))
                case .real: row = binRow(slot, Double(bitPattern: events[index].valueBits))
                case .flag, .none: break
                }
            default: break
            }
            if let row { ahead[index &- range.lowerBound].row = UInt32(truncatingIfNeeded: row) }
        }
        return sum
    }

    @inline(__always) private func binRow(_ slot: UInt32, _ number: Double) -> Int? {
        binIndex.find(IndexTable.key(slot, UInt32(bitPattern: NumberBins.bin(of: number))))
    }

    private func readRows(_ events: Span<Event>, _ range: Range<Int>, _ ahead: Span<Ahead>) -> UInt64 {
        let (choices, bins, aspects, aspectDays) = (choices.span, bins.span, aspects.span, aspectDays.span)
        let (customers, ratings, todays) = (customers.span, ratings.span, todays.span)
        var sum: UInt64 = 0
        for index in range {
            let item = ahead[index &- range.lowerBound]
            if item.customer != Work.none { sum &+= customers[Int(item.customer)].aspects }
            if case .ratingGiven = events[index].kind, item.slot != Work.none {
                let rating = Int(aspects[Int(item.slot)].ratings)
                if rating < ratings.count { sum &+= ratings[rating].count &+ ratings[rating].histogram[5] }
                let day = Int(todays[Int(item.slot)].dayRow)
                if day < aspectDays.count { sum &+= aspectDays[day].ratingCount }
            }
            guard item.row != Work.none, case .preferenceSet = events[index].kind else { continue }
            if case .symbol = events[index].valueKind {
                sum &+= choices[Int(item.row)].now
            } else {
                sum &+= bins[Int(item.row)].count &+ aspects[Int(item.slot)].numbering
                let day = Int(todays[Int(item.slot)].dayRow)
                if day < aspectDays.count { sum &+= aspectDays[day].numbers.count }
            }
        }
        return sum
    }
}
