// Where each event will be counted: the rows that are there already, found for many events side by side.

import Admission
import Events

/// The rows that an event will be counted in, as far as they are there before its window of events is folded.
struct RowLookup: Sendable, BitwiseCopyable {
    var slot = RowIndex.none
    /// The row of the choice, of the bin of numbers or of the fault code.
    var row = RowIndex.none
    /// The row of the customer.
    var customer = RowIndex.none
}

/// Positions in a window of events, in order.
struct IndexList: BitwiseCopyable {
    static let capacity = 128
    private var positions = InlineArray<128, UInt8>(repeating: 0)
    private(set) var count = 0

    /// Adds a position, or not: without a branch, for what the next event is cannot be predicted.
    @inline(__always) mutating func add(_ position: Int, if isOne: Bool) {
        positions[count] = UInt8(truncatingIfNeeded: position)
        count &+= isOne ? 1 : 0
    }

    @inline(__always) subscript(index: Int) -> Int { Int(positions[index]) }
}

/// The events of a window, by what has to be found for them.
struct EventGroups: BitwiseCopyable {
    /// Preferences for a choice; preferences for a number.
    var choices = IndexList()
    var numbers = IndexList()
    var ratings = IndexList()
    var faults = IndexList()
    /// Those whose customer is not the one that their device had last.
    var customers = IndexList()
}

extension SummaryState {
    /// Finds the rows of some events, and prefetches the memory that folding them will touch.
    ///
    /// Processors wait for memory here rather than compute. So what an event needs is found in steps, each of them for
    /// all events before the next one: a step reads what is in the cache by now, and prefetches what the next one will
    /// read. In all of them `index` is that of an event in its batch, `position` the one in the window.
    func find(_ events: Span<Event>, _ range: Range<Int>, _ lookups: inout MutableSpan<RowLookup>) {
        var groups = EventGroups()
        prefetchFirst(events, range)
        findSlots(events, range, &lookups, &groups)
        prefetchIndexes(events, range, &lookups, groups)
        findCustomers(events, range, &lookups, &groups)
        findValues(events, range, &lookups, groups)
        findOtherCustomers(events, range, &lookups, groups)
        prefetchDays(events, range, lookups.span, groups)
    }

    /// Prefetches what is found by the event's own numbers.
    private func prefetchFirst(_ events: Span<Event>, _ range: Range<Int>) {
        let (devices, products) = (devices.span, products.span)
        for index in range {
            devices.prefetch(Int(events[index].device.rawValue))
            products.prefetch(Int(events[index].product.rawValue), bytes: ProductRow.dayBytes)
            slotIndex.prefetch(IndexTable.key(events[index].product.rawValue, events[index].aspect.rawValue))
        }
    }

    /// Finds the aspects, and prefetches them and the customers that the devices had last.
    private func findSlots(
        _ events: Span<Event>, _ range: Range<Int>, _ lookups: inout MutableSpan<RowLookup>, _ groups: inout EventGroups
    ) {
        let (devices, openDays, customers) = (devices.span, openDays.span, customers.span)
        for position in 0..<range.count {
            let index = range.lowerBound &+ position
            let slot = slotIndex.entry(IndexTable.key(events[index].product.rawValue, events[index].aspect.rawValue))
            lookups[position] = RowLookup(slot: slot)
            openDays.prefetch(Int(slot))
            let device = Int(events[index].device.rawValue)
            if device < devices.count { customers.prefetch(Int(devices[device].customerRow)) }
            let (kind, value) = (events[index].kind, events[index].valueKind)
            let isPreference = slot != RowIndex.none && kind == .preferenceSet
            groups.choices.add(position, if: isPreference && value == .symbol)
            groups.numbers.add(position, if: isPreference && (value == .whole || value == .real))
            groups.ratings.add(position, if: slot != RowIndex.none && kind == .ratingGiven)
            groups.faults.add(position, if: slot != RowIndex.none && kind == .faultSeen && value == .symbol)
        }
    }

    /// Prefetches the slots of the indexes at which what the events say is looked up; keeps by what.
    private func prefetchIndexes(
        _ events: Span<Event>, _ range: Range<Int>, _ lookups: inout MutableSpan<RowLookup>,
        _ groups: borrowing EventGroups
    ) {
        for member in 0..<groups.choices.count {
            let position = groups.choices[member]
            let symbol = UInt32(truncatingIfNeeded: events[range.lowerBound &+ position].valueBits)
            lookups[position].row = symbol
            choiceIndex.prefetch(IndexTable.key(lookups[position].slot, symbol))
        }
        for member in 0..<groups.numbers.count {
            let position = groups.numbers[member]
            let event = range.lowerBound &+ position
            let number = events[event].valueKind.number(of: events[event].valueBits)
            let bin = UInt32(bitPattern: NumberBins.bin(of: number))
            lookups[position].row = bin
            binIndex.prefetch(IndexTable.key(lookups[position].slot, bin))
        }
        for member in 0..<groups.faults.count {
            let position = groups.faults[member]
            let symbol = UInt32(truncatingIfNeeded: events[range.lowerBound &+ position].valueBits)
            lookups[position].row = symbol
            faultIndex.prefetch(IndexTable.key(lookups[position].slot, symbol))
        }
    }

    /// Finds the customers whom their devices had last, and prefetches where the others are looked up.
    private func findCustomers(
        _ events: Span<Event>, _ range: Range<Int>, _ lookups: inout MutableSpan<RowLookup>, _ groups: inout EventGroups
    ) {
        let (devices, customers) = (devices.span, customers.span)
        for position in 0..<range.count {
            let index = range.lowerBound &+ position
            let (product, customer) = (events[index].product.rawValue, events[index].customer.rawValue)
            let device = Int(events[index].device.rawValue)
            let last = device < devices.count ? devices[device].customerRow : RowIndex.none
            let isLast = Int(last) < customers.count && customers[Int(last)].isOf(customer, product)
            if isLast {
                lookups[position].customer = last
            } else if customer != 0 {
                groups.customers.add(position, if: true)
                customerIndex.prefetch(IndexTable.key(product, customer))
                if device < devices.count { customers.prefetch(Int(devices[device].customerBefore)) }
            }
        }
    }

    /// Finds the rows of what the events say, and prefetches them and where the devices keep their preferences.
    private func findValues(
        _ events: Span<Event>, _ range: Range<Int>, _ lookups: inout MutableSpan<RowLookup>,
        _ groups: borrowing EventGroups
    ) {
        for member in 0..<groups.choices.count {
            let position = groups.choices[member]
            prefetchPreference(events[range.lowerBound &+ position].device, lookups[position].slot)
            lookups[position].row = choiceIndex.entry(IndexTable.key(lookups[position].slot, lookups[position].row))
            choices.span.prefetch(Int(lookups[position].row))
        }
        for member in 0..<groups.numbers.count {
            let position = groups.numbers[member]
            prefetchPreference(events[range.lowerBound &+ position].device, lookups[position].slot)
            lookups[position].row = binIndex.entry(IndexTable.key(lookups[position].slot, lookups[position].row))
            bins.span.prefetch(Int(lookups[position].row))
        }
        for member in 0..<groups.faults.count {
            let position = groups.faults[member]
            lookups[position].row = faultIndex.entry(IndexTable.key(lookups[position].slot, lookups[position].row))
            faults.span.prefetch(Int(lookups[position].row))
        }
        for member in 0..<groups.ratings.count {
            let position = groups.ratings[member]
            let slot = Int(lookups[position].slot)
            ratings.span.prefetch(Int(openDays[slot].ratings))
            aspectDays.span.prefetch(Int(openDays[slot].dayRow))
            productDays.span.prefetch(Int(products[Int(events[range.lowerBound &+ position].product.rawValue)].dayRow))
        }
    }

    @inline(__always) private func prefetchPreference(_ device: DeviceID, _ slot: UInt32) {
        let device = Int(device.rawValue)
        guard device < devices.count else { return }
        preferences.prefetch(devices[device].preferences, 1 &<< UInt64(openDays[Int(slot)].ordinal))
    }

    private func findOtherCustomers(
        _ events: Span<Event>, _ range: Range<Int>, _ lookups: inout MutableSpan<RowLookup>,
        _ groups: borrowing EventGroups
    ) {
        let (devices, customers) = (devices.span, customers.span)
        for member in 0..<groups.customers.count {
            let position = groups.customers[member]
            let event = range.lowerBound &+ position
            let (product, customer) = (events[event].product.rawValue, events[event].customer.rawValue)
            let device = Int(events[event].device.rawValue)
            let before = device < devices.count ? devices[device].customerBefore : RowIndex.none
            if Int(before) < customers.count, customers[Int(before)].isOf(customer, product) {
                lookups[position].customer = before
            } else {
                lookups[position].customer = customerIndex.entry(IndexTable.key(product, customer))
                customers.prefetch(Int(lookups[position].customer))
            }
        }
    }

    /// Prefetches what is touched when an event brings another day for its aspect, or for its choice.
    private func prefetchDays(
        _ events: Span<Event>, _ range: Range<Int>, _ lookups: Span<RowLookup>, _ groups: borrowing EventGroups
    ) {
        let (openDays, aspects, aspectDays, choices) = (openDays.span, aspects.span, aspectDays.span, choices.span)
        for position in 0..<range.count {
            let slot = Int(lookups[position].slot)
            guard slot < openDays.count else { continue }
            let day = events[range.lowerBound &+ position].time.day
            guard day > openDays[slot].day else { continue }
            aspects.prefetch(slot)
            aspectDayIndex.prefetch(IndexTable.key(UInt32(slot), UInt32(bitPattern: day)))
            aspectDays.prefetch(Int(openDays[slot].dayRow))
        }
        for index in 0..<groups.choices.count {
            let row = Int(lookups[groups.choices[index]].row)
            guard row < choices.count else { continue }
            let day = choices[row].dayRow
            guard day != RowIndex.none, day != openDays[Int(lookups[groups.choices[index]].slot)].dayRow else {
                continue
            }
            dayChoiceIndex.prefetch(IndexTable.key(day, choices[row].symbol))
            aspectDays.prefetch(Int(day), bytes: AspectDayRow.choicesBytes)
        }
    }
}
