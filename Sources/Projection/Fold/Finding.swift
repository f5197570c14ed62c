// Where each event will be counted: the rows that are there already, found for many events side by side.

import Admission
import Events

/// The rows that an event will be counted in, as far as they are there before its window of events is folded.
struct Found: Sendable, BitwiseCopyable {
    var slot = Work.none
    /// The row of the choice, of the bin of numbers or of the fault code.
    var row = Work.none
    /// The row of the customer.
    var customer = Work.none
}

/// Places in a window of events, in order.
struct Places: BitwiseCopyable {
    static let capacity = 128
    private var places = InlineArray<128, UInt8>(repeating: 0)
    private(set) var count = 0

    /// Adds a place, or not: without a branch, for nobody can foretell what the next event is.
    @inline(__always) mutating func add(_ place: Int, if isOne: Bool) {
        places[count] = UInt8(truncatingIfNeeded: place)
        count &+= isOne ? 1 : 0
    }

    @inline(__always) subscript(index: Int) -> Int { Int(places[index]) }
}

/// The events of a window, by what has to be found for them.
struct Sorts: BitwiseCopyable {
    /// Preferences for a choice; preferences for a number.
    var choices = Places()
    var numbers = Places()
    var ratings = Places()
    var faults = Places()
    /// Those whose customer is not the one that their device had last.
    var customers = Places()
}

extension SummaryState {
    /// Finds the rows of some events, and has the memory near that folding them will touch.
    ///
    /// Processors wait for memory rather than work here. So what an event needs is found in steps, each of them for
    /// all events before the next one: a step reads what is near by now, and asks for what the next one will read.
    func find(_ events: Span<Event>, _ range: Range<Int>, _ found: inout MutableSpan<Found>) {
        var sorts = Sorts()
        prefetchFirst(events, range)
        findSlots(events, range, &found, &sorts)
        prefetchIndexes(events, range, &found, sorts)
        findCustomers(events, range, &found, &sorts)
        findValues(events, range, &found, sorts)
        findOtherCustomers(events, range, &found, sorts)
        prefetchDays(events, range, found.span, sorts)
    }

    /// Asks for what is found by the event's own numbers.
    private func prefetchFirst(_ events: Span<Event>, _ range: Range<Int>) {
        let (devices, products) = (devices.span, products.span)
        for index in range {
            devices.prefetch(Int(events[index].device.rawValue))
            products.prefetch(Int(events[index].product.rawValue), bytes: ProductRow.dayBytes)
            slotIndex.prefetch(IndexTable.key(events[index].product.rawValue, events[index].aspect.rawValue))
        }
    }

    /// Finds the aspects, and asks for them, and for the customers that the devices had last.
    private func findSlots(
        _ events: Span<Event>, _ range: Range<Int>, _ found: inout MutableSpan<Found>, _ sorts: inout Sorts
    ) {
        let (devices, todays, customers) = (devices.span, todays.span, customers.span)
        for place in 0..<range.count {
            let index = range.lowerBound &+ place
            let slot = slotIndex.entry(IndexTable.key(events[index].product.rawValue, events[index].aspect.rawValue))
            found[place] = Found(slot: slot)
            todays.prefetch(Int(slot))
            let device = Int(events[index].device.rawValue)
            if device < devices.count { customers.prefetch(Int(devices[device].customerRow)) }
            let (kind, value) = (events[index].kind, events[index].valueKind)
            let isPreference = slot != Work.none && kind == .preferenceSet
            sorts.choices.add(place, if: isPreference && value == .symbol)
            sorts.numbers.add(place, if: isPreference && (value == .whole || value == .real))
            sorts.ratings.add(place, if: slot != Work.none && kind == .ratingGiven)
            sorts.faults.add(place, if: slot != Work.none && kind == .faultSeen && value == .symbol)
        }
    }

    /// Asks for the places of the indexes at which what the events say is looked up; keeps by what.
    private func prefetchIndexes(
        _ events: Span<Event>, _ range: Range<Int>, _ found: inout MutableSpan<Found>, _ sorts: borrowing Sorts
    ) {
        for index in 0..<sorts.choices.count {
            let place = sorts.choices[index]
            let word = UInt32(truncatingIfNeeded: events[range.lowerBound &+ place].valueBits)
            found[place].row = word
            choiceIndex.prefetch(IndexTable.key(found[place].slot, word))
        }
        for index in 0..<sorts.numbers.count {
            let place = sorts.numbers[index]
            let event = range.lowerBound &+ place
            let number = events[event].valueKind.number(of: events[event].valueBits)
            let bin = UInt32(bitPattern: NumberBins.bin(of: number))
            found[place].row = bin
            binIndex.prefetch(IndexTable.key(found[place].slot, bin))
        }
        for index in 0..<sorts.faults.count {
            let place = sorts.faults[index]
            let word = UInt32(truncatingIfNeeded: events[range.lowerBound &+ place].valueBits)
            found[place].row = word
            faultIndex.prefetch(IndexTable.key(found[place].slot, word))
        }
    }

    /// Finds the customers whom their devices had last, and asks for where the others are looked up.
    private func findCustomers(
        _ events: Span<Event>, _ range: Range<Int>, _ found: inout MutableSpan<Found>, _ sorts: inout Sorts
    ) {
        let (devices, customers) = (devices.span, customers.span)
        for place in 0..<range.count {
            let index = range.lowerBound &+ place
            let (product, customer) = (events[index].product.rawValue, events[index].customer.rawValue)
            let device = Int(events[index].device.rawValue)
            let last = device < devices.count ? devices[device].customerRow : Work.none
            let isLast = Int(last) < customers.count && customers[Int(last)].isOf(customer, product)
            if isLast {
                found[place].customer = last
            } else if customer != 0 {
                sorts.customers.add(place, if: true)
                customerIndex.prefetch(IndexTable.key(product, customer))
                if device < devices.count { customers.prefetch(Int(devices[device].customerBefore)) }
            }
        }
    }

    /// Finds the rows of what the events say, and asks for them, and for where the devices keep their preferences.
    private func findValues(
        _ events: Span<Event>, _ range: Range<Int>, _ found: inout MutableSpan<Found>, _ sorts: borrowing Sorts
    ) {
        for index in 0..<sorts.choices.count {
            let place = sorts.choices[index]
            prefetchPreference(events[range.lowerBound &+ place].device, found[place].slot)
            found[place].row = choiceIndex.entry(IndexTable.key(found[place].slot, found[place].row))
            choices.span.prefetch(Int(found[place].row))
        }
        for index in 0..<sorts.numbers.count {
            let place = sorts.numbers[index]
            prefetchPreference(events[range.lowerBound &+ place].device, found[place].slot)
            found[place].row = binIndex.entry(IndexTable.key(found[place].slot, found[place].row))
            bins.span.prefetch(Int(found[place].row))
        }
        for index in 0..<sorts.faults.count {
            let place = sorts.faults[index]
            found[place].row = faultIndex.entry(IndexTable.key(found[place].slot, found[place].row))
            faults.span.prefetch(Int(found[place].row))
        }
        for index in 0..<sorts.ratings.count {
            let place = sorts.ratings[index]
            let slot = Int(found[place].slot)
            ratings.span.prefetch(Int(todays[slot].ratings))
            aspectDays.span.prefetch(Int(todays[slot].dayRow))
            productDays.span.prefetch(Int(products[Int(events[range.lowerBound &+ place].product.rawValue)].dayRow))
        }
    }

    @inline(__always) private func prefetchPreference(_ device: DeviceID, _ slot: UInt32) {
        let device = Int(device.rawValue)
        guard device < devices.count else { return }
        preferences.prefetch(devices[device].preferences, 1 &<< UInt64(todays[Int(slot)].ordinal))
    }

    private func findOtherCustomers(
        _ events: Span<Event>, _ range: Range<Int>, _ found: inout MutableSpan<Found>, _ sorts: borrowing Sorts
    ) {
        let (devices, customers) = (devices.span, customers.span)
        for index in 0..<sorts.customers.count {
            let place = sorts.customers[index]
            let event = range.lowerBound &+ place
            let (product, customer) = (events[event].product.rawValue, events[event].customer.rawValue)
            let device = Int(events[event].device.rawValue)
            let before = device < devices.count ? devices[device].customerBefore : Work.none
            if Int(before) < customers.count, customers[Int(before)].isOf(customer, product) {
                found[place].customer = before
            } else {
                found[place].customer = customerIndex.entry(IndexTable.key(product, customer))
                customers.prefetch(Int(found[place].customer))
            }
        }
    }

    /// Asks for what is touched when an event brings another day for its aspect, or for its choice.
    private func prefetchDays(
        _ events: Span<Event>, _ range: Range<Int>, _ found: Span<Found>, _ sorts: borrowing Sorts
    ) {
        let (todays, aspects, aspectDays, choices) = (todays.span, aspects.span, aspectDays.span, choices.span)
        for place in 0..<range.count {
            let slot = Int(found[place].slot)
            guard slot < todays.count else { continue }
            let day = events[range.lowerBound &+ place].time.day
            guard day > todays[slot].day else { continue }
            aspects.prefetch(slot)
            aspectDayIndex.prefetch(IndexTable.key(UInt32(slot), UInt32(bitPattern: day)))
            aspectDays.prefetch(Int(todays[slot].dayRow))
        }
        for index in 0..<sorts.choices.count {
            let row = Int(found[sorts.choices[index]].row)
            guard row < choices.count else { continue }
            let day = choices[row].dayRow
            guard day != Work.none, day != todays[Int(found[sorts.choices[index]].slot)].dayRow else { continue }
            dayWordIndex.prefetch(IndexTable.key(day, choices[row].word))
            aspectDays.prefetch(Int(day), bytes: AspectDayRow.wordsBytes)
        }
    }
}
