// What an event of each kind does to the rows of its aspect.

import Events

extension SummaryState {
    /// Finds out which of the device's preferences each event sets.
    mutating func placePreferences(_ events: Span<Event>, _ work: inout MutableSpan<Work>, _ count: Int) {
        preferences.place(events, &work, count)
    }

    /// The last pass: what the event says.
    @inline(__always) mutating func applyValue(_ event: borrowing Event, _ item: Work) {
        switch event.kind {
        case .preferenceSet:
            if item.slot != Work.none { applyPreference(event, item) }
        case .ratingGiven: applyRating(event, item)
        case .faultSeen:
            if item.slot != Work.none { applyFault(event, item) }
        default: break
        }
    }

    private mutating func applyPreference(_ event: borrowing Event, _ item: Work) {
        let slot = Int(item.slot)
        var bits = event.valueBits
        switch event.valueKind {
        case .symbol:
            let word = UInt32(truncatingIfNeeded: bits)
            bits = UInt64(word) | UInt64(countChoice(word, slot, item.aspectDay)) << 32
        case .whole: countNumber(Double(Int64(bitPattern: bits)), slot, item.aspectDay)
        case .real: countNumber(Double(bitPattern: bits), slot, item.aspectDay)
        case .flag: break
        case .none: return
        }
        guard item.place != Work.none else { return }
        let old = preferences[Int(item.place)]
        var new = old
        if case .sequence = event.identity {
            guard (item.rank, event.seq) > (old.rank, old.seq) else {
                aspects[slot].late += 1
                return
            }
            (new.rank, new.seq) = (item.rank, event.seq)
        }
        (new.kind, new.bits) = (event.valueKind, bits)
        preferences[Int(item.place)] = new
        let unit = event.unit.rawValue
        if unit != 0, unit != aspects[slot].unit { aspects[slot].unit = unit }
        if new.isSameValue(as: old) { return }
        if case .none = old.kind {
            // Its first one.
        } else {
            todays[slot].moves &+= 1
            move(old, slot, enter: false)
        }
        move(new, slot, enter: true)
    }

    /// Counts a choice.
    /// - Returns: its row + 1; 0 when it counts among the others.
    private mutating func countChoice(_ word: UInt32, _ slot: Int, _ dayRow: UInt32) -> UInt32 {
        guard let row = choice(slot, word) else {
            aspects[slot].otherSets += 1
            if dayRow != Work.none { aspectDays[Int(dayRow)].otherSets += 1 }
            return 0
        }
        if choices[row].dayRow != dayRow {
            settle(choice: row)
            choices[row].dayRow = dayRow
        }
        choices[row].today &+= 1
        return UInt32(row + 1)
    }

    private mutating func countNumber(_ number: Double, _ slot: Int, _ dayRow: UInt32) {
        aspects[slot].numbers.add(number)
        if dayRow != Work.none { aspectDays[Int(dayRow)].numbers.add(number) }
    }

    /// A device takes up, or gives up, a value as what it prefers now.
    private mutating func move(_ preference: Preference, _ slot: Int, enter: Bool) {
        switch preference.kind {
        case .symbol:
            aspects[slot].choosing = step(aspects[slot].choosing, enter)
            let known = Int(preference.bits >> 32) - 1
            let row = known >= 0 ? known : choice(slot, UInt32(truncatingIfNeeded: preference.bits))
            if let row {
                choices[row].now = step(choices[row].now, enter)
            } else {
                aspects[slot].otherNow = step(aspects[slot].otherNow, enter)
            }
        case .flag:
            if preference.bits != 0 {
                aspects[slot].flagsOn = step(aspects[slot].flagsOn, enter)
            } else {
                aspects[slot].flagsOff = step(aspects[slot].flagsOff, enter)
            }
        case .whole: moveNumber(Double(Int64(bitPattern: preference.bits)), slot, enter)
        case .real: moveNumber(Double(bitPattern: preference.bits), slot, enter)
        case .none: break
        }
    }

    private mutating func moveNumber(_ number: Double, _ slot: Int, _ enter: Bool) {
        let row = bin(slot, number)
        Self.move(&bins[row], number, enter)
        Self.move(&aspects[slot], enter)
    }

    @inline(__always) private static func move(_ row: inout BinRow, _ number: Double, _ enter: Bool) {
        row.count = enter ? row.count + 1 : row.count - min(row.count, 1)
        row.sum = row.count == 0 ? 0 : row.sum + (enter ? number : -number)
    }

    @inline(__always) private static func move(_ row: inout AspectRow, _ enter: Bool) {
        row.numbering = enter ? row.numbering + 1 : row.numbering - min(row.numbering, 1)
        row.areNumbersDirty = true
    }

    @inline(__always) private func step(_ count: UInt64, _ up: Bool) -> UInt64 {
        up ? count + 1 : count - min(count, 1)
    }

    private mutating func applyRating(_ event: borrowing Event, _ item: Work) {
        // Not that of an aspect for which there was no room.
        if item.slot == Work.none, event.aspect.rawValue != 0 { return }
        guard let number = event.number else { return }
        let rating = Rating(number, event)
        if event.scale == 0 {
            products[Int(item.product)].rating.add(rating)
            if item.productDay != Work.none { Self.add(rating, &productDays[Int(item.productDay)]) }
        }
        guard item.slot != Work.none else { return }
        ratings[ratingRow(Int(item.slot), event.scale)].add(rating)
        guard event.scale == 0, item.aspectDay != Work.none else { return }
        Self.add(rating, &aspectDays[Int(item.aspectDay)])
    }

    @inline(__always) private static func add(_ rating: Rating, _ row: inout ProductDayRow) {
        row.ratingCount &+= 1
        row.ratingSum += rating.number
    }

    @inline(__always) private static func add(_ rating: Rating, _ row: inout AspectDayRow) {
        row.ratingCount &+= 1
        row.ratingSum += rating.number
        row.histogram[min(4, max(0, rating.place))] &+= 1
    }

    private mutating func applyFault(_ event: borrowing Event, _ item: Work) {
        let slot = Int(item.slot)
        if event.severity > todays[slot].maxSeverity { todays[slot].maxSeverity = event.severity }
        guard case .symbol = event.valueKind else { return }
        guard let row = fault(slot, UInt32(truncatingIfNeeded: event.valueBits)) else {
            aspects[slot].otherFaults += UInt64(event.count)
            return
        }
        Self.add(&faults[row], event)
    }

    @inline(__always) private static func add(_ row: inout FaultRow, _ event: borrowing Event) {
        row.events &+= 1
        row.times &+= UInt64(event.count)
        row.severity = max(row.severity, event.severity)
    }

    mutating func addText(_ event: borrowing Event, _ product: Int, at offset: UInt64, _ text: [UInt8]) {
        let rating: Double?
        switch event.kind {
        case .feedbackText: rating = nil
        case .ratingGiven: rating = event.number
        default: return
        }
        let start = changes.textBytes.count
        let end = Int(event.textStart) + Int(event.textLength)
        guard end <= text.count else { return }
        changes.textBytes += text[Int(event.textStart)..<end]
        changes.texts.append(
            PendingText(
                product: UInt32(product), number: products[product].textNumber, offset: offset,
                aspect: event.aspect.rawValue, language: event.language.rawValue, time: event.time.rawValue,
                rating: rating, scale: event.scale, start: start, length: Int(event.textLength)))
        products[product].textNumber += 1
        if changes.textBytes.count > 16 << 20, changes.textBytes.count > changes.textBound { dropOldTexts() }
    }

    /// Forgets waiting texts that later ones have pushed out of the latest `ProjectionLimits.textsPerProduct`.
    private mutating func dropOldTexts() {
        var kept: [PendingText] = []
        var bytes: [UInt8] = []
        let room = UInt64(ProjectionLimits.textsPerProduct)
        for var text in changes.texts where text.number + room >= products[Int(text.product)].textNumber {
            let start = bytes.count
            bytes += changes.textBytes[text.start..<text.start + text.length]
            text.start = start
            kept.append(text)
        }
        changes.texts = kept
        changes.textBytes = bytes
        changes.textBound = bytes.count * 2
    }

    /// The value that a share of the numbers preferred now does not exceed, for each of 5, 25, 50, 75 and 95 %.
    mutating func refreshQuantiles(_ slot: Int) {
        guard aspects[slot].areNumbersDirty else { return }
        aspects[slot].areNumbersDirty = false
        var held: [(bin: Int32, count: UInt64, value: Double)] = []
        var next = aspects[slot].bins
        while next != AspectRow.none {
            let row = bins[Int(next)]
            if row.count > 0, row.bin != NumberBins.overflow {
                held.append((row.bin, row.count, row.sum / Double(row.count)))
            }
            next = row.next
        }
        held.sort { $0.bin < $1.bin }
        let total = held.reduce(0) { $0 + $1.count }
        guard total > 0 else { return }
        for (place, percent) in [5, 25, 50, 75, 95].enumerated() {
            let rank = (total - 1) * UInt64(percent) / 100
            var seen: UInt64 = 0
            for bin in held {
                seen += bin.count
                if seen > rank {
                    aspects[slot].quantiles[place] = bin.value
                    break
                }
            }
        }
    }
}

/// A rating, and where it stands on its scale.
struct Rating: BitwiseCopyable {
    let number: Double
    let isTop: Bool
    /// The place in the histogram; -1 for a rating outside its scale.
    let place: Int

    @inline(__always) init(_ number: Double, _ event: borrowing Event) {
        let scale = event.scale
        let lowest = scale == 1 || scale == 10 ? 0.0 : 1.0
        let highest = scale == 0 ? 5.0 : Double(scale)
        let span = highest - lowest
        let above = number - lowest
        self.number = number
        isTop = number >= (scale == 10 ? 9 : lowest + 0.75 * span)
        if above >= 0, above <= span {
            place = span <= 10 ? Int(above + 0.5) : Int(above / span * 10 + 0.5)
        } else {
            place = -1
        }
    }
}

extension RatingRow {
    @inline(__always) fileprivate mutating func add(_ rating: Rating) {
        count &+= 1
        sum += rating.number
        if rating.isTop { top &+= 1 }
        if rating.place >= 0 { histogram[rating.place] &+= 1 }
    }
}
