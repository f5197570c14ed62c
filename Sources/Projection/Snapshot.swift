// The whole state as pages of bytes, so that a restart goes on where it was.

import Admission
import Events

/// The tables of the fold, by their number in the snapshot.
enum SnapshotPart: UInt32, CaseIterable, Sendable {
    case header = 0
    case dedupe, products, productDays, productDayDevices, productDayCustomers, aspects, aspectDays, devices, customers
    case preferences, ratings, choices, faults, bins, dayWords, wideDevices, wideCustomers

    /// Rows, or for the preferences places, in one page: fixed, so that a page changes only when its rows do.
    var pageRows: Int {
        switch self {
        case .productDayDevices, .productDayCustomers: 128
        case .preferences, .devices, .customers, .bins, .dayWords, .choices, .faults, .wideDevices, .wideCustomers:
            8_192
        default: 1_024
        }
    }
}

extension SummaryState {
    func pageCount(_ part: SnapshotPart) -> Int {
        let rows =
            switch part {
            case .header: 1
            case .dedupe: dedupe.pageCount * part.pageRows
            case .products: products.count
            case .productDays: productDays.count
            case .productDayDevices: productDayDevices.count
            case .productDayCustomers: productDayCustomers.count
            case .aspects: aspects.count
            case .aspectDays: aspectDays.count
            case .devices: devices.count
            case .customers: customers.count
            case .preferences: preferences.entries.count
            case .ratings: ratings.count
            case .choices: choices.count
            case .faults: faults.count
            case .bins: bins.count
            case .dayWords: dayWords.count
            case .wideDevices: wideDevices.keys.count
            case .wideCustomers: wideCustomers.keys.count
            }
        return (rows + part.pageRows - 1) / part.pageRows
    }

    func page(_ part: SnapshotPart, _ page: Int) -> [UInt8] {
        switch part {
        case .header:
            var writer = ByteWriter()
            writer.write(UInt64(ProjectionLimits.version))
            writer.write(offset.rawValue)
            writer.write(skipped)
            return writer.bytes
        case .dedupe: return dedupe.page(page)
        case .products: return encode(products, part, page)
        case .productDays: return encode(productDays, part, page)
        case .productDayDevices: return encode(productDayDevices, part, page)
        case .productDayCustomers: return encode(productDayCustomers, part, page)
        case .aspects: return encode(aspects, part, page)
        case .aspectDays: return encode(aspectDays, part, page)
        case .devices: return encode(devices, part, page)
        case .customers: return encode(customers, part, page)
        case .preferences: return encodePreferences(page)
        case .ratings: return encode(ratings, part, page)
        case .choices: return encode(choices, part, page)
        case .faults: return encode(faults, part, page)
        case .bins: return encode(bins, part, page)
        case .dayWords: return encode(dayWords, part, page)
        case .wideDevices: return encode(wideDevices.keys, part, page)
        case .wideCustomers: return encode(wideCustomers.keys, part, page)
        }
    }

    private func encode(_ rows: [some SnapshotRow], _ part: SnapshotPart, _ page: Int) -> [UInt8] {
        var writer = ByteWriter()
        for index in page * part.pageRows..<min(rows.count, (page + 1) * part.pageRows) {
            rows[index].write(to: &writer)
        }
        return writer.bytes
    }

    private func encodePreferences(_ page: Int) -> [UInt8] {
        var writer = ByteWriter()
        let rows = SnapshotPart.preferences.pageRows
        for place in page * rows..<min(preferences.entries.count, (page + 1) * rows) {
            let entry = preferences.entries[place]
            if entry.device != 0 { entry.write(to: &writer) }
        }
        return writer.bytes
    }

    /// Puts back a page. Pages of one part come in order, parts in any. False when it is damaged.
    mutating func restore(_ part: SnapshotPart, _ bytes: [UInt8]) -> Bool {
        var reader = ByteReader(bytes)
        switch part {
        case .header:
            guard reader.read() == UInt64(ProjectionLimits.version) else { return false }
            restore(offset: Offset(rawValue: reader.read()))
            skipped = reader.read()
        case .dedupe: return dedupe.restore(bytes.span)
        case .products: decode(&products, &reader)
        case .productDays: decode(&productDays, &reader)
        case .productDayDevices: decode(&productDayDevices, &reader)
        case .productDayCustomers: decode(&productDayCustomers, &reader)
        case .aspects: decode(&aspects, &reader)
        case .aspectDays: decode(&aspectDays, &reader)
        case .devices: decode(&devices, &reader)
        case .customers: decode(&customers, &reader)
        case .preferences: while !reader.isAtEnd { preferences.restore(Preference(from: &reader)) }
        case .ratings: decode(&ratings, &reader)
        case .choices: decode(&choices, &reader)
        case .faults: decode(&faults, &reader)
        case .bins: decode(&bins, &reader)
        case .dayWords: decode(&dayWords, &reader)
        case .wideDevices: while !reader.isAtEnd { wideDevices.restore(reader.read()) }
        case .wideCustomers: while !reader.isAtEnd { wideCustomers.restore(reader.read()) }
        }
        return !reader.isDamaged
    }

    private func decode<Row: SnapshotRow>(_ rows: inout [Row], _ reader: inout ByteReader) {
        while !reader.isAtEnd { rows.append(Row(from: &reader)) }
    }

    /// Makes the indexes anew over restored rows. False when the rows contradict each other.
    mutating func reindex() -> Bool {
        guard productDayDevices.count == productDays.count, productDayCustomers.count == productDays.count else {
            return false
        }
        for (row, day) in productDays.enumerated() {
            productDayIndex.insert(IndexTable.key(day.product, UInt32(bitPattern: day.day)), row)
        }
        for (row, customer) in customers.enumerated() {
            customerIndex.insert(IndexTable.key(customer.product, customer.customer), row)
        }
        for slot in aspects.indices {
            guard Int(aspects[slot].product) < products.count, reindex(slot) else { return false }
        }
        for row in aspectDays.indices {
            let day = aspectDays[row]
            aspectDayIndex.insert(IndexTable.key(day.slot, UInt32(bitPattern: day.day)), row)
            var next = day.words
            while next != AspectRow.none {
                guard Int(next) < dayWords.count else { return false }
                dayWordIndex.insert(IndexTable.key(UInt32(row), dayWords[Int(next)].word), Int(next))
                next = dayWords[Int(next)].next
            }
        }
        return true
    }

    private mutating func reindex(_ slot: Int) -> Bool {
        let row = aspects[slot]
        slotIndex.insert(IndexTable.key(row.product, row.aspect), slot)
        var next = row.words
        while next != AspectRow.none {
            guard Int(next) < choices.count else { return false }
            choiceIndex.insert(IndexTable.key(UInt32(slot), choices[Int(next)].word), Int(next))
            next = choices[Int(next)].next
        }
        next = row.faults
        while next != AspectRow.none {
            guard Int(next) < faults.count else { return false }
            faultIndex.insert(IndexTable.key(UInt32(slot), faults[Int(next)].word), Int(next))
            next = faults[Int(next)].next
        }
        next = row.bins
        while next != AspectRow.none {
            guard Int(next) < bins.count else { return false }
            binIndex.insert(IndexTable.key(UInt32(slot), UInt32(bitPattern: bins[Int(next)].bin)), Int(next))
            next = bins[Int(next)].next
        }
        return true
    }
}
