// What an event of each kind does to the rows of its aspect.

import Events

extension SummaryState {
    mutating func applyPreference(_ event: Event, _ slot: Int, _ dayRow: Int?) {
        // The value's payload is read by hand: this is the hottest place, and calls into Events are not inlined.
        switch event.valueKind {
        case .symbol: countChoice(UInt32(truncatingIfNeeded: event.valueBits), slot, dayRow)
        case .whole: countNumber(Double(Int64(bitPattern: event.valueBits)), slot, dayRow)
        case .real: countNumber(Double(bitPattern: event.valueBits), slot, dayRow)
        case .flag: break
        case .none: return
        }
        guard event.device.rawValue != 0 else { return }
        let place = preferences.place(device: event.device.rawValue, slot: UInt32(slot))
        let old = preferences[place]
        var new = old
        if case .sequence = event.identity {
            let row = devices[Int(event.device.rawValue)]
            let rank = row.epoch == event.epoch ? row.rank : row.rank - 1
            guard (rank, event.seq) > (old.rank, old.seq) else {
                aspects[slot].late += 1
                return
            }
            (new.rank, new.seq) = (rank, event.seq)
        }
        (new.kind, new.bits) = (event.valueKind, event.valueBits)
        preferences[place] = new
        if event.unit.rawValue != 0 { aspects[slot].unit = event.unit.rawValue }
        if new.bits == old.bits, new.isSameKind(as: old) { return }
        switch old.kind {
        case .none: break
        case .whole, .real, .symbol, .flag:
            aspects[slot].moves += 1
            move(old, slot, enter: false)
        }
        move(new, slot, enter: true)
    }

    private mutating func countChoice(_ word: UInt32, _ slot: Int, _ dayRow: Int?) {
        guard let row = choice(slot, word) else {
            aspects[slot].otherSets += 1
            if let dayRow { aspectDays[dayRow].otherSets += 1 }
            return
        }
        choices[row].sets += 1
        guard let dayRow else { return }
        let day = aspectDays[dayRow].day
        if choices[row].day != day {
            choices[row].dayRow = UInt32(dayWord(dayRow, word))
            choices[row].day = day
        }
        dayWords[Int(choices[row].dayRow)].sets += 1
    }

    private mutating func countNumber(_ number: Double, _ slot: Int, _ dayRow: Int?) {
        aspects[slot].numbers.add(number)
        if let dayRow { aspectDays[dayRow].numbers.add(number) }
    }

    /// A device takes up, or gives up, a value as what it prefers now.
    private mutating func move(_ preference: Preference, _ slot: Int, enter: Bool) {
        switch preference.kind {
        case .symbol:
            aspects[slot].choosing = step(aspects[slot].choosing, enter)
            if let row = choice(slot, UInt32(truncatingIfNeeded: preference.bits)) {
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
        bins[row].count = step(bins[row].count, enter)
        bins[row].sum = bins[row].count == 0 ? 0 : bins[row].sum + (enter ? number : -number)
        aspects[slot].numbering = step(aspects[slot].numbering, enter)
        aspects[slot].areNumbersDirty = true
    }

    @inline(__always) private func step(_ count: UInt64, _ up: Bool) -> UInt64 {
        up ? count + 1 : count - min(count, 1)
    }

    mutating func applyRating(_ event: Event, _ slot: Int, _ dayRow: Int?) {
        guard let rating = event.number else { return }
        let row = ratingRow(slot, event.scale)
        add(rating, event, to: &ratings[row])
        guard event.scale == 0, let dayRow else { return }
        aspectDays[dayRow].ratingCount += 1
        aspectDays[dayRow].ratingSum += rating
        aspectDays[dayRow].histogram[min(4, Self.place(rating, event) ?? 0)] += 1
    }

    mutating func countProductRating(_ event: Event, _ product: Int) {
        guard event.scale == 0, let rating = event.number else { return }
        add(rating, event, to: &products[product].rating)
        guard let row = productDay(product, event.time.day) else { return }
        productDays[row].ratingCount += 1
        productDays[row].ratingSum += rating
    }

    @inline(__always) private func add(_ rating: Double, _ event: Event, to row: inout RatingRow) {
        row.count += 1
        row.sum += rating
        let lowest = Double(event.ratingBounds.lowerBound)
        let highest = Double(event.ratingBounds.upperBound)
        let top = event.scale == 10 ? 9 : lowest + 0.75 * (highest - lowest)
        if rating >= top { row.top += 1 }
        if let place = Self.place(rating, event) { row.histogram[place] += 1 }
    }

    /// The place in the histogram; nil for a rating outside its scale.
    @inline(__always) static func place(_ rating: Double, _ event: Event) -> Int? {
        let bounds = event.ratingBounds
        let above = rating - Double(bounds.lowerBound)
        let span = Double(bounds.upperBound - bounds.lowerBound)
        guard above >= 0, above <= span else { return nil }
        return span <= 10 ? Int(above + 0.5) : Int(above / span * 10 + 0.5)
    }

    mutating func applyFault(_ event: Event, _ slot: Int, _ product: Int, _ dayRow: Int?) {
        let times = UInt64(event.count)
        aspects[slot].faultTotal += times
        aspects[slot].maxSeverity = max(aspects[slot].maxSeverity, event.severity)
        products[product].faultTotal += times
        if let dayRow { aspectDays[dayRow].faultTotal += times }
        guard case .symbol(let code) = event.value else { return }
        guard let row = fault(slot, code.rawValue) else {
            aspects[slot].otherFaults += times
            return
        }
        faults[row].sets += 1
        faults[row].now += times
        faults[row].severity = max(faults[row].severity, event.severity)
    }

    mutating func addText(_ event: Event, _ product: Int, at offset: UInt64, in batch: borrowing EventBatch) {
        let rating: Double?
        switch event.kind {
        case .feedbackText: rating = nil
        case .ratingGiven: rating = event.number
        default: return
        }
        let start = changes.textBytes.count
        let end = Int(event.textStart) + Int(event.textLength)
        guard end <= batch.text.count else { return }
        for index in Int(event.textStart)..<end { changes.textBytes.append(batch.text[index]) }
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
