// Random numbers that are the same on every machine and in every release: integers and IEEE arithmetic only.

/// SplitMix64 (Steele, Lea, Flood 2014): one 64-bit word of state, any seed is a good one.
package struct SplitMix64: Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    @inline(__always)
    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }

    /// A whole number in `0 ..< bound`. The bias is below `bound` / 2^64.
    @inline(__always)
    package mutating func below(_ bound: Int) -> Int {
        Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// A number in `0 ..< 1`, a multiple of 2^-53.
    @inline(__always)
    package mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
}

/// A discrete distribution over `0 ..< count`, drawn by Walker's alias method.
///
/// The weights may come from the C library's `pow` and `exp`; they are rounded to 32 bits, so that a last bit that
/// differs between two libraries does not change a single event.
package struct Distribution: Sendable {
    private var threshold: [UInt64]
    private var alias: [Int]

    package init(weights: [Double]) {
        let count = weights.count
        let sum = weights.reduce(0, +)
        let one = UInt64(1) << 32
        // Work in units of 2^-32 of one slot; what rounding loses goes to the first entry.
        var share = weights.map { UInt64(($0 / sum * Double(count) * Double(one)).rounded()) }
        let total = share.reduce(0, +)
        share[0] = share[0] &+ (one * UInt64(count) &- total)
        threshold = Array(repeating: one, count: count)
        alias = Array(0..<count)
        var small = share.indices.filter { share[$0] < one }
        var large = share.indices.filter { share[$0] >= one }
        while let low = small.popLast(), let high = large.last {
            threshold[low] = share[low]
            alias[low] = high
            share[high] -= one - share[low]
            if share[high] < one {
                large.removeLast()
                small.append(high)
            }
        }
    }

    @inline(__always)
    package func draw(_ random: inout SplitMix64) -> Int {
        let word = random.next()
        let slot = Int(truncatingIfNeeded: word.multipliedFullWidth(by: UInt64(threshold.count)).high)
        return random.next() >> 32 < threshold[slot] ? slot : alias[slot]
    }
}
