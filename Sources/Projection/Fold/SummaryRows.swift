// Finding and making the rows of the fold.

import Admission
import Events

extension SummaryState {
    /// Makes a product known and part of the next checkpoint.
    mutating func touch(product: Int) {
        if product >= products.count { growProducts(to: product) }
        products[product].isDirty = true
        products[product].isKnown = true
        dirty.products.append(UInt32(product))
    }

    mutating func growProducts(to product: Int) {
        products.extend(to: product + 1, repeating: ProductRow())
    }

    mutating func growDevices(to device: Int) {
        devices.extend(to: device + 1, repeating: DeviceRow())
        newestTimes.extend(to: device + 1, repeating: DeviceIdentity.noTime)
    }

    /// The slot of an aspect of a product; nil when there is no room for another one.
    @inline(__always) mutating func slot(_ product: Int, _ aspect: UInt32) -> Int? {
        let key = IndexTable.key(UInt32(product), aspect)
        if let slot = slotIndex.find(key) { return slot }
        guard products[product].aspectCount < UInt32(ProjectionLimits.aspectsPerProduct),
            aspects.count < ProjectionLimits.aspects
        else { return nil }
        var row = AspectRow()
        row.product = UInt32(product)
        row.aspect = aspect
        row.ordinal = products[product].aspectCount
        products[product].aspectCount += 1
        slotIndex.insert(key, aspects.count)
        aspects.appendRow(row)
        openDays.appendRow(OpenDay(row))
        return aspects.count - 1
    }

    /// The row of a product's day; nil when it has too many days.
    @inline(__always) mutating func productDay(_ product: Int, _ day: Int32) -> Int? {
        if products[product].day == day { return Int(products[product].dayRow) }
        let key = IndexTable.key(UInt32(product), UInt32(bitPattern: day))
        guard let row = productDayIndex.find(key) ?? makeProductDay(product, day, key) else { return nil }
        products[product].day = day
        products[product].dayRow = UInt32(row)
        return row
    }

    private mutating func makeProductDay(_ product: Int, _ day: Int32, _ key: UInt64) -> Int? {
        guard products[product].dayCount < UInt32(ProjectionLimits.days) else { return nil }
        products[product].dayCount += 1
        var row = ProductDayRow()
        row.product = UInt32(product)
        row.day = day
        productDayIndex.insert(key, productDays.count)
        productDays.appendRow(row)
        productDayDevices.appendRow(DistinctCount())
        productDayCustomers.appendRow(DistinctCount())
        return productDays.count - 1
    }

    /// The row of an aspect's day; nil when it, or its product, has too many days.
    mutating func aspectDay(_ slot: Int, _ day: Int32) -> Int? {
        let key = IndexTable.key(UInt32(slot), UInt32(bitPattern: day))
        return aspectDayIndex.find(key) ?? makeAspectDay(slot, day, key)
    }

    private mutating func makeAspectDay(_ slot: Int, _ day: Int32, _ key: UInt64) -> Int? {
        guard let productDay = productDay(Int(aspects[slot].product), day) else { return nil }
        var row = AspectDayRow()
        row.slot = UInt32(slot)
        row.productDay = UInt32(productDay)
        row.next = productDays[productDay].aspects
        productDays[productDay].aspects = UInt32(aspectDays.count)
        aspectDayIndex.insert(key, aspectDays.count)
        aspectDays.appendRow(row)
        return aspectDays.count - 1
    }

    /// The row of a choice; nil when it counts among the others.
    @inline(__always) mutating func choice(_ slot: Int, _ symbol: UInt32) -> Int? {
        let key = IndexTable.key(UInt32(slot), symbol)
        if let row = choiceIndex.find(key) { return row }
        guard aspects[slot].choiceCount < UInt32(ProjectionLimits.symbolsPerAspect) else { return nil }
        aspects[slot].choiceCount += 1
        var row = ChoiceRow()
        row.symbol = symbol
        row.next = aspects[slot].choices
        aspects[slot].choices = UInt32(choices.count)
        choiceIndex.insert(key, choices.count)
        choices.appendRow(row)
        return choices.count - 1
    }

    /// The row of a fault code; nil when it counts among the others.
    mutating func fault(_ slot: Int, _ symbol: UInt32) -> Int? {
        let key = IndexTable.key(UInt32(slot), symbol)
        if let row = faultIndex.find(key) { return row }
        guard aspects[slot].faultCount < UInt32(ProjectionLimits.symbolsPerAspect) else { return nil }
        aspects[slot].faultCount += 1
        var row = FaultRow()
        row.symbol = symbol
        row.next = aspects[slot].faults
        aspects[slot].faults = UInt32(faults.count)
        faultIndex.insert(key, faults.count)
        faults.appendRow(row)
        return faults.count - 1
    }

    /// The row of a bin of numbers; the overflow bin's when there is no room for another one.
    mutating func bin(_ slot: Int, _ number: Double) -> Int {
        bin(slot, at: NumberBins.bin(of: number)) ?? overflowBin(slot)
    }

    private mutating func overflowBin(_ slot: Int) -> Int {
        let key = IndexTable.key(UInt32(slot), UInt32(bitPattern: NumberBins.overflow))
        return binIndex.find(key) ?? makeBin(slot, NumberBins.overflow, key)
    }

    private mutating func bin(_ slot: Int, at bin: Int32) -> Int? {
        let key = IndexTable.key(UInt32(slot), UInt32(bitPattern: bin))
        if let row = binIndex.find(key) { return row }
        guard aspects[slot].binCount < UInt32(ProjectionLimits.binsPerAspect) else { return nil }
        return makeBin(slot, bin, key)
    }

    private mutating func makeBin(_ slot: Int, _ bin: Int32, _ key: UInt64) -> Int {
        aspects[slot].binCount += 1
        let row = addBin(bin, key, before: aspects[slot].bins)
        aspects[slot].bins = UInt32(row)
        return row
    }

    /// Makes the first bin of a list, which begins at `next` so far.
    mutating func addBin(_ bin: Int32, _ key: UInt64, before next: UInt32) -> Int {
        var row = BinRow()
        (row.bin, row.next) = (bin, next)
        binIndex.insert(key, bins.count)
        bins.appendRow(row)
        return bins.count - 1
    }

    /// The row of a rating scale of an aspect.
    mutating func ratingRow(_ slot: Int, _ scale: UInt8) -> Int {
        var row = openDays[slot].ratings
        while row != RowIndex.none {
            if ratings[Int(row)].scale == scale { return Int(row) }
            row = ratings[Int(row)].next
        }
        var new = RatingRow()
        new.scale = scale
        new.next = openDays[slot].ratings
        openDays[slot].ratings = UInt32(ratings.count)
        ratings.appendRow(new)
        return ratings.count - 1
    }

    /// The row of a product's events that were quarantined for a reason. Most products have none, few more than two.
    mutating func quarantine(_ product: Int, _ reason: QuarantineReason) -> Int {
        var row = products[product].quarantines
        while row != RowIndex.none {
            if quarantines[Int(row)].reason == reason.rawValue { return Int(row) }
            row = quarantines[Int(row)].next
        }
        var new = QuarantineRow()
        new.reason = reason.rawValue
        new.next = products[product].quarantines
        products[product].quarantines = UInt32(quarantines.count)
        quarantines.appendRow(new)
        return quarantines.count - 1
    }

    /// The row of a choice on one day.
    mutating func dayChoice(_ dayRow: Int, _ symbol: UInt32) -> Int {
        let key = IndexTable.key(UInt32(dayRow), symbol)
        if let row = dayChoiceIndex.find(key) { return row }
        var row = DayChoiceRow()
        row.symbol = symbol
        row.next = aspectDays[dayRow].choices
        aspectDays[dayRow].choices = UInt32(dayChoices.count)
        dayChoiceIndex.insert(key, dayChoices.count)
        dayChoices.appendRow(row)
        return dayChoices.count - 1
    }
}
