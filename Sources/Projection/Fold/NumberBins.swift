// Where a number lies on a logarithmic scale: the bins behind the quantiles.

import Events

extension Event.ValueKind {
    /// The number that the payload of a value of kind `whole` or `real` stands for.
    @inline(__always) func number(of bits: UInt64) -> Double {
        self == .whole ? Double(Int64(bitPattern: bits)) : Double(bitPattern: bits)
    }
}

/// The bins of a DDSketch (Masson, Rim, Lee 2019) with the cubic mapping instead of a logarithm: only additions and
/// multiplications, so the same number falls into the same bin on every machine.
///
/// Two numbers of one bin differ by less than 1 %; so any value within a bin stands for all of it to 1 %.
enum NumberBins {
    /// The bin of numbers that found no room (`ProjectionLimits.binsPerAspect`).
    static let overflow = Int32.max
    private static let origin: Int32 = 200_000
    /// Bins in one power of two. Where the cubic is flattest, one bin spans exp(0.7 / multiplier) = 1.01; elsewhere
    /// it spans less.
    private static let multiplier = 70.349_4

    /// Close to the logarithm to base two, and monotonous: exact at powers of two, a cubic between.
    @inline(__always) private static func position(_ magnitude: Double) -> Double {
        let part = magnitude.significand - 1
        return Double(magnitude.exponent) + ((6.0 / 35.0 * part - 3.0 / 5.0) * part + 10.0 / 7.0) * part
    }

    /// The bin of a finite number: 0 for zero, negative for negative numbers; ordered as the numbers are.
    @inline(__always) static func bin(of number: Double) -> Int32 {
        if number == 0 { return 0 }
        let index = Int32((position(number.magnitude) * multiplier).rounded(.down))
        return number > 0 ? origin + index : -(origin + index)
    }
}
