// The whole state as pages of bytes, so that a restart goes on where it was.

import Admission
import Bytes
import Events

/// The tables of the fold, by their number in the snapshot. The sets of members of products' days are not among them:
/// they only grow, and the checkpoint's rows have them.
enum SnapshotPart: UInt32, CaseIterable, Sendable {
    case header = 0
    case dedupe, products, productDays, aspects, aspectDays, devices, customers
    case preferences, otherPreferences, ratings, choices, faults, bins, dayChoices, wideDevices, wideCustomers
    case otherUnits, dayUnits, quarantines, ranks, consents
    /// The messages of the outbox, their entries in pieces, and what else it keeps.
    case messages, deliveries, outbox

    /// Rows, or devices for the preferences, in one page: fixed, so that a page changes only when its rows do.
    var pageRows: Int {
        switch self {
        case .dedupe: DedupeTable.pageDevices
        case .devices, .customers, .otherPreferences, .bins, .dayChoices, .choices, .faults, .wideDevices,
            .wideCustomers, .ranks:
            8_192
        case .messages: Outbox.pageMessages
        case .deliveries: Outbox.pagePieces
        default: 1_024
        }
    }
}

extension SummaryState {
    func pageCount(_ part: SnapshotPart) -> Int {
        let rows =
            switch part {
            case .header: 1
            case .dedupe, .preferences, .ranks: devices.count
            case .products: products.count
            case .productDays: productDays.count
            case .aspects: aspects.count
            case .aspectDays: aspectDays.count
            case .devices: devices.count
            case .customers: customers.count
            case .otherPreferences: otherPreferences.keys.count
            case .ratings: ratings.count
            case .choices: choices.count
            case .faults: faults.count
            case .bins: bins.count
            case .dayChoices: dayChoices.count
            case .wideDevices: wideDevices.keys.count
            case .wideCustomers: wideCustomers.keys.count
            case .otherUnits: otherUnits.count
            case .dayUnits: dayUnits.count
            case .quarantines: quarantines.count
            case .consents: consents.count
            case .messages: outbox.messages.count
            case .deliveries: outbox.pieceCount
            case .outbox: 1
            }
        return (rows + part.pageRows - 1) / part.pageRows
    }

    /// Appends a page's bytes.
    func write(_ part: SnapshotPart, page: Int, to bytes: inout [UInt8]) {
        let first = page * part.pageRows
        func add(_ rows: [some SnapshotRow]) { bytes.append(rows, first..<min(rows.count, first + part.pageRows)) }
        switch part {
        case .header: bytes.append([SummaryTables.digest, offset.rawValue, skipped], 0..<3)
        case .dedupe: bytes += identities.page(page, of: devices.count, identity)
        case .products: add(products)
        case .productDays: add(productDays)
        case .aspects: add(aspects)
        case .aspectDays: add(aspectDays)
        case .devices: add(devices)
        case .customers: add(customers)
        case .preferences:
            preferences.append(devices, first..<min(devices.count, first + part.pageRows), to: &bytes)
        case .otherPreferences:
            for index in first..<min(otherPreferences.keys.count, first + part.pageRows) {
                bytes.append(otherPreferences.keys, index..<index + 1)
                bytes.append(otherPreferences.preferences, index..<index + 1)
            }
        case .ratings: add(ratings)
        case .choices: add(choices)
        case .faults: add(faults)
        case .bins: add(bins)
        case .dayChoices: add(dayChoices)
        case .wideDevices: add(wideDevices.keys)
        case .wideCustomers: add(wideCustomers.keys)
        case .ranks:
            for device in devices[first..<min(devices.count, first + part.pageRows)] {
                identities.older.forEachRank(of: device.epochs) { appendVarint(UInt64($0), to: &bytes) }
            }
        case .otherUnits: add(otherUnits)
        case .dayUnits: add(dayUnits)
        case .quarantines: add(quarantines)
        case .consents: add(consents.consents)
        case .messages:
            outbox.writeMessages(first..<min(outbox.messages.count, first + part.pageRows), to: &bytes)
        case .deliveries: outbox.writePieces(first..<first + part.pageRows, to: &bytes)
        case .outbox: outbox.writeRest(to: &bytes)
        }
    }

    /// Puts back a page. Pages of one part come in order, parts in any. False when it is damaged.
    mutating func restore(_ part: SnapshotPart, _ bytes: [UInt8]) -> Bool {
        var reader = ByteReader(bytes)
        switch part {
        case .header:
            guard reader.read() == SummaryTables.digest else { return false }
            restore(offset: Offset(rawValue: reader.read()))
            skipped = reader.read()
        case .dedupe: return restoredDedupe.restore(bytes.span)
        case .products: decode(&products, &reader)
        case .productDays: decode(&productDays, &reader)
        case .aspects: decode(&aspects, &reader)
        case .aspectDays: decode(&aspectDays, &reader)
        case .devices: decode(&devices, &reader)
        case .customers: decode(&customers, &reader)
        case .preferences: while !reader.isAtEnd { restoredPreferences.append(reader.row()) }
        case .otherPreferences:
            while !reader.isAtEnd { otherPreferences.restore(reader.read(), reader.row()) }
        case .ratings: decode(&ratings, &reader)
        case .choices: decode(&choices, &reader)
        case .faults: decode(&faults, &reader)
        case .bins: decode(&bins, &reader)
        case .dayChoices: decode(&dayChoices, &reader)
        case .wideDevices: while !reader.isAtEnd { wideDevices.restore(reader.read()) }
        case .wideCustomers: while !reader.isAtEnd { wideCustomers.restore(reader.read()) }
        case .ranks: while !reader.isAtEnd { restoredRanks.append(reader.read32()) }
        case .otherUnits: decode(&otherUnits, &reader)
        case .dayUnits: decode(&dayUnits, &reader)
        case .quarantines: decode(&quarantines, &reader)
        case .consents: decode(&restoredConsents, &reader)
        case .messages: return outbox.restoreMessages(&reader)
        case .deliveries: return outbox.restorePieces(&reader)
        case .outbox: return outbox.restoreRest(&reader)
        }
        return !reader.isDamaged
    }

    private func decode<Row: SnapshotRow>(_ rows: inout [Row], _ reader: inout ByteReader) {
        while !reader.isAtEnd { rows.append(reader.row()) }
    }

    /// Makes the indexes anew over restored rows. False when the rows contradict each other.
    mutating func reindex() -> Bool {
        productDayDevices = Array(repeating: DistinctCount(), count: productDays.count)
        productDayCustomers = productDayDevices
        for (row, day) in productDays.enumerated() {
            guard Int(day.product) < products.count else { return false }
            productDayIndex.insert(IndexTable.key(day.product, UInt32(bitPattern: day.day)), row)
        }
        guard reindexDevices() else { return false }
        for (row, customer) in customers.enumerated() {
            customerIndex.insert(IndexTable.key(customer.product, customer.customer), row)
        }
        // A row stands in one list only: all lists of a kind together are no longer than the table, and none is a ring.
        var lists = Lists(self)
        for product in products {
            guard lists.quarantines.take(product.quarantines, of: quarantines, { _ in }) else { return false }
        }
        for slot in aspects.indices {
            let (product, day) = (Int(aspects[slot].product), aspects[slot].runDayRow)
            guard product < products.count, day == RowIndex.none || Int(day) < aspectDays.count, reindex(slot, &lists)
            else { return false }
        }
        for row in productDays.indices {
            var isOwn = true
            let isWhole = lists.days.take(productDays[row].aspects, of: aspectDays) {
                if Int(aspectDays[$0].productDay) != row { isOwn = false }
            }
            guard isWhole, isOwn else { return false }
        }
        for row in aspectDays.indices {
            let day = aspectDays[row]
            guard Int(day.slot) < aspects.count, Int(day.productDay) < productDays.count else { return false }
            let date = UInt32(bitPattern: productDays[Int(day.productDay)].day)
            aspectDayIndex.insert(IndexTable.key(day.slot, date), row)
            let isWhole = lists.dayChoices.take(day.choices, of: dayChoices) {
                dayChoiceIndex.insert(IndexTable.key(UInt32(row), dayChoices[$0].symbol), $0)
            }
            guard isWhole, lists.dayUnits.take(day.otherUnits, of: dayUnits, { _ in }) else { return false }
        }
        return true
    }

    /// Gives the devices their windows and preferences back.
    private mutating func reindexDevices() -> Bool {
        guard restoredDedupe.deviceCount == devices.count, outbox.reindex() else { return false }
        var next = 0
        for device in devices.indices {
            devices[device].epochs = restoredDedupe.current[device].epochs
            let customer = devices[device].customerRow
            guard customer == RowIndex.none || Int(customer) < customers.count else { return false }
            let held = devices[device].preferences.held
            let end = next + held.nonzeroBitCount
            guard end <= restoredPreferences.count else { return false }
            let entries = Array(restoredPreferences[next..<end])
            guard entries.allSatisfy(isSound) else { return false }
            devices[device].preferences = preferences.restore(entries, held)
            next = end
        }
        guard next == restoredPreferences.count, otherPreferences.preferences.allSatisfy(isSound) else { return false }
        newestTimes = restoredDedupe.current.map(\.newestTime)
        identities = restoredDedupe.memory
        guard restoreRanks(), let restored = ConsentTable(restoring: restoredConsents) else { return false }
        consents = restored
        (restoredDedupe, restoredPreferences, restoredRanks, restoredConsents) = (DedupeTable(), [], [], [])
        return true
    }

    /// Gives the devices' older epochs their ranks back.
    private mutating func restoreRanks() -> Bool {
        var next = 0
        for device in devices {
            let isWhole = identities.older.restoreRanks(of: device.epochs) {
                guard next < restoredRanks.count else { return nil }
                next += 1
                return restoredRanks[next - 1]
            }
            guard isWhole else { return false }
        }
        return next == restoredRanks.count
    }

    /// Whether the row that a preference names is there, and its number has a bin.
    private func isSound(_ preference: Preference) -> Bool {
        switch preference.kind {
        case .symbol: preference.row == RowIndex.none || Int(preference.row) < choices.count
        case .whole, .real:
            (preference.row == RowIndex.none || Int(preference.row) < bins.count)
                && preference.kind.number(of: preference.bits).isFinite
        case .flag: true
        // A number that is kept apart.
        case .none: Int(preference.row) < otherUnits.count && Double(bitPattern: preference.bits).isFinite
        }
    }

    /// Puts back the sets of a product's day, by the key of its row. False when they are damaged. The row may be
    /// younger than the state: then the state will come to those members, or to the whole day, again.
    mutating func restoreSets(_ key: Int64, devices: [UInt8], customers: [UInt8]) -> Bool {
        let product = UInt32(truncatingIfNeeded: key >> 32)
        let day = Int32(truncatingIfNeeded: (key & 0xffff_ffff) + Int64(Int32.min))
        guard let row = productDayIndex.find(IndexTable.key(product, UInt32(bitPattern: day))) else { return true }
        guard let devices = DistinctCount(encoded: devices.span), let customers = DistinctCount(encoded: customers.span)
        else { return false }
        productDayDevices[row] = devices
        productDayCustomers[row] = customers
        return true
    }

    private mutating func reindex(_ slot: Int, _ lists: inout Lists) -> Bool {
        let row = aspects[slot]
        openDays.append(OpenDay(row))
        slotIndex.insert(IndexTable.key(row.product, row.aspect), slot)
        let key = UInt32(slot)
        return lists.choices.take(row.choices, of: choices) {
            choiceIndex.insert(IndexTable.key(key, choices[$0].symbol), $0)
        }
            && lists.faults.take(row.faults, of: faults) {
                faultIndex.insert(IndexTable.key(key, faults[$0].symbol), $0)
            }
            && lists.bins.take(row.bins, of: bins) {
                binIndex.insert(IndexTable.key(key, UInt32(bitPattern: bins[$0].bin)), $0)
            }
            && lists.ratings.take(row.ratings, of: ratings) { _ in }
            && reindexOtherUnits(row.otherUnits, &lists)
    }

    private mutating func reindexOtherUnits(_ first: UInt32, _ lists: inout Lists) -> Bool {
        var rows: [Int] = []
        guard lists.otherUnits.take(first, of: otherUnits, { rows.append($0) }) else { return false }
        for row in rows {
            let isWhole = lists.bins.take(otherUnits[row].bins, of: bins) {
                binIndex.insert(Self.binKey(row, bins[$0].bin), $0)
            }
            guard isWhole else { return false }
        }
        return true
    }
}

/// The lists of each table.
private struct Lists {
    var ratings: RowsLeft
    var choices: RowsLeft
    var faults: RowsLeft
    var bins: RowsLeft
    var dayChoices: RowsLeft
    var days: RowsLeft
    var otherUnits: RowsLeft
    var dayUnits: RowsLeft
    var quarantines: RowsLeft

    init(_ state: borrowing SummaryState) {
        ratings = RowsLeft(count: state.ratings.count)
        choices = RowsLeft(count: state.choices.count)
        faults = RowsLeft(count: state.faults.count)
        bins = RowsLeft(count: state.bins.count)
        dayChoices = RowsLeft(count: state.dayChoices.count)
        days = RowsLeft(count: state.aspectDays.count)
        otherUnits = RowsLeft(count: state.otherUnits.count)
        dayUnits = RowsLeft(count: state.dayUnits.count)
        quarantines = RowsLeft(count: state.quarantines.count)
    }
}

/// How many rows of a table may still stand in lists.
private struct RowsLeft {
    var count: Int

    /// Takes the rows of a list, each by its index. False when it leads to no row, or no row is left.
    mutating func take<Row: LinkedRow>(_ first: UInt32, of rows: [Row], _ body: (Int) -> Void) -> Bool {
        var next = first
        while next != RowIndex.none {
            count -= 1
            guard Int(next) < rows.count, count >= 0 else { return false }
            body(Int(next))
            next = rows[Int(next)].next
        }
        return true
    }
}
