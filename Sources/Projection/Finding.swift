// Where each event will be counted: the rows that are there already, found for many events side by side.

import Admission
import Events

/// The rows that an event will be counted in, as far as they are there before its window of events is folded.
struct Found: Sendable, BitwiseCopyable {
    var slot = Work.none
    /// The row of the choice or of the bin of numbers.
    var row = Work.none
    /// The row of the customer.
    var customer = Work.none
}

extension SummaryState {
    /// Finds the rows of some events, and has the memory near that folding them will touch.
    ///
    /// Processors wait for memory rather than work here. Each of these loops does one step for every event, none of
    /// which depends on the one before, so that the waiting for many events goes on at the same time. Some read a word
    /// for no other reason than to have it near; the words are added up only so that the compiler keeps the reads.
    mutating func find(_ events: Span<Event>, _ range: Range<Int>, _ found: inout MutableSpan<Found>) {
        var near = Self.readDevices(events, range, devices.span)
        findSlots(events, range, &found)
        near &+= Self.readToday(events, range, found.span, todays.span)
        findCustomers(events, range, &found)
        near &+= findValues(events, range, &found)
        near &+= readRows(events, range, found.span)
        nearby &+= near
    }

    private static func readDevices(_ events: Span<Event>, _ range: Range<Int>, _ devices: Span<DeviceRow>) -> UInt64 {
        var sum: UInt64 = 0
        for index in range {
            let device = Int(events[index].device.rawValue)
            if device < devices.count { sum &+= devices[device].aspects &+ devices[device].window.highest }
        }
        return sum
    }

    private func findSlots(_ events: Span<Event>, _ range: Range<Int>, _ found: inout MutableSpan<Found>) {
        for index in range {
            let key = IndexTable.key(events[index].product.rawValue, events[index].aspect.rawValue)
            found[index &- range.lowerBound] = Found(slot: slotIndex.entry(key))
        }
    }

    private static func readToday(
        _ events: Span<Event>, _ range: Range<Int>, _ found: Span<Found>, _ todays: Span<AspectToday>
    ) -> UInt64 {
        var sum: UInt64 = 0
        for place in 0..<range.count {
            let slot = Int(found[place].slot)
            if slot < todays.count { sum &+= UInt64(todays[slot].devices) &+ UInt64(todays[slot].flagsOn) }
        }
        return sum
    }

    private func findCustomers(_ events: Span<Event>, _ range: Range<Int>, _ found: inout MutableSpan<Found>) {
        let (devices, customers) = (devices.span, customers.span)
        for index in range {
            let customer = events[index].customer.rawValue
            let device = Int(events[index].device.rawValue)
            guard customer != 0, device < devices.count else { continue }
            let product = events[index].product.rawValue
            let (last, before) = (devices[device].customerRow, devices[device].customerBefore)
            if Int(last) < customers.count, customers[Int(last)].isOf(customer, product) {
                found[index &- range.lowerBound].customer = last
            } else if Int(before) < customers.count, customers[Int(before)].isOf(customer, product) {
                found[index &- range.lowerBound].customer = before
            } else {
                found[index &- range.lowerBound].customer = customerIndex.entry(IndexTable.key(product, customer))
            }
        }
    }

    private func findValues(_ events: Span<Event>, _ range: Range<Int>, _ found: inout MutableSpan<Found>) -> UInt64 {
        let (devices, todays) = (devices.span, todays.span)
        var sum: UInt64 = 0
        for index in range {
            let slot = found[index &- range.lowerBound].slot
            guard slot != Work.none, case .preferenceSet = events[index].kind else { continue }
            let bits = events[index].valueBits
            switch events[index].valueKind {
            case .symbol:
                found[index &- range.lowerBound].row =
                    choiceIndex.entry(IndexTable.key(slot, UInt32(truncatingIfNeeded: bits)))
            case .whole: found[index &- range.lowerBound].row = binEntry(slot, Double(Int64(bitPattern: bits)))
            case .real: found[index &- range.lowerBound].row = binEntry(slot, Double(bitPattern: bits))
            case .flag, .none: break
            }
            let device = Int(events[index].device.rawValue)
            guard device < devices.count else { continue }
            let bit: UInt64 = 1 &<< UInt64(todays[Int(slot)].ordinal)
            sum &+= preferences.read(devices[device].preferences.place(bit))
        }
        return sum
    }

    @inline(__always) private func binEntry(_ slot: UInt32, _ number: Double) -> UInt32 {
        binIndex.entry(IndexTable.key(slot, UInt32(bitPattern: NumberBins.bin(of: number))))
    }

    private func readRows(_ events: Span<Event>, _ range: Range<Int>, _ found: Span<Found>) -> UInt64 {
        let (choices, bins, customers) = (choices.span, bins.span, customers.span)
        let (ratings, todays, aspectDays) = (ratings.span, todays.span, aspectDays.span)
        var sum: UInt64 = 0
        for index in range {
            let item = found[index &- range.lowerBound]
            if item.customer != Work.none { sum &+= customers[Int(item.customer)].aspects }
            guard item.slot != Work.none else { continue }
            switch events[index].kind {
            case .ratingGiven:
                let rating = Int(todays[Int(item.slot)].ratings)
                if rating < ratings.count { sum &+= ratings[rating].count &+ ratings[rating].histogram[5] }
                let day = Int(todays[Int(item.slot)].dayRow)
                if day < aspectDays.count { sum &+= aspectDays[day].ratingCount }
            case .preferenceSet where item.row != Work.none:
                if case .symbol = events[index].valueKind {
                    sum &+= choices[Int(item.row)].now
                } else {
                    sum &+= bins[Int(item.row)].count
                }
            default: break
            }
        }
        return sum
    }
}
