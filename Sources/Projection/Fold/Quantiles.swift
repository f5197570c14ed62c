// What the numbers are that devices hold now: their quantiles and their mean, from the bins.

import Events

/// The value that a share of the numbers held now does not exceed, for each of 5, 25, 50, 75 and 95 %; and their mean.
struct HeldNumbers: BitwiseCopyable {
    var quantiles = InlineArray<5, Double>(repeating: 0)
    var mean = 0.0
}

extension SummaryState {
    /// Brings the quantiles of an aspect up to date, and those of its other units.
    mutating func refreshQuantiles(_ slot: Int) {
        if openDays[slot].areNumbersDirty {
            openDays[slot].areNumbersDirty = false
            let before = HeldNumbers(quantiles: aspects[slot].quantiles, mean: aspects[slot].meanNow)
            let now = held(aspects[slot].bins, Int(aspects[slot].binCount), before)
            (aspects[slot].quantiles, aspects[slot].meanNow) = (now.quantiles, now.mean)
        }
        var next = aspects[slot].otherUnits
        while next != RowIndex.none {
            let row = Int(next)
            next = otherUnits[row].next
            guard otherUnits[row].areNumbersDirty else { continue }
            otherUnits[row].areNumbersDirty = false
            let before = HeldNumbers(quantiles: otherUnits[row].quantiles, mean: otherUnits[row].meanNow)
            let now = held(otherUnits[row].bins, Int(otherUnits[row].binCount), before)
            (otherUnits[row].quantiles, otherUnits[row].meanNow) = (now.quantiles, now.mean)
        }
    }

    /// Of a list of bins; what no number is held for stays as it was.
    private func held(_ first: UInt32, _ count: Int, _ before: HeldNumbers) -> HeldNumbers {
        var result = before
        var held: [(bin: Int32, count: UInt64, value: Double)] = []
        held.reserveCapacity(count)
        var (all, sum) = (0 as UInt64, 0.0)
        var next = first
        while next != RowIndex.none {
            let row = bins[Int(next)]
            all += row.count
            sum += row.sum
            if row.count > 0, row.bin != NumberBins.overflow {
                held.append((row.bin, row.count, row.sum / Double(row.count)))
            }
            next = row.next
        }
        if all > 0 { result.mean = sum / Double(all) }
        held.sort { $0.bin < $1.bin }
        let total = held.reduce(0) { $0 + $1.count }
        guard total > 0 else { return result }
        for (index, percent) in [5, 25, 50, 75, 95].enumerated() {
            let rank = (total - 1) * UInt64(percent) / 100
            var seen: UInt64 = 0
            for bin in held {
                seen += bin.count
                if seen > rank {
                    result.quantiles[index] = bin.value
                    break
                }
            }
        }
        return result
    }
}
