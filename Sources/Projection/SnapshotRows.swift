// The bytes of every row of the fold. Hints that only save time are left out.

import Events

/// A row that a snapshot keeps.
protocol SnapshotRow {
    func write(to writer: inout ByteWriter)
    init(from reader: inout ByteReader)
}

extension KindCounts: SnapshotRow {
    func write(to writer: inout ByteWriter) {
        writer.write(preferences)
        writer.write(ratings)
        writer.write(uses)
        writer.write(texts)
        writer.write(faults)
        writer.write(others)
    }

    init(from reader: inout ByteReader) {
        self.init()
        preferences = reader.read()
        ratings = reader.read()
        uses = reader.read()
        texts = reader.read()
        faults = reader.read()
        others = reader.read()
    }
}

extension NumberSum: SnapshotRow {
    func write(to writer: inout ByteWriter) {
        writer.write(count)
        writer.write(sum)
        writer.write(least)
        writer.write(most)
    }

    init(from reader: inout ByteReader) {
        self.init()
        count = reader.read()
        sum = reader.readDouble()
        least = reader.readDouble()
        most = reader.readDouble()
    }
}

extension RatingRow: SnapshotRow {
    func write(to writer: inout ByteWriter) {
        writer.write(scale)
        writer.write(next)
        writer.write(count)
        writer.write(sum)
        writer.write(top)
        for place in 0..<11 { writer.write(histogram[place]) }
    }

    init(from reader: inout ByteReader) {
        scale = reader.read8()
        next = reader.read32()
        count = reader.read()
        sum = reader.readDouble()
        top = reader.read()
        for place in 0..<11 { histogram[place] = reader.read() }
    }
}

extension FaultRow: SnapshotRow {
    func write(to writer: inout ByteWriter) {
        writer.write(word)
        writer.write(next)
        writer.write(events)
        writer.write(times)
        writer.write(severity)
    }

    init(from reader: inout ByteReader) {
        word = reader.read32()
        next = reader.read32()
        events = reader.read()
        times = reader.read()
        severity = reader.read8()
    }
}

extension ChoiceRow: SnapshotRow {
    func write(to writer: inout ByteWriter) {
        writer.write(word)
        writer.write(next)
        writer.write(now)
        writer.write(sets)
    }

    init(from reader: inout ByteReader) {
        word = reader.read32()
        next = reader.read32()
        now = reader.read()
        sets = reader.read()
    }
}

extension BinRow: SnapshotRow {
    func write(to writer: inout ByteWriter) {
        writer.write(bin)
        writer.write(next)
        writer.write(count)
        writer.write(sum)
    }

    init(from reader: inout ByteReader) {
        bin = reader.readSigned32()
        next = reader.read32()
        count = reader.read()
        sum = reader.readDouble()
    }
}

extension DayWordRow: SnapshotRow {
    func write(to writer: inout ByteWriter) {
        writer.write(word)
        writer.write(next)
        writer.write(sets)
    }

    init(from reader: inout ByteReader) {
        word = reader.read32()
        next = reader.read32()
        sets = reader.read()
    }
}

extension AspectRow: SnapshotRow {
    func write(to writer: inout ByteWriter) {
        writer.write(product)
        writer.write(aspect)
        writer.write(ordinal)
        writer.write(unit)
        writer.write(maxSeverity)
        kinds.write(to: &writer)
        writer.write(first)
        writer.write(last)
        writer.write(devices)
        writer.write(customers)
        writer.write(choosing)
        writer.write(flagsOn)
        writer.write(flagsOff)
        writer.write(numbering)
        writer.write(otherNow)
        writer.write(otherSets)
        writer.write(moves)
        writer.write(late)
        writer.write(useTotal)
        writer.write(faultTotal)
        writer.write(otherFaults)
        numbers.write(to: &writer)
        stint.write(to: &writer)
        writer.write(stintRow)
        for place in 0..<5 { writer.write(quantiles[place]) }
        writer.write(words)
        writer.write(wordCount)
        writer.write(faults)
        writer.write(faultCount)
        writer.write(bins)
        writer.write(binCount)
        writer.write(ratings)
        writer.write(dayCount)
    }

    init(from reader: inout ByteReader) {
        product = reader.read32()
        aspect = reader.read32()
        ordinal = reader.read32()
        unit = reader.read32()
        maxSeverity = reader.read8()
        kinds = KindCounts(from: &reader)
        first = reader.readSigned()
        last = reader.readSigned()
        devices = reader.read()
        customers = reader.read()
        choosing = reader.read()
        flagsOn = reader.read()
        flagsOff = reader.read()
        numbering = reader.read()
        otherNow = reader.read()
        otherSets = reader.read()
        moves = reader.read()
        late = reader.read()
        useTotal = reader.read()
        faultTotal = reader.read()
        otherFaults = reader.read()
        numbers = NumberSum(from: &reader)
        stint = NumberSum(from: &reader)
        stintRow = reader.read32()
        for place in 0..<5 { quantiles[place] = reader.readDouble() }
        words = reader.read32()
        wordCount = reader.read32()
        faults = reader.read32()
        faultCount = reader.read32()
        bins = reader.read32()
        binCount = reader.read32()
        ratings = reader.read32()
        dayCount = reader.read32()
    }
}

extension AspectDayRow: SnapshotRow {
    func write(to writer: inout ByteWriter) {
        writer.write(slot)
        writer.write(day)
        writer.write(words)
        kinds.write(to: &writer)
        writer.write(ratingCount)
        writer.write(ratingSum)
        for place in 0..<5 { writer.write(histogram[place]) }
        writer.write(useTotal)
        writer.write(faultTotal)
        writer.write(otherSets)
        numbers.write(to: &writer)
    }

    init(from reader: inout ByteReader) {
        slot = reader.read32()
        day = reader.readSigned32()
        words = reader.read32()
        kinds = KindCounts(from: &reader)
        ratingCount = reader.read()
        ratingSum = reader.readDouble()
        for place in 0..<5 { histogram[place] = reader.read() }
        useTotal = reader.read()
        faultTotal = reader.read()
        otherSets = reader.read()
        numbers = NumberSum(from: &reader)
    }
}

extension ProductRow: SnapshotRow {
    func write(to writer: inout ByteWriter) {
        writer.write(UInt8(isKnown ? 1 : 0))
        writer.write(aspectCount)
        kinds.write(to: &writer)
        writer.write(first)
        writer.write(last)
        writer.write(devices)
        writer.write(customers)
        writer.write(missing)
        writer.write(duplicates)
        writer.write(unfiled)
        writer.write(useTotal)
        writer.write(faultTotal)
        writer.write(textNumber)
        for reason in 0..<16 { writer.write(quarantined[reason]) }
        rating.write(to: &writer)
        writer.write(dayCount)
    }

    init(from reader: inout ByteReader) {
        isKnown = reader.read8() != 0
        aspectCount = reader.read32()
        kinds = KindCounts(from: &reader)
        first = reader.readSigned()
        last = reader.readSigned()
        devices = reader.read()
        customers = reader.read()
        missing = reader.read()
        duplicates = reader.read()
        unfiled = reader.read()
        useTotal = reader.read()
        faultTotal = reader.read()
        textNumber = reader.read()
        for reason in 0..<16 { quarantined[reason] = reader.read() }
        rating = RatingRow(from: &reader)
        dayCount = reader.read32()
    }
}

extension ProductDayRow: SnapshotRow {
    func write(to writer: inout ByteWriter) {
        writer.write(product)
        writer.write(day)
        kinds.write(to: &writer)
        writer.write(ratingCount)
        writer.write(ratingSum)
    }

    init(from reader: inout ByteReader) {
        product = reader.read32()
        day = reader.readSigned32()
        kinds = KindCounts(from: &reader)
        ratingCount = reader.read()
        ratingSum = reader.readDouble()
    }
}

/// Without its windows, which are in the part for dedupe.
extension DeviceRow: SnapshotRow {
    func write(to writer: inout ByteWriter) {
        writer.write(product)
        writer.write(rank)
        writer.write(aspects)
        writer.write(preferences.held)
    }

    init(from reader: inout ByteReader) {
        product = reader.read32()
        rank = reader.read32()
        aspects = reader.read()
        preferences.held = reader.read()
    }
}

extension CustomerRow: SnapshotRow {
    func write(to writer: inout ByteWriter) {
        writer.write(product)
        writer.write(customer)
        writer.write(aspects)
    }

    init(from reader: inout ByteReader) {
        product = reader.read32()
        customer = reader.read32()
        aspects = reader.read()
    }
}

extension Preference: SnapshotRow {
    func write(to writer: inout ByteWriter) {
        writer.write(rank)
        writer.write(kind.rawValue)
        writer.write(row &+ 1)
        writer.write(seq)
        writer.write(bits)
    }

    init(from reader: inout ByteReader) {
        rank = reader.read32()
        kind = .init(rawValue: reader.read8()) ?? .none
        row = reader.read32() &- 1
        seq = reader.read()
        bits = reader.read()
    }
}

extension UInt64: SnapshotRow {
    func write(to writer: inout ByteWriter) { writer.write(self) }
    init(from reader: inout ByteReader) { self = reader.read() }
}
