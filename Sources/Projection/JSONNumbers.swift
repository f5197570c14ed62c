// JSON arrays of numbers and of such arrays, written behind each other into one buffer without intermediate strings.

extension [UInt8] {
    /// Begins an array that stands alone.
    mutating func beginArray() { append(UInt8(ascii: "[")) }

    /// Begins an array within an array.
    mutating func openArray() {
        separate()
        append(UInt8(ascii: "["))
    }

    mutating func closeArray() { append(UInt8(ascii: "]")) }

    mutating func addNumber(_ number: UInt64) {
        separate()
        if number < 10 { return append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number)) }
        if number < 100 {
            append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number / 10))
            return append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number % 10))
        }
        let start = count
        var rest = number
        while rest > 0 {
            append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        }
        self[start...].reverse()
    }

    mutating func addNumber(_ number: Double) {
        if number >= 0, number < 0x1p50 {
            // Devices count in halves and quarters more often than in other fractions.
            let quarters = UInt64(number * 4)
            if Double(quarters) == number * 4 {
                addNumber(quarters / 4)
                switch quarters % 4 {
                case 1: self += [UInt8(ascii: "."), UInt8(ascii: "2"), UInt8(ascii: "5")]
                case 2: self += [UInt8(ascii: "."), UInt8(ascii: "5")]
                case 3: self += [UInt8(ascii: "."), UInt8(ascii: "7"), UInt8(ascii: "5")]
                default: break
                }
                return
            }
        }
        separate()
        // JSON has no infinity; readers of this one take 9e999 for it.
        self += Array((number.isFinite ? "\(number)" : number > 0 ? "9e999" : "-9e999").utf8)
    }

    private mutating func separate() {
        if last != UInt8(ascii: "[") { append(UInt8(ascii: ",")) }
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

/// How many places the histogram of a rating scale has.
func histogramPlaces(_ scale: UInt8) -> Int {
    switch scale {
    case 0: 5
    case 1: 2
    case 2...9: Int(scale)
    default: 11
    }
}
