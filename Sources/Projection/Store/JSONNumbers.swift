// JSON arrays of numbers and of such arrays, written into the buffer of a row without intermediate strings.

import Events

/// Room for numbers as JSON.
enum JSONNumbers {
    /// The most bytes that a number takes, with the comma before it: `,-2.2250738585072014e-308`. A bracket takes less.
    static let numberBytes = 25
}

extension OutputSpan<UInt8> {
    /// Begins an array, alone or within another one.
    mutating func openArray() {
        separate()
        append(UInt8(ascii: "["))
    }

    mutating func closeArray() { append(UInt8(ascii: "]")) }

    mutating func addNumber(_ number: UInt64) {
        separate()
        if number < 10 { return addDigit(number) }
        var unit: UInt64 = 10
        while number / unit >= 10 { unit *= 10 }
        var rest = number
        while unit > 0 {
            addDigit(rest / unit)
            rest %= unit
            unit /= 10
        }
    }

    mutating func addNumber(_ number: Double) {
        if number >= 0, number < 0x1p50 {
            // Devices count in halves and quarters more often than in other fractions.
            let quarters = UInt64(number * 4)
            if Double(quarters) == number * 4 {
                addNumber(quarters / 4)
                guard quarters % 4 > 0 else { return }
                append(UInt8(ascii: "."))
                if quarters % 2 == 0 { return addDigit(5) }
                addDigit(quarters % 4 == 1 ? 2 : 7)
                return addDigit(5)
            }
        }
        separate()
        // JSON has no infinity; readers of this one take 9e999 for it.
        let text = number.isFinite ? "\(number)" : number > 0 ? "9e999" : "-9e999"
        for byte in text.utf8 { append(byte) }
    }

    @inline(__always) private mutating func addDigit(_ digit: UInt64) {
        append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: digit))
    }

    @inline(__always) private mutating func separate() {
        if count > 0, span[count &- 1] != UInt8(ascii: "[") { append(UInt8(ascii: ",")) }
    }
}

/// The bounds within which the true share of top ratings lies with 95 % confidence (E. B. Wilson, 1927).
func wilsonBounds(_ top: UInt64, of count: UInt64) -> (low: Double, high: Double) {
    guard count > 0 else { return (0, 1) }
    let n = Double(count)
    let share = Double(top) / n
    let z = 1.959_963_984_540_054
    let middle = share + z * z / (2 * n)
    let spread = z * (share * (1 - share) / n + z * z / (4 * n * n)).squareRoot()
    let scale = 1 + z * z / n
    return (max(0, (middle - spread) / scale), min(1, (middle + spread) / scale))
}

/// How many buckets the histogram of a rating scale has.
func histogramBuckets(_ scale: UInt8) -> Int {
    switch scale {
    case 0: 5
    case 1: 2
    case 2...9: Int(scale)
    case Event.scaleOneToTen: 10
    default: RatingRow.mostBuckets
    }
}
